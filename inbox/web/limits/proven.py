"""Tokens that have lately proved to be good, by their hashes."""

from __future__ import annotations

import time
from collections.abc import Callable

from inbox.auth.hashing import token_hash
from inbox.memory.remembered import Remembered

LASTS = 3600.0  # seconds since it was last used


class Proven:
    """Thread-safe. Whoever is here was once let in; whether they still may be, `Identities` says each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used_at: Remembered[float] = Remembered()

    def add(self, token: str) -> None:
        """It has just been good."""
        self._used_at.put(token_hash(token), self._clock())

    def has(self, token: str) -> bool:
        """Whether it has been good within the hour."""
        used_at = self._used_at.get(token_hash(token))
        return used_at is not None and self._clock() - used_at < LASTS

    def discard(self, token: str) -> None:
        """It is good no longer."""
        self._used_at.drop(token_hash(token))
