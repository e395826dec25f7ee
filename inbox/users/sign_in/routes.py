"""Who am I, and signing in and out.

Local users and users of Supabase sign in with a password. Who has an access token of Supabase can show that instead, or
exchange it for a session.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response

from inbox.errors import (
    DatabaseUnavailable,
    EmailNotConfirmed,
    FieldProblem,
    HasNoPassword,
    IdentityUnavailable,
    InvalidRequest,
    NotAMember,
    NotAUser,
    NotExchangeable,
    TemporarilyUnavailable,
    UserDisabled,
    WrongPassword,
)
from inbox.users import preferences
from inbox.users.preferences import MePatch
from inbox.users.sign_in import service as sessions
from inbox.users.sign_in.schemas import Me, PasswordBody, SignedIn, SignedOut, SignInBody, me
from inbox.web import answer, contract, cookies, member, principal, public, runtime
from inbox.web.callers import credential, csrf_token
from inbox.web.limits import limits
from inbox.web.limits.limits import address, network

bp = Blueprint("auth", __name__, url_prefix="/auth")

#: Why an attempt to sign in with a password comes to nothing, besides TooManyRequests.
REFUSALS = (
    WrongPassword,
    UserDisabled,
    NotAMember,
    EmailNotConfirmed,
    TemporarilyUnavailable,
    IdentityUnavailable,
    DatabaseUnavailable,
)


@bp.get("/me")
@member
@contract("auth", {200: Me})
def who_am_i() -> Response:
    """Who the caller is, and what they may do."""
    return answer(me(principal(), csrf_token=csrf_token()))


@bp.patch("/me")
@member
@contract("auth", {200: Me}, raises=[NotAUser])
def change_me(json: MePatch) -> Response:
    """Change your own name or preferences. What is left out stays as it is."""
    changed = preferences.change_me(runtime().db, principal(), json)
    return answer(me(changed, csrf_token=csrf_token()))


@bp.post("/login")
@public("signing in is how a stranger becomes known")
@contract("auth", {200: SignedIn}, raises=REFUSALS)
def login(json: SignInBody) -> Response:
    """Sign in with a password, one of ours or of Supabase. The session comes as a cookie and as a token.

    While Supabase is away its users get 503 `identity_unavailable`; those who are signed in can go on.
    """
    return _signed_in(begin_with_password(json.email, json.password))


def begin_with_password(email: str, password: str) -> sessions.NewSession:
    """A new session, within the limits on attempts. Raises REFUSALS and TooManyRequests."""
    held, here = runtime(), address()
    with limits.sign_in(email, lambda: sessions.tell_locked_out(held.db, email, here)) as attempt:
        session = sessions.sign_in_with_password(
            held.db,
            held.identities,
            email,
            password,
            lifetime=session_lifetime(),
            network=network(),
            familiar=attempt.familiar,
        )
        attempt.welcome(session.token)
    return session


@bp.put("/password")
@member
@contract("auth", {200: SignedIn}, raises=[NotAUser, HasNoPassword, TemporarilyUnavailable])
def change_password(json: PasswordBody) -> Response:
    """Change your own password, if you sign in with one of this inbox. All your sessions end, and a new one begins."""
    held, caller, here = runtime(), principal(), address()
    if caller.kind != "user":
        raise NotAUser
    email = caller.email or ""
    try:
        with limits.sign_in(email, lambda: sessions.tell_locked_out(held.db, email, here)) as attempt:
            session = sessions.change_password(
                held.db,
                caller,
                json.current,
                json.password,
                lifetime=session_lifetime(),
                network=network(),
                familiar=attempt.familiar,
            )
            attempt.welcome(session.token)
    except WrongPassword:  # 401 would say that the session is over
        raise InvalidRequest([FieldProblem("/current", "password_wrong", "is not your password")]) from None
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
    return _signed_in(sessions.exchange(runtime().db, principal(), session_lifetime()))


def session_lifetime() -> timedelta:
    """How long a session lasts, and its cookie."""
    return timedelta(days=runtime().config.session_days)


def _signed_in(session: sessions.NewSession) -> Response:
    user = me(session.principal, csrf_token=cookies.csrf_token(session.token))
    response = answer(SignedIn(token=session.token, expires_at=session.expires_at, user=user))
    cookies.give(response, session.token, session_lifetime())
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
