"""One load per key at a time: other callers wait and share its result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from inbox.resilience import remaining

T = TypeVar("T")

PATIENCE = 2.0  # seconds to wait for another thread's load; less when the caller's deadline comes first


class Flights(Generic[T]):
    """Loads of this process that are under way; `late` is raised where one takes too long. Thread-safe."""

    def __init__(self, late: Callable[[], Exception]) -> None:
        self._late = late
        self._lock = threading.Lock()
        self._flying: dict[str, Future[T]] = {}

    def forget(self) -> None:
        """Callers that come from now on do not share what is being loaded already."""
        with self._lock:
            self._flying.clear()

    def under_way(self, key: str) -> bool:
        """Whether a thread is loading `key`."""
        with self._lock:
            return key in self._flying

    def share(self, key: str, load: Callable[[], T], *, may_insist: bool) -> T:
        """What `load` returns or raises, made by this thread or by another one that has begun.

        Raises `late` when the other one takes too long. One row by its key is slow when the database is, or the one
        connection that loads. Were all who wait to load for themselves then, a slow database would get as many queries
        more, and every thread be held until its statement times out; were nobody to, one dead connection would keep the
        row from everybody. So one of them begins again, whom newcomers join, and the others give up: their jobs come
        back. Nobody begins without `may_insist` (there is something better to do than to go on waiting, or the load has
        an end of its own), or when no time is left.
        """
        flight, mine = self._board(key)
        if mine:
            return self._lead(key, flight, load)
        left = remaining()
        wait([flight], PATIENCE if left is None else max(0.0, min(PATIENCE, left)))
        if flight.done():
            return flight.result()  # or its error: everybody who waited fails with it, without a try each
        if may_insist and (left is None or left > PATIENCE):
            flight, mine = self._board(key, instead_of=flight)
            if mine:
                return self._lead(key, flight, load)
        raise self._late()

    def _board(self, key: str, instead_of: Future[T] | None = None) -> tuple[Future[T], bool]:
        """The load that is under way, or a new one; True when it is the caller's to make."""
        with self._lock:
            flight = self._flying.get(key)
            if flight is not None and flight is not instead_of:
                return flight, False
            flight = self._flying[key] = Future()
            return flight, True

    def _lead(self, key: str, flight: Future[T], load: Callable[[], T]) -> T:
        try:
            loaded = load()
        except Exception as error:
            flight.set_exception(error)
            raise
        finally:
            with self._lock:
                if self._flying.get(key) is flight:  # not one that took the place of ours, or came after forget()
                    del self._flying[key]
        flight.set_result(loaded)
        return loaded
