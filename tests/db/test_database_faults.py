"""The database fails in every way we know of, on a server of our own: every wait ends, nothing is lost or doubled."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import random
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from inbox import create_app
from inbox.auth.access import Access, Permission, Principal
from inbox.bot.profiles import get_profile, put_profile
from inbox.bot.schemas import ProfileContent
from inbox.clock import utc_now
from inbox.config import Config, DatabaseLimits
from inbox.conversations import reading, service
from inbox.conversations.service import Draft
from inbox.db import Database, migrations
from inbox.db.schema import schema_version
from inbox.db.transactions import database_breaker, whole_transaction
from inbox.db.wake import Wakeups, Work
from inbox.errors import DatabaseUnavailable
from inbox.models import Account, Job, JobKind, Message, WebhookEvent
from inbox.runtime import Runtime, runtime_of
from inbox.webhooks.ingest import ingest_batch
from inbox.webhooks.journal.segments import Segments
from inbox.webhooks.routes import new_event
from tests import servers
from tests.builders import NUMBER_ID, all_messages, signed, text_message, the_account, the_conversation, webhook
from tests.e2e.processes import flask, gunicorn
from tests.proxy import How, Proxy, Where, proxied
from tests.settings import APP_SECRET
from tests.waiting import wait_until

WATCHDOG = 1.0  # seconds, in most of these tests
SLACK = 5.0  # seconds that a busy machine may add


@pytest.fixture(scope="module")
def server() -> Iterator[servers.OwnPostgres]:
    with servers.own_postgres() as running:
        yield running


@pytest.fixture(scope="module")
def template(server: servers.OwnPostgres) -> str:
    db = Database(servers.create_database(server.url, "template_of_faults"))
    migrations.upgrade(db)
    db.close()
    return "template_of_faults"


@pytest.fixture
def url(server: servers.OwnPostgres, template: str) -> Iterator[str]:
    name = f"faults_{uuid.uuid4().hex[:12]}"
    yield servers.create_database(server.url, name, template)
    servers.drop_database(server.url, name)


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """A database that is given up on after a second."""
    made = Database(url, pool_size=3, watchdog=WATCHDOG)
    yield made
    made.close()


@pytest.fixture
def database_url(url: str) -> str:
    """What the shared fixtures build their app over: in this file, our own server and no other kind."""
    return url


def backend(session: Session) -> int:
    pid: int = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return pid


def one(db: Database) -> int:
    with db.reading() as session:
        value: int = session.execute(text("SELECT 1")).scalar_one()
        return value


@contextlib.contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds + SLACK


def stored_bodies(db: Database) -> Counter[bytes]:
    with db.reading() as session:
        return Counter(session.execute(select(WebhookEvent.body)).scalars())


# --- limits ------------------------------------------------------------------------------------------------------


def test_the_server_itself_ends_statements_locks_and_idle_transactions(url: str) -> None:
    """All three at once, each with the number it really has: 10 s, 2 s and 15 s."""
    db = Database(url, pool_size=5)
    took: dict[str, float] = {}
    errors: dict[str, str] = {}

    def measured(name: str, use: Callable[[Session], object]) -> None:
        began = time.monotonic()
        try:
            with db.writing() as session:
                use(session)
        except DatabaseUnavailable as error:
            took[name] = time.monotonic() - began
            errors[name] = str(error.__cause__)

    def waits_for_a_lock(session: Session) -> None:
        session.execute(text("LOCK TABLE whatsapp_accounts"))

    def falls_asleep(session: Session) -> None:
        pid = backend(session)
        with psycopg.connect(url, autocommit=True) as watcher:
            query = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
            wait_until(lambda: watcher.execute(query, (pid,)).fetchone() == (0,), "the idle session to be ended")
        session.execute(text("SELECT 1"))

    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE whatsapp_accounts")
        uses: dict[str, Callable[[Session], object]] = {
            "statement": lambda session: session.execute(text("SELECT pg_sleep(30)")),
            "lock": waits_for_a_lock,
            "idle": falls_asleep,
        }
        threads = [threading.Thread(target=measured, args=use) for use in uses.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert 9.5 < took["statement"] < 10 + SLACK
    assert "statement timeout" in errors["statement"]
    assert 1.9 < took["lock"] < 2 + SLACK
    assert "lock timeout" in errors["lock"]
    assert 14.5 < took["idle"] < 15 + SLACK
    assert one(db) == 1
    db.close()


def test_a_server_that_was_never_migrated_has_no_schema(server: servers.OwnPostgres) -> None:
    db = Database(servers.create_database(server.url, f"faults_{uuid.uuid4().hex[:12]}"))
    with db.reading() as session:
        assert schema_version(session) is None
    db.close()


def test_a_server_that_accepts_and_says_nothing_is_given_up_after_three_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        db = Database(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/x")
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            one(db)
        assert 2.5 < time.monotonic() - began < 3 + SLACK
        db.close()


def test_a_name_server_that_says_nothing_is_given_up_and_its_late_answer_leaves_no_connection(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.db.postgres.CONNECT_TOTAL", 0.5)
    answers, look_up = threading.Event(), socket.getaddrinfo

    def silent(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "black-hole.test":
            answers.wait(30)
        return look_up("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    db = Database(url.replace("127.0.0.1", "black-hole.test"))
    with ends_within(0.5), pytest.raises(DatabaseUnavailable):
        one(db)
    answers.set()
    wait_until(lambda: not [t for t in threading.enumerate() if t.name == "db-connect"], "the late connection's end")
    with psycopg.connect(url, autocommit=True) as watcher:
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'inbox'"
        wait_until(lambda: watcher.execute(query).fetchone() is None, "the late connection to be closed")
    db.close()


def test_a_connection_that_breaks_while_the_schema_is_looked_at_is_a_database_that_is_away(url: str) -> None:
    db = Database(url, pool_size=1)
    with (
        pytest.raises(DatabaseUnavailable),
        db.reading() as session,
        psycopg.connect(url, autocommit=True) as other,
    ):
        other.execute("SELECT pg_terminate_backend(%s)", [backend(session)])
        schema_version(session)
    db.close()


def test_a_full_pool_is_waited_for_two_seconds(url: str) -> None:
    db = Database(url, pool_size=1)
    with db.reading() as session:
        backend(session)
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable) as caught, db.writing() as other:
            backend(other)
        assert 1.9 < time.monotonic() - began < 2 + SLACK
    assert not caught.value.may_repeat
    assert one(db) == 1
    db.close()


def test_behind_a_transaction_pooler_the_limits_come_with_every_begin(url: str) -> None:
    db = Database(url + "&pgbouncer=true", pool_size=1)
    assert db.transaction_pooled
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with db.writing() as session:
        within = [session.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    with db.reading() as session:
        after = [session.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    db.close()
    assert within == ["10s", "2s", "15s"]
    assert after == ["0", "0", "0"]  # nothing is left in a session that the pooler gives to somebody else


def test_the_limits_behind_a_transaction_pooler_cost_no_round_trip(url: str, tmp_path: Path) -> None:
    db = Database(url + "&pgbouncer=true", pool_size=1)
    with db.engine.connect() as connection, (tmp_path / "trace").open("w+b") as trace:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        connection.close()  # back to the pool, to be the one that is used
        raw.pgconn.trace(trace.fileno())
        with db.writing() as session:
            session.execute(text("SELECT 1"))
        raw.pgconn.untrace()
        trace.seek(0)
        sent = [line for line in trace if b"\tF\t" in line and (b"Query" in line or b"Sync" in line)]
    db.close()
    assert len(sent) == 3, sent  # BEGIN with its limits, the statement, COMMIT


# --- a frozen server (scenario 36) -------------------------------------------------------------------------------


def test_a_statement_on_a_frozen_backend_is_cut_and_the_pool_goes_on(db: Database) -> None:
    with (
        pytest.raises(DatabaseUnavailable) as caught,
        db.reading() as session,
        servers.suspended(backend(session)),
        ends_within(WATCHDOG),
    ):
        session.execute(text("SELECT 1"))
    assert not caught.value.may_repeat  # a timeout
    with ends_within(1):
        assert one(db) == 1


@pytest.mark.parametrize(("last", "in_doubt"), [("COMMIT", True), ("ROLLBACK", False)])
def test_the_end_of_a_transaction_on_a_frozen_backend_is_cut(db: Database, last: str, in_doubt: bool) -> None:
    with (
        contextlib.ExitStack() as frozen,
        ends_within(WATCHDOG),
        pytest.raises(DatabaseUnavailable) as caught,
        db.writing() as session,
    ):
        frozen.enter_context(servers.suspended(backend(session)))
        if last == "ROLLBACK":
            raise ZeroDivisionError
    assert caught.value.in_doubt is in_doubt
    assert not caught.value.may_repeat
    assert one(db) == 1


def test_a_large_webhook_on_a_frozen_backend_is_cut_although_its_bytes_fill_every_buffer(db: Database) -> None:
    with db.reading() as session:
        pid = backend(session)
    with servers.suspended(pid), ends_within(WATCHDOG), pytest.raises(DatabaseUnavailable):
        db.insert_alone(WebhookEvent, new_event(b"x" * 4_000_000))
    db.insert_alone(WebhookEvent, new_event(b"after"))
    assert stored_bodies(db)[b"after"] == 1


def test_a_connection_that_froze_while_idle_is_found_out_in_two_seconds(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.db.postgres.STALE_AFTER", -1.0)
    with db.reading() as session:
        pid = backend(session)
    with servers.suspended(pid), ends_within(2):
        assert one(db) == 1


def test_a_frozen_connection_for_wake_up_calls_is_replaced(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("inbox.db.postgres.WatchedConnection.limit", WATCHDOG)
    monkeypatch.setattr("inbox.db.wake._RECONNECT", 0.05)
    db = Database(url)
    caller = Wakeups(db)
    with psycopg.connect(url, autocommit=True) as watcher:
        query = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'inbox-wake' AND datname = current_database()"
        )
        caller.ring(Work.INGEST)
        (pid,) = wait_until(lambda: watcher.execute(query).fetchone(), "the connection")
        with servers.suspended(pid):
            caller.ring(Work.INGEST)
            wait_until(lambda: "no answer within" in caplog.text, "the frozen connection to be given up")
            caller.ring(Work.INGEST)
            wait_until(lambda: len(watcher.execute(query).fetchall()) == 2, "another connection")
    caller.stop()
    db.close()


def test_a_migration_may_take_longer_than_the_watchdog(db: Database) -> None:
    with db.writing(patient=True) as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SELECT pg_sleep(1.5)"))
    with pytest.raises(DatabaseUnavailable), db.writing() as session:  # the same connection, watched again
        session.execute(text("SELECT pg_sleep(5)"))


def test_a_frozen_server_holds_no_call_longer_than_the_watchdog_and_opens_the_circuit(
    app: Flask, runtime: Runtime, server: servers.OwnPostgres
) -> None:
    """Scenario 36 with the real numbers: 12 s, then refusals at once; afterwards everything is stored once."""
    bodies = [inbound(f"frozen {number}") for number in range(8)]
    warm_up(runtime, 6)
    answers: list[Any] = []

    def post(body: bytes) -> None:
        began = time.monotonic()
        answers.append((post_webhook(app.test_client(), body), time.monotonic() - began))

    with server.frozen():
        threads = [threading.Thread(target=post, args=(body,)) for body in bodies[:6]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert runtime.db.breaker.state == "open"
        for body in bodies[6:]:
            with ends_within(0):
                post(body)
    assert len(answers) == 8
    for response, seconds in answers:
        assert_told_to_repeat(response)
        assert seconds < 12 + SLACK
    assert max(seconds for _, seconds in answers) > 11
    assert_ingested_once(runtime, [f"frozen {number}" for number in range(8)])


# --- restarts (scenario 34) --------------------------------------------------------------------------------------


def test_after_an_immediate_restart_in_the_middle_of_a_batch_nothing_is_lost_or_doubled(
    app: Flask, runtime: Runtime, server: servers.OwnPostgres
) -> None:
    for number in range(5):
        assert post_webhook(app.test_client(), inbound(f"claimed {number}")).status_code == 200
    with pytest.raises(DatabaseUnavailable), runtime.db.writing() as session:
        session.execute(text("UPDATE webhook_events SET state = 'done'"))
        session.execute(text("SELECT id FROM webhook_events FOR UPDATE"))
        server.kill()
        session.execute(text("SELECT 1"))
    assert_told_to_repeat(post_webhook(app.test_client(), inbound("while it was down")))
    server.start()
    began = time.monotonic()
    wait_until(lambda: answers_again(runtime.db), "the database to be used again")
    assert time.monotonic() - began < 5 + SLACK
    assert_ingested_once(runtime, [f"claimed {number}" for number in range(5)] + ["while it was down"])


def answers_again(db: Database) -> bool:
    try:
        return one(db) == 1
    except DatabaseUnavailable:
        return False


def test_many_dead_connections_in_the_pool_do_not_lose_a_webhook(db: Database, server: servers.OwnPostgres) -> None:
    """Each of them looks alive until it is used: the second attempt must not take another dead one."""
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            backend(stack.enter_context(db.reading()))
    server.kill()
    server.start()
    for number in range(3):
        db.insert_alone(WebhookEvent, new_event(b"%d" % number))
    assert stored_bodies(db) == {b"0": 1, b"1": 1, b"2": 1}


@pytest.mark.parametrize("where", Where)
def test_an_insert_whose_connection_breaks_is_stored_exactly_once(url: str, where: Where) -> None:
    with proxied(url) as (proxy, through):
        db = Database(through, pool_size=2, watchdog=WATCHDOG)
        one(db)
        proxy.trap(b"the body", where)
        db.insert_alone(WebhookEvent, new_event(b"the body"))
        assert proxy.sprung == 1
        assert stored_bodies(db) == {b"the body": 1}
        db.close()


def test_without_repeats_a_broken_connection_is_an_error(url: str) -> None:
    with proxied(url) as (proxy, through):
        db = Database(through, repeats=False)
        proxy.trap(b"the body", Where.BEFORE)
        with pytest.raises(DatabaseUnavailable) as caught:
            db.insert_alone(WebhookEvent, new_event(b"the body"))
        proxy.trap(b"COMMIT", Where.BEFORE)
        with pytest.raises(DatabaseUnavailable) as doubtful, db.writing() as session:
            session.execute(text("SELECT 1"))
        db.close()
    assert not caught.value.may_repeat
    assert (doubtful.value.may_repeat, doubtful.value.in_doubt) == (False, True)


def test_a_read_whose_connection_was_cut_is_answered(
    app: Flask, client: FlaskClient, server: servers.OwnPostgres
) -> None:
    """While somebody ends all connections again and again, as a pooler or a firewall does."""
    for _ in range(5):
        assert client.get("/accounts").status_code == 200
        with psycopg.connect(server.url, autocommit=True) as watcher:
            watcher.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'inbox'")
        assert client.get("/accounts").status_code == 200


# --- whole transactions (scenario 35) ----------------------------------------------------------------------------


@pytest.fixture
def broken_line(config: Config, url: str) -> Iterator[tuple[Runtime, Proxy]]:
    """The app behind a proxy, with one conversation whose customer has just written."""
    with proxied(url) as (proxy, through):
        app = create_app(dataclasses.replace(config, database_url=through))
        runtime = runtime_of(app)
        runtime.prepare_database()
        runtime.db.insert_alone(WebhookEvent, new_event(inbound("Bonjour")))
        ingest_batch(runtime.db, settings=runtime.ingest_settings)
        yield runtime, proxy
        proxy.thaw()
        assert runtime.close(5)


AGENT = Access(
    Principal(id="agent", name="Agent", everywhere=frozenset(Permission), kind="key"), Permission.MESSAGES_SEND
)
OUT = timedelta(minutes=30)


def send(runtime: Runtime, client_key: str | None = None) -> Any:
    draft = Draft(the_conversation(runtime.db).id, "the reply", client_key)
    return service.send_message(runtime.db, AGENT, draft, bot_stays_out=OUT)


def queued(db: Database) -> tuple[list[str], int]:
    """The outbound texts, and how many sends wait for them."""
    with db.reading() as session:
        texts = session.execute(select(Message.content_text).where(Message.direction == "outbound")).scalars()
        jobs = session.execute(select(Job.id).where(Job.kind == JobKind.SEND)).scalars()
        return list(texts), len(list(jobs))


@pytest.mark.parametrize("client_key", [None, "key-1"])
@pytest.mark.parametrize("where", Where)
def test_a_reply_whose_commit_breaks_is_queued_exactly_once(
    broken_line: tuple[Runtime, Proxy], where: Where, client_key: str | None
) -> None:
    runtime, proxy = broken_line
    conversation = the_conversation(runtime.db)
    proxy.trap(b"COMMIT", where)
    row = service.send_message(runtime.db, AGENT, Draft(conversation.id, "the reply", client_key), bot_stays_out=OUT)
    assert proxy.sprung == 1
    assert queued(runtime.db) == (["the reply"], 1)
    assert [message.id for message in all_messages(runtime.db) if message.direction == "outbound"] == [row.id]


def test_a_reply_that_breaks_before_its_commit_is_queued_exactly_once(broken_line: tuple[Runtime, Proxy]) -> None:
    runtime, proxy = broken_line
    conversation = the_conversation(runtime.db)
    proxy.trap(b"INSERT INTO messages", Where.AFTER)
    service.send_message(runtime.db, AGENT, Draft(conversation.id, "the reply"), bot_stays_out=OUT)
    assert proxy.sprung == 1
    assert queued(runtime.db) == (["the reply"], 1)


def test_a_reply_that_may_be_stored_after_all_attempts_does_not_claim_that_nothing_was_changed(
    broken_line: tuple[Runtime, Proxy],
) -> None:
    runtime, proxy = broken_line
    conversation = the_conversation(runtime.db)
    proxy.trap(b"COMMIT", Where.AFTER, then=lambda: proxy.trap(b"BEGIN", Where.BEFORE, times=2))
    with pytest.raises(DatabaseUnavailable) as caught:
        service.send_message(runtime.db, AGENT, Draft(conversation.id, "the reply"), bot_stays_out=OUT)
    assert proxy.sprung == 3
    assert caught.value.in_doubt
    assert queued(runtime.db) == (["the reply"], 1)


def test_a_commit_that_freezes_is_not_repeated(config: Config, url: str) -> None:
    with proxied(url) as (proxy, through):
        db = Database(through, watchdog=WATCHDOG)
        account = make_account(db)
        proxy.trap(b"COMMIT", Where.BEFORE, How.FREEZE)
        access = Access(AGENT.principal, Permission.SETTINGS_MANAGE)
        with pytest.raises(DatabaseUnavailable) as caught, ends_within(WATCHDOG):
            put_profile(db, access, account, ProfileContent(business_name="Bakery"))
        assert caught.value.in_doubt
        assert "may or may not be saved" in caught.value.message
        assert proxy.sprung == 1
        proxy.thaw()
        db.close()


def make_account(db: Database, number: str = "1") -> uuid.UUID:
    now = utc_now()
    account = Account(id=uuid.uuid4(), name="n", phone_number_id=number, created_at=now, updated_at=now)
    with db.writing() as session:
        session.add(account)
    return account.id


def test_a_profile_whose_commit_breaks_is_saved(broken_line: tuple[Runtime, Proxy]) -> None:
    runtime, proxy = broken_line
    account = the_account(runtime.db).id
    access = Access(AGENT.principal, Permission.SETTINGS_MANAGE)
    proxy.trap(b"COMMIT", Where.AFTER)
    put_profile(runtime.db, access, account, ProfileContent(business_name="Bakery"))
    assert proxy.sprung == 1
    assert get_profile(runtime.db, access, account).business_name == "Bakery"


def test_flags_of_a_conversation_are_set_although_the_commit_breaks(broken_line: tuple[Runtime, Proxy]) -> None:
    runtime, proxy = broken_line
    talk = the_conversation(runtime.db).id
    for where in Where:
        proxy.trap(b"COMMIT", where)
        service.set_favorite(runtime.db, AGENT, talk, favorite=True)
        proxy.trap(b"COMMIT", where)
        service.set_bot(runtime.db, AGENT, talk, enabled=False)
        proxy.trap(b"COMMIT", where)
        reading.mark_read(runtime.db, AGENT, talk)
    assert proxy.sprung == 6
    conversation = the_conversation(runtime.db)
    assert (conversation.is_favorite, conversation.bot_enabled, conversation.unread_count) == (True, False, 0)


def test_a_manual_resend_is_repeated_before_its_commit_and_left_in_doubt_during_it(
    broken_line: tuple[Runtime, Proxy],
) -> None:
    runtime, proxy = broken_line
    message = send(runtime)
    with runtime.db.writing() as session:
        session.get_one(Message, message.id).status = "failed"
        session.execute(delete(Job))
    proxy.trap(b"UPDATE conversations", Where.BEFORE)
    proxy.trap(b"COMMIT", Where.AFTER)
    with pytest.raises(DatabaseUnavailable) as caught:
        service.resend(runtime.db, AGENT, message.id, bot_stays_out=OUT)
    assert proxy.sprung == 2
    assert caught.value.in_doubt
    assert queued(runtime.db) == (["the reply"], 1)


def test_transactions_that_collide_are_run_again(url: str) -> None:
    """Two that lock the same rows in opposite order: the server ends one of them with 40P01."""
    db = Database(url)  # its watchdog is slower than the server's search for deadlocks, which takes a second
    accounts = [make_account(db, number) for number in ("1", "2")]
    both = threading.Barrier(2)
    attempts: Counter[int] = Counter()
    errors: list[BaseException] = []

    @whole_transaction
    def rename(first: int) -> None:
        attempts[first] += 1
        with db.writing() as session:
            session.execute(text("SET LOCAL lock_timeout = 0"))
            lock(session, accounts[first])
            if attempts[first] == 1:
                both.wait(20)
            lock(session, accounts[1 - first])

    def lock(session: Session, account: uuid.UUID) -> None:
        session.get_one(Account, account, with_for_update=True)

    def run(first: int) -> None:
        try:
            rename(first)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(first,)) for first in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    db.close()
    assert errors == []
    assert sorted(attempts.values()) == [1, 2]


def test_nothing_is_repeated_more_than_twice(url: str) -> None:
    with proxied(url) as (proxy, through):
        db = Database(through)

        @whole_transaction
        def attempt() -> None:
            with db.writing() as session:
                session.execute(text("SELECT 'marked'"))

        proxy.trap(b"marked", Where.BEFORE, times=10)
        with pytest.raises(DatabaseUnavailable) as caught:
            attempt()
        assert proxy.sprung == 3
        assert not caught.value.in_doubt
        db.close()


# --- what an error means -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "unavailable", "away", "may_repeat"),
    [
        ("08006", True, True, False),
        ("57P01", True, True, False),
        ("57P02", True, True, False),
        ("57P03", True, True, False),
        ("53300", True, False, False),
        ("57014", True, False, False),
        ("55P03", True, False, False),
        ("53100", True, False, False),
        ("53200", True, False, False),
        ("40001", True, False, True),
        ("40P01", True, False, True),
        ("25006", True, False, False),
        ("42P01", True, False, False),
        ("58030", True, False, False),
        ("22012", False, False, False),
        ("23505", False, False, False),
        ("54000", True, False, False),
        ("54001", True, False, False),
        ("54023", True, False, False),
        ("21000", False, False, False),
        ("42703", True, False, False),
        ("42501", True, False, False),
        ("XX000", True, False, False),
        ("XX001", True, False, False),
        ("XX002", True, False, False),
    ],
)
def test_a_sqlstate_decides_what_the_caller_and_the_breaker_hear(
    db: Database, state: str, unavailable: bool, away: bool, may_repeat: bool
) -> None:
    with pytest.raises(Exception) as caught, db.writing() as session:  # noqa: PT011 (which one, is the question)
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"))
    assert isinstance(caught.value, DatabaseUnavailable) is unavailable
    assert db.breaker.snapshot().failure_count == (1 if away else 0)
    assert getattr(caught.value, "may_repeat", False) is may_repeat
    assert not getattr(caught.value, "in_doubt", False)


@pytest.mark.parametrize("size", [3000, 16000])
def test_a_value_that_is_too_long_for_an_index_is_the_values_own_fault(db: Database, size: int) -> None:
    with db.writing() as session:
        session.execute(text("CREATE TABLE indexed (words text)"))
        session.execute(text("CREATE INDEX ix_indexed ON indexed (words)"))
    long = base64.b85encode(random.Random(1).randbytes(size)).decode()  # does not compress
    with pytest.raises(OperationalError) as caught, db.writing() as session:
        session.execute(text("INSERT INTO indexed VALUES (:words)"), {"words": long})
    assert isinstance(caught.value.orig, psycopg.errors.ProgramLimitExceeded)


def test_the_circuit_opens_refuses_at_once_and_closes_after_two_successes(
    server: servers.OwnPostgres, url: str
) -> None:
    now = [1000.0]
    breaker = database_breaker(DatabaseLimits(), clock=lambda: now[0])
    db = Database(url, pool_size=2, breaker=breaker)
    server.kill()
    for _ in range(5):
        assert breaker.state == "closed"
        with pytest.raises(DatabaseUnavailable):
            one(db)
    assert breaker.state == "open"
    server.start()
    for use in (lambda: one(db), lambda: db.insert_alone(WebhookEvent, new_event(b"x")), lambda: make_account(db)):
        with pytest.raises(DatabaseUnavailable) as caught:
            use()
        assert 1 <= int(caught.value.headers["Retry-After"]) <= 4
        assert not caught.value.may_repeat
    now[0] += 3.5
    one(db)
    assert breaker.state == "half_open"
    one(db)
    assert breaker.state == "closed"
    assert stored_bodies(db) == {}
    db.close()


def test_one_use_at_a_time_probes_a_half_open_circuit(server: servers.OwnPostgres, url: str) -> None:
    now = [1000.0]
    breaker = database_breaker(DatabaseLimits(breaker_failures=1), clock=lambda: now[0])
    db = Database(url, breaker=breaker)
    server.kill()
    with pytest.raises(DatabaseUnavailable):
        one(db)
    server.start()
    now[0] += 3.5
    with db.reading() as session:
        assert backend(session) > 0
        with pytest.raises(DatabaseUnavailable):
            one(db)
    assert one(db) == 1
    assert breaker.state == "closed"
    db.close()


def test_a_breaker_that_is_switched_off_never_refuses(server: servers.OwnPostgres, url: str) -> None:
    db = Database(url, breaker=database_breaker(DatabaseLimits(breaker_failures=1), enabled=False))
    server.kill()
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            one(db)
    server.start()
    assert one(db) == 1
    db.close()


def test_statements_that_run_into_limits_do_not_open_the_circuit(db: Database) -> None:
    for _ in range(25):
        with pytest.raises(DatabaseUnavailable), db.writing() as session:
            session.execute(text("SET LOCAL statement_timeout = 1"))
            session.execute(text("SELECT pg_sleep(1)"))
    assert db.breaker.state == "closed"


# --- the webhook meanwhile (scenarios 37 and 43) -----------------------------------------------------------------


def inbound(words: str) -> bytes:
    return webhook(messages=[text_message(words, wa_id=f"wamid.{words}", at=int(utc_now().timestamp()))])


def post_webhook(client: FlaskClient, body: bytes) -> Any:
    return client.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))


def assert_told_to_repeat(response: Any) -> None:
    assert (response.status_code, response.json["code"]) == (503, "database_timeout")
    assert int(response.headers["Retry-After"]) >= 1


def warm_up(runtime: Runtime, connections: int) -> None:
    """Open some connections, so that the pool holds them when the server freezes."""
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            backend(stack.enter_context(runtime.db.reading()))


def assert_ingested_once(runtime: Runtime, words: list[str]) -> None:
    """The journal empties itself, and every text is there exactly once."""
    wait_until(lambda: runtime.journal.depth().events == 0, "the journal to be drained")
    wait_until(lambda: answers_again(runtime.db), "the circuit to close")
    while ingest_batch(runtime.db, settings=runtime.ingest_settings).events:
        pass
    assert Counter(message.content_text for message in all_messages(runtime.db)) == Counter(words)


def test_a_webhook_that_meets_a_full_pool_is_journaled_and_told_to_come_again(app: Flask, runtime: Runtime) -> None:
    size = runtime.db.engine.pool.size()  # type: ignore[attr-defined]
    with contextlib.ExitStack() as stack:
        for _ in range(size):
            backend(stack.enter_context(runtime.db.reading()))
        began = time.monotonic()
        assert_told_to_repeat(post_webhook(app.test_client(), inbound("no room")))
        assert 1.9 < time.monotonic() - began < 2 + SLACK
    assert_ingested_once(runtime, ["no room"])


def refuse_inserts(db: Database, table: str, state: str) -> None:
    with db.writing() as session:
        session.execute(
            text(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$"
            )
        )
        session.execute(text(f"CREATE TRIGGER refuse BEFORE INSERT ON {table} EXECUTE FUNCTION refuse()"))


@pytest.mark.parametrize("state", ["54000", "54001", "53300"])
def test_a_limit_of_the_server_makes_no_dead_letter_and_a_send_is_503(
    app: Flask, runtime: Runtime, client: FlaskClient, state: str
) -> None:
    assert post_webhook(app.test_client(), inbound("first")).status_code == 200
    assert_ingested_once(runtime, ["first"])
    assert post_webhook(app.test_client(), inbound("second")).status_code == 200
    refuse_inserts(runtime.db, "messages", state)
    with pytest.raises(DatabaseUnavailable):
        ingest_batch(runtime.db, settings=runtime.ingest_settings)
    reply = {"conversation_id": str(the_conversation(runtime.db).id), "content": "hello"}
    for _ in range(2):
        assert client.post("/messages/send", json=reply).status_code == 503
    assert client.get("/health/ready").status_code == 503
    with runtime.db.writing() as session:
        session.execute(text("DROP TRIGGER refuse ON messages"))
    assert_ingested_once(runtime, ["first", "second"])


def test_it_is_not_ready_while_a_table_that_every_webhook_needs_is_locked(
    runtime: Runtime, client: FlaskClient, url: str
) -> None:
    with psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE webhook_events")
        with runtime.db.writing() as session:
            session.execute(text("DELETE FROM resets"))  # other writes go on, as a process's reports do
        assert client.get("/health/ready").status_code == 503
    assert client.get("/health/ready").status_code == 200


def test_a_lock_that_ends_within_its_limit_does_not_make_it_unready(
    runtime: Runtime, client: FlaskClient, url: str
) -> None:
    with psycopg.connect(url) as holder, ThreadPoolExecutor(1) as pool:
        holder.execute("LOCK TABLE messages")
        asked = pool.submit(client.get, "/health/ready")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'messages'::regclass"
        with psycopg.connect(url, autocommit=True) as watcher:
            wait_until(lambda: watcher.execute(waiting).fetchone() == (1,), "the probe to wait for the lock")
        holder.rollback()
        assert asked.result(10).status_code == 200


def test_a_full_disk_on_the_server_is_503_and_the_journal_keeps_what_comes(app: Flask, runtime: Runtime) -> None:
    refuse_inserts(runtime.db, "webhook_events", "53100")
    for number in range(12):
        assert_told_to_repeat(post_webhook(app.test_client(), inbound(f"full {number}")))
    assert runtime.db.breaker.state == "closed"
    assert runtime.journal.depth().events == 12
    with runtime.db.writing() as session:
        session.execute(text("DROP TRIGGER refuse ON webhook_events"))
    assert_ingested_once(runtime, [f"full {number}" for number in range(12)])


def test_metas_repeat_and_the_journals_copy_make_one_message(
    app: Flask, runtime: Runtime, server: servers.OwnPostgres
) -> None:
    body = inbound("twice")
    server.kill()
    assert_told_to_repeat(post_webhook(app.test_client(), body))
    server.start()
    wait_until(lambda: answers_again(runtime.db), "the database to be used again")
    assert post_webhook(app.test_client(), body).status_code == 200
    assert_ingested_once(runtime, ["twice"])


def test_whatever_the_driver_says_about_a_webhook_is_503(app: Flask, runtime: Runtime) -> None:
    with runtime.db.writing() as session:
        session.execute(text("ALTER TABLE webhook_events ADD CONSTRAINT nothing CHECK (false)"))
    assert_told_to_repeat(post_webhook(app.test_client(), inbound("refused")))
    assert runtime.journal.depth().events == 1
    with runtime.db.writing() as session:
        session.execute(text("ALTER TABLE webhook_events DROP CONSTRAINT nothing"))
    runtime.journal.drain()
    assert_ingested_once(runtime, ["refused"])


# --- real processes ----------------------------------------------------------------------------------------------


def test_real_processes_lose_nothing_when_the_database_restarts_and_they_die_themselves(
    url: str, server: servers.OwnPostgres, tmp_path: Path
) -> None:
    """Two workers journal on one disk, kill -9 hits both, and the next ones store what those left."""
    environment = {
        "DATABASE_URL": url,
        "INBOX_INSTANCE_PATH": str(tmp_path / "instance"),
        "SECRET_KEY": "s" * 40,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "WHATSAPP_PHONE_NUMBER_ID": NUMBER_ID,
        "WHATSAPP_ACCESS_TOKEN": "t",
        "WHATSAPP_BOT_AUTO_ON": "off",
        "WEB_CONCURRENCY": "2",
    }
    flask(environment, "db", "upgrade")
    with gunicorn(tmp_path / "first.log", environment) as (process, address):
        assert deliver(address, range(10)) == {200}
        server.kill()
        assert deliver(address, range(10, 50)) == {503}
        process.kill()
    server.start()
    with gunicorn(tmp_path / "second.log", environment) as (_, address):
        assert deliver(address, range(50, 60)) <= {200, 503}
        db = Database(url)
        wait_until(lambda: len(all_messages(db)) >= 60, "every message to be stored")
        assert Counter(m.content_text for m in all_messages(db)) == Counter(f"real {n}" for n in range(60))
        db.close()
        left = Segments(tmp_path / "instance" / "journal", 0)
        wait_until(lambda: left.depth().bytes == 0, "the journal to be empty")


def deliver(address: str, numbers: range) -> set[int]:
    """Post one webhook for each number, several at once; the statuses that came back."""

    def post(number: int) -> int:
        body = inbound(f"real {number}")
        response = requests.post(f"{address}/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET), timeout=30)
        assert response.ok or int(response.headers["Retry-After"]) >= 1
        return response.status_code

    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(post, numbers))
