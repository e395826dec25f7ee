"""A page of a list that is shown newest first."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.paging import Cursor, Page, after


def newest_first(
    session: Session,
    query: Select[Any],
    time: InstrumentedAttribute[Any],
    id_: InstrumentedAttribute[Any],
    *,
    limit: int,
    cursor: str | None,
) -> Page[Row[Any]]:
    """At most `limit` rows of `query` behind `cursor`. Raises InvalidRequest for a cursor that is not ours."""
    place = Cursor.decode(cursor)
    if place is not None:
        query = query.where(after(place, time, id_))
    ordered = query.add_columns(time, id_).order_by(time.desc(), id_.desc())
    found = session.execute(ordered.limit(limit + 1)).all()
    shown = found[:limit]
    return Page(shown, Cursor(*shown[-1][-2:]) if len(found) > limit else None)
