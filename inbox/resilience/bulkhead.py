"""So many calls to one upstream at once: an ill one holds no more threads than that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from inbox.errors import UpstreamBusy
from inbox.resilience.deadline import remaining

P = ParamSpec("P")
R = TypeVar("R")


class Bulkhead:
    """At most `size` calls at once; the next one waits a tenth of a second and then is refused."""

    WAIT = 0.1

    def __init__(self, name: str, size: int) -> None:
        self._name = name
        self.resize(size)

    def resize(self, size: int) -> None:
        """For the start of a process: calls under way are not counted over."""
        self.size = size
        self._permits = threading.BoundedSemaphore(size)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
            leave = self.enter()
            try:
                return function(*args, **kwargs)
            finally:
                leave()

        return bounded

    def enter(self) -> Callable[[], None]:
        """Take a place, for a call that outlives the function that makes it; what gives the place back, once.

        Raises UpstreamBusy.
        """
        permits = self._permits
        left = remaining()
        if not permits.acquire(timeout=self.WAIT if left is None else max(0.0, min(self.WAIT, left))):
            raise UpstreamBusy(self._name, f"{self.size} calls are under way already", retry_after=1.0)
        return permits.release
