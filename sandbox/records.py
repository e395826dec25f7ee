"""What happened, kept in memory for whoever wants to check it afterwards."""

import base64
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Entry = TypeVar("Entry")

#: However many records are allowed, what they hold never exceeds this.
MAX_LOG_BYTES = 64 * 1024 * 1024


class Log(Generic[Entry]):
    """The last records of one kind, oldest first: at most `limit`, and at most MAX_LOG_BYTES by `size_of`."""

    def __init__(self, limit: int, size_of: Callable[[Entry], int] = lambda _entry: 0) -> None:
        self._limit = limit
        self._size_of = size_of
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self.total = 0

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)
            self._bytes += self._size_of(entry)
            self.total += 1
            while len(self._entries) > self._limit or self._bytes > MAX_LOG_BYTES:
                self._bytes -= self._size_of(self._entries.popleft())

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = self.total = 0

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries))


@dataclass(slots=True, kw_only=True)
class RecordedRequest:
    """A request to one of the upstreams. Times are Unix seconds; header names are in lower case."""

    upstream: str
    method: str
    path: str  #: with its query
    headers: dict[str, str]
    body: bytes
    at: float
    connection: int  #: requests with the same number came over the same connection
    outcome: str = "pending"  #: "answered", or what became of it instead: "no answer", "cut", "reset", "client left"
    status: int | None = None  #: of the answer, as far as one was sent
    fault: str | None = None  #: the fault that acted on it
    processed: bool = False  #: whether the upstream did what was asked
    note: str | None = None  #: what was odd about it: "key in the URL"

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "body"} | text_or_base64(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message that reached a customer's phone. `at` is in Unix seconds."""

    wamid: str
    phone: str | None
    bsuid: str
    type: str
    text: str | None  #: the text, or the caption of a medium
    content: Any  #: the object named as the type, as it was sent
    callback_data: str | None
    phone_number_id: str
    context: str | None  #: the wamid it answers
    at: float

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadReceipt:
    """A message of a customer marked as read, with a typing indicator or without."""

    wamid: str
    phone_number_id: str
    typing: bool
    at: float

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST of a webhook. `status` is None where no answer came; `seconds` is how long it took."""

    at: float
    status: int | None
    seconds: float
    error: str | None
    fault: str | None


@dataclass(slots=True, kw_only=True)
class WebhookRecord:
    """One webhook body and the attempts to deliver it."""

    body: bytes
    updates: list[str]  #: "text wamid.…", "sent wamid.…"
    created_at: float
    state: str = "waiting"  #: then "acknowledged", "given up", "dropped" or "no webhook_url"
    faults: list[str] = field(default_factory=list)  #: that acted on it before its first attempt
    attempts: list[Attempt] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        attempts = list(self.attempts)
        last = attempts[-1] if attempts else None
        return {
            "updates": self.updates,
            "created_at": self.created_at,
            "state": self.state,
            "faults": self.faults,
            "attempts": [{name: getattr(each, name) for name in each.__slots__} for each in attempts],
            "last_status": last.status if last else None,
            "last_seconds": last.seconds if last else None,
        }


def text_or_base64(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}


class Records:
    """Everything that is kept. `limit` is the number of records of each kind."""

    def __init__(self, limit: int) -> None:
        self.requests: Log[RecordedRequest] = Log(limit, lambda request: len(request.body))
        self.deliveries: Log[Delivery] = Log(limit)
        self.reads: Log[ReadReceipt] = Log(limit)
        self.webhooks: Log[WebhookRecord] = Log(limit, lambda webhook: len(webhook.body))

    def clear(self) -> None:
        for log in (self.requests, self.deliveries, self.reads, self.webhooks):
            log.clear()
