"""What a transaction writes leaves together: as one statement, at its end or before it reads again.

A statement of its own costs a round trip while rows are locked, and processor time on both sides. So on PostgreSQL the
rows of a `WritingSession` that have changed, and the writes that `write_later` has noted, are parts of one statement.
All parts see the rows as they were before it, and no part may touch a row that another one touches: what changes rows
of a table that hold changes of the session leaves after these. Rows that are written alike travel as one array for each
column: the text stays the same, however many they are, and is compiled once.

SQLite has no such statements, and is never far away: there the writes run one after the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Delete,
    Dialect,
    Insert,
    Update,
    any_,
    bindparam,
    delete,
    event,
    func,
    inspect,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from inbox.db.queries import fixed
from inbox.models.base import server_now

Write = Insert | Update | Delete
Values = Mapping[str, Any]
_KEPT = 500  # statements; there are a few dozen
_PARAMETER = re.compile(r"%\((\w+)\)")


@dataclass(frozen=True, slots=True)
class _Noted:
    """A write that is still to be sent. `rows`: SQLite is given them one by one. `count`: rows that it must touch.

    `gathers`: a value that is a list, to which those of the same write are added.
    """

    write: Write
    values: Values
    name: str | None = None
    rows: Sequence[Values] | None = None
    count: int | None = None
    otherwise: type[Exception] = StaleDataError
    gathers: str | None = None


class WritingSession(Session):
    """A session that sends its writes together."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._noted: list[_Noted] = []

    def note(self, noted: _Noted) -> None:
        """Send this with the next flush."""
        if self.new or (noted.name is not None and any(other.name == noted.name for other in self._noted)):
            self.flush()  # it may refer to what is new
        if noted.gathers:
            for other in self._noted:
                if other.write is noted.write:
                    other.values[noted.gathers].extend(noted.values[noted.gathers])
                    return
        self._noted.append(noted)

    def forget(self) -> None:
        """Their transaction is rolled back."""
        self._noted.clear()

    def execute(self, *args: Any, **options: Any) -> Any:
        """As the base class, after what was noted: a read finds what was written before it."""
        self._catch_up()
        return super().execute(*args, **options)

    def scalar(self, *args: Any, **options: Any) -> Any:
        """As execute."""
        self._catch_up()
        return super().scalar(*args, **options)

    def scalars(self, *args: Any, **options: Any) -> Any:
        """As execute."""
        self._catch_up()
        return super().scalars(*args, **options)

    def _catch_up(self) -> None:
        if self._noted and self.autoflush:
            self.flush()

    def flush(self, objects: Sequence[Any] | None = None) -> None:
        """Send what has changed and what was noted."""
        if self.new:  # since something was noted, and may refer to it
            self._send_noted()
        super().flush(objects)  # on PostgreSQL `_write` comes before it, and leaves it nothing
        self._send_noted()

    def _send_noted(self) -> None:
        noted = self.take_noted()
        if self.get_bind().dialect.name == "postgresql":
            _send(self, noted)
            return
        for each in noted:
            _run(self, each)

    def take_noted(self) -> list[_Noted]:
        """What was noted, to be sent now."""
        noted, self._noted = self._noted, []
        return noted


@event.listens_for(WritingSession, "before_flush")
def _write(session: WritingSession, _context: object, _instances: object) -> None:
    """Write what has changed, and with it what was noted."""
    if session.get_bind().dialect.name != "postgresql" or (changes := _changes(session)) is None:
        return
    touched = [*session.dirty]
    noted, parts = session.take_noted(), [change.noted() for change in changes]
    changed = {part.write.table for part in parts}
    if any(each.write.table in changed and _touches_rows(each.write) for each in noted):
        _send(session, parts)  # nobody can tell whether they are the same rows
        _send(session, noted)
    else:
        _send(session, parts + noted)
    for row in touched:  # they are as in the database now; the flush is not to look at them again
        state = inspect(row)
        state._commit_all(state.dict, session.identity_map)
    for change in changes:
        change.expire(session)


@event.listens_for(WritingSession, "after_soft_rollback")
def _rolled_back(session: WritingSession, _transaction: object) -> None:
    session.forget()


def write_later(
    session: Session,
    write: Write,
    values: Values,
    *,
    name: str | None = None,
    count: int | None = None,
    otherwise: type[Exception] = StaleDataError,
) -> None:
    """Send `write` together with what else this transaction writes, in any order. Keep it: it is compiled once.

    Under its `name` other writes can read what it returns. `count`: how many rows it must touch, or `otherwise` is
    raised.
    """
    cast("WritingSession", session).note(_Noted(write, values, name, None, count, otherwise))


def write_rows(
    session: Session,
    write: Write,
    rows: Sequence[Values],
    values: Values = MappingProxyType({}),
    *,
    name: str | None = None,
) -> None:
    """As `write_later` for rows that have the same keys; `values` are the same for all of them.

    On PostgreSQL `write` takes them from `given_rows`. On SQLite it writes one, whose values are parameters that are
    called like those: `all_` and the name of the column.
    """
    if session.get_bind().dialect.name == "postgresql":
        arrays = _arrays(tuple(rows[0]), [[*row.values()] for row in rows])
        write_later(session, write, arrays | dict(values), name=name)
        return
    single = [{f"all_{key}": value for key, value in row.items()} | dict(values) for row in rows]
    cast("WritingSession", session).note(_Noted(write, {}, name, single))


def insert_rows(
    session: Session,
    into: Insert,
    rows: Sequence[Values],
    values: Values | None = None,
    *,
    alike: tuple[tuple[str, str | int], ...] = (),
) -> None:
    """Insert rows that all have the same keys, as `write_later`.

    `into` says where, and what becomes of conflicts; on PostgreSQL with these other `values`. `alike`: values that all
    of them have, plain words and numbers, by their columns.
    """
    if session.get_bind().dialect.name != "postgresql":
        cast("WritingSession", session).note(_Noted(into, {}, rows=[{**row, **dict(alike)} for row in rows]))
        return
    names = tuple(rows[0])
    arrays = _arrays(names, [[*row.values()] for row in rows])
    cast("WritingSession", session).note(_Noted(_insert(into, names, alike), arrays | dict(values or {})))


def update_rows(
    session: Session,
    table: Any,
    rows: Sequence[Values],
    *,
    where: ColumnElement[bool] | None = None,
    otherwise: type[Exception] | None = None,
) -> None:
    """Give rows of a table other values, as `write_later`. The first value of each row is its key.

    `otherwise` is raised when one of them is not there, or not as `where` says.
    """
    names = tuple(rows[0])
    count, error = (len(rows), otherwise) if otherwise else (None, StaleDataError)
    session = cast("WritingSession", session)
    if session.get_bind().dialect.name != "postgresql":
        rows = [{f"all_{name}": value for name, value in row.items()} for row in rows]
        session.note(_Noted(_update_one(table, names, where), {}, rows=rows, count=count, otherwise=error))
        return
    arrays = _arrays(names, [[*row.values()] for row in rows])
    session.note(_Noted(_update(table, names, (), where), arrays, count=count, otherwise=error))


def delete_rows(session: Session, column: Any, value: Any, where: ColumnElement[bool] | None = None) -> None:
    """Delete the rows whose `column` has this value, as `write_later`; those of several calls with one statement."""
    session = cast("WritingSession", session)
    many = session.get_bind().dialect.name == "postgresql"
    name = f"all_{column.key}"
    session.note(
        _Noted(_delete(column, where, many), {name: [value] if many else value}, gathers=name if many else None)
    )


def _touches_rows(write: Write) -> bool:
    """True when it may change rows that are there."""
    return not isinstance(write, Insert) or write._post_values_clause is not None


def _run(session: Session, noted: _Noted) -> None:
    """On SQLite. Not through the session, which would look for rows of its own that this concerns."""
    done = session.connection().execute(noted.write, noted.values if noted.rows is None else noted.rows)
    if noted.count is not None and done.rowcount != noted.count:
        raise noted.otherwise


# --- rows that have changed --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Change:
    """Rows of one kind that have other values in the same columns. `by_server`: those that the server fills in."""

    entity: Any
    plain: tuple[str, ...]
    by_server: tuple[str, ...]
    rows: list[Any]

    def noted(self) -> _Noted:
        names = (inspect(self.entity).primary_key[0].key, *self.plain)
        states = [inspect(row) for row in self.rows]  # a row itself would load what is not known of it
        values = _arrays(names, [[state.identity[0], *(state.dict[name] for name in self.plain)] for state in states])
        return _Noted(_update(self.entity.__table__, names, self.by_server, None), values, count=len(self.rows))

    def expire(self, session: Session) -> None:
        """Forget what the server has filled in. Where that is nothing: a session told no names would forget all."""
        filled = {column.key for column in self.entity.__table__.c if column.onupdate is not None}
        names = [*(filled - set(self.plain)), *self.by_server]
        for row in self.rows if names else ():
            session.expire(row, names)


def _changes(session: Session) -> list[_Change] | None:
    """What has changed, alike with alike. None: the session has to write it itself, as rows that are new or deleted.

    What is new goes in first, and what has changed may refer to it.
    """
    if session.new or session.deleted:
        return None
    if not session.dirty:
        return []
    alike: dict[tuple[Any, tuple[str, ...], tuple[str, ...]], list[Any]] = defaultdict(list)
    for row in session.dirty:
        state = inspect(row)
        columns = state.mapper.column_attrs
        touched = [name for name in sorted(state.committed_state) if name in columns]
        changed = [name for name in touched if state.get_history(name, PASSIVE_NO_INITIALIZE).has_changes()]
        by_server = tuple(name for name in changed if isinstance(state.dict[name], server_now))
        others = any(isinstance(state.dict[name], ClauseElement) for name in changed if name not in by_server)
        if others or len(state.mapper.primary_key) > 1:
            return None
        plain = tuple(name for name in changed if name not in by_server)
        if plain or by_server:
            alike[type(row), plain, by_server].append(row)
    return [_Change(*kind, rows) for kind, rows in alike.items()]


# --- statements --------------------------------------------------------------------------------------------------


def _arrays(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {f"all_{name}": list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def given_rows(table: Any, names: Sequence[str]) -> Any:
    """On PostgreSQL: a table of what the parameters hold, an array for each of these columns of `table`."""
    # One dimension: else a list, as the value of a JSON column, would be taken for more of them.
    arrays = [bindparam(f"all_{name}", type_=postgresql.ARRAY(table.c[name].type, dimensions=1)) for name in names]
    return func.unnest(*arrays).table_valued(*names).render_derived()


@lru_cache(_KEPT)
def _insert(into: Insert, names: tuple[str, ...], alike: tuple[tuple[str, str | int], ...]) -> Insert:
    made = select(given_rows(into.table, names), *(fixed(value) for _, value in alike))
    return into.from_select([*names, *(name for name, _ in alike)], made)


@lru_cache(_KEPT)
def _delete(column: Any, where: Any, many: bool) -> Delete:
    given = bindparam(f"all_{column.key}", type_=postgresql.ARRAY(column.type) if many else column.type)
    statement = delete(column.table).where(column == (any_(given) if many else given))
    return statement if where is None else statement.where(where)


@lru_cache(_KEPT)
def _update(table: Any, names: tuple[str, ...], by_server: tuple[str, ...], where: Any) -> Update:
    """The first of the names is the key."""
    key, *others = names
    given = given_rows(table, names)
    statement = update(table).where(table.c[key] == given.c[key])
    if where is not None:
        statement = statement.where(where)
    return statement.values({name: given.c[name] for name in others} | dict.fromkeys(by_server, server_now()))


@lru_cache(_KEPT)
def _update_one(table: Any, names: tuple[str, ...], where: Any) -> Update:
    key, *others = names
    given = {name: bindparam(f"all_{name}", type_=table.c[name].type) for name in names}
    statement = update(table).where(table.c[key] == given[key])
    if where is not None:
        statement = statement.where(where)
    return statement.values({name: given[name] for name in others})


@dataclass(frozen=True, slots=True, eq=False)
class _Compiled:
    """A statement as the driver takes it; for each parameter its own value, and the conversion of its type."""

    text: str
    own: dict[str, Any]
    convert: Mapping[str, Callable[[Any], Any] | None]

    def bind(self, values: Values) -> dict[str, Any]:
        bound = {}
        for name, convert in self.convert.items():
            value = values[name] if name in values else self.own[name]
            bound[name] = value if convert is None else convert(value)
        return bound


@lru_cache(_KEPT)
def _compiled(write: Write, dialect: Dialect) -> _Compiled:
    compiled = write.compile(dialect=dialect)
    own = {name: bind.effective_value for name, bind in compiled.binds.items() if not bind.required}
    for column in compiled.insert_prefetch:
        assert isinstance(column.default, ScalarElementColumnDefault), f"{column} has to be given"
        own[column.key] = column.default.arg
    types = {name: bind.type.dialect_impl(dialect).bind_processor(dialect) for name, bind in compiled.binds.items()}
    return _Compiled(str(compiled), own, types)


@dataclass(frozen=True, slots=True)
class _Together:
    """One statement of several, for each part with its parameters' own names and those in the statement."""

    text: str
    names: Sequence[Sequence[tuple[str, str]]]


@lru_cache(_KEPT)
def _together(parts: tuple[tuple[_Compiled, str | None, bool], ...]) -> _Together:
    """It tells how many rows those parts touched that are `counted`.

    Its parameters' names are short: psycopg keeps what it makes of a text up to 4,096 bytes and 50 parameters.
    """
    texts, counts, names = [], [], []
    for number, (part, own_name, counted) in enumerate(parts):
        name = own_name or f"write_{number}"
        short = {own: f"p{number}_{place}" for place, own in enumerate(part.convert)}
        text = _PARAMETER.sub(lambda found: f"%({short[found[1]]})", part.text)  # noqa: B023 (called at once)
        texts.append(f"{name} AS ({text}{' RETURNING 1' if counted else ''})")
        names.append([*short.items()])
        if counted:
            counts.append(f"(SELECT count(*) FROM {name})")  # noqa: S608 (a name of ours)
    return _Together(f"WITH {', '.join(texts)} SELECT {', '.join(counts) or '1'}", names)


def _send(session: Session, writes: Sequence[_Noted]) -> None:
    if not writes:
        return
    connection = session.connection()
    parts = [_compiled(each.write, connection.dialect) for each in writes]
    if len(writes) == 1:
        found: list[int | None] = [connection.exec_driver_sql(parts[0].text, parts[0].bind(writes[0].values)).rowcount]
    else:
        whole = _together(
            tuple((part, each.name, each.count is not None) for part, each in zip(parts, writes, strict=True))
        )
        values = {}
        for part, each, names in zip(parts, writes, whole.names, strict=True):
            bound = part.bind(each.values)
            values.update({short: bound[own] for own, short in names})
        counts = iter(connection.exec_driver_sql(whole.text, values).one())
        found = [None if each.count is None else next(counts) for each in writes]
    for each, touched in zip(writes, found, strict=True):
        if each.count is not None and touched != each.count:
            raise each.otherwise(f"{each.count} rows were expected, {touched} are there: {each.write.table}")
