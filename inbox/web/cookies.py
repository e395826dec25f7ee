"""The session cookie of a browser, and the token that proves a write was meant (CSRF)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from flask import Response, request
from werkzeug.http import dump_cookie

from inbox.auth.hashing import token_hash
from inbox.errors import ForgedRequest
from inbox.web.wiring import runtime

_NAME = "inbox_session"
CSRF_HEADER = "X-CSRF-Token"


def given() -> str | None:
    """The session token in this request's cookie."""
    return request.cookies.get(name())


def give(response: Response, token: str, lifetime: timedelta) -> None:
    """Let the browser keep the session: for this host only, out of reach of scripts and of other sites' requests."""
    response.set_cookie(name(), token, max_age=lifetime, secure=_secure(), httponly=True, samesite="Lax", path="/")


def ended() -> dict[str, str]:
    """The header that lets the browser forget the session."""
    return {"Set-Cookie": dump_cookie(name(), max_age=0, secure=_secure(), httponly=True, samesite="Lax", path="/")}


def csrf_token(token: str) -> str:
    """What a page of ours can read and another site's cannot: bound to the session, and nothing to be kept."""
    key = runtime().config.secret_key.encode()
    return hmac.new(key, f"csrf {token_hash(token)}".encode(), hashlib.sha256).hexdigest()


def check_meant(token: str) -> None:
    """For a write whose session came in a cookie, which browsers send along for any site. Raises ForgedRequest."""
    foreign = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    shown = request.headers.get(CSRF_HEADER, "").encode("utf-8", "surrogatepass")
    if foreign or not hmac.compare_digest(shown, csrf_token(token).encode()):
        raise ForgedRequest


def name() -> str:
    """With this prefix, browsers take the cookie over TLS only, and from this very host only."""
    return f"__Host-{_NAME}" if _secure() else _NAME


def _secure() -> bool:
    return runtime().config.production or request.is_secure
