"""The users of the simulated Supabase Auth, their sessions and refresh tokens.

Source: supabase/auth, internal/models; docs "User sessions" (refresh tokens are used once, with 10 s of grace).
"""

import secrets
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: Seconds in which a used refresh token may be used again.
REUSE_SECONDS = 10


@dataclass(slots=True, kw_only=True)
class User:
    """A user. What `POST /_supabase/users` sets are the fields from `email` on."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created_at: float
    email: str = ""
    phone: str = ""
    password: str | None = None
    app_metadata: dict[str, Any] = field(default_factory=dict)
    user_metadata: dict[str, Any] = field(default_factory=dict)
    role: str = "authenticated"
    email_confirmed: bool = True
    banned: bool = False
    is_anonymous: bool = False
    invited: bool = False  #: by POST /invite, which only the service role may call

    def as_json(self) -> dict[str, Any]:
        """The user object of the API; what would be empty is left out where Supabase leaves it out."""
        created = datetime.fromtimestamp(self.created_at, UTC).isoformat().replace("+00:00", "Z")
        confirmed = {"email_confirmed_at": created, "confirmed_at": created} if self.email_confirmed else {}
        identity = {"id": self.id, "user_id": self.id, "provider": "email", "identity_data": {"email": self.email}}
        return {
            "id": self.id,
            "aud": "authenticated",
            "role": self.role,
            "email": self.email,
            "phone": self.phone,
            **confirmed,
            **({"invited_at": created} if self.invited else {}),
            "app_metadata": {"provider": "email", "providers": ["email"]} | self.app_metadata,
            "user_metadata": self.user_metadata,
            "identities": [] if self.is_anonymous else [identity],
            "created_at": created,
            "updated_at": created,
            **({"banned_until": "2100-01-01T00:00:00Z"} if self.banned else {}),
            "is_anonymous": self.is_anonymous,
        }


@dataclass(slots=True)
class _Refresh:
    session_id: str
    used_at: float | None = None


_FIELDS: Mapping[str, type] = {
    "id": str,
    "email": str,
    "phone": str,
    "password": str,
    "app_metadata": dict,
    "user_metadata": dict,
    "role": str,
    "email_confirmed": bool,
    "banned": bool,
    "is_anonymous": bool,
    "invited": bool,
}


class UserBook:
    """Users by id, the sessions that are open, and the refresh tokens given out."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}
        self._sessions: dict[str, str] = {}
        self._refreshes: dict[str, _Refresh] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[User]:
        return iter(list(self._users.values()))

    def save(self, settings: Mapping[str, Any], now: float) -> User:
        """Make a user, or change the one with this id or e-mail address. Raises ValueError."""
        if unknown := sorted(set(settings) - set(_FIELDS)):
            raise ValueError(f"unknown {', '.join(unknown)}; there is {', '.join(_FIELDS)}")
        for name, value in settings.items():
            if not isinstance(value, _FIELDS[name]):
                raise ValueError(f"{name} has the wrong type")
        with self._lock:
            user = self._find(settings.get("id"), settings.get("email")) or User(created_at=now)
            for name, value in settings.items():
                setattr(user, name, value)
            self._users[user.id] = user
        return user

    def delete(self, user_id: str) -> bool:
        with self._lock:
            return self._users.pop(user_id, None) is not None

    def get(self, user_id: str) -> User | None:
        return self._users.get(user_id)

    def by_email(self, email: str) -> User | None:
        return self._find(None, email)

    def clear(self) -> None:
        with self._lock:
            for each in (self._users, self._sessions, self._refreshes):
                each.clear()

    def open_session(self, user: User) -> str:
        """The id of a new session."""
        session_id = str(uuid.uuid4())
        self._sessions[session_id] = user.id
        return session_id

    def is_open(self, session_id: str) -> bool:
        return session_id in self._sessions

    def close_session(self, session_id: str) -> None:
        self._sessions.pop(session_id, None)

    def close_sessions_of(self, user: User, keep: str | None = None) -> None:
        with self._lock:
            for session_id in [one for one, owner in self._sessions.items() if owner == user.id and one != keep]:
                del self._sessions[session_id]

    def new_refresh_token(self, session_id: str) -> str:
        token = secrets.token_urlsafe(9)
        self._refreshes[token] = _Refresh(session_id)
        return token

    def use_refresh_token(self, token: str, now: float) -> tuple[User, str] | str:
        """The user and session it renews, or the error code. Used again too late, it ends the session."""
        with self._lock:
            refresh = self._refreshes.get(token)
            user = self._users.get(self._sessions.get(refresh.session_id, "")) if refresh else None
            if refresh is None or user is None:
                return "refresh_token_not_found"
            if refresh.used_at is not None and now > refresh.used_at + REUSE_SECONDS:
                del self._sessions[refresh.session_id]
                return "refresh_token_already_used"
            refresh.used_at = refresh.used_at or now
            return user, refresh.session_id

    def _find(self, user_id: str | None, email: str | None) -> User | None:
        if user_id in self._users:
            return self._users[user_id]
        return next((user for user in self._users.values() if email and user.email.lower() == email.lower()), None)
