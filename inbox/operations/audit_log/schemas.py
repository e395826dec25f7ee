"""What the wire shows of the audit log."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from inbox.schemas import Query, Row, Time


class ActorInfo(Row):
    """Who did it: a user, a key, or somebody at the command line."""

    kind: str = Field(description="user, key or command.")
    id: str | None
    name: str


class AuditRow(Row):
    """One thing that somebody did to people, rights, keys or numbers."""

    id: UUID
    at: Time
    actor: ActorInfo
    action: str = Field(examples=["user.disabled"])
    target_id: str | None = Field(description="The id or name of what was changed.")
    target_name: str | None = Field(
        description="What the person, the number or the contact is called, also of a conversation, a message or a note."
    )
    account_id: UUID | None
    details: dict[str, Any]
    request_id: str


class AuditQuery(Query):
    """Which entries to list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    action: Annotated[str | None, Field(max_length=64)] = None
    actor_id: Annotated[str | None, Field(max_length=64)] = None
    account_id: UUID | None = None
