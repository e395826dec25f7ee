"""Values by key in this process: fresh for a while, a stand-in for longer while they cannot be loaded, at most so many.

The one memory of the program. What it is used for: who holds a token (a second, an hour while the database is away),
what Supabase has said of a token, its published keys (ten minutes, a day), which tokens have lately been good.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from cachetools import LRUCache, TTLCache

from inbox.errors import DatabaseUnavailable, TemporarilyUnavailable
from inbox.memory.flights import Flights
from inbox.metrics import meters

T = TypeVar("T")

LIMIT = 10_000  # entries


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """A value, and when its load began, by the clock that nobody sets."""

    value: T
    since: float


class Kept(Generic[T]):
    """Thread-safe; one thread loads a key at a time. The least recently used entries go first."""

    def __init__(
        self,
        fresh: float | Callable[[T], float],
        stale: float = 0.0,
        limit: int = LIMIT,
        *,
        pause: float = 0.0,
        away: type[TemporarilyUnavailable] = DatabaseUnavailable,
        may_insist: bool = True,
        clock: Callable[[], float] = time.monotonic,
        name: str = "other",
    ) -> None:
        """`fresh`: seconds a value is used without another look; it may depend on the value.

        `stale`: seconds since its load began that a value stands in while loading raises `away`, the one error that
        says nothing against it. `pause`: seconds without another try after that error. `may_insist`: see
        `Flights.share`. `name`: under which its lookups are counted.
        """
        self._hit, self._miss, self._stood_in = (
            meters.LOOKUPS.labels(name, result) for result in ("hit", "miss", "stale")
        )
        self._fresh = fresh
        self._stale = stale
        self._pause = pause
        self._away = away
        self._may_insist = may_insist
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: LRUCache[str, _Entry[T]] = LRUCache(limit)
        self._paused: TTLCache[str, float] = TTLCache(limit, pause, timer=clock)  # until when, by key
        self._flights: Flights[T] = Flights(away)
        self._generation = 0

    def __len__(self) -> int:
        return len(self._entries)

    # --- looking -------------------------------------------------------------------------------------------------

    def fresh(self, key: str) -> T | None:
        """The value, if it is fresh."""
        entry = self._entry(key)
        return entry.value if entry is not None and self._is_fresh(entry) else None

    def last(self, key: str) -> T | None:
        """The newest value, however old."""
        entry = self._entry(key)
        return None if entry is None else entry.value

    def get(self, key: str, load: Callable[[], T], *, within: float | None = None) -> T:
        """The value of `key`, by `load` unless it is fresh. `within`: the seconds that count as fresh for this caller.

        While another thread loads, or loading raises `away`, an entry that is not too old stands in. Any other error
        of `load` passes, and ends the entry: a refusal is final, also when the source goes away after it.
        """
        entry = self._entry(key)
        if entry is not None and self._is_fresh(entry, within):
            self._hit.inc()
            return entry.value
        self._miss.inc()
        stand_in = entry if entry is not None and self._clock() - entry.since <= self._stale else None
        if stand_in is not None and (self._flights.under_way(key) or self._left(key)):
            self._stood_in.inc()
            return stand_in.value  # a slow source has one thread waiting for each key, not all of them
        try:
            return self._shared(key, load, seen=entry, may_insist=stand_in is None)
        except self._away:
            if stand_in is None:
                raise
            self._stood_in.inc()
            return stand_in.value

    def newer(self, key: str, seen: T, load: Callable[[], T]) -> T:
        """Another value than `seen`, which turned out not to be enough; nothing stands in for it. Raises `away`."""
        entry = self._entry(key)
        if entry is not None and entry.value is not seen:
            return entry.value
        return self._shared(key, load, seen=entry, may_insist=False)

    # --- changing ------------------------------------------------------------------------------------------------

    def put(self, key: str, value: T) -> None:
        """Known from now on, without a load."""
        with self._lock:
            self._entries[key] = _Entry(value, self._clock())

    def drop(self, key: str) -> None:
        """Known no longer."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything, also what is being loaded now."""
        with self._lock:
            self._generation += 1
            self._entries.clear()
            self._paused.clear()
        self._flights.forget()

    # --- inside --------------------------------------------------------------------------------------------------

    def _entry(self, key: str) -> _Entry[T] | None:
        with self._lock:
            return self._entries.get(key)

    def _is_fresh(self, entry: _Entry[T], within: float | None = None) -> bool:
        lasts = within
        if lasts is None:
            lasts = self._fresh(entry.value) if callable(self._fresh) else self._fresh
        return self._clock() - entry.since < lasts

    def _left(self, key: str) -> float:
        """Seconds without another try."""
        with self._lock:
            return max(0.0, self._paused.get(key, 0.0) - self._clock())

    def _shared(self, key: str, load: Callable[[], T], *, seen: _Entry[T] | None, may_insist: bool) -> T:
        left = self._left(key)
        if left:
            raise self._away(retry_after=max(1, math.ceil(left)))
        return self._flights.share(key, lambda: self._load(key, load, seen), may_insist=may_insist and self._may_insist)

    def _load(self, key: str, load: Callable[[], T], seen: _Entry[T] | None) -> T:
        entry = self._entry(key)
        if entry is not None and entry is not seen:
            return entry.value  # another thread's load ended between our look and this one
        generation, began = self._generation, self._clock()
        try:
            value = load()
        except self._away:
            with self._lock:
                self._paused[key] = self._clock() + self._pause
            raise
        except Exception:
            self.drop(key)
            raise
        with self._lock:
            if generation == self._generation:
                self._entries[key] = _Entry(value, began)
                self._paused.pop(key, None)
        return value
