"""What the wire shows of conversations and messages, and what it takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StrictBool

from inbox.gateways.whatsapp.text import MAX_TEXT
from inbox.models import Author, Direction, MessageStatus
from inbox.schemas import Body, OpenBody, Query, QueryTime, Row, Time

BotSilence = Literal["group", "off", "needs_human", "paused"]

COUNTED = 1000  # conversations of a kind; who has more needs no number


class ContactCard(Row):
    """The customer, as the list of conversations names them."""

    display_name: str | None
    whatsapp_number: str | None


class ConversationRow(Row):
    """A conversation as lists show it."""

    id: UUID
    account_id: UUID
    contact_id: UUID
    client_number: str | None = Field(description="The customer's phone number, digits; null when WhatsApp hides it.")
    status: str
    is_favorite: bool
    is_group: bool
    unread_count: int
    bot_enabled: bool = Field(description="The bot answers the customer's next message.")
    bot_silent_reason: BotSilence | None = Field(
        description="Why it does not: a person has switched it off, is needed (needs_human_reason says why) or has "
        "replied (until bot_paused_until); it never answers in groups."
    )
    bot_paused_until: Time | None = Field(description="A person replied: the bot stays out until then.")
    bot_last_reply_at: Time | None
    needs_human: bool
    needs_human_reason: str | None
    notice_error: str | None = Field(description="Why the backup number could not be told that a person is needed.")
    assigned_to: UUID | None = Field(description="The user who looks after it.")
    sends_paused_reason: str | None = Field(
        description="Why this number sends nothing at the moment; its replies are kept."
    )
    last_message: str | None
    last_inbound_at: Time | None
    reply_window_expires_at: Time | None
    updated_at: Time = Field(description="WhatsApp's time of the newest message.")
    changed_at: Time = Field(description="Our time of the newest change; what updated_since compares.")
    contacts: ContactCard


class ConversationCounts(Row):
    """What waits in an account. 1000 means 1000 or more."""

    unread: int = Field(ge=0, le=COUNTED)
    needs_human: int = Field(ge=0, le=COUNTED)
    assigned_to_me: int = Field(ge=0, le=COUNTED, description="To the user who asks; a key has none.")


class ErrorInfo(Row):
    """Why a message failed: WhatsApp's code and words, and whether sending it again can help."""

    code: str | None
    title: str | None
    detail: str | None
    can_retry: bool


class AuthorInfo(Row):
    """Who wrote a message. The customer, the bot and the system have no name or id of their own here."""

    kind: Author
    id: str | None
    name: str | None


class Reaction(Row):
    """An emoji that one side has put on a message; the newest of each side counts."""

    emoji: str
    actor: str = Field(description="A contact's id, or business.")
    timestamp: Time


class QuotedMessage(Row):
    """What a message replies to, as it is now."""

    id: UUID
    content_text: str
    author_kind: Author
    author_name: str | None


class MessageRow(Row):
    """A message as a thread shows it. `timestamp` is WhatsApp's time; the others are when we heard of each step."""

    id: UUID
    conversation_id: UUID
    direction: Direction
    content_text: str = Field(description="Readable for every type.")
    timestamp: Time
    wa_message_id: str | None
    message_type: str
    status: MessageStatus
    media_id: str | None
    media_mime_type: str | None
    media_filename: str | None
    stored_at: Time
    sent_at: Time | None
    delivered_at: Time | None
    read_at: Time | None
    failed_at: Time | None
    edited_at: Time | None
    error: ErrorInfo | None
    author: AuthorInfo
    reply_to: UUID | None
    quoted: QuotedMessage | None = Field(description="The message it replies to; null when we do not hold it.")
    reactions: list[Reaction]
    client_key: str | None
    payload: dict[str, Any]


class ConversationQuery(Query):
    """Which conversations of a number to list. Filters add up."""

    account_id: UUID
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    updated_since: QueryTime | None = None
    status: Literal["open", "closed"] | None = None
    needs_human: bool | None = None
    unread: bool | None = None
    assigned_to: UUID | None = None
    q: Annotated[str | None, Field(max_length=200)] = None


class MessageQuery(Query):
    """Which page of a thread to show; the newest without a cursor."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    before: QueryTime | None = None
    cursor: str | None = None


class CountsQuery(Query):
    """Of which number to count."""

    account_id: UUID


class FavoriteBody(OpenBody):
    """Whether the conversation is marked."""

    favorite: StrictBool


class BotBody(OpenBody):
    """Whether the bot answers here from now on."""

    enabled: StrictBool


class AssignBody(Body):
    """Who looks after the conversation from now on; null: nobody."""

    user_id: UUID | None = Field(description="null: nobody.")


class SendBody(OpenBody):
    """A reply. The same `client_key` gives the same message, however often it is sent."""

    conversation_id: UUID
    content: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    client_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    reply_to: UUID | None = None


class Done(Row):
    """It is done."""

    status: Literal["ok"] = "ok"


class ReadDone(Done):
    """The conversation counts as read."""

    unread_count: int


class FavoriteDone(Done):
    """The conversation is marked, or no longer."""

    is_favorite: bool


class ConversationDone(Done):
    """The conversation as it is now."""

    conversation: ConversationRow


class Queued(Row):
    """The message is stored and will be sent; its status says how far it is."""

    status: Literal["queued"] = "queued"
    message_id: UUID
    message: MessageRow
