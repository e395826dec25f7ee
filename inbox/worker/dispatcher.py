"""The loops that do what is stored: a crew of threads per kind of work, so that a slow upstream holds up only itself.

A crew claims as much as it has free threads, works with no transaction open, and records. It is woken by `Wakeups`, at
the time when something is due, and claims then without looking first. Nobody may have rung: so it also looks by itself,
every second where it cannot hear other processes, and more and more seldom where it can and finds nothing. On stop it
takes nothing new and finishes what it holds, or gives it back where another process can begin it again.
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
from inbox.metrics import meters

log = logging.getLogger(__name__)

POLL, LONGEST_POLL = 1.0, 60.0  # seconds; what is due rings, so the longest only finds what a ring has missed
DRAIN = 20.0  # seconds; platforms kill 30 s after SIGTERM
#: Seconds for what can be given back: most answers are there in less, and a model that hangs holds up no restart.
LEAVE = 5.0
_AFTER_ERROR = 1.0  # seconds

Claim = TypeVar("Claim")
Result = TypeVar("Result")
Other = TypeVar("Other")


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
        next_due: Callable[[], float | None] | None = None,
        refills: bool = True,
        tells: bool = True,
        raised: Callable[[Claim], object] | None = None,
        give_back: Callable[[Claim], object] | None = None,
        poll: float = POLL,
        gather: float = 0.0,
    ) -> None:
        """`next_due` looks in how many seconds a claim would find something, None: nothing waits; without it, to claim
        is to look.

        `refills`: a claim that filled every free thread has left something behind, so another one follows,
        and `tells` other processes, which may take it.
        `gather`: seconds from a claim that found something to the next, which then takes more at once.
        `raised` is told of claims at which `handle` raised: mistakes of ours, which must not come back for ever.
        `give_back` is told of claims that are not done when the process ends: what comes of them later is void.
        """
        self.work = work
        self._claim, self._handle, self._raised, self._give_back = claim, handle, raised, give_back
        self._doing: dict[int, Claim] = {}  # by thread
        self._next_due, self._refills, self._tells = next_due, refills, tells
        self._wakeups = wakeups
        self._poll = self._pause = poll
        self._gather = gather
        self._free = threading.Semaphore(size)
        self._size = size
        self._tasks: queue.SimpleQueue[Claim | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, name=f"{work}-{n}", daemon=True) for n in range(size)]
        self._foreman = threading.Thread(target=self._lead, name=f"{work}-claims", daemon=True)

    def start(self) -> None:
        meters.THREADS.labels(self.work).set(self._size)
        for thread in (*self._threads, self._foreman):
            thread.start()

    def stop(self) -> None:
        """Take nothing new. join() waits for what is being done."""
        self._stopping.set()
        self._wakeups.ring_here(self.work)

    @property
    def can_give_back(self) -> bool:
        return self._give_back is not None

    def join(self, until: float) -> bool:
        """Wait until time.monotonic() is `until` for the threads to end. True when all did, or gave back."""
        self._foreman.join(max(0.0, until - time.monotonic()))
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        left = [self._give_up(claim) for claim in list(self._doing.values())]
        return all(left) if left else not any(thread.is_alive() for thread in (*self._threads, self._foreman))

    def _give_up(self, claim: Claim) -> bool:
        if self._give_back is None:
            return False
        give_back = self._give_back
        done: bool = self._guarded(lambda: give_back(claim) or True, otherwise=False)  # type: ignore[assignment]
        log.info("given back, not finished in time", extra={"work": self.work, "done": done})
        return done

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
            claims = self._guarded(lambda: self._claim(free), None)  # noqa: B023 (called at once)
            for _ in range(free - len(claims or ())):
                self._free.release()
            for claim in claims or ():
                self._tasks.put(claim)
            if claims and len(claims) == free and self._refills:
                if self._tells:
                    self._wakeups.ring_others(self.work)
            elif claims is not None:
                if claims:
                    self._stopping.wait(self._gather)
                self._rest(found=bool(claims))

    def _rest(self, *, found: bool) -> None:
        """Sleep until there is something to claim."""
        if found or self._something_is_due():  # what is due and was not claimed is held back by something
            self._pause = self._poll
        while not self._stopping.is_set() and not self._wakeups.wait(self.work, self._pause):
            if self._next_due is None or self._something_is_due():
                return
            self._pause = min(2 * self._pause, LONGEST_POLL if self._wakeups.hears_all else self._poll)

    def _something_is_due(self) -> bool:
        """Look; what is due later rings then."""
        seconds = None if self._next_due is None else self._guarded(self._next_due, otherwise=0.0)
        if seconds is not None and seconds > 0:
            self._wakeups.ring_here(self.work, seconds)
        return seconds is not None and seconds <= 0

    def _guarded(self, look: Callable[[], Result], otherwise: Other) -> Result | Other:
        set_request_id("")
        try:
            return look()
        except DatabaseUnavailable:
            pass  # logged where it happened
        except Exception:
            log.exception("claiming failed", extra={"work": self.work})
        self._stopping.wait(_AFTER_ERROR)
        return otherwise

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

    def _do(self, task: Claim) -> None:
        self._doing[threading.get_ident()] = task
        try:
            with meters.BUSY.labels(self.work).track_inprogress():
                self._handle(task)
        except DatabaseUnavailable:
            raise
        except Exception:
            if self._raised is None:
                raise
            log.exception("a job failed", extra={"work": self.work})
            self._raised(task)
        finally:
            del self._doing[threading.get_ident()]


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

    def stop(self, seconds: float = DRAIN, leave: float = LEAVE) -> bool:
        """Drain: nothing new, finish what is held, or give it back after `leave` seconds.

        True when everything ended in time.
        """
        began = time.monotonic()
        for crew in self._crews:
            crew.stop()
        ended = [crew.join(began + (min(leave, seconds) if crew.can_give_back else seconds)) for crew in self._crews]
        self._wakeups.stop()
        log.info("dispatcher stopped", extra={"drained": all(ended)})
        return all(ended)
