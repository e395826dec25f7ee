"""What every answer tells browsers: run, embed and keep nothing that is not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask

from inbox.config import Config

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

#: A route may say otherwise by setting one itself.
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # not no-referrer: then browsers say nothing of where a form came from
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TOLD = [(name.lower(), (name, value)) for name, value in HEADERS.items()]
_ONE_YEAR = "max-age=31536000"  # of this host alone: what else is under its domain is not ours to decide


def register(app: Flask, config: Config) -> None:
    """Put them on every answer, errors included: on its way out, where they are a list and not looked through."""
    answer = app.wsgi_app

    def complete(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            said = {name.lower(): value for name, value in headers}
            headers += [each for name, each in _TOLD if name not in said]
            if "cache-control" not in said and not said.get("content-type", "").startswith("text/html"):
                headers.append(("Cache-Control", "no-store"))
            if config.production and environ["wsgi.url_scheme"] == "https" and "strict-transport-security" not in said:
                headers.append(("Strict-Transport-Security", _ONE_YEAR))
            return start(status, headers, *error)

        return answer(environ, begin)

    app.wsgi_app = complete  # type: ignore[assignment, method-assign]
