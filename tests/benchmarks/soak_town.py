"""The soak's town: customers who write, agents who reply, upstreams that fail now and then, and what becomes of it."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import requests

BOTS, AGENTS = "33600", "33611"  # how the numbers begin of customers whom the bot answers, and whom agents do
CUSTOMERS = 1000  # of the bot's: nobody writes so often that the bot's hourly limit is reached
REGULARS = 50  # of the agents'
RECORDS = 4000  # of each kind that the sandbox keeps: more than there are between two looks
EACH = 0.004  # of the requests; five kinds make 2 %
_STATUSES = {"type": "^(sent|delivered|read)$"}

FAULTS: list[dict[str, Any]] = [
    {"upstream": "gemini", "fault": "status", "code": 503, "probability": EACH},
    {"upstream": "gemini", "fault": "reset_after", "probability": EACH},
    {"upstream": "gemini", "fault": "html_200", "probability": EACH},
    {"upstream": "gemini", "fault": "cut_body", "probability": EACH},
    {"upstream": "gemini", "fault": "slow", "seconds": 3, "probability": EACH},
    {"upstream": "whatsapp", "fault": "graph_error", "code": 131016, "probability": EACH},
    {"upstream": "whatsapp", "fault": "status", "code": 502, "body": "html", "process": True, "probability": EACH},
    {"upstream": "whatsapp", "fault": "close_after", "probability": EACH},
    {"upstream": "whatsapp", "fault": "reset_before", "probability": EACH},
    {"upstream": "whatsapp", "fault": "late", "seconds": 3, "probability": EACH},
    {"upstream": "supabase", "fault": "status", "code": 503, "probability": 5 * EACH},
    {"upstream": "webhook", "fault": "duplicate", "copies": 1, "gap": 0.5, "probability": EACH},
    {"upstream": "webhook", "fault": "delay", "seconds": 3, "probability": EACH},
    {"upstream": "webhook", "fault": "reorder", "window": 3, "seconds": 1, "probability": EACH},
    {"upstream": "webhook", "fault": "bad_signature", "probability": EACH},
    {"upstream": "webhook", "fault": "batch", "size": 5, "seconds": 0.5, "match": _STATUSES, "probability": EACH},
]


class Sandbox:
    """The simulated upstreams, by their control routes. One for each thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()

    def get(self, path: str, **query: Any) -> Any:
        return self._json(self._session.get(f"{self.url}/{path}", params=query, timeout=60))

    def post(self, path: str, body: Any) -> Any:
        return self._json(self._session.post(f"{self.url}/{path}", json=body, timeout=60))

    def clear_faults(self) -> None:
        self._json(self._session.delete(f"{self.url}/_faults", timeout=60))

    def close(self) -> None:
        self._session.close()

    @staticmethod
    def _json(response: requests.Response) -> Any:
        response.raise_for_status()
        return response.json()


@dataclass
class Town:
    """The load. Counters are written by one thread each."""

    url: str
    sandbox_url: str
    key: str
    messages_per_second: float
    replies_per_second: float
    written: int = 0  #: messages of customers
    replied: int = 0  #: replies that the API took
    answers: Counter[int] = field(default_factory=Counter)  #: of the API, by status; 0: none
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def living(self) -> Iterator[None]:
        """People write while the block runs."""
        threads = [threading.Thread(target=work) for work in (self._customers, self._agents)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def write(self, sandbox: Sandbox) -> None:
        """The next customer writes."""
        theirs = self.written % 5 == 0
        phone = f"{AGENTS}{self.written // 5 % REGULARS:06d}" if theirs else f"{BOTS}{self.written % CUSTOMERS:06d}"
        text = f"Question {self.written}: do you have bread today?"
        sandbox.post("_customers/messages", {"phone": phone, "text": text, "name": f"Customer {phone}"})
        self.written += 1

    def _customers(self) -> None:
        rng, sandbox = random.Random(1), Sandbox(self.sandbox_url)
        self._steadily(self.messages_per_second, rng, lambda: self.write(sandbox))
        sandbox.close()

    def _agents(self) -> None:
        rng, session = random.Random(2), requests.Session()
        session.headers["Authorization"] = f"Bearer {self.key}"
        (account,) = session.get(f"{self.url}/accounts", timeout=30).json()

        def ask(method: str, path: str, **more: Any) -> Any:
            try:
                response = session.request(method, f"{self.url}{path}", timeout=30, **more)
            except requests.RequestException:
                self.answers[0] += 1
                return None
            self.answers[response.status_code] += 1
            return response.json() if response.ok else None

        def work() -> None:
            query = {"account_id": account["id"], "q": AGENTS, "limit": 200}
            found = ask("GET", "/conversations", params=query)
            ask("GET", "/conversations", params={"account_id": account["id"]})
            if not found:
                return
            conversation = rng.choice(found)["id"]
            ask("GET", f"/messages/{conversation}")
            ask("POST", f"/conversations/{conversation}/read")
            body = {"conversation_id": conversation, "content": "Yes, come by!", "client_key": str(uuid.uuid4())}
            self.replied += ask("POST", "/messages/send", json=body) is not None

        self._steadily(self.replies_per_second, rng, work)
        session.close()

    def _steadily(self, rate: float, rng: random.Random, work: Callable[[], None]) -> None:
        """Do it so often a second, at random moments, whether the last one was quick or not."""
        due = time.monotonic()
        while True:
            due += rng.expovariate(rate)
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            work()


# --- what became of it -------------------------------------------------------------------------------------------

_QUESTIONS = f"""
SELECT count(*), count(*) FILTER (WHERE m.position <= c.answered_through), count(*) FILTER (WHERE c.needs_human)
FROM messages m JOIN conversations c ON c.id = m.conversation_id JOIN contacts k ON k.id = c.contact_id
WHERE m.author_kind = 'customer' AND k.phone LIKE '{BOTS}%'
"""
_STORED = "SELECT count(*) FROM messages WHERE author_kind = 'customer'"
_REPLIES = """
SELECT count(*) FILTER (WHERE status IN ('sent', 'delivered', 'read')), count(*),
       count(*) FILTER (WHERE duplicate_wa_message_id IS NOT NULL),
       count(*) FILTER (WHERE status = 'unconfirmed')
FROM messages WHERE direction = 'outbound'
"""
_WAITING = "SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM webhook_events WHERE state = 'pending')"


@dataclass(frozen=True)
class Books:
    """One look at the database."""

    stored: int  #: messages of customers
    questions: int  #: those the bot should answer
    answered: int
    handed_over: int
    outbound: int  #: answers and replies
    sent: int
    doubled: int  #: outbound messages that WhatsApp took twice
    unconfirmed: int  #: outbound messages of unknown outcome, which a person is shown
    waiting: int  #: jobs and webhooks

    @classmethod
    def read(cls, database_url: str) -> Books:
        with psycopg.connect(database_url) as connection:

            def row(query: str) -> tuple[int, ...]:
                return connection.execute(query).fetchone()  # type: ignore[return-value]

            questions, answered, handed_over = row(_QUESTIONS)
            sent, outbound, doubled, unconfirmed = row(_REPLIES)
            (stored,), (waiting,) = row(_STORED), row(_WAITING)
        return cls(stored, questions, answered, handed_over, outbound, sent, doubled, unconfirmed, waiting)


class Calls:
    """What reached the upstreams, and for how many calls: read piece by piece, because the sandbox forgets."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._since = 0.0
        self._calls: set[str] = set()
        self._delivered: Counter[str] = Counter()
        self.hits = 0

    def look(self) -> None:
        """Take in what is at least a second old: by then it is complete."""
        until = time.time() - 1
        for request in self._new("requests", until):
            call = _call(request)
            if call is not None:
                self.hits += 1
                self._calls.add(call)
        for delivery in self._new("deliveries", until):
            self._delivered[_message(delivery["callback_data"])] += 1
        self._since = until

    def _new(self, kind: str, until: float) -> list[Any]:
        records = self._sandbox.get(f"_{kind}", limit=RECORDS)[kind]
        return [record for record in records if self._since <= record["at"] < until]

    @property
    def per_call(self) -> float:
        """Requests per logical call: one answer to be written, one message to be sent, one receipt."""
        return self.hits / max(1, len(self._calls))

    @property
    def doubled(self) -> int:
        """Messages that customers received more than once."""
        return sum(count > 1 for count in self._delivered.values())


def _call(request: Any) -> str | None:
    """What this request is for; None for a look at whether the upstream is there."""
    if request["upstream"] == "gemini" and request["method"] == "POST":
        return str(request["headers"]["x-request-id"])
    if request["upstream"] != "whatsapp" or request["method"] != "POST":
        return None
    body = json.loads(request["body"])
    callback = body.get("biz_opaque_callback_data")
    return _message(callback) if callback else f"read {body['message_id']} {'typing_indicator' in body}"


def _message(callback_data: str) -> str:
    return callback_data.split(":")[1]
