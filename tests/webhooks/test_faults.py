"""Whose fault it is: what the database does wrong never speaks against what came in (I15)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, text

from inbox.config import Config
from inbox.db import Database
from inbox.db.storage import CALM
from inbox.errors import DatabaseUnavailable
from inbox.models import EventState, Incident, WebhookEvent
from inbox.operations.probes import SHARED_FOR
from inbox.runtime import Runtime
from inbox.webhooks.ingest import ingest_batch
from tests.builders import all_messages, dead_letters, signed, store_events, text_message, webhook
from tests.settings import APP_SECRET

pytestmark = pytest.mark.usefixtures("app")


def states(db: Database) -> list[str]:
    with db.reading() as session:
        return list(session.execute(select(WebhookEvent.state).order_by(WebhookEvent.id)).scalars())


@contextlib.contextmanager
def read_only(db: Database) -> Iterator[None]:
    """As after a failover, or when the host has run out of room: the server answers and takes no writes."""
    name = db.engine.url.database

    def switch(on: str) -> None:
        with db.engine.connect() as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(text(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {on}'))
        db.close()

    if db.is_postgres:
        switch("on")
        yield
        switch("off")
        return
    with db.engine.connect() as connection:  # one connection serves a test that works step by step
        connection.execute(text("PRAGMA query_only = on"))
    yield
    db.close()


@contextlib.contextmanager
def without_a_column(db: Database) -> Iterator[None]:
    with db.writing() as session:
        session.execute(text("ALTER TABLE messages RENAME COLUMN author_kind TO lost"))
    yield
    with db.writing() as session:
        session.execute(text("ALTER TABLE messages RENAME COLUMN lost TO author_kind"))


@contextlib.contextmanager
def without_a_table(db: Database) -> Iterator[None]:
    with db.writing() as session:
        session.execute(text("ALTER TABLE contacts RENAME TO lost"))
    yield
    with db.writing() as session:
        session.execute(text("ALTER TABLE lost RENAME TO contacts"))


FAULTS = [read_only, without_a_column, without_a_table]
Fault = Callable[[Database], Any]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_database_does_wrong_leaves_events_pending(runtime: Runtime, db: Database, fault: Fault) -> None:
    store_events(db, webhook(messages=[text_message("one", wa_id="wamid.1"), text_message("two", wa_id="wamid.2")]))
    with fault(db):
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                ingest_batch(db, settings=runtime.ingest_settings)
        assert states(db) == [EventState.PENDING]
    ingest_batch(db, settings=runtime.ingest_settings)
    assert states(db) == [EventState.DONE]
    assert {message.content_text for message in all_messages(db)} == {"one", "two"}
    assert dead_letters(db) == []


def test_a_webhook_is_journaled_and_answered_503_while_the_database_is_read_only(
    runtime: Runtime, db: Database, stranger: FlaskClient
) -> None:
    body = webhook(messages=[text_message()])
    with read_only(db):
        response = stranger.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))
        assert response.status_code == 503
        assert runtime.journal.depth().events == 1
    runtime.journal.drain()
    ingest_batch(db, settings=runtime.ingest_settings)
    assert [message.content_text for message in all_messages(db)] == ["hello"]


def test_readiness_and_health_say_that_nothing_can_be_stored(
    runtime: Runtime, db: Database, stranger: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.monotonic() + 2 * SHARED_FOR  # nobody has written for a while, so it is tried
    monkeypatch.setattr(db.storage, "_clock", lambda: later)
    with read_only(db):
        ready = stranger.get("/health/ready")
        assert (ready.status_code, ready.json) == (503, {"status": "not_ready", "reason": "database"})
        health = stranger.get("/health")
        assert (health.status_code, health.json["dependencies"]["database"]["status"]) == (503, "error")
        assert health.json["circuit_breakers"]["storage"]["state"] == "open"
        assert stranger.get("/health/live").status_code == 200


def test_reads_go_on_while_nothing_can_be_stored(runtime: Runtime, db: Database, client: FlaskClient) -> None:
    with read_only(db):
        for _ in range(20):
            with pytest.raises(DatabaseUnavailable):
                store_events(db, b"{}")
        assert client.get("/accounts").status_code == 200
    assert db.breaker.state == "closed"


def test_an_incident_tells_from_when_to_when_nothing_could_be_stored(
    runtime: Runtime, db: Database, stranger: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = [0.0]
    monkeypatch.setattr(db.storage, "_clock", lambda: later[0])
    body = webhook(messages=[text_message()])
    with read_only(db):
        stranger.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))
        with pytest.raises(DatabaseUnavailable):
            runtime.reporter.tick()
    runtime.reporter.tick()  # too early to be believed
    assert db.storage.state == "open"
    later[0] = CALM + 1
    runtime.reporter.tick()
    runtime.reporter.tick()
    with db.reading() as session:
        incident = session.execute(select(Incident).where(Incident.upstream == "storage")).scalar_one()
    assert incident.ended_at is not None
    assert incident.first_error in ("ReadOnlySqlTransaction", "SQLITE_READONLY")
    assert incident.affected["webhooks_journaled"] == 1


def test_one_statement_that_is_wrong_is_no_incident_and_three_are(db: Database) -> None:
    for expected in ("closed", "closed", "open"):
        with pytest.raises(DatabaseUnavailable), db.writing() as session:
            session.execute(text("SELECT nothing_like_it FROM messages"))
        assert db.storage.state == expected


def test_a_damaged_file_is_a_database_that_is_away(config: Config, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"not a database, but long enough to be taken for one" * 100)
    db = Database(f"sqlite:///{path}")
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable), db.reading() as session:
            session.execute(text("SELECT 1 FROM webhook_events"))
    assert db.breaker.state == "open"
    db.close()
