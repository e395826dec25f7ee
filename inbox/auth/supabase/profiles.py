"""What Supabase says of a user, as far as membership depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from inbox.auth.addresses import LONGEST, confirmed_email
from inbox.auth.supabase import jwts
from inbox.auth.supabase.jwts import Claims
from inbox.errors import InvalidCredentials


@dataclass(frozen=True, slots=True)
class Profile:
    """What Supabase says of a user. `email` only if it is confirmed, as we store it; `name` is their own choice."""

    subject: str
    email: str | None
    name: str | None
    invited: bool  #: by an operator of the project, never by the user


def of_user(user: dict[str, Any], claims: Claims, now: float) -> Profile:
    """The profile in a user object, asked for with the token of `claims`. `now` is in Unix seconds.

    `invited_at` is written by the provider's invitation alone. Raises InvalidCredentials for somebody else than the
    token's subject, and for users who are banned or anonymous.
    """
    subject = jwts.subject_of(user.get("id"))
    if subject != claims.subject or user.get("is_anonymous") not in (None, False) or _banned(user, now):
        raise InvalidCredentials
    invited = bool(_text(user.get("invited_at"))) or jwts.invited_in(user)
    return Profile(subject, _confirmed_email(user), jwts.name_of(user), invited)


def of_claims(claims: Claims) -> Profile:
    """All that can be said without asking: that an address is confirmed stands in no token."""
    return Profile(claims.subject, None, claims.name, claims.invited)


def _confirmed_email(user: dict[str, Any]) -> str | None:
    email = _text(user.get("email"))
    return confirmed_email(email) if _text(user.get("email_confirmed_at")) and len(email) <= LONGEST else None


def _banned(user: dict[str, Any], now: float) -> bool:
    until = user.get("banned_until")
    if until is None or until == "":
        return False
    try:
        end = datetime.fromisoformat(until)
    except (TypeError, ValueError):
        return True  # banned until we cannot read when
    return (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() > now


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
