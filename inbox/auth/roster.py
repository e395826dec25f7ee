"""Which of our tokens are good, known without a query for each: for an address that has guessed too often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sqlalchemy import select, union_all

from inbox.auth.hashing import token_hash
from inbox.clock import utc_now
from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.models import ApiKey, UserSession

AGE = 1.0  # seconds; a key or session made later than that ago may be missing
LIMIT = 100_000  # hashes


class Roster:
    """Hashes of all keys and sessions, read by one thread at most every AGE seconds. Thread-safe."""

    def __init__(self, db: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._reading = threading.Lock()
        self._hashes: frozenset[str] = frozenset()
        self._read_at = float("-inf")

    def has(self, token: str) -> bool:
        """Whether `token` may be good; while the database is away or being asked, as it was known before."""
        if self._clock() - self._read_at > AGE and self._reading.acquire(blocking=False):
            try:
                self._read_at = self._clock()
                self._hashes = self._read()
            except DatabaseUnavailable:
                pass
            finally:
                self._reading.release()
        return token_hash(token) in self._hashes

    def _read(self) -> frozenset[str]:
        keys = select(ApiKey.hash).where(ApiKey.revoked_at.is_(None))
        sessions = select(UserSession.hash).where(UserSession.expires_at > utc_now())
        with self._db.reading() as session:
            return frozenset(session.execute(union_all(keys, sessions).limit(LIMIT)).scalars())
