"""Tokens that have lately proved to be good, by their hashes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from inbox.auth.hashing import token_hash

LASTS = 3600.0  # seconds since it was last used
LIMIT = 10_000  # tokens; the least recently used is forgotten


class Proven:
    """Thread-safe. Whoever is here was once let in; whether they still may be, `Identities` says each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._used_at: OrderedDict[str, float] = OrderedDict()

    def add(self, token: str) -> None:
        """It has just been good."""
        hash_ = token_hash(token)
        with self._lock:
            self._used_at[hash_] = self._clock()
            self._used_at.move_to_end(hash_)
            if len(self._used_at) > LIMIT:
                self._used_at.popitem(last=False)

    def has(self, token: str) -> bool:
        """Whether it has been good within the hour."""
        with self._lock:
            used_at = self._used_at.get(token_hash(token))
        return used_at is not None and self._clock() - used_at < LASTS

    def discard(self, token: str) -> None:
        """It is good no longer."""
        with self._lock:
            self._used_at.pop(token_hash(token), None)
