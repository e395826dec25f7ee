"""Access tokens of Supabase as JSON Web Tokens: what they look like, whether a key made them, and what they must say.

Source: Supabase's docs, "JWT claims reference"; RFC 7515, 7519; RFC 8725 (the way of checking is chosen by what we
know of the key, never by the token).
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from inbox.errors import InvalidCredentials

if TYPE_CHECKING:
    import jwt

AUDIENCE = "authenticated"  # of tokens that people sign in with; an OIDC ID token has the client's id
LEEWAY = 10.0  # seconds that our clock and Supabase's may differ by
ASYMMETRIC = ("ES256", "RS256")
_LATEST = 1e11  # Unix seconds; a later end means never, and fits every arithmetic

#: Three parts in base64url, as Supabase writes them: without padding.
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_NAME = 200  # characters

Key: TypeAlias = "jwt.PyJWK | str"  #: a published key, or the project's secret


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says. Times are Unix seconds; `name` is for display, its holder can choose it."""

    subject: str
    expires_at: float
    not_before: float = 0.0
    name: str | None = None
    invited: bool = False  #: by an operator, in app_metadata


@dataclass(frozen=True, slots=True)
class Header:
    """How a token says it was signed."""

    algorithm: str
    kid: str | None


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token that looks like one. Nothing in it is to be believed yet."""

    header: Header
    payload: dict[str, Any]


def read(token: str) -> Unverified:
    """What `token` says of itself. Raises InvalidCredentials for what Supabase cannot have made."""
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        raise InvalidCredentials
    header, payload = _object(shape[1]), _object(shape[2])
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm.lower() in ("", "none"):
        raise InvalidCredentials
    if kid is not None and not isinstance(kid, str):
        raise InvalidCredentials
    return Unverified(Header(algorithm, kid), payload)


def verified(token: str, key: Key, issuer: str | None) -> Claims:
    """The claims of a token that `key` has signed, whatever the time is. Raises InvalidCredentials.

    PyJWT looks at `exp` before it looks at issuer and audience, so an expired token has not been checked for these:
    the times are left to the caller. A secret takes HS256 and nothing else, a published key its own algorithm.
    """
    import jwt  # only where there are such tokens: it would cost every start 40 ms and every process 12 MB

    try:
        payload = jwt.decode(
            token,
            key,
            algorithms=["HS256"] if isinstance(key, str) else ASYMMETRIC,
            audience=AUDIENCE,
            issuer=issuer,
            options={
                "require": ["exp", "sub", "aud"] if issuer is None else ["exp", "sub", "aud", "iss"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.PyJWTError:
        raise InvalidCredentials from None
    return claims_of(payload)


def claims_of(payload: dict[str, Any]) -> Claims:
    """The claims of a person who is signed in. Raises InvalidCredentials for any other kind of token.

    Anonymous users have role "authenticated" as well, and tokens made for an OAuth client are good for less than
    the person is. Service and anon keys have no `sub`.
    """
    subject = subject_of(payload.get("sub"))
    expires_at, not_before = _seconds(payload.get("exp")), _seconds(payload.get("nbf", 0))
    if subject is None or expires_at is None or not_before is None or payload.get("role") != AUDIENCE:
        raise InvalidCredentials
    if payload.get("is_anonymous") not in (None, False) or "client_id" in payload:
        raise InvalidCredentials
    return Claims(subject, expires_at, not_before, name_of(payload), invited_in(payload))


def subject_of(value: Any) -> str | None:
    """A UUID in the one spelling that is stored; None for anything else."""
    return str(UUID(value)) if isinstance(value, str) and _UUID.fullmatch(value) else None


def name_of(claims: dict[str, Any]) -> str | None:
    """What a user calls themselves (full_name or name of user_metadata): nothing to decide by."""
    metadata = claims.get("user_metadata")
    known = metadata if isinstance(metadata, dict) else {}
    for name in (known.get("full_name"), known.get("name")):
        if isinstance(name, str) and (shown := _printable(name)[:_NAME].strip()):
            return shown
    return None


def invited_in(claims: dict[str, Any]) -> bool:
    """Whether app_metadata, which only the service role can write, says `"invited": true`."""
    metadata = claims.get("app_metadata")
    return isinstance(metadata, dict) and metadata.get("invited") is True


def _object(part: str) -> dict[str, Any]:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        raise InvalidCredentials from None
    if not isinstance(value, dict):
        raise InvalidCredentials
    return value


def _seconds(value: Any) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or value != value:  # the last: not a number
        return None
    return float(max(0, min(value, _LATEST)))


def _printable(text: str) -> str:
    """On one line, without control characters, and without U+FFFD, which stands for what could not be read."""
    shown = (char if char.isprintable() and char != "\ufffd" else " " for char in text[: 4 * _NAME])
    return " ".join("".join(shown).split())
