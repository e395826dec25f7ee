"""What the wire shows of exporting and erasing, and what it takes."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from inbox.schemas import Query, Row


class Erased(Row):
    """All that was kept of a contact is gone; raw webhooks that name them follow within minutes."""

    status: Literal["ok"] = "ok"
    id: UUID


class ExportQuery(Query):
    """As what a conversation is to be written."""

    format: Literal["text", "html", "json"] = "text"
