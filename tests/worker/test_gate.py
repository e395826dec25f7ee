"""Nothing is worked off while the schema is another release's."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, text

from inbox.cli.commands import _wait_for_tables
from inbox.db import Database, migrations
from inbox.db.schema import LOOK_EVERY, SchemaGate
from inbox.models import EventState, WebhookEvent
from inbox.runtime import Runtime, crews_of
from tests.builders import store_events, text_message, webhook


@pytest.mark.parametrize("version", ["0001", "9999"])
def test_events_wait_while_the_schema_is_another_release_s(runtime: Runtime, db: Database, version: str) -> None:
    with db.reading() as session:
        ours = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    crews = crews_of(runtime)
    claim = crews.gated(lambda _threads: ["events"])
    store_events(db, webhook(messages=[text_message()]))
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :other"), {"other": version})
    assert list(claim(1)) == []
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :ours"), {"ours": ours})
    assert list(claim(1)) == []  # it looks every few seconds
    with db.reading() as session:
        assert session.execute(select(WebhookEvent.state)).scalar_one() == EventState.PENDING


def test_the_gate_opens_with_the_next_look(db: Database) -> None:
    now = [0.0]
    gate = SchemaGate(db, clock=lambda: now[0])
    assert gate.is_open()
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert gate.is_open()
    now[0] += LOOK_EVERY
    assert not gate.is_open()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_waits_for_the_first_upgrade_without_an_incident(db: Database) -> None:
    migrations.downgrade(db, "base")
    waits: list[float] = []

    class Ended(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            migrations.upgrade(db)
            return False

    _wait_for_tables(db, Ended())
    assert waits == [LOOK_EVERY]
    assert db.storage.snapshot().failures_total == 0
