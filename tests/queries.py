"""What a database is asked while a test looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Delete, event, text

from inbox.db import Database
from tests.waiting import wait_until

T = TypeVar("T")


@contextmanager
def asked(db: Database) -> Iterator[list[str]]:
    """The statements sent to `db` during the block."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield statements
    event.remove(db.engine, "before_cursor_execute", note)


def waits_for_a_lock(db: Database) -> bool:
    """True when somebody waits for what somebody else holds. On PostgreSQL."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with db.reading() as session:
        return bool(session.execute(text(query)).scalar_one())


def while_it_goes(db: Database, gone: Delete, call: Callable[[], T]) -> T:
    """What `call` returns that sees rows, and waits for them while they are deleted. On PostgreSQL."""
    with ThreadPoolExecutor(1) as pool:
        with db.writing() as session:
            session.execute(gone)
            called = pool.submit(call)
            wait_until(lambda: waits_for_a_lock(db), "the row to be waited for")
        return called.result()
