"""Parts of statements that SQLite and PostgreSQL say differently."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import JSON, ColumnElement, Result, Select, and_, any_, bindparam, func, literal, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.sql.functions import FunctionElement


def one_of(session: Session, column: Any, values: Collection[Any]) -> Iterator[ColumnElement[bool]]:
    """Conditions that together pick the rows whose `column` is one of `values`, in ascending order of values.

    On PostgreSQL it is one condition with one array parameter: the statement's text stays the same, so its plan is
    kept. SQLite binds at most 32,766 parameters, so there it is one condition per 5,000 values.
    """
    ordered = sorted(values)
    if not ordered:
        return
    if session.get_bind().dialect.name == "postgresql":
        yield column == any_(literal(ordered, postgresql.ARRAY(column.type)))
        return
    for start in range(0, len(ordered), 5000):
        yield column.in_(ordered[start : start + 5000])


def chosen(dialect: str, column: Any, name: str) -> ColumnElement[bool]:
    """As `one_of`, for a statement that is made once: the condition that `column` is in the list that `name` names.

    Of the few that one batch of work is about: SQLite binds each of them.
    """
    if dialect == "postgresql":
        return cast("ColumnElement[bool]", column == any_(bindparam(name, type_=postgresql.ARRAY(column.type))))
    return cast("ColumnElement[bool]", column.in_(bindparam(name, expanding=True)))


def found_by(dialect: str, column: Any, query: Select[Any]) -> ColumnElement[bool]:
    """The condition that `column` is one of the few values that `query` finds.

    PostgreSQL gets them as an array, and looks each up in the index of `column`; an IN with a LIMIT that it does not
    know yet it would rather answer by reading the whole table.
    """
    if dialect == "postgresql":
        values = func.array(query.scalar_subquery(), type_=postgresql.ARRAY(column.type))
        return cast("ColumnElement[bool]", column == any_(values))
    return cast("ColumnElement[bool]", column.in_(query))


def one_of_pairs(
    session: Session, first: Any, second: Any, pairs: Iterable[tuple[Any, Any]]
) -> Iterator[ColumnElement[bool]]:
    """As one_of for pairs of columns; meant for few different first values (accounts) and many second ones."""
    grouped: dict[Any, set[Any]] = {}
    for one, other in pairs:
        grouped.setdefault(one, set()).add(other)
    for one in sorted(grouped):
        for condition in one_of(session, second, grouped[one]):
            yield and_(first == one, condition)


def fixed(value: str | int) -> ColumnElement[Any]:
    """`value` written into the statement's text: a partial index is used only when its predicate can be read there.

    A parameter that is always the same is one more to be converted each time.
    """
    if isinstance(value, int):
        return literal_column(str(value))
    if not value.isidentifier():
        raise ValueError("only plain words")
    return literal_column(f"'{value}'")


def insert(session: Session, table: type[DeclarativeBase]) -> postgresql.Insert | sqlite.Insert:
    """INSERT with the ON CONFLICT clauses that both databases share."""
    dialect = session.get_bind().dialect.name
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


Values = dict[str, Any]  #: of one row, by name


def values_of(result: Result[Any]) -> list[Values]:
    """The rows of a result, each by the names of its columns."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


# --- rows inside a row -------------------------------------------------------------------------------------------


class _AsJSON(FunctionElement[Any]):
    """Columns by name, as JSON. Times come as text: see `from_json`."""

    type = JSON()
    inherit_cache = True

    def __init__(self, **columns: Any) -> None:
        parts: list[Any] = []
        for name, column in columns.items():
            parts += [fixed(name), column]
        super().__init__(*parts)


class json_row(_AsJSON):
    """An object for the only row of a subquery."""

    name = "json_row"
    inherit_cache = True


class json_rows(_AsJSON):
    """A list with an object for each row of a subquery, in no order."""

    name = "json_rows"
    inherit_cache = True


@compiles(json_row, "postgresql")
def _row_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_build_object({compiler.process(element.clauses, **options)})"


@compiles(json_row, "sqlite")
def _row_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_object({compiler.process(element.clauses, **options)})"


@compiles(json_rows, "postgresql")
def _rows_on_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    return f"coalesce(json_agg({_row_on_postgresql(element, compiler, **options)}), '[]')"


@compiles(json_rows, "sqlite")
def _rows_on_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    return f"json_group_array({_row_on_sqlite(element, compiler, **options)})"


def from_json(time: str) -> datetime:
    """A stored time out of `json_row` or `json_rows`: PostgreSQL writes its offset, SQLite keeps UTC without one."""
    moment = datetime.fromisoformat(time)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
