"""The form by which people sign in. It works without JavaScript."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, request
from pydantic import ConfigDict

from inbox.clock import rfc3339, utc_now
from inbox.errors import DomainError, FormExpired, InvalidRequest, TooManyRequests
from inbox.page import html
from inbox.schemas import Query
from inbox.users.sign_in.routes import REFUSALS, begin_with_password, session_lifetime
from inbox.users.sign_in.schemas import SignInBody
from inbox.web import contract, cookies, principal, public
from inbox.web.requests import checked_body

bp = Blueprint("sign_in", __name__, template_folder="../templates")

_HTML = {"text/html": {"schema": {"type": "string"}}}
_MOST = 16 * 1024  # bytes of a form
_FORM = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("email", "password", "form", "next")},
    "required": ["email", "password", "form"],
}
_HOME = "/inbox"


class SignInQuery(Query):
    """Where to go afterwards, a path of ours; and why somebody came here, a word that we have a sentence for."""

    model_config = ConfigDict(extra="ignore")

    next: str = _HOME
    note: str | None = None


@bp.get("/sign-in")
@public("a stranger has to find the form")
@contract("page", {200: None, 303: None}, described={"responses": {"200": {"content": _HTML}}})
def get_sign_in(query: SignInQuery) -> Response:
    """The form to sign in with; who is signed in already is led on."""
    if _is_known():
        return _to(query.next)
    return _form(query.next, note=query.note)


@bp.post("/sign-in")
@public("signing in is how a stranger becomes known")
@contract(
    "page",
    {303: None},
    raises=[*REFUSALS, FormExpired, InvalidRequest],
    described={"requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": _FORM}}}},
)
def send_sign_in() -> Response:
    """Sign in by the form of GET /sign-in. Programs use POST /auth/login."""
    request.max_content_length = _MOST
    email, following = request.form.get("email", ""), request.form.get("next", _HOME)
    try:
        if not cookies.form_is_ours(request.form.get("form", "")):
            raise FormExpired
        given = checked_body(SignInBody, {"email": email, "password": request.form.get("password", "")})
        session = begin_with_password(cast("SignInBody", given).email, cast("SignInBody", given).password)
    except DomainError as error:
        if not html.wants_page():
            raise
        return _form(following, email=email, refused=error)
    response = _to(following)
    cookies.give(response, session.token, session_lifetime())
    return response


def _is_known() -> bool:
    """Whether this browser is signed in. While that cannot be told, the form is there."""
    try:
        return cookies.given() is not None and bool(principal())
    except DomainError:
        return False


def _to(path: str) -> Response:
    return cast("Response", redirect(path if _is_ours(path) else _HOME, 303))


def _is_ours(path: str) -> bool:
    """True for a path of this site. Browsers read \\ as / and drop control characters."""
    parts = urlsplit(path)
    return (
        path.startswith("/")
        and not path.startswith(("//", "/sign-in"))
        and "\\" not in path
        and path.isprintable()
        and not (parts.scheme or parts.netloc)
    )


def _form(following: str, *, email: str = "", refused: DomainError | None = None, note: str | None = None) -> Response:
    form, said = cookies.form(), html.spoken()
    told = _told(refused) if refused is not None else {}
    if note is not None and said.has(f"sign_in.note.{note}"):
        told["note"] = said.say(f"sign_in.note.{note}")
    response = html.page(
        "sign_in.html",
        refused.status if refused is not None else 200,
        form=cookies.form_token(form),
        next=following,
        email=email[:320],
        **told,
    )
    cookies.give_form_token(response, form)
    if refused is not None:
        response.headers.extend({name: value for name, value in refused.headers.items() if name != "Set-Cookie"})
    return response


def _told(refused: DomainError) -> dict[str, Any]:
    """Why it was refused. Where it says to wait, `again` is until when, which a script tells by the reader's clock."""
    said, key = html.spoken(), f"sign_in.refused.{refused.code}"
    wait = refused.headers.get("Retry-After", "")
    seconds = int(wait) if wait.isdecimal() else 0
    sentence = said.say(key if said.has(key) else "sign_in.refused.other", minutes=math.ceil(seconds / 60))
    locked = refused.code == TooManyRequests.code
    return {"refused": sentence, "again": rfc3339(utc_now() + timedelta(seconds=seconds)) if locked else None}
