"""Pages as HTML: their policy, their language, and the errors that a browser shows to a person."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

from flask import Flask, Response, g, redirect, render_template, request

from inbox.errors import DomainError
from inbox.page.assets import LANGUAGES, Assets, assets
from inbox.page.words import Words, words
from inbox.web import cookies, principal, runtime

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types inbox",
    )
)
THEMES = ("system", "light", "dark")


def current() -> Assets:
    """The files of this release; in development, those that are there now."""
    return assets(fresh=not runtime().config.production)


def styles(page: str | None = None) -> list[str]:
    """What a page looks like: in one file for every page and one of its own, or one by one for who works on them."""
    return current().styles(page, joined=runtime().config.production)


def language() -> str:
    """The reader's choice, else what their browser prefers."""
    chosen = getattr(g.get("principal"), "preferences", {}).get("language")
    preferred = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality > 0)
    return chosen if chosen in LANGUAGES else next((each for each in preferred if each in LANGUAGES), LANGUAGES[0])


def theme() -> str:
    """The reader's choice, else the system's."""
    chosen = getattr(g.get("principal"), "preferences", {}).get("theme")
    return chosen if chosen in THEMES else THEMES[0]


def spoken() -> Words:
    """The words of the reader's language."""
    return words(language(), fresh=not runtime().config.production)


def page(template: str, status: int = 200, /, **values: Any) -> Response:
    """A page of ours. It holds what is its reader's alone, so nothing keeps it."""
    said = spoken()
    common: dict[str, Any] = {"t": said.say, "lang": said.language, "theme": theme(), "address": current().address}
    common["styles"] = styles()
    response = Response(render_template(template, **common | values), status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = "private, no-store"
    response.vary.update(["Accept-Language", "Cookie"])
    return response


def sign_in_address(path: str) -> str:
    """Where to sign in, and come back to `path`."""
    return "/sign-in" if path == "/inbox" else f"/sign-in?{urlencode({'next': path})}"


# --- errors, for people ------------------------------------------------------------------------------------------


def register(app: Flask) -> None:
    """Let browsers show errors as pages. Programs get problem+json, as the routes made it."""
    app.after_request(_for_people)


def wants_page() -> bool:
    """True when a person looks at this answer in a browser: a page is wanted more than JSON."""
    accepted = request.accept_mimetypes
    return accepted["text/html"] > accepted["application/json"]


def _for_people(response: Response) -> Response:
    if response.mimetype != "application/problem+json" or not wants_page():
        return response
    signed_out = response.status_code == 401 and request.method == "GET"
    if signed_out and request.blueprint == "page":
        shown: Any = redirect(sign_in_address(request.full_path.rstrip("?")), 303)
    else:
        shown = _error_page(response)
    kept = {name: value for name, value in response.headers.items() if name not in _ABOUT_THE_BODY}
    shown.headers.extend(kept)
    return shown  # type: ignore[no-any-return]


_ABOUT_THE_BODY = {"Content-Type", "Content-Length", "Cache-Control", "Content-Security-Policy", "Vary"}


def _error_page(response: Response) -> Response:
    """What went wrong, in the reader's language, with what they can do about it."""
    problem, status = response.get_json(), response.status_code
    if status == 404 and cookies.given() is not None:
        with suppress(DomainError):
            principal()  # whose language the page is told in: no route has asked who reads
    said = spoken()
    key = next(
        (each for each in (f"error.{problem['code']}", f"error.{status}") if said.has(f"{each}.title")), "error.other"
    )
    return page(
        "error.html",
        status,
        title=said.say(f"{key}.title"),
        detail=said.say(f"{key}.detail"),
        request_id=problem["request_id"],
        again=_wait(response) if status in (429, 503) else None,
    )


def _wait(response: Response) -> int:
    """Seconds until the page asks again by itself."""
    given = response.headers.get("Retry-After", "")
    return min(60, max(3, int(given))) if given.isdecimal() else 5
