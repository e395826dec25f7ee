"""What a web process does when it cannot keep up: who may wait how long for a thread, and what the others are told.

The rules; `gunicorn_worker` applies them. Nothing here imports gunicorn, so that `/health` can show `shed()` under any
server.
"""

from __future__ import annotations

import enum
import logging
import math
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from inbox.metrics import meters
from inbox.server.refusals import answer
from inbox.webhooks.missed import missed

log = logging.getLogger(__name__)

PATIENCE = 0.5  # seconds a request may wait for a thread: a person has not given up yet, and 503 tells them to repeat
FILE_PATIENCE = 5.0  # a screen of pictures is asked for at once, and WhatsApp takes its time for each
ASSET_PATIENCE = 5.0  # a page without its style or its script is no page, and they come out of memory
SIGN_IN_PATIENCE = 5.0  # many who come at once are worked off within that, and who has typed a password has time
WEBHOOK_PATIENCE = 4.0  # Meta waits about 5 s for its 200 and, told 503, sends the event again
NOTICEABLE = 0.1  # seconds of waiting after which it is worth asking whether the client is still there
REPORT_EVERY = 1.0  # seconds between two log lines
#: Bytes. A request up to this size waits in the kernel until all of it is there: its buffer of a connection grows only
#: when somebody reads, so this has to be well below what it begins with (64 KB and more). What is larger is gathered.
WHOLE = 48 * 1024
LARGEST = 4 * 1024 * 1024 + 64 * 1024  # bytes of a request that is waited for: a webhook's 4 MB, and its head
HEAD = 16 * 1024  # bytes; no head that is longer is waited for


class Kind(enum.Enum):
    """Requests that wait in the same line. The value names them in the log."""

    ORDINARY = "requests"
    WEBHOOK = "webhooks"
    FILE = "files"
    ASSET = "assets"
    SIGN_IN = "sign-ins"
    LIVE = "live"
    READY = "ready"
    HEALTH = "health"
    STREAMED = "streamed requests"

    @property
    def patience(self) -> float:
        """Seconds such a request may wait for a thread."""
        return _PATIENCE.get(self, PATIENCE)


_PATIENCE = {
    Kind.WEBHOOK: WEBHOOK_PATIENCE,
    Kind.FILE: FILE_PATIENCE,
    Kind.ASSET: ASSET_PATIENCE,
    Kind.SIGN_IN: SIGN_IN_PATIENCE,
}
_FILE = re.compile(rb"(?:GET|HEAD) /messages/media/")
_ASSET = re.compile(rb"(?:GET|HEAD) /assets/")
_PROBE = re.compile(rb"(?:GET|HEAD) /(?:health(/live|/ready)?|metrics)[ ?]")
_PROBES = {None: Kind.HEALTH, b"/live": Kind.LIVE, b"/ready": Kind.READY}


def kind_of(head: bytes) -> Kind:
    """The kind of the request that begins with `head`, which may be cut anywhere.

    A probe counts as one only when its whole head is there: its kind has a single thread, and a slow sender must not
    keep that thread reading. Nor must it keep one of the others: what is too large to wait for, or does not say how
    large it is, has threads of its own.
    """
    if length(head) is None:
        return Kind.STREAMED
    if head.startswith(b"POST /webhook/"):
        return Kind.WEBHOOK
    if head.startswith(b"POST /auth/login "):
        return Kind.SIGN_IN
    if _FILE.match(head):
        return Kind.FILE
    if _ASSET.match(head):
        return Kind.ASSET
    probe = _PROBE.match(head)
    return _PROBES[probe[1]] if probe and b"\r\n\r\n" in head else Kind.ORDINARY


_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,12})[ \t]*\r\n", re.IGNORECASE)
#: A chunked body does not say how long it is; a client that sends Expect waits for an answer before the body.
_UNTOLD = re.compile(rb"\r\n(?:transfer-encoding|expect):", re.IGNORECASE)


def length(head: bytes) -> int | None:
    """Bytes of the whole request that begins with `head`: so many at least while the head is not complete.

    None: more than LARGEST, or it cannot be told.
    """
    end = head.find(b"\r\n\r\n") + 4
    if end < 4:
        return len(head) + 1 if len(head) < HEAD else None
    fields = head[: end - 2]
    if _UNTOLD.search(fields):
        return None
    declared = _LENGTH.search(fields)
    whole = end + int(declared[1]) if declared else end
    return whole if whole <= LARGEST else None


def refusal(head: bytes) -> bytes:
    """503 to the request that begins with `head`."""
    title = "Too many requests are waiting. Try again in a second."
    return answer(head, 503, "overloaded", title, "Retry-After: 1")


class Tally:
    """Counts what was shed, and logs it: one line a second at most, however much it is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = 0
        self._unsaid: Counter[str] = Counter()
        self._oldest = 0.0
        self._quiet_until = float("-inf")

    @property
    def total(self) -> int:
        """Requests shed since the process began."""
        return self._total

    def add(self, kind: Kind, waited: float, *, left: bool = False) -> None:
        """One request of `kind` was shed after `waited` seconds; `left`: because its client had gone."""
        meters.SHED.labels(kind.value).inc()
        with self._lock:
            self._total += 1
            self._unsaid["left" if left else kind.value] += 1
            self._oldest = max(self._oldest, waited)

    def report(self, now: float) -> None:
        """Log what was shed since the last line, unless that is less than a second ago. `now`: seconds, monotonic."""
        if not self._unsaid or now < self._quiet_until:
            return
        with self._lock:
            counts, oldest = dict(self._unsaid), self._oldest
            self._unsaid.clear()
            self._oldest = 0.0
        self._quiet_until = now + REPORT_EVERY
        log.warning("shedding load", extra={"shed": counts, "oldest_s": round(oldest, 2), "shed_total": self._total})


tally = Tally()


def shed() -> int:
    """Requests this process answered 503 or dropped, without running them, because it could not keep up."""
    return tally.total


class Client(Protocol):
    """Who sent a request."""

    def has_left(self) -> bool:
        """Whether it has closed its side of the connection."""

    def refuse(self) -> None:
        """Answer 503 without waiting for anything."""


class Ticket:
    """One request's place in a line. `since`: monotonic seconds. `future` ends when the request has been handled."""

    __slots__ = ("client", "future", "kind", "on_its_way", "since", "taken", "work")

    def __init__(self, kind: Kind, client: Client, since: float, work: Callable[[Ticket], object]) -> None:
        self.kind = kind
        self.client = client
        self.since = since
        self.work = work
        self.future: Future[Any] = Future()
        self.on_its_way = False  #: handed to the pool
        self.taken = False  #: a thread has it

    def run(self) -> None:
        """Do the work (on a pool's thread), unless the ticket was given up before."""
        if not self.future.set_running_or_notify_cancel():
            return
        self.taken = True
        try:
            result = self.work(self)
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def is_too_late(self, now: float) -> bool:
        """Whether it should not be begun any more: it has waited too long, or its client has left meanwhile."""
        waited = now - self.since
        return waited > NOTICEABLE and (waited > self.kind.patience or self.client.has_left())

    def refuse(self) -> None:
        """Answer 503 and count it. Who has closed only its sending side reads it; to others it does no harm."""
        left = self.client.has_left()
        self.client.refuse()
        if self.kind in (Kind.WEBHOOK, Kind.STREAMED):  # a large webhook is streamed
            missed.note()
        tally.add(self.kind, time.monotonic() - self.since, left=left)


class Line:
    """Requests of one kind that wait for a thread of `pool`, oldest first. Only one thread touches it.

    At most `at_once` of them are with the pool; the others wait here. So who shares the pool and has no such bound
    waits behind few of them, and is never without a thread.
    """

    def __init__(self, kind: Kind, pool: ThreadPoolExecutor, limit: int, at_once: int) -> None:
        self.kind = kind
        self.patience = kind.patience
        self.pool = pool
        self._limit = limit
        self._places = at_once
        self._waiting: deque[Ticket] = deque()  # not taken yet, as far as is known
        self._behind: deque[Ticket] = deque()  # those of them that are not with the pool

    def is_full(self) -> bool:
        """Whether as many wait as may."""
        self._forget_taken()
        return len(self._waiting) >= self._limit

    def enter(self, ticket: Ticket) -> None:
        """Let a thread of the pool do the ticket's work when its turn has come."""
        self._waiting.append(ticket)
        self._behind.append(ticket)
        self._advance()

    def leave(self, ticket: Ticket) -> None:
        """The ticket's future has ended, one way or another: who comes next may go to the pool."""
        if ticket.on_its_way:
            self._places += 1
            self._advance()

    def give_up(self, now: float) -> Iterator[Ticket]:
        """Take out, and yield, those that have waited too long: no thread will begin with them."""
        self._forget_taken()
        while self._waiting and now - self._waiting[0].since > self.patience:
            ticket = self._waiting.popleft()
            if ticket.future.cancel():  # False: a thread was quicker
                yield ticket

    def next_deadline(self) -> float:
        """When the first of the line will have waited too long: monotonic seconds, infinity for an empty line."""
        return self._waiting[0].since + self.patience if self._waiting else math.inf

    def _advance(self) -> None:
        while self._behind and self._places:
            ticket = self._behind.popleft()
            if not ticket.future.cancelled():
                ticket.on_its_way = True
                self._places -= 1
                self.pool.submit(ticket.run)

    def _forget_taken(self) -> None:
        while self._waiting and self._waiting[0].taken:
            self._waiting.popleft()
