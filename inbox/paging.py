"""Keyset paging on (time, id): nothing is skipped or repeated when many rows share a time."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_

from inbox.clock import parse_rfc3339, rfc3339
from inbox.errors import FieldProblem, InvalidRequest

Row = TypeVar("Row")


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
        """Raises InvalidRequest for anything encode() did not make."""
        if text is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
            time, _, hexadecimal = raw.partition("/")
            return cls(parse_rfc3339(time), UUID(hex=hexadecimal))
        except (ValueError, binascii.Error):
            problem = "is not a cursor of ours; take it from the Link header"
            raise InvalidRequest([FieldProblem("?cursor", problem)]) from None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Rows in the order of the list, and where the next page begins; None when this was the last."""

    rows: Sequence[Row]
    next: Cursor | None = None


def after(cursor: Cursor, time: Any, id_: Any) -> ColumnElement[bool]:
    """Rows behind `cursor` in an order of (time, id) descending."""
    return or_(time < cursor.time, and_(time == cursor.time, id_ < cursor.id))
