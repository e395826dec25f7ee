"""I8 over real processes: whatever is killed, every customer is answered exactly once.

gunicorn, two workers, a PostgreSQL of its own and the simulator under load, while a web worker or a worker process is
killed (-9) every second and the database is restarted in mid-flight. What became of a few sends nobody can know (I7):
those are shown to people, who ask the customers, and send again what did not arrive.
"""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from sandbox import Sandbox
from tests import servers
from tests.e2e.processes import Process, flask, gunicorn, production, running
from tests.settings import APP_SECRET
from tests.waiting import wait_until

CUSTOMERS = 150
SECONDS_OF_KILLING = 12
SEED = 20261124
_NEW_KEY = ("keys", "create", "--name", "People", "--role", "admin")


@pytest.fixture
def meta() -> Iterator[Sandbox]:
    """Repeats a webhook until it is answered 200, as Meta does, only faster."""
    with Sandbox(app_secret=APP_SECRET, status_delays=(0.1, 0.2, 0.3), webhook_retry_delays=(0.3,) * 1000) as running:
        running.gemini_responder = lambda _request: "We open at nine."
        yield running


class _Workers:
    """Two worker processes; one that was killed is started again, as a platform does."""

    def __init__(self, stack: ExitStack, folder: Path, environment: dict[str, str]) -> None:
        self._stack, self._folder, self._environment = stack, folder, environment
        self._started = 0
        self.processes = [self._start(), self._start()]

    def _start(self) -> Process:
        self._started += 1
        log = self._folder / f"worker-{self._started}.log"
        return self._stack.enter_context(running(["-m", "flask", "--app", "wsgi", "worker"], log, self._environment))

    def kill_one(self, rng: random.Random) -> None:
        victim = rng.randrange(2)
        self.processes[victim].kill()
        self.processes[victim] = self._start()


class _People:
    """They look at the conversations that ask for them, and call the customers."""

    def __init__(self, session: requests.Session, url: str, key: str) -> None:
        self._session, self._url = session, url
        session.headers["Authorization"] = f"Bearer {key.split()[-1]}"

    def look(self, answers: Counter[str | None]) -> None:
        """Send again the unconfirmed messages of customers who got none."""
        with suppress(requests.RequestException):  # a process that was killed is not there yet
            (account,) = self._get("/accounts")
            for row in self._get(f"/conversations?account_id={account['id']}&needs_human=true&limit=100"):
                if row["needs_human_reason"] == "unconfirmed" and answers[row["client_number"]] == 0:
                    for message in self._get(f"/messages/{row['id']}"):
                        if message["status"] == "unconfirmed":
                            self._session.post(f"{self._url}/messages/{message['id']}/resend", timeout=10)

    def _get(self, path: str) -> Any:
        response = self._session.get(f"{self._url}{path}", timeout=10)
        response.raise_for_status()
        return response.json()


def _kill_a_web_worker(web: Process, rng: random.Random) -> None:
    children = psutil.Process(web.child.pid).children()
    if children:
        with suppress(psutil.NoSuchProcess):
            rng.choice(children).send_signal(signal.SIGKILL)


def _customers_write(meta: Sandbox, pause: threading.Event) -> None:
    for number in range(CUSTOMERS):
        meta.customer_writes(phone=f"336{number:08d}", text=f"When do you open? ({number})")
        pause.wait(SECONDS_OF_KILLING / CUSTOMERS)


@pytest.mark.timeout(420)
def test_whatever_is_killed_every_customer_is_answered_exactly_once(meta: Sandbox, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    kills: Counter[str] = Counter()
    pause = threading.Event()
    with ExitStack() as stack:
        postgres = stack.enter_context(servers.own_postgres())
        environment = production(
            servers.create_database(postgres.url, "inbox_kill"),
            meta.url,
            tmp_path,
            WHATSAPP_APP_SECRET=APP_SECRET,
            BOT_DEBOUNCE_SECONDS="0.2",
            CONFIRM_WINDOW_SECONDS="10",
        )
        flask(environment, "db", "upgrade")
        web, url = stack.enter_context(gunicorn(tmp_path / "web.log", environment | {"DISPATCHER": "off"}))
        meta.webhook_url = f"{url}/webhook/whatsapp"
        workers = _Workers(stack, tmp_path, environment)
        deeds: dict[str, Callable[[], None]] = {
            "web worker": lambda: _kill_a_web_worker(web, rng),
            "worker": lambda: workers.kill_one(rng),
        }
        people = _People(stack.enter_context(closing(requests.Session())), url, flask(environment, *_NEW_KEY))
        writing = threading.Thread(target=_customers_write, args=(meta, pause))
        writing.start()
        second = 0
        while writing.is_alive():
            pause.wait(1.0)
            second += 1
            deed = "database" if second in (4, 9) else list(deeds)[second % 2]
            kills[deed] += 1
            if deed == "database":
                postgres.kill()
                postgres.start()
            else:
                deeds[deed]()
        writing.join()

        answers: Counter[str | None] = Counter()

        def all_answered() -> bool:
            answers.clear()
            answers.update(delivery.phone for delivery in meta.deliveries())
            people.look(answers)
            return len(answers) == CUSTOMERS

        wait_until(all_answered, f"{CUSTOMERS} answers ({len(answers)} are there; killed: {dict(kills)})", 240)
        meta_is_quiet = wait_until(lambda: all(hook.state != "waiting" for hook in meta.webhooks()), "all statuses")
        all_answered()
    assert meta_is_quiet
    assert kills["database"] == 2
    assert kills["web worker"] >= 3
    assert kills["worker"] >= 3
    assert {phone: count for phone, count in answers.items() if count != 1} == {}
    assert sum(answers.values()) == CUSTOMERS
