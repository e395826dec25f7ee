"""Who am I, and signing in and out.

Local users sign in with a password. Users of Supabase sign in there; they show its token, or exchange it for a session.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response

from inbox.errors import DatabaseUnavailable, NotExchangeable, TemporarilyUnavailable, UserDisabled, WrongPassword
from inbox.users.sign_in import service as sessions
from inbox.users.sign_in.schemas import Me, SignedIn, SignedOut, SignInBody, me
from inbox.web import answer, contract, cookies, member, principal, public, runtime
from inbox.web.callers import credential, csrf_token
from inbox.web.limits import limits
from inbox.web.limits.limits import address, network

bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.get("/me")
@member
@contract("auth", {200: Me})
def who_am_i() -> Response:
    """Who the caller is, and what they may do."""
    return answer(me(principal(), csrf_token=csrf_token()))


@bp.post("/login")
@public("signing in is how a stranger becomes known")
@contract("auth", {200: SignedIn}, raises=[WrongPassword, UserDisabled, TemporarilyUnavailable, DatabaseUnavailable])
def login(json: SignInBody) -> Response:
    """Sign in with a password. The session comes as a cookie and as a token."""
    db, here = runtime().db, address()
    with limits.sign_in(json.email, lambda: sessions.tell_locked_out(db, json.email, here)) as attempt:
        session = sessions.sign_in(
            db, json.email, json.password, lifetime=_lifetime(), network=network(), familiar=attempt.familiar
        )
        attempt.welcome(session.token)
    return _signed_in(session)


@bp.post("/session")
@member
@contract("auth", {200: SignedIn}, raises=[NotExchangeable])
def begin_session() -> Response:
    """Exchange a Supabase access token for a session, which goes on while Supabase is away.

    The session comes as a cookie and as a token, as after signing in with a password. It does not end when its holder
    signs out, is banned or deleted at Supabase: sign out here, or switch them off here.
    """
    token = credential().token
    if not runtime().identities.vouched(token):
        raise NotExchangeable
    return _signed_in(sessions.exchange(runtime().db, principal(), _lifetime()))


def _lifetime() -> timedelta:
    return timedelta(days=runtime().config.session_days)


def _signed_in(session: sessions.NewSession) -> Response:
    user = me(session.principal, csrf_token=cookies.csrf_token(session.token))
    response = answer(SignedIn(token=session.token, expires_at=session.expires_at, user=user))
    cookies.give(response, session.token, _lifetime())
    return response


@bp.post("/logout")
@member
@contract("auth", {200: SignedOut})
def logout() -> Response:
    """End this session. An API key or a Supabase token is not ended by this."""
    sessions.sign_out(runtime().db, credential().token)
    response = answer(SignedOut())
    response.headers.extend(cookies.ended())
    return response
