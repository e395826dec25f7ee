"""Parts of statements that SQLite and PostgreSQL say differently."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Result, and_, any_, literal, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session


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


def fixed(value: str) -> ColumnElement[str]:
    """`value` written into the statement's text: a partial index is used only when its predicate can be read there."""
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
