"""What GET /changes takes and shows."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from inbox.conversations.schemas import ConversationCounts, ConversationRow, MessageRow
from inbox.schemas import Query, Row, Time


class ChangesQuery(Query):
    """Whose changes, and since when."""

    account_id: UUID
    since: Annotated[str | None, Field(max_length=500, description="`next` of the answer before; without: begin.")] = (
        None
    )
    conversation_id: UUID | None = Field(None, description="Tell the changed messages of this conversation as well.")


NoticeCode = Literal["gemini_away", "whatsapp_away", "supabase_away", "database_away"]
#: What to tell while the circuit of this name is not closed.
AWAY: dict[str, NoticeCode] = {
    "gemini": "gemini_away",
    "whatsapp": "whatsapp_away",
    "supabase": "supabase_away",
    "database": "database_away",
}


class Notice(Row):
    """Something that holds up answers or replies at the moment."""

    code: NoticeCode
    since: Time | None


class ChangesRow(Row):
    """What changed. Merge rows by id: the newer `changed_at` wins, and a row may be told twice."""

    next: str = Field(description="The position to ask from next. It is good for 24 hours.")
    now: Time = Field(description="The server's clock.")
    more: bool = Field(description="There is more: ask again at once.")
    poll_after_ms: int = Field(ge=0, description="How long to wait before asking again.")
    conversations: list[ConversationRow] = Field(description="Those that changed, at most 100.")
    gone: list[UUID] = Field(description="Conversations that were merged into another.")
    messages: list[MessageRow] = Field(description="Changed messages of the conversation that was asked for.")
    counts: dict[str, ConversationCounts] = Field(description="What waits, by account.")
    notices: list[Notice]
