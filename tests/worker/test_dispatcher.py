"""The loops: woken at once, apart from each other, drained on stop."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from sqlalchemy import select

from inbox import create_app
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.db.wake import Wakeups, Work
from inbox.models import Job, Message
from inbox.runtime import Runtime, runtime_of
from inbox.worker.dispatcher import Crew, Dispatcher
from sandbox import Sandbox
from tests.builders import all_messages, signed, store_events, text_message, webhook
from tests.outbox.world import queue_reply
from tests.settings import APP_SECRET
from tests.waiting import wait_until


@pytest.fixture
def working(live_config: Config) -> Iterator[Runtime]:
    """Services whose dispatcher runs."""
    app = create_app(
        dataclasses.replace(live_config, dispatcher=True, gemini=dataclasses.replace(live_config.gemini, read=2.0))
    )
    runtime = runtime_of(app)
    runtime.prepare_database()
    runtime.start_dispatcher()
    yield runtime
    assert runtime.close(10, leave=10)


def now_seconds() -> int:
    return int(utc_now().timestamp())


def test_a_customer_writes_and_is_answered(working: Runtime, sandbox: Sandbox) -> None:
    store_events(working.db, webhook(messages=[text_message("Bonjour", at=now_seconds())]))
    working.wakeups.ring(Work.INGEST)
    (delivery,) = wait_until(sandbox.deliveries, "an answer to be delivered")
    message = wait_until(lambda: sent(working.db), "the outcome to be recorded")
    assert (message.status, message.wa_message_id) == ("sent", delivery.wamid)
    wait_until(lambda: jobs(working.db) == [], "the outbox to be empty")


def sent(db: Database) -> Message | None:
    return next((message for message in all_messages(db) if message.status == "sent"), None)


def jobs(db: Database) -> Sequence[Job]:
    with db.reading() as session:
        return session.execute(select(Job)).scalars().all()


def test_a_slow_gemini_does_not_hold_up_deliveries(working: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "hang", seconds=30)
    phones = [f"3360000{n:04d}" for n in range(12)]
    batch = [text_message("hello", wa_id=f"wamid.{p}", phone=p, at=now_seconds()) for p in phones]
    store_events(working.db, webhook(messages=batch))
    working.wakeups.ring(Work.INGEST)
    wait_until(lambda: len(sandbox.requests("gemini")) >= working.config.answer_threads, "every answer thread to hang")

    queue_reply(working, phones[0], "from a person")
    working.wakeups.ring(Work.DELIVER)
    wait_until(lambda: [d.text for d in sandbox.deliveries()] == ["from a person"], "the reply to be delivered", 5)


def test_read_receipts_reach_the_customer(working: Runtime, sandbox: Sandbox) -> None:
    wa_id = sandbox.customer_writes(text="hello")
    store_events(working.db, webhook(messages=[text_message("hello", wa_id=wa_id, at=now_seconds())]))
    working.wakeups.ring(Work.INGEST)
    wait_until(lambda: [r for r in sandbox.requests("whatsapp") if b"typing_indicator" in r.body], "the typing sign")


# --- crews -------------------------------------------------------------------------------------------------------


class Bench:
    """Tasks that a crew takes; each waits until the test lets it go."""

    def __init__(self, tasks: int) -> None:
        self.tasks = list(range(tasks))
        self.let_go = threading.Event()
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.most = 0
        self._lock = threading.Lock()

    def claim(self, hands: int) -> Sequence[int]:
        with self._lock:
            taken, self.tasks = self.tasks[:hands], self.tasks[hands:]
            return taken

    def handle(self, task: int) -> None:
        with self._lock:
            self.begun.append(task)
            self.most = max(self.most, len(self.begun) - len(self.ended))
        self.let_go.wait(20)
        with self._lock:
            self.ended.append(task)


@pytest.fixture
def wakeups(tmp_path) -> Iterator[Wakeups]:  # type: ignore[no-untyped-def]
    made = Wakeups(Database(f"sqlite:///{tmp_path / 'x.db'}"))
    yield made
    made.stop()


def test_a_crew_works_on_as_much_as_it_has_hands(wakeups: Wakeups) -> None:
    bench = Bench(10)
    dispatcher = Dispatcher([Crew(Work.DELIVER, 3, bench.claim, bench.handle, wakeups)], wakeups)
    dispatcher.start()
    wait_until(lambda: len(bench.begun) == 3, "three tasks to begin")
    assert len(bench.tasks) == 7
    bench.let_go.set()
    wait_until(lambda: len(bench.ended) == 10, "all tasks to end")
    assert bench.most == 3
    assert dispatcher.stop(5)


@pytest.mark.parametrize("tells", [True, False])
def test_other_processes_are_told_of_what_they_may_take(wakeups: Wakeups, tells: bool) -> None:
    bench, told = Bench(2), []
    wakeups.ring_others = told.append  # type: ignore[method-assign, assignment]
    dispatcher = Dispatcher([Crew(Work.DELIVER, 1, bench.claim, bench.handle, wakeups, tells=tells)], wakeups)
    dispatcher.start()
    bench.let_go.set()
    wait_until(lambda: len(bench.ended) == 2, "both tasks to end")
    assert dispatcher.stop(5)
    assert told == ([Work.DELIVER] * 2 if tells else [])


def test_stopping_takes_nothing_new_and_finishes_what_is_begun(wakeups: Wakeups) -> None:
    bench = Bench(10)
    crew = Crew(Work.DELIVER, 2, bench.claim, bench.handle, wakeups)
    dispatcher = Dispatcher([crew], wakeups)
    dispatcher.start()
    wait_until(lambda: len(bench.begun) == 2, "two tasks to begin")
    crew.stop()
    bench.let_go.set()
    assert dispatcher.stop(10)
    assert (len(bench.ended), len(bench.tasks)) == (2, 8)


def test_stopping_does_not_wait_for_ever(wakeups: Wakeups) -> None:
    bench = Bench(1)
    dispatcher = Dispatcher([Crew(Work.DELIVER, 1, bench.claim, bench.handle, wakeups)], wakeups)
    dispatcher.start()
    wait_until(lambda: bench.begun, "the task to begin")
    assert dispatcher.stop(0.2) is False
    bench.let_go.set()


def test_a_crew_survives_a_task_and_a_claim_that_raise(wakeups: Wakeups, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[str] = []

    def claim(_hands: int) -> Sequence[str]:
        calls.append("claim")
        if len(calls) == 1:
            raise RuntimeError("claiming broke")
        return ["bad"] if len(calls) == 2 else ["good"] if len(calls) == 3 else []

    done: list[str] = []

    def handle(task: str) -> None:
        if task == "bad":
            raise RuntimeError("handling broke")
        done.append(task)

    dispatcher = Dispatcher([Crew(Work.HOUSEKEEPING, 1, claim, handle, wakeups, poll=0.05)], wakeups)
    dispatcher.start()
    wait_until(lambda: done == ["good"], "the good task")
    assert dispatcher.stop(5)
    assert "claiming broke" in caplog.text
    assert "handling broke" in caplog.text


# --- waking other processes --------------------------------------------------------------------------------------


def test_a_ring_in_one_process_is_heard_in_another(postgres: str) -> None:
    """Two Wakeups over one PostgreSQL stand for a web process and a worker."""
    web, worker = Wakeups(Database(postgres)), Wakeups(Database(postgres))
    worker.listen()
    wait_until(lambda: listeners(postgres) == 1, "the worker to listen")
    worker.wait(Work.DELIVER, 0.1)
    heard = threading.Event()

    def sleeper() -> None:
        worker.wait(Work.DELIVER, 10)
        heard.set()

    threading.Thread(target=sleeper, daemon=True).start()
    web.ring(Work.DELIVER)
    assert heard.wait(5)
    web.stop()
    worker.stop()


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_what_was_rung_is_told_although_the_process_ends_at_once(postgres: str, seconds: float) -> None:
    command, worker = Wakeups(Database(postgres)), Wakeups(Database(postgres))
    worker.listen()
    wait_until(lambda: listeners(postgres) == 1, "the worker to listen")
    while worker.wait(Work.DELIVER, 0.5):  # what it rings itself when it begins to listen
        pass
    command.ring(Work.DELIVER, seconds)
    command.stop()
    assert worker.wait(Work.DELIVER, 5)
    worker.stop()


def listeners(postgres: str) -> int:
    with psycopg.connect(postgres) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'inbox-wake' AND query LIKE 'LISTEN%'"
        row = connection.execute(f"{query} AND datname = current_database()").fetchone()
        return row[0] if row else 0


def test_a_database_that_is_away_costs_the_wake_up_and_nothing_else() -> None:
    wakeups = Wakeups(Database("postgresql://nobody@127.0.0.1:9/none"))
    wakeups.listen()
    wakeups.ring(Work.INGEST)
    wakeups.wait(Work.INGEST, 0.01)
    wakeups.stop()


def test_the_webhook_wakes_the_ingester(working: Runtime, live_config: Config) -> None:
    app = create_app(live_config)
    app.extensions["inbox"] = working
    body = json.dumps(json.loads(webhook(messages=[text_message("hi", at=now_seconds())]))).encode()
    response = app.test_client().post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))
    assert response.status_code == 200
    wait_until(lambda: len(all_messages(working.db)) >= 1, "the message to be ingested", 3)
