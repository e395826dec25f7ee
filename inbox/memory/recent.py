"""What somebody may do, remembered for a second, and for longer while the database is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from inbox.errors import DatabaseUnavailable
from inbox.memory.flights import Flights
from inbox.memory.remembered import Remembered

T = TypeVar("T")

#: Seconds. A change made on another machine is felt here when they have passed and the row has been read again, which a
#: slow database may take up to its statement timeout for; one made on this machine is felt at once (`changes`).
FRESH = 1.0
STALE = 3600.0  # seconds that an entry is good for while the database cannot be asked


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    value: T
    loaded_at: float


class Recent(Generic[T]):
    """Values by key. Thread-safe; one thread loads a key at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: Remembered[_Entry[T]] = Remembered()
        self._flights: Flights[T] = Flights(DatabaseUnavailable)
        self._generation = 0

    def get(self, key: str, load: Callable[[], T]) -> T:
        """The value of `key`. An error of `load` passes and forgets the key, unless the database is only away."""
        entry = self._entry(key)
        if entry is not None and (self._clock() - entry.loaded_at < FRESH or self._flights.under_way(key)):
            return entry.value  # a slow database has one thread waiting for each key, not all of them
        try:
            return self._flights.share(key, lambda: self._load(key, load), may_insist=entry is None)
        except DatabaseUnavailable:
            if entry is None:
                raise
            return entry.value
        except Exception:
            self._entries.drop(key)
            raise

    def clear(self) -> None:
        """Forget everything, also what is being loaded just now."""
        with self._lock:
            self._generation += 1
            self._entries.clear()
        self._flights.forget()

    def _entry(self, key: str) -> _Entry[T] | None:
        entry = self._entries.get(key)
        return entry if entry is not None and self._clock() - entry.loaded_at <= STALE else None

    def _load(self, key: str, load: Callable[[], T]) -> T:
        generation, began = self._generation, self._clock()
        value = load()
        with self._lock:
            if generation == self._generation:
                self._entries.put(key, _Entry(value, began))
        return value
