"""What GET /changes takes and shows."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from inbox.conversations.schemas import ConversationCounts, ConversationRow, MessageRow
from inbox.schemas import Body, Query, Row, Time
from inbox.server.held import MOST
from inbox.team.schemas import NoteRow


class ChangesQuery(Query):
    """Whose changes, and since when."""

    account_id: UUID
    since: Annotated[str | None, Field(max_length=500, description="`next` of the answer before; without: begin.")] = (
        None
    )
    conversation_id: Annotated[
        UUID | None, Field(description="Tell the changed messages and notes of this conversation as well.")
    ] = None
    wait: Annotated[
        int, Field(ge=0, le=MOST, description="Seconds that you can wait for a change; the answer may come sooner.")
    ] = 0


NoticeCode = Literal[
    "gemini_away",
    "gemini_struggling",
    "whatsapp_away",
    "whatsapp_struggling",
    "supabase_away",
    "supabase_struggling",
    "media_store_away",
    "media_store_struggling",
    "database_away",
    "number_paused",
    "number_warned",
    "reply_expiring",
]


class Notice(Row):
    """Something that holds up answers or replies at the moment."""

    code: NoticeCode
    since: Time | None
    reason: str | None = Field(
        description="Of a number: its `paused_code`, or what WhatsApp warns of, as in its `troubles`."
    )
    conversation_id: UUID | None = Field(
        default=None, description="Of reply_expiring: where a reply of the user who asks still waits."
    )
    until: Time | None = Field(default=None, description="Of reply_expiring: WhatsApp takes the reply until then.")


class PersonHere(Row):
    """A colleague."""

    id: UUID
    name: str


class PresentRow(Row):
    """A colleague has a conversation open."""

    conversation_id: UUID
    user: PersonHere
    doing: Literal["viewing", "writing"]


class PresenceBody(Body):
    """Where you are. Say it again at least every 45 seconds."""

    conversation_id: UUID
    doing: Literal["viewing", "writing", "gone"]


class Moment(Row):
    """Of an answer to GET /changes, what belongs to the caller and the moment."""

    next: str = Field(description="The position to ask from next. It is good for 24 hours.")
    now: Time = Field(description="The server's clock.")
    more: bool = Field(description="There is more: ask again at once.")
    poll_after_ms: int = Field(ge=0, description="How long to wait before asking again.")
    messages: list[MessageRow] = Field(description="Changed messages of the conversation that was asked for.")
    notes: list[NoteRow] = Field(description="Changed notes of the conversation that was asked for.")
    counts: dict[str, ConversationCounts] = Field(
        description="What waits, by account. Empty when only `present` or `notices` are different."
    )
    present: list[PresentRow] = Field(description="Colleagues who have a conversation open now, all of them.")
    notices: list[Notice] = Field(description="What holds up answers or replies now, all of it.")
    release: str = Field(description="Of the page that this server has: another one is to be loaded.")


class Changed(Row):
    """Of an answer to GET /changes, what changed since the position."""

    conversations: list[ConversationRow] = Field(description="Those that changed, at most 100.")
    gone: list[UUID] = Field(description="Conversations that were merged into another, or deleted.")


class ChangesRow(Changed, Moment):
    """What changed. Merge rows by id: the newer `changed_at` wins, and a row may be told twice."""
