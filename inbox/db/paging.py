"""Keyset paging on (time, id): nothing is skipped or repeated when many rows share a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import sqlalchemy
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import ColumnElement, Select, bindparam, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.clock import parse_rfc3339, rfc3339, to_milliseconds
from inbox.errors import FieldProblem, InvalidRequest
from inbox.schemas import QueryTime

Row = TypeVar("Row")
_times: TypeAdapter[datetime] = TypeAdapter(QueryTime)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page."""

    time: datetime
    id: UUID

    def encode(self) -> str:
        """Opaque to clients."""
        return base64.urlsafe_b64encode(f"{rfc3339(self.time)}/{self.id.hex}".encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str | None) -> Cursor | None:
        """What encode() made, or a time: behind it is what is older. Raises InvalidRequest for anything else."""
        if text is None:
            return None
        if ":" in text:  # which encode() does not write
            return cls(_time(text), UUID(int=0))
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            time, _, hexadecimal = raw.partition("/")
            return cls(parse_rfc3339(time), UUID(hex=hexadecimal))
        except (ValueError, binascii.Error):
            problem = "is not a cursor of ours; take it from the Link header"
            raise InvalidRequest([FieldProblem("?cursor", "not_a_cursor", problem)]) from None


def _time(text: str) -> datetime:
    """A time in a query string. Raises InvalidRequest."""
    try:
        return to_milliseconds(_times.validate_python(text))
    except ValidationError:
        problem = "is neither a cursor from the Link header nor a time such as 2026-11-20T09:00:00Z"
        raise InvalidRequest([FieldProblem("?cursor", "not_a_cursor", problem)]) from None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in the order of the list, and where the next page begins; None when this was the last.

    Where one can go the other way as well, `prev` is the row that the page before would begin behind.
    """

    rows: Sequence[Row]
    next: Cursor | None = None
    prev: Cursor | None = None


def newest_first(
    session: Session,
    query: Select[*tuple[Any, ...]],
    time: InstrumentedAttribute[Any],
    id_: InstrumentedAttribute[Any],
    *,
    limit: int,
    cursor: Cursor | None,
) -> Page[sqlalchemy.Row[*tuple[Any, ...]]]:
    """At most `limit` rows of `query` behind `cursor`; their last two columns are their place."""
    return _paged(session, query.order_by(time.desc(), id_.desc()), behind(time, id_), (time, id_), limit, cursor)


def oldest_first(
    session: Session,
    query: Select[*tuple[Any, ...]],
    time: InstrumentedAttribute[Any],
    id_: InstrumentedAttribute[Any],
    *,
    limit: int,
    cursor: Cursor | None,
) -> Page[sqlalchemy.Row[*tuple[Any, ...]]]:
    """As `newest_first`, the other way round."""
    rows = behind(time, id_, ascending=True)
    return _paged(session, query.order_by(time, id_), rows, (time, id_), limit, cursor)


def _paged(
    session: Session,
    ordered: Select[*tuple[Any, ...]],
    rows: ColumnElement[bool],
    columns: tuple[Any, Any],
    limit: int,
    cursor: Cursor | None,
) -> Page[sqlalchemy.Row[*tuple[Any, ...]]]:
    if cursor is not None:
        ordered = ordered.where(rows)
    statement = ordered.add_columns(*columns).limit(bindparam("rows"))
    found = session.execute(statement, place(cursor, limit)).all()
    return Page(found[:limit], Cursor(*found[limit - 1][-2:]) if len(found) > limit else None)


# --- for statements that are kept --------------------------------------------------------------------------------


def behind(time: Any, id_: Any, *, ascending: bool = False, inclusive: bool = False) -> ColumnElement[bool]:
    """Rows behind the cursor, which is a parameter (`place`), in an order of (time, id); descending, unless told.

    `inclusive`: of a descending order, with the row at the cursor.

    A comparison of rows: both databases seek to it in an index on (…, time, id). Written with OR they scan that index
    from its start: 50 ms half-way through a million rows.
    """
    last = tuple_(bindparam("place_time", type_=time.type), bindparam("place_id", type_=id_.type))
    if ascending:
        return tuple_(time, id_) > last
    return tuple_(time, id_) <= last if inclusive else tuple_(time, id_) < last


def place(cursor: Cursor | None, limit: int) -> dict[str, Any]:
    """The parameters of a page: `rows`, one more than the page shows, and those of `behind`."""
    values: dict[str, Any] = {"rows": limit + 1}
    return values if cursor is None else {**values, "place_time": cursor.time, "place_id": cursor.id}


def following(found: Sequence[Mapping[str, Any]], limit: int, time: str) -> Cursor | None:
    """Where the next page begins, when more was found than a page shows; `time` names what it is ordered by."""
    return Cursor(found[limit - 1][time], found[limit - 1]["id"]) if len(found) > limit else None
