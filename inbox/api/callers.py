"""Who is calling, and whether they may: the decision every route carries."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from flask import g, request

from inbox.api.wiring import services
from inbox.auth.access import Access, Permission, Principal
from inbox.errors import MissingCredentials, PermissionDenied

_View = TypeVar("_View", bound=Callable[..., Any])


def requires(permission: Permission, *, everywhere: bool = False) -> Callable[[_View], _View]:
    """The route needs a known caller with `permission`, for one account at least; rows are checked by the service.

    `everywhere`: for what belongs to the whole installation, a permission for some accounts is not enough.
    """

    def decorate(view: _View) -> _View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            principal = caller()
            allowed = principal.may_everywhere if everywhere else principal.may_somewhere
            if not allowed(permission):
                raise PermissionDenied
            g.access = Access(principal, permission)
            return view(*args, **kwargs)

        checked.decision = permission  # type: ignore[attr-defined]  # a test walks all routes for it
        return cast("_View", checked)

    return decorate


def public(why: str) -> Callable[[_View], _View]:
    """Anybody may call the route; `why` says what makes that right."""

    def decorate(view: _View) -> _View:
        view.decision = f"public: {why}"  # type: ignore[attr-defined]
        return view

    return decorate


def access() -> Access:
    """The caller, with the permission this route asked for."""
    return cast("Access", g.access)


def caller() -> Principal:
    """Who is calling, found out once per request. Raises as `credential` and `Identities.identify`."""
    if "principal" not in g:
        g.principal = services().identities.identify(credential())
    return cast("Principal", g.principal)


def credential() -> str:
    """The token of this request, from the Authorization header. Raises MissingCredentials."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        raise MissingCredentials
    return token.strip() if scheme.lower() == "bearer" else ""
