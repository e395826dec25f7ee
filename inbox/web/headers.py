"""What every answer tells browsers: run, embed and keep nothing that is not ours."""

from __future__ import annotations

from flask import Flask, Response, request

from inbox.config import Config

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
_ONE_YEAR = "max-age=31536000"  # of this host alone: what else is under its domain is not ours to decide


def register(app: Flask, config: Config) -> None:
    """Put them on every answer, errors included."""

    def complete(response: Response) -> Response:
        said = {name.lower() for name, _ in response.headers}  # looked up once: each look goes through all of them
        missing = [(name, value) for name, value in HEADERS.items() if name.lower() not in said]
        if "cache-control" not in said and response.mimetype != "text/html":
            missing.append(("Cache-Control", "no-store"))
        if config.production and request.is_secure and "strict-transport-security" not in said:
            missing.append(("Strict-Transport-Security", _ONE_YEAR))
        response.headers.extend(missing)
        return response

    app.after_request(complete)
