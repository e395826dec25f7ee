"""Threads for work beside requests, started where it is first needed: never at import, never before a fork."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """One thread at a time for one kind of work. Its owner ends the work, and joins it. Thread-safe.

    A fork leaves the thread behind in the parent; in the child it counts as ended, so start() begins one there.
    """

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._name = name
        self._run = run
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def is_running(self) -> bool:
        """True while the thread of this process works."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self) -> threading.Thread:
        """The thread that runs, or a new one. Costs nothing when it runs."""
        thread = self._thread
        if thread is not None and thread.is_alive():
            return thread
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            return self._thread

    def retire(self) -> None:
        """Said by the thread itself, which finds nothing left to do: from here on start() begins another one."""
        with self._lock:
            self._thread = None

    def join(self, seconds: float) -> None:
        """Wait for the thread to end, so long at most."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
