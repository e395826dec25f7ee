"""So many calls at once, and a short line of those who wait for a place: one slow upstream holds no more threads."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from inbox.errors import UpstreamBusy
from inbox.metrics import meters
from inbox.resilience.deadline import remaining

P = ParamSpec("P")
R = TypeVar("R")


class Bulkhead:
    """At most `size` calls at once. Up to `line` more wait, `patience` seconds at most or until their deadline.

    Callers take turns: each has a queue of its own in the line, so that who opens twelve pictures does not keep out
    who opens one. When the line is full, a newcomer takes the last place of the caller who has the most.
    """

    def __init__(self, name: str, size: int, *, line: int = 16, patience: float = 1.0) -> None:
        self._name = name
        self.resize(size, line=line, patience=patience)

    def resize(self, size: int, *, line: int, patience: float) -> None:
        """For the start of a process: calls under way are not counted over."""
        self.size = size
        self.patience = patience
        self._places = _Places(size, line)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
            leave = self.enter()
            try:
                return function(*args, **kwargs)
            finally:
                leave()

        return bounded

    @contextmanager
    def place(self, caller: Hashable = None) -> Iterator[None]:
        """A place for the time of the block. Raises UpstreamBusy."""
        leave = self.enter(caller)
        try:
            yield
        finally:
            leave()

    def enter(self, caller: Hashable = None) -> Callable[[], None]:
        """Take a place, for a call that outlives the function that makes it; what gives the place back, once.

        Raises UpstreamBusy, which says when to come again.
        """
        places = self._places
        with places.lock:
            ticket = places.take(caller)
        left = remaining()
        patience = self.patience if left is None else max(0.0, min(self.patience, left))
        if ticket is None or not (ticket.granted or places.wait(ticket, patience)):
            meters.REFUSALS.labels(self._name, "bulkhead").inc()
            reason = f"{self.size} calls are under way already"
            raise UpstreamBusy(self._name, reason, retry_after=places.next_free())
        began = time.monotonic()
        return lambda: places.give_back(time.monotonic() - began)


class _Ticket:
    """A caller's wait for a place."""

    __slots__ = ("answered", "caller", "granted")

    def __init__(self, caller: Hashable, *, granted: bool = False) -> None:
        self.caller = caller
        self.granted = granted
        self.answered = threading.Event()

    def answer(self, *, granted: bool) -> None:
        self.granted = granted
        self.answered.set()


_AT_ONCE = _Ticket(None, granted=True)  # what a caller who need not wait gets: most do not


class _Places:
    """The places, and the line before them. A place that is given back goes straight to who is next."""

    SMOOTHING = 0.2  # of the newest call in the average of how long places are held

    def __init__(self, size: int, line: int) -> None:
        self.lock = threading.Lock()
        self._size, self._line = size, line
        self._free = size
        self._queues: OrderedDict[Hashable, deque[_Ticket]] = OrderedDict()  # by caller; the first one is next
        self._waiting = 0
        self._held = 0.0  # seconds, on average

    def take(self, caller: Hashable) -> _Ticket | None:
        """A ticket, perhaps granted already; None when the line is full. The caller holds the lock."""
        if self._free:
            self._free -= 1
            return _AT_ONCE
        if self._waiting >= self._line and not self._make_room(for_=caller):
            return None
        ticket = _Ticket(caller)
        self._queues.setdefault(caller, deque()).append(ticket)
        self._waiting += 1
        return ticket

    def wait(self, ticket: _Ticket, patience: float) -> bool:
        """True when the ticket was granted a place in time."""
        ticket.answered.wait(patience)
        with self.lock:
            if not ticket.answered.is_set():
                self._remove(ticket)
            return ticket.granted

    def give_back(self, held: float) -> None:
        """The call is over after `held` seconds: the caller whose turn it is gets the place."""
        with self.lock:
            self._held += (held - self._held) * self.SMOOTHING
            if not self._queues:
                self._free += 1
                return
            ticket = next(iter(self._queues.values()))[0]
            self._remove(ticket)
            if ticket.caller in self._queues:
                self._queues.move_to_end(ticket.caller)
            ticket.answer(granted=True)

    def next_free(self) -> float:
        """Seconds after which the line of now should be worked off: 1 to 60."""
        return max(1.0, min(60.0, self._held * (self._waiting + 1) / self._size))

    def _make_room(self, *, for_: Hashable) -> bool:
        """Turn away the newest of the caller with the most waiting, if the newcomer then has no more than they."""
        longest: Sequence[_Ticket] = max(self._queues.values(), key=len, default=())
        if len(longest) <= len(self._queues.get(for_, ())) + 1:
            return False
        ticket = longest[-1]
        self._remove(ticket)
        ticket.answer(granted=False)
        return True

    def _remove(self, ticket: _Ticket) -> None:
        queue = self._queues[ticket.caller]
        queue.remove(ticket)
        if not queue:
            del self._queues[ticket.caller]
        self._waiting -= 1
