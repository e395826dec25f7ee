"""What the wire shows of dead letters."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from inbox.schemas import Body, Query, Row, Time


class DeadLetterRow(Row):
    """Something that came in a webhook and could not be stored."""

    id: UUID
    event_id: UUID | None = Field(description="The webhook it came in.")
    reason: str = Field(examples=["unknown_phone_number_id"])
    detail: str
    at: Time
    replayed_at: Time | None
    size: int = Field(description="Bytes.")


class DeadLetterContent(DeadLetterRow):
    """With what it holds: a webhook with this item alone."""

    content: Any = Field(description="Parsed; null when it is not JSON.")
    content_base64: str | None = Field(description="The bytes, when they are not JSON.")


class Replayed(Row):
    """The letter was tried again: as a new event, or dead once more as another letter."""

    status: Literal["ok"] = "ok"
    id: UUID
    replayed_at: Time
    event_id: UUID = Field(description="The webhook that was made of it.")
    dead_letter_id: UUID | None = Field(description="The new dead letter it became; replay that one.")


class ReplayBody(Body):
    reason: Annotated[str | None, Field(max_length=64, description="Only those with this reason.")] = None


class ReplayedMany(Row):
    """How many were put back by this call."""

    dead_letters: int
    failed_webhooks: int = Field(description="Webhooks that had been set aside whole; none when a reason was given.")
    more: bool = Field(description="There may be more: call again.")


class DeadLetterQuery(Query):
    """Which dead letters to list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    reason: Annotated[str | None, Field(max_length=64)] = None
    replayed: bool | None = None
