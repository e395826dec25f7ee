"""The session cookie of a browser, and the tokens that prove a write or a form was meant (CSRF)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from flask import Response, request
from werkzeug.http import dump_cookie

from inbox.auth.hashing import token_hash
from inbox.errors import ForgedRequest
from inbox.web.wiring import runtime

_NAME, _FORM = "inbox_session", "inbox_form"
CSRF_HEADER = "X-CSRF-Token"
_SALT, _MAC = 16, 64  # hexadecimal digits


def given() -> str | None:
    """The session token in this request's cookie."""
    return request.cookies.get(name()) if "HTTP_COOKIE" in request.environ else None  # webhooks bring none to read


def give(response: Response, token: str, lifetime: timedelta) -> None:
    """Let the browser keep the session: for this host only, out of reach of scripts and of other sites' requests."""
    response.set_cookie(name(), token, max_age=lifetime, secure=_secure(), httponly=True, samesite="Lax", path="/")


def ended() -> dict[str, str]:
    """The header that lets the browser forget the session."""
    return {"Set-Cookie": dump_cookie(name(), max_age=0, secure=_secure(), httponly=True, samesite="Lax", path="/")}


def csrf_token(token: str, *, salted: bool = False) -> str:
    """What a page of ours can read and another site's cannot: bound to the session, and nothing to be kept.

    `salted`: another one each time, all of them good. For answers that are compressed together with what strangers
    write: from the sizes of many, a secret that is always the same could be guessed.
    """
    return _signed("csrf", token_hash(token), secrets.token_hex(_SALT // 2) if salted else "")


def _signed(purpose: str, value: str, salt: str = "") -> str:
    key = runtime().config.secret_key.encode()
    return salt + hmac.new(key, f"{purpose} {salt}{value}".encode(), hashlib.sha256).hexdigest()


def check_meant(token: str) -> None:
    """For a write whose session came in a cookie, which browsers send along for any site. Raises ForgedRequest."""
    shown = request.headers.get(CSRF_HEADER, "")
    if _foreign() or not _same(shown, _signed("csrf", token_hash(token), shown[:-_MAC][:_SALT])):
        raise ForgedRequest


def _foreign() -> bool:
    return request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")


def _same(shown: str, right: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), right.encode("utf-8", "surrogatepass"))


# --- a form for strangers ----------------------------------------------------------------------------------------


def give_form_token(response: Response, form: str) -> None:
    """Let the browser keep what the form's hidden field (`form_token`) is checked against."""
    response.set_cookie(_prefixed(_FORM), form, secure=_secure(), httponly=True, samesite="Strict", path="/")


def form() -> str:
    """What this browser keeps for forms; new when it keeps nothing yet."""
    return request.cookies.get(_prefixed(_FORM)) or secrets.token_urlsafe(24)


def form_token(form: str) -> str:
    """The hidden field of a form: another site cannot know it, so it cannot sign somebody in as somebody else."""
    return _signed("form", form)


def form_is_ours(shown: str) -> bool:
    """True when a form that was sent came from a page of ours, in this browser."""
    kept = request.cookies.get(_prefixed(_FORM))
    return kept is not None and not _foreign() and _same(shown, form_token(kept))


def name() -> str:
    """With this prefix, browsers take the cookie over TLS only, and from this very host only."""
    return _prefixed(_NAME)


def _prefixed(cookie: str) -> str:
    return f"__Host-{cookie}" if _secure() else cookie


def _secure() -> bool:
    return runtime().config.production or request.is_secure
