"""Work at a time to come, by a fixed number of threads."""

import heapq
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable

Job = Callable[[], None]

log = logging.getLogger(__name__)


class Scheduler:
    """One thread that waits for what is due, and `workers` threads that do it.

    A single waiting thread, so that a due time wakes one thread and not all of them.
    """

    def __init__(self, workers: int) -> None:
        self._due: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._ready: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._stopped = False
        self._threads = [threading.Thread(target=self._wait, name="sandbox-clock", daemon=True)]
        self._threads += [
            threading.Thread(target=self._work, name=f"sandbox-webhook-{number}", daemon=True)
            for number in range(workers)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def after(self, seconds: float, job: Job) -> None:
        """Have the job done once, seconds from now; after stop() never."""
        if seconds <= 0:
            self._ready.put(job)
            return
        entry = (time.monotonic() + seconds, next(self._order), job)
        with self._changed:
            heapq.heappush(self._due, entry)
            if self._due[0] is entry:
                self._changed.notify()

    def forget(self) -> None:
        """Drop everything that is still to come."""
        with self._changed:
            self._due.clear()

    def stop(self) -> None:
        """Let the jobs under way finish, and no other begin."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        for _ in self._threads[1:]:
            self._ready.put(None)

    def join(self, seconds: float) -> bool:
        """Wait for the threads; whether all have ended by then."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _wait(self) -> None:
        with self._changed:
            while not self._stopped:
                if not self._due:
                    self._changed.wait()
                elif (remaining := self._due[0][0] - time.monotonic()) > 0:
                    self._changed.wait(remaining)
                else:
                    self._ready.put(heapq.heappop(self._due)[2])

    def _work(self) -> None:
        while (job := self._ready.get()) is not None:
            if self._stopped:
                continue
            try:
                job()
            except Exception:
                log.exception("a job of the sandbox failed")
