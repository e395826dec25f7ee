"""Who is calling, and whether they may: the decision every route carries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar, cast

from flask import g, request

from inbox.auth.access import Access, Permission, Principal
from inbox.auth.identities import FRESH
from inbox.errors import InvalidCredentials, MissingCredentials, PermissionDenied
from inbox.web import cookies
from inbox.web.limits import limits
from inbox.web.wiring import runtime

_View = TypeVar("_View", bound=Callable[..., Any])
_READS = frozenset({"GET", "HEAD", "OPTIONS"})

# --- the decision of a route -------------------------------------------------------------------------------------


def requires(permission: Permission, *, everywhere: bool = False, within: float = FRESH) -> Callable[[_View], _View]:
    """The route needs a known caller with `permission`, for one account at least; rows are checked by the service.

    `everywhere`: for what belongs to the whole installation, a permission for some accounts is not enough.
    `within`: seconds that may have passed since the caller was looked up. A route that lets more than FRESH pass tells
    nothing before it has asked for `access_now`.
    """

    def check() -> None:
        caller = principal(within)
        allowed = caller.may_everywhere if everywhere else caller.may_somewhere
        if not allowed(permission):
            raise PermissionDenied.of(permission)
        g.access = Access(caller, permission)

    return _decided(permission, check, everywhere=everywhere)


def member(view: _View) -> _View:
    """The route needs a known caller, whatever they may do."""
    return _decided("member", lambda: cast("None", principal()))(view)


def public(why: str) -> Callable[[_View], _View]:
    """Anybody may call the route; `why` says what makes that right."""
    return _decided(f"public: {why}", None)


def _decided(decision: str, check: Callable[[], None] | None, *, everywhere: bool = False) -> Callable[[_View], _View]:
    def decorate(view: _View) -> _View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if check is not None:
                check()
            return view(*args, **kwargs)

        # A test walks all routes for them, and the OpenAPI document tells them.
        checked.decision, checked.everywhere = decision, everywhere  # type: ignore[attr-defined]
        return cast("_View", checked)

    return decorate


# --- who it is ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Credential:
    """What a request shows to say who sends it."""

    token: str = field(repr=False)
    in_cookie: bool


def access() -> Access:
    """The caller, with the permission this route asked for."""
    return cast("Access", g.access)


def access_now() -> Access:
    """The caller as they are now, for a route that was content with less. Raises what `principal` and `requires` do."""
    known: Access = g.access
    g.principal = caller = _identified(credential(), FRESH)
    if not caller.may_somewhere(known.permission):
        raise PermissionDenied.of(known.permission)
    g.access = Access(caller, known.permission)
    return cast("Access", g.access)


def principal(within: float = FRESH) -> Principal:
    """Who is calling, found out once per request; see `requires` for `within`.

    Raises MissingCredentials, ForgedRequest, and what `Identities.identify` raises.
    """
    if "principal" not in g:
        shown = credential()
        caller = _identified(shown, within)
        limits.admit(shown.token, caller)
        g.principal = caller
        if shown.in_cookie and request.method not in _READS:
            cookies.check_meant(shown.token)
    return cast("Principal", g.principal)


def _identified(shown: Credential, within: float) -> Principal:
    try:
        return runtime().identities.identify(shown.token, within=within)
    except InvalidCredentials as error:
        if shown.in_cookie:  # or the browser would be refused with it until it is closed
            error.headers.update(cookies.ended())
        raise


def credential() -> Credential:
    """From the Authorization header, else from the session cookie; read once per request. Raises MissingCredentials."""
    if "credential" not in g:
        g.credential = _shown()
    return cast("Credential", g.credential)


def _shown() -> Credential:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme:
        return Credential(token.strip() if scheme.lower() == "bearer" else "", in_cookie=False)
    kept = cookies.given()
    if kept is None:
        raise MissingCredentials
    return Credential(kept, in_cookie=True)


def csrf_token(*, salted: bool = False) -> str | None:
    """What this caller has to show with writes; None unless their session came in a cookie."""
    shown = credential()
    return cookies.csrf_token(shown.token, salted=salted) if shown.in_cookie else None
