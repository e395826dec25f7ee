"""A database of the predecessor's shape, and runs of the import over it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

from inbox.clock import utc_now
from inbox.legacy.moving import Move
from inbox.legacy.running import Report, run
from inbox.legacy.source import opened
from inbox.runtime import Runtime
from tests import servers

SCHEMA = Path(__file__).parent.parent / "data" / "legacy" / "schema.sql"
Importing = Callable[..., Report]


class Old:
    """The predecessor's database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection = psycopg.connect(url, autocommit=True)

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        done = self._connection.execute(statement, values or None)  # type: ignore[arg-type]
        return done.fetchall() if done.description else []

    def add(self, table: str, **values: Any) -> str:
        """A row; its id."""
        row: dict[str, Any] = {
            name: Jsonb(each) if isinstance(each, dict | list) else each for name, each in values.items()
        }
        key = "user_id" if table == "app_users" else "id"
        if table != "role_permissions":
            row.setdefault(key, str(uuid.uuid4()))
        self._connection.execute(
            SQL("INSERT INTO {} ({}) VALUES ({})").format(
                Identifier(table),
                SQL(", ").join(map(Identifier, row)),
                SQL(", ").join([SQL("%s")] * len(row)),
            ),
            list(row.values()),
        )
        return str(row.get(key))

    def empty(self) -> None:
        """As it was made."""
        self.sql("DROP SCHEMA public CASCADE")
        self.sql("CREATE SCHEMA public")
        self._connection.execute(SCHEMA.read_text())  # type: ignore[arg-type]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def old_database(postgres: str) -> Iterator[Old]:
    name = f"inbox_old_{uuid.uuid4().hex[:12]}"
    made = Old(servers.create_database(postgres, name))
    yield made
    made.close()
    servers.drop_database(postgres, name)


@pytest.fixture
def old(old_database: Old) -> Old:
    old_database.empty()
    return old_database


def take(runtime: Runtime, url: str, *, writes: bool, stop: Callable[[str], None] = lambda _: None) -> Report:
    """One run. `stop` is called with the name of what was read, after each batch."""

    @contextlib.contextmanager
    def progress(name: str, rows: int) -> Iterator[Callable[[int], None]]:
        yield lambda _: stop(name)

    with opened(url, "public") as source:
        return run(
            Move(runtime.db, runtime.cipher, runtime.config, source, utc_now(), writes=writes, progress=progress)
        )


def counts(report: Report) -> Mapping[str, tuple[int, int, int, int]]:
    """Read, taken, here and left out, by name, of what was read at all."""
    return {each.name: (each.read, each.taken, each.here, each.left) for each in report.tallies if each.read}


def left_out(report: Report) -> set[tuple[str, str, int]]:
    """Of what, why, and how many."""
    return {(each.name, reason.name, cases.count) for each in report.tallies for reason, cases in each.left_out.items()}


def noted(report: Report) -> set[tuple[str, str, int]]:
    """As left_out, of what is not as it was."""
    return {(each.name, reason.name, cases.count) for each in report.tallies for reason, cases in each.notes.items()}
