"""The loops that do what is stored: a crew of threads per kind of work, so that a slow upstream holds up only itself.

A crew claims as much as it has free threads, works with no transaction open, and records. It is woken by `Wakeups` and
looks by itself every second. On stop it takes nothing new and finishes what it holds.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from inbox.db.wake import Wakeups, Work
from inbox.errors import DatabaseUnavailable
from inbox.logs import set_request_id

log = logging.getLogger(__name__)

POLL = 1.0  # seconds
DRAIN = 20.0  # seconds; platforms kill 30 s after SIGTERM
_AFTER_ERROR = 1.0  # seconds

Claim = TypeVar("Claim")


class Crew(Generic[Claim]):
    """`size` threads that handle what `claim(n)` hands out, at most n at a time."""

    def __init__(
        self,
        work: Work,
        size: int,
        claim: Callable[[int], Sequence[Claim]],
        handle: Callable[[Claim], object],
        wakeups: Wakeups,
        *,
        raised: Callable[[Claim], object] | None = None,
        poll: float = POLL,
    ) -> None:
        """`raised` is told of claims at which `handle` raised: mistakes of ours, which must not come back for ever."""
        self.work = work
        self._claim, self._handle, self._raised = claim, handle, raised
        self._wakeups = wakeups
        self._poll = poll
        self._free = threading.Semaphore(size)
        self._size = size
        self._tasks: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"{work}-{n}", daemon=True) for n in range(size)]
        self._foreman = threading.Thread(target=self._lead, name=f"{work}-claims", daemon=True)

    def start(self) -> None:
        for thread in (*self._threads, self._foreman):
            thread.start()

    def stop(self) -> None:
        """Take nothing new. join() waits for what is being done."""
        self._stopping.set()
        self._wakeups.ring(self.work)

    def join(self, until: float) -> bool:
        """Wait until time.monotonic() is `until` for the threads to end. True when all did."""
        self._foreman.join(max(0.0, until - time.monotonic()))
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in (*self._threads, self._foreman))

    def _lead(self) -> None:
        """Claim for as many threads as are free; wait when there is nothing.

        A thread's permit is taken before claiming: what is claimed has a lease that runs, so it must never lie in the
        queue and wait for a thread. Permits of threads that got nothing are given back at once.
        """
        while not self._stopping.is_set():
            if not self._free.acquire(timeout=self._poll):
                continue
            if self._stopping.is_set():  # while we waited for a thread
                return
            free = 1
            while free < self._size and self._free.acquire(blocking=False):
                free += 1
            claims = self._claimed(free)
            for _ in range(free - len(claims)):
                self._free.release()
            for claim in claims:
                self._tasks.put(claim)
            if not claims and not self._stopping.is_set():
                self._wakeups.wait(self.work, self._poll)

    def _claimed(self, free: int) -> Sequence[Claim]:
        set_request_id("")
        try:
            return self._claim(free)
        except DatabaseUnavailable:
            pass  # logged where it happened
        except Exception:
            log.exception("claiming failed", extra={"work": self.work})
        self._stopping.wait(_AFTER_ERROR)
        return ()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            set_request_id("")
            try:
                self._do(task)
            except DatabaseUnavailable:
                pass  # logged where it happened; the lease brings the job back
            except Exception:
                log.exception("a job failed, its lease brings it back", extra={"work": self.work})
            finally:
                self._free.release()
                self._wakeups.ring_here(self.work)  # the foreman may be asleep although a thread is free again

    def _do(self, task: Claim) -> None:
        try:
            self._handle(task)
        except DatabaseUnavailable:
            raise
        except Exception:
            if self._raised is None:
                raise
            log.exception("a job failed", extra={"work": self.work})
            self._raised(task)


class Dispatcher:
    """All crews of a process."""

    def __init__(self, crews: Sequence[Crew[object]], wakeups: Wakeups) -> None:
        self._crews = crews
        self._wakeups = wakeups

    def start(self) -> None:
        self._wakeups.listen()
        for crew in self._crews:
            crew.start()
        log.info("dispatcher started", extra={"crews": ", ".join(crew.work for crew in self._crews)})

    def stop(self, seconds: float = DRAIN) -> bool:
        """Drain: nothing new, finish what is held. True when everything ended in time."""
        until = time.monotonic() + seconds
        for crew in self._crews:
            crew.stop()
        ended = [crew.join(until) for crew in self._crews]
        self._wakeups.stop()
        log.info("dispatcher stopped", extra={"drained": all(ended)})
        return all(ended)
