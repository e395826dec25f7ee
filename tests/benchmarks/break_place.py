"""What `break_it` breaks: an installation of real processes, its people, and ways to look at what became of them."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import requests

from sandbox import Sandbox
from tests.benchmarks.load import Result, closed_loop, request_bytes
from tests.builders import signed
from tests.e2e.processes import Process, flask, gunicorn, production, running
from tests.waiting import free_port, wait_until

SECRET = "break-secret"
ANSWER = "We open at nine."
_pause = threading.Event()  # nobody sets it: waiting for it is waiting for time to pass


def pass_time(seconds: float) -> None:
    """Let so much time pass."""
    _pause.wait(seconds)


@dataclass
class Place:
    """Everything that runs."""

    meta: Sandbox
    url: str
    key: str
    database_url: str
    environment: dict[str, str]
    folder: Path
    web: Process
    workers: list[Process]
    stack: ExitStack
    answers: Counter[int] = field(default_factory=Counter)  #: of the API, by status; 0: none
    slowest: float = 0.0  #: seconds, of an answer of the API

    @property
    def hook(self) -> str:
        return f"{self.url}/webhook/whatsapp"

    def start_worker(self) -> Process:
        command = ["-m", "flask", "--app", "wsgi", "worker"]
        return self.stack.enter_context(running(command, self.folder / "worker.log", self.environment))

    def ask(self, method: str, path: str, **more: Any) -> requests.Response | None:
        """What the API answers; None where there is no answer. Both are counted."""
        began, response = time.monotonic(), None
        with contextlib.suppress(requests.RequestException):
            headers = {"Authorization": f"Bearer {self.key}"}
            response = requests.request(method, f"{self.url}{path}", headers=headers, timeout=30, **more)
        self.answers[0 if response is None else response.status_code] += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        return response

    def get(self, path: str) -> Any:
        """What a GET answers, once it is answered 200."""
        return wait_until(
            lambda: (answer := self.ask("GET", path)) is not None and answer.ok and answer, path, 60
        ).json()

    def forget(self) -> None:
        """Count answers from here on."""
        self.answers, self.slowest = Counter(), 0.0

    def webhooks(self, bodies: list[bytes], connections: int = 8) -> Result:
        """Post them as fast as they are taken, each once."""
        made = [request_bytes(self.hook, "POST", body, signed(body, SECRET)) for body in bodies]
        return closed_loop(self.url, made, connections=connections)

    def number(self, query: str) -> int:
        """The one number that a query finds."""
        with psycopg.connect(self.database_url, connect_timeout=5) as connection:
            row = connection.execute(query).fetchone()  # type: ignore[call-overload]
        return int(row[0])

    def waits(self, seconds: float, query: str, what: str) -> float:
        """Wait until a query finds 0; for how long it was."""
        began = time.monotonic()

        def none() -> bool:
            with contextlib.suppress(psycopg.Error):
                return self.number(query) == 0
            return False

        wait_until(none, what, seconds)
        return time.monotonic() - began

    def ingested(self, seconds: float = 120) -> float:
        """Wait until no webhook waits, neither in the database nor in a journal; for how long it was."""
        began = time.monotonic()
        wait_until(lambda: self.get("/health")["journal"]["events"] == 0, "the journal to be empty", seconds)
        self.waits(seconds, "SELECT count(*) FROM webhook_events WHERE state = 'pending'", "webhooks to be read")
        return time.monotonic() - began

    def conversation(self, phone: str) -> str:
        """The id of a customer's conversation, once it is there."""
        account = self.get("/accounts")[0]["id"]
        path = f"/conversations?account_id={account}&q={phone}"
        return str(wait_until(lambda: self.get(path), f"the conversation of {phone}")[0]["id"])

    def answered_within(self, phone: str) -> float:
        """A new customer writes; seconds until the answer is on their phone."""
        began = time.monotonic()
        self.meta.customer_writes(phone=phone, text="When do you open?")
        wait_until(lambda: any(each.phone == phone for each in self.meta.deliveries()[-50:]), "an answer")
        return time.monotonic() - began


@contextlib.contextmanager
def installed(folder: Path, database_url: str, *, workers: int = 1, **settings: str) -> Iterator[Place]:
    """All processes over an empty database; nothing of them is left afterwards. Without workers, the web works too."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        meta = stack.enter_context(
            Sandbox(app_secret=SECRET, status_delays=(0.1, 0.2, 0.3), webhook_retry_delays=(0.5,) * 1000)
        )
        meta.gemini_responder = lambda _request: ANSWER
        environment = production(
            database_url,
            meta.url,
            folder,
            **{
                "WHATSAPP_APP_SECRET": SECRET,
                "BOT_DEBOUNCE_SECONDS": "0.2",
                "CONFIRM_WINDOW_SECONDS": "15",
                "RATE_LIMIT": "1000000",
                "RATE_LIMIT_ANONYMOUS": "1000000",
                "LOG_LEVEL": "WARNING",
                **settings,
            },
        )
        flask(environment, "db", "upgrade")
        key = flask(environment, "keys", "create", "--name", "People", "--role", "admin").split()[-1]
        alone = {} if workers == 0 else {"DISPATCHER": "off"}
        web, url = stack.enter_context(gunicorn(folder / "web.log", environment | alone, port))
        place = Place(meta, url, key, database_url, environment, folder, web, [], stack)
        place.workers = [place.start_worker() for _ in range(workers)]
        meta.webhook_url = place.hook
        yield place


def middle(values: list[float]) -> str:
    """Median and largest, in seconds."""
    return f"P50 {statistics.median(values):.2f} s, most {max(values):.2f} s"
