"""What one answered message may ask the database, kind by kind: numbers that must not creep back up.

PostgreSQL's are round trips. BEGIN and COMMIT count; SQLite has neither round trips nor writes that go out together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from inbox.clock import utc_now
from inbox.db import Database
from inbox.runtime import Runtime, crews_of
from inbox.webhooks.ingest import ingest_batch
from inbox.worker.crews import Crews
from sandbox import Sandbox
from tests.builders import status, store_events, text_message, webhook
from tests.queries import asked

#: By kind of work: on PostgreSQL, and on SQLite.
MOST = {
    "message in": (8, 11),
    "status in": (7, 10),
    "answer claimed": (1, 1),
    "answer": (6, 10),
    "send claimed": (5, 8),  # SQLite is asked number by number
    "send recorded": (5, 7),
    "nothing to claim": (9, 9),
}

#: psycopg's: what it makes of a longer statement, or one with more parameters, it makes again each time.
KEPT_BYTES, KEPT_PARAMETERS = 4096, 50


@contextmanager
def counted(db: Database, kind: str) -> Iterator[None]:
    """Fails when the block sends more statements than its kind of work may."""

    def committed(_connection: Any) -> None:
        statements.append("COMMIT")

    with asked(db) as statements:
        event.listen(db.engine, "commit", committed)
        yield
        event.remove(db.engine, "commit", committed)
    for statement in statements:
        names = set(re.findall(r"%\((\w+)\)", statement))
        assert len(statement.encode()) <= KEPT_BYTES, statement
        assert len(names) <= KEPT_PARAMETERS or not db.is_postgres, statement
    most = MOST[kind][0 if db.is_postgres else 1]
    assert len(statements) <= most, f"{len(statements)} for {kind}, {most} were enough:\n" + "\n".join(statements)


@pytest.fixture
def crews(live: Runtime, sandbox: Sandbox) -> Crews:
    """The crews of a process that has worked before: it leads. Time stands still, so it need not lead on."""
    now = utc_now()
    live.db.now = lambda _session: now  # type: ignore[method-assign]
    made = crews_of(live)
    play(live, made, sandbox, "first", counted=lambda _db, _kind: _uncounted())
    return made


@contextmanager
def _uncounted() -> Iterator[None]:
    yield


def play(
    live: Runtime, crews: Crews, sandbox: Sandbox, name: str, *, counted: Callable[[Database, str], Any] = counted
) -> None:
    """One customer's message in, one answer out, one status: as the crews do it."""
    db = live.db
    store_events(db, webhook(messages=[text_message(name, wa_id=f"wamid.{name}", at=int(utc_now().timestamp()))]))
    with counted(db, "message in"):
        assert ingest_batch(db, settings=live.ingest_settings).events == 1
    with counted(db, "answer claimed"):
        (answer,) = crews.answers(4)
    with counted(db, "answer"):
        live.answering.run(answer)
    with counted(db, "send claimed"):
        (send,) = crews.sends(4)
    with counted(db, "send recorded"):
        crews.deliver(send)
    store_events(
        db, webhook(statuses=[status("delivered", wa_id=sandbox.deliveries()[-1].wamid, callback=send.callback_data)])
    )
    with counted(db, "status in"):
        assert ingest_batch(db, settings=live.ingest_settings).events == 1


def test_an_answered_message_asks_no_more_of_the_database_than_it_must(
    live: Runtime, crews: Crews, sandbox: Sandbox
) -> None:
    play(live, crews, sandbox, "second")


def test_a_process_that_finds_nothing_asks_little(live: Runtime, crews: Crews) -> None:
    live.answering.signs.take(4)
    crews.housekeeping.receipts(4)  # its first round
    with counted(live.db, "nothing to claim"):
        assert not [*crews.answers(4), *crews.sends(4), *crews.housekeeping.receipts(4)]
        assert crews.next_events() is crews.next_answer() is crews.next_send() is None
