"""Work that stops where the outside world would take its time, so that a test decides what happens meanwhile."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

_here = threading.local()
_PATIENCE = 30.0  # seconds a step may take before it counts as stuck


class Killed(BaseException):
    """The process died here: nothing that catches errors may catch this."""


class Fiber:
    """`work` in a thread of its own that runs only between go() and its next pause(), never beside its caller.

    `at` names the pause it stands at; None: it has ended. An error of `work` rises from go(), but for
    its death.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self.at: str | None = "start"
        self.result: object = None  #: what `work` returned
        self._work = work
        self._orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[tuple[str | None, BaseException | None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="fiber", daemon=True)
        self._thread.start()

    def go(self, order: object = None) -> None:
        """Let it run on; pause() returns `order`."""
        self._orders.put(order)
        try:
            self.at, error = self._reports.get(timeout=_PATIENCE)
        except queue.Empty:
            raise AssertionError(f"stuck after {self.at}: was a transaction open while it waited?") from None
        if self.at is None:
            self._thread.join(_PATIENCE)
        if error is not None and not isinstance(error, Killed):
            raise error

    def kill(self) -> None:
        """End it where it stands, as kill -9 would."""
        if self.at is not None:
            self.go(Killed())

    def _run(self) -> None:
        _here.fiber = self
        error: BaseException | None = None
        try:
            self._obey()
            self.result = self._work()
        except BaseException as raised:
            error = raised
        self._reports.put((None, error))

    def _obey(self) -> Any:
        order = self._orders.get()
        if isinstance(order, Killed):
            raise order
        return order

    def _pause(self, where: str) -> Any:
        self._reports.put((where, None))
        return self._obey()


def pause(where: str) -> Any:
    """Called by what a fiber's work calls: hand over until somebody says go(). Returns the order given there."""
    fiber: Fiber = _here.fiber
    return fiber._pause(where)
