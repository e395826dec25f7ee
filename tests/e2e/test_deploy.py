"""Everything as it is deployed, with everything that goes wrong: nobody is failed, nothing is lost, nothing is doubled.

nginx before two gunicorns, a worker, PostgreSQL behind PgBouncer, Redis, Prometheus and the simulator, under load. The
model is away, both gunicorns are restarted in turn, one is reloaded, Redis is killed and PostgreSQL is restarted.
Only PostgreSQL's restart may show, as 503. INBOX_DEPLOY_SECONDS keeps the load up for longer than that takes.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import requests

from inbox.config import DatabaseLimits
from sandbox import Attempt, Sandbox
from tests import servers
from tests.e2e.nginx import nginx
from tests.e2e.processes import Process, flask, gunicorn, production, running
from tests.e2e.prometheus import Prometheus, panels, prometheus
from tests.settings import APP_SECRET
from tests.waiting import free_port, wait_until

SECONDS = float(os.environ.get("INBOX_DEPLOY_SECONDS", "0"))
TOKEN = "an-end-to-end-token"
AGENTS = 2
_pause = threading.Event()  # nobody sets it: waiting for it is waiting for time to pass


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an agent. `status` is 0 where no answer came. Unix seconds."""

    what: str
    began: float
    ended: float
    status: int
    words: str


@dataclass
class Load:
    """Customers who write, and agents who read and reply to customers of their own."""

    meta: Sandbox
    url: str
    trusted: Path
    key: str
    written: int = 0  #: messages of customers
    customers: set[str] = field(default_factory=set)  #: the bot's
    replies: list[str] = field(default_factory=list)  #: what the API took
    asked: list[Asked] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """People write while the block runs."""
        threads = [threading.Thread(target=self._customers)]
        threads += [threading.Thread(target=self._agent, args=(number,)) for number in range(AGENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads)

    def write(self, phone: str) -> None:
        self.meta.customer_writes(phone=phone, text=f"When do you open? ({self.written})")
        self.written += 1

    def session(self) -> requests.Session:
        """A program with the agents' key."""
        made = requests.Session()
        made.trust_env = False
        made.verify = str(self.trusted)
        made.headers["Authorization"] = f"Bearer {self.key}"
        return made

    def _customers(self) -> None:
        while not self._over.wait(0.3 if len(self.customers) < 100 else 2.0):  # a slow machine gets no more to do
            phone = f"336{len(self.customers):08d}"
            self.customers.add(phone)
            self.write(phone)

    def _agent(self, number: int) -> None:
        with self.session() as session:
            (account,) = session.get(f"{self.url}/accounts", timeout=30).json()
            lists = f"/conversations?account_id={account['id']}"
            rows = session.get(f"{self.url}{lists}&q={theirs(number)}", timeout=30).json()
            conversation = rows[0]["id"]
            while not self._over.wait(0.1):
                self._ask(session, "GET", lists)
                self._ask(session, "GET", f"/messages/{conversation}")
                text = f"Agent {number} says {len(self.replies)} at {time.time()}"
                body = {"conversation_id": conversation, "content": text, "client_key": text}
                while not self._ask(session, "POST", "/messages/send", json=body):
                    _pause.wait(0.2)  # and the same again, as the page does
                self.replies.append(text)

    def _ask(self, session: requests.Session, method: str, path: str, **more: Any) -> bool:
        began, status, words = time.time(), 0, ""
        try:
            response = session.request(method, f"{self.url}{path}", timeout=60, **more)
            status, words = response.status_code, "" if response.ok else response.text
        except requests.RequestException as error:
            words = repr(error)
        self.asked.append(Asked(f"{method} {path}", began, time.time(), status, words))
        return 200 <= status < 300


def theirs(agent: int) -> str:
    """The phone of the customer who talks to this agent only."""
    return f"33999{agent:06d}"


@dataclass
class Place:
    """All that runs."""

    folder: Path
    stack: ExitStack
    meta: Sandbox
    postgres: servers.OwnPostgres
    redis: servers.OwnRedis
    environment: dict[str, str]
    webs: dict[int, Process] = field(default_factory=dict)  #: by port
    started: int = 0

    def start_web(self, port: int) -> None:
        self.started += 1
        log = self.folder / f"web-{self.started}.log"
        self.webs[port], _ = self.stack.enter_context(
            gunicorn(log, self.environment | {"DISPATCHER": "off"}, port, patient=True)
        )


@pytest.fixture
def meta() -> Iterator[Sandbox]:
    """Repeats a webhook until it is answered 200, as Meta does, only faster."""
    with Sandbox(
        app_secret=APP_SECRET, status_delays=(0.1, 0.2, 0.3), webhook_retry_delays=(0.5,) * 1000, webhook_timeout=60
    ) as running:
        running.gemini_responder = lambda _request: "We open at nine."
        yield running


@pytest.fixture
def place(meta: Sandbox, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        postgres = stack.enter_context(servers.own_postgres())
        direct = servers.create_database(postgres.url, "inbox_deploy")
        redis = stack.enter_context(servers.own_redis())
        environment = production(
            stack.enter_context(servers.pgbouncer(direct)),
            meta.url,
            tmp_path,
            REDIS_URL=redis.url,
            METRICS_TOKEN=TOKEN,
            TRUSTED_PROXY_COUNT="1",
            WHATSAPP_APP_SECRET=APP_SECRET,
            BOT_DEBOUNCE_SECONDS="0.2",
            CONFIRM_WINDOW_SECONDS="10",
            GEMINI_BREAKER_OPEN_SECONDS="3",
            RATE_LIMIT="1000000",
            DATABASE_LOCK_TIMEOUT="8",  # a slow machine is no reason for a 503
            DATABASE_POOL_TIMEOUT="8",
        )
        assert "upgraded" in flask(environment, "db", "upgrade")
        made = Place(tmp_path, stack, meta, postgres, redis, environment)
        for port in (free_port(), free_port()):
            made.start_web(port)
        yield made


@pytest.mark.timeout(600)
def test_whatever_is_restarted_or_away_nobody_is_failed_and_nothing_is_lost(
    meta: Sandbox, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = flask(place.environment, "keys", "create", "--name", "Agents", "--role", "admin").split()[-1]
    scraped = f"127.0.0.1:{free_port()}"
    worker = ["-m", "flask", "--app", "wsgi", "worker"]
    place.stack.enter_context(running(worker, tmp_path / "worker.log", place.environment | {"METRICS_LISTEN": scraped}))
    webs = [f"127.0.0.1:{port}" for port in place.webs]
    url, trusted = place.stack.enter_context(nginx(tmp_path / "nginx", *webs))
    seen = place.stack.enter_context(prometheus(tmp_path, TOKEN, webs, scraped))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))  # for the simulator's webhooks
    meta.webhook_url = f"{url}/webhook/whatsapp"
    load = Load(meta, url, trusted, key)
    for agent in range(AGENTS):
        load.write(theirs(agent))
    wait_until(lambda: len(meta.deliveries()) == AGENTS, "the agents' customers to be answered")

    with load.flowing():
        until = time.monotonic() + SECONDS
        wait_until(lambda: (seen.value("sum(inbox_answer_seconds_count)") or 0) >= 8, "customers to be answered")
        away = _go_through_it(place, load, seen)
        wait_until(lambda: time.monotonic() > until, "the time that was asked for", SECONDS + 1)
    _is_whole(meta, load, place)

    refused = [asked for asked in load.asked if not 200 <= asked.status < 300]
    assert [each for each in refused if each.status != 503 or not _overlaps(away, each.began, each.ended)] == [], away
    hooks = [
        Asked("webhook", each.at - each.seconds, each.at, each.status or 0, each.error or "")
        for each in _attempts(meta)
    ]
    not_taken = [hook for hook in hooks if hook.status != 200]
    assert [each for each in not_taken if each.status != 503 or not _overlaps(away, each.began, each.ended)] == [], away
    wait_until(
        lambda: seen.value("sum(max by (equation) (abs(inbox_conservation_difference)))") == 0, "the equation", 20
    )
    empty = [title for title, queries in panels().items() if not all(map(seen.has_shown, queries))]
    assert not empty, f"panels without data: {empty}"
    print(
        f"{len(load.asked)} requests of agents ({len(refused)} of them 503), {len(hooks)} webhooks ({len(not_taken)}), "
        f"{load.written} customers' messages, {len(load.replies)} replies; "
        f"PostgreSQL away for {away[1] - away[0]:.1f} s"
    )


def _go_through_it(place: Place, load: Load, seen: Prometheus) -> tuple[float, float]:
    """All that happens. From when to when the database's restart could show: Unix seconds."""
    first, second = place.webs
    place.meta.fault("gemini", "status", code=503)
    wait_until(lambda: (seen.value('max(inbox_circuit_state{circuit="gemini"})') or 0) == 2, "the circuit to open")
    place.redis.kill()
    _restart(place, first)
    wait_until(lambda: seen.value("max(inbox_incident_conversations)"), "an incident with who waits")
    wait_until(lambda: "CircuitOpen" in seen.alerts(), "the alert")
    place.meta.clear_faults()
    _restart(place, second)
    _reload(place.webs[first])
    place.redis.start()
    began = time.time()
    place.postgres.stop()
    place.postgres.start()
    with load.session() as session:

        def is_ready() -> bool:
            try:
                return all(session.get(f"http://127.0.0.1:{port}/health/ready", timeout=10).ok for port in place.webs)
            except requests.Timeout:  # all threads are busy with what waited for the database
                return False

        wait_until(lambda: all(is_ready() for _ in range(6)), "every process to be ready again", 90)
    return began, time.time() + DatabaseLimits().breaker_open  # another process may not have tried again yet


def _restart(place: Place, port: int) -> None:
    assert place.webs[port].stop(60) == 0, place.webs[port].output()
    place.start_web(port)


def _reload(web: Process) -> None:
    """HUP, and wait until the old workers have left."""
    master = psutil.Process(web.child.pid)
    old = {child.pid for child in master.children()}
    master.send_signal(signal.SIGHUP)
    wait_until(lambda: not old & {child.pid for child in master.children()}, "the old workers to leave", 90)


def _attempts(meta: Sandbox) -> Iterator[Attempt]:
    for hook in meta.webhooks():
        yield from hook.attempts


def _overlaps(away: tuple[float, float], began: float, ended: float) -> bool:
    return began <= away[1] and ended >= away[0]


def _is_whole(meta: Sandbox, load: Load, place: Place) -> None:
    """Each customer has one answer, each reply arrived once, each message is stored, and nothing waits."""

    def everything_arrived() -> bool:
        answers, replies = _delivered(meta)
        return load.customers <= set(answers) and set(load.replies) <= set(replies)

    wait_until(everything_arrived, "every answer and every reply to arrive", 180)
    answers, replies = _delivered(meta)
    assert {phone: count for phone, count in answers.items() if count > 1} == {}
    assert {text: count for text, count in replies.items() if count > 1} == {}
    with psycopg.connect(place.postgres.url.replace("/postgres?", "/inbox_deploy?")) as connection:

        def one(query: str) -> int:
            row = connection.execute(query).fetchone()  # type: ignore[call-overload]
            connection.rollback()
            return int(row[0])

        assert one("SELECT count(*) FROM messages WHERE direction = 'inbound'") == load.written
        wait_until(
            lambda: (
                one("SELECT count(*) FROM outbox") + one("SELECT count(*) FROM webhook_events WHERE state='pending'")
                == 0
            ),
            "everything to be worked off",
            60,
        )


def _delivered(meta: Sandbox) -> tuple[Counter[str | None], Counter[str | None]]:
    """Answers by phone, and agents' replies by text."""
    found = meta.deliveries()
    replies = Counter(each.text for each in found if each.text and each.text.startswith("Agent "))
    return Counter(each.phone for each in found if each.text == "We open at nine."), replies
