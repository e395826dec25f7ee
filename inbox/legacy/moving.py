"""What the parts of an import share: where it reads, where it writes, and what it has found so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy.orm import DeclarativeBase, Session

from inbox.cipher import TokenCipher
from inbox.config import Config
from inbox.db import Database, insert
from inbox.db.writes import insert_rows
from inbox.legacy.reading import Row
from inbox.legacy.source import FETCHED, Source, row_of
from inbox.legacy.tally import Tally

T = TypeVar("T")
#: Called with a name and a number of rows: gives what is told how many of them are done.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is taken, or here already."""

    id: UUID
    phone: str | None
    since: datetime | None = None  #: it does not keep older messages
    new: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """A user that is taken, or here already."""

    id: UUID
    name: str | None
    new: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """Where the messages of one of the predecessor's conversations go, from `since` on. `unread` is what it says."""

    id: UUID
    account_id: UUID
    contact_id: UUID
    name: str | None
    unread: int
    since: datetime | None


@dataclass
class Move:
    """One run. Without `writes` nothing is changed, and what would be is found out by looking.

    The maps are from the predecessor's ids, as text.
    """

    db: Database
    cipher: TokenCipher
    config: Config
    source: Source
    now: datetime
    writes: bool
    progress: Progress
    tallies: list[Tally] = field(default_factory=list)
    read: set[str] = field(default_factory=set)  #: tables
    numbers: dict[str, Number] = field(default_factory=dict)
    roles: dict[str, UUID] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    contacts: dict[tuple[UUID, str], UUID] = field(default_factory=dict)  #: by number, and phone or group
    with_contact: dict[UUID, UUID] = field(default_factory=dict)  #: conversations, by their contact here

    def tally(self, name: str) -> Tally:
        """Where rows of this kind are counted."""
        made = Tally(name)
        self.tallies.append(made)
        return made

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A transaction, or a look. Raises DatabaseUnavailable."""
        with self.db.writing() if self.writes else self.db.reading() as session:
            yield session

    def table(self, *names: str) -> str | None:
        """The first of these tables that there is; it counts as read."""
        found = next((name for name in names if name in self.source.tables), None)
        if found is not None:
            self.read.add(found)
        return found

    def number_of(self, row: Row) -> Number | None:
        """The number that a row names."""
        named = row.get("account_id")
        return None if named is None else self.numbers.get(str(named))

    def all_rows(self, *names: str) -> list[Row]:
        """A table that is small, whole. A row that cannot be read is empty, and left out for what it lacks."""
        table = self.table(*names)
        if table is None:
            return []
        query = SQL("SELECT row_to_json(t)::text FROM {} t").format(self.source.table(table))
        return [row_of(json) or {} for (json,) in self.source.rows(query)]

    def batches(self, name: str, table: str, query: Composed) -> Iterator[Sequence[tuple[Any, ...]]]:
        """What a query over a table finds, some rows at a time, with a bar that shows how far it is."""
        with self.progress(name, self.source.count(table)) as done:
            found = self.source.rows(query)
            while rows := list(islice(found, FETCHED)):
                yield rows
                done(len(rows))

    def order(self, alias: str, table: str, *columns: str) -> Composed:
        """ORDER BY those of the columns that there are."""
        known = [name for name in columns if self.source.has(table, name)]
        if not known:
            return SQL("").format()
        listed = SQL(", ").join(SQL("{}.{}").format(Identifier(alias), Identifier(name)) for name in known)
        return SQL("ORDER BY {}").format(listed)

    def named(self, table: str, columns: Composed) -> Composed:
        """A table to join by `named`, its id as text; where nothing keeps ids apart, one row of each."""
        query = SQL("(SELECT DISTINCT ON (t.id::text) t.id::text AS named, {} FROM {} t ORDER BY t.id::text)")
        return query.format(columns, self.source.table(table))

    def column(self, alias: str, table: str, name: str) -> Composed:
        """A column as text; NULL where there is none."""
        if not self.source.has(table, name):
            return SQL("NULL::text").format()
        return SQL("{}.{}::text").format(Identifier(alias), Identifier(name))


def store(move: Move, session: Session, entity: type[DeclarativeBase], rows: Sequence[dict[str, Any]]) -> None:
    """Insert rows with what their columns begin with. One that is there already, by whatever is unique, stays."""
    columns: Any = entity.__table__.c
    begin = {column.name: column.default for column in columns if column.default is not None}

    def whole(row: dict[str, Any]) -> dict[str, Any]:
        missing = {name: default for name, default in begin.items() if row.get(name) is None}
        return row | {name: _begun(default, move.now) for name, default in missing.items()}

    if rows:
        insert_rows(session, insert(session, entity).on_conflict_do_nothing(), [whole(row) for row in rows])


def _begun(default: Any, now: datetime) -> Any:
    if default.is_callable:
        return default.arg(None)
    return default.arg if default.is_scalar else now  # the server's clock


def by_user(rows: Sequence[Row]) -> dict[str | None, list[Row]]:
    """Rows that are about users, by the user's id."""
    found: dict[str | None, list[Row]] = {}
    for row in rows:
        named = row.get("user_id")
        found.setdefault(None if named is None else str(named), []).append(row)
    return found
