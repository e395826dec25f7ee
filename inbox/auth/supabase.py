"""Supabase access tokens: whose they are, checked here with the project's keys, or by asking Supabase."""

from __future__ import annotations

from dataclasses import dataclass

from inbox.config import Config
from inbox.errors import InvalidCredentials


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    subject: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What Supabase says of a user. `email` only if it is confirmed, in lower case."""

    subject: str
    email: str | None
    name: str | None
    invited: bool


class SupabaseTokens:
    """Thread-safe."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def verify(self, token: str) -> Claims:  # noqa: ARG002
        """Whose token it is. Raises InvalidCredentials; IdentityUnavailable when we cannot tell."""
        raise InvalidCredentials

    def profile(self, token: str) -> Profile:  # noqa: ARG002
        """What Supabase says of the holder of a verified token. Raises as verify()."""
        raise InvalidCredentials
