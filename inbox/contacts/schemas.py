"""What the wire shows of contacts, and what it takes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from inbox.schemas import Query, Row, Time


class ContactRow(Row):
    """A customer or a group. People who hide their number have a username, and no number."""

    id: UUID
    account_id: UUID
    display_name: str | None
    whatsapp_number: str | None
    username: str | None
    is_group: bool
    marketing_stopped_at: Time | None
    created_at: Time


class ContactQuery(Query):
    """Which contacts to list. `q`: three characters or more are found anywhere, fewer where a name, a username or a
    number begins."""

    account_id: UUID | None = Field(None, description="Of this business number; without it, of all you may see.")
    limit: Annotated[int, Field(ge=1, le=200)] = 200  # the predecessor's page asks for no page but the first
    cursor: str | None = None
    q: Annotated[str | None, Field(max_length=200)] = None
