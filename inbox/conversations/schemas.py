"""What the wire shows of conversations and messages, and what it takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StrictBool

from inbox.gateways.whatsapp.text import MAX_TEXT
from inbox.media.kinds_sent import MAX_CAPTION
from inbox.models import Author, ConversationStatus, Direction, MessageStatus
from inbox.schemas import Body, OpenBody, Query, QueryTime, Row, Time

BotSilence = Literal["group", "off", "needs_human", "paused", "closed", "blocked"]

COUNTED = 1000  # conversations of a kind; who has more needs no number


class ContactCard(Row):
    """The customer, as the list of conversations names them."""

    display_name: str | None
    whatsapp_number: str | None


class AuthorInfo(Row):
    """Who wrote a message. The customer, the bot and the system have no name or id of their own here."""

    kind: Author
    id: str | None
    name: str | None


class ConversationRow(Row):
    """A conversation as lists show it."""

    id: UUID
    account_id: UUID
    contact_id: UUID
    client_number: str | None = Field(description="The customer's phone number, digits; null when WhatsApp hides it.")
    status: ConversationStatus
    is_favorite: bool
    is_group: bool
    unread_count: int = Field(description="New to the team: somebody who can answer has not seen so many.")
    my_unread: int = Field(
        ge=0,
        description="New to the user who asks, once they have opened the conversation or been given it. Before that, "
        "and for a key, it is unread_count.",
    )
    waiting_since: Time | None = Field(
        description="WhatsApp's time of the oldest customer's message that nobody has answered; null when all are, or "
        "somebody has said that it is done."
    )
    bot_enabled: bool = Field(description="The bot answers the customer's next message.")
    bot_silent_reason: BotSilence | None = Field(
        description="Why it does not: the contact is blocked, a person has switched it off, is needed "
        "(needs_human_reason says why) or has replied (until bot_paused_until), the number is closed (it answers when "
        "it opens); it never answers in groups."
    )
    bot_paused_until: Time | None = Field(description="A person replied: the bot stays out until then.")
    bot_last_reply_at: Time | None
    needs_human: bool
    needs_human_reason: str | None
    notice_error: str | None = Field(description="Why the backup number could not be told that a person is needed.")
    assigned_to: UUID | None = Field(description="The user who looks after it.")
    blocked_at: Time | None = Field(description="What they write since then is stored, and asks for nobody.")
    sends_paused_reason: str | None = Field(
        description="Why this number sends nothing at the moment; its replies are kept."
    )
    last_message: str | None
    last_message_id: UUID | None
    last_message_kind: str | None = Field(description="Its message_type.")
    last_message_author: AuthorInfo | None
    last_message_status: MessageStatus | None = Field(description="As the message's own; while it is sent, queued.")
    last_message_at: Time | None
    last_inbound_at: Time | None
    reply_window_expires_at: Time | None
    updated_at: Time = Field(description="WhatsApp's time of the newest message.")
    changed_at: Time = Field(description="Our time of the newest change; what updated_since compares.")
    label_ids: list[UUID] = Field(description="Of GET /accounts/{account_id}/labels. One that is not there is gone.")
    contacts: ContactCard


class ConversationCounts(Row):
    """What waits in an account. 1000 means 1000 or more."""

    unread: int = Field(ge=0, le=COUNTED)
    needs_human: int = Field(ge=0, le=COUNTED)
    waiting: int = Field(ge=0, le=COUNTED, description="A customer has written, and nobody has answered.")
    pending: int = Field(ge=0, le=COUNTED)
    assigned_to_me: int = Field(ge=0, le=COUNTED, description="To the user who asks; a key has none.")
    my_unread: int = Field(ge=0, le=COUNTED, description="With something new to the user who asks.")
    mine_unread: int = Field(ge=0, le=COUNTED, description="Of those, assigned to them.")


class ErrorInfo(Row):
    """Why a message failed: WhatsApp's code and words, and whether sending it again can help."""

    code: str | None
    title: str | None
    detail: str | None
    can_retry: bool


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
    window_closes_at: Time | None = Field(
        description="It still waits, and WhatsApp will not take it after this: told an hour before."
    )
    error: ErrorInfo | None
    author: AuthorInfo
    reply_to: UUID | None
    quoted: QuotedMessage | None = Field(description="The message it replies to; null when we do not hold it.")
    reactions: list[Reaction]
    client_key: str | None
    changed_at: Time = Field(description="Our time of the newest change; of two versions the newer is right.")
    payload: dict[str, Any]


class ConversationQuery(Query):
    """Which conversations of a number to list. Filters add up."""

    account_id: UUID
    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    updated_since: QueryTime | None = None
    order: Annotated[Literal["newest", "waiting"], Field(description="waiting: who waits, the longest first.")] = (
        "newest"
    )
    status: Annotated[Literal["open", "pending", "done", "closed"] | None, Field(description="closed is done.")] = None
    needs_human: bool | None = None
    favorite: bool | None = None
    unread: bool | None = None
    my_unread: Annotated[bool | None, Field(description="With something new to the user who asks.")] = None
    waiting: bool | None = None
    assigned_to: UUID | None = None
    label_id: UUID | None = None
    q: Annotated[str | None, Field(max_length=200)] = None


class MessageQuery(Query):
    """Which page of a thread to show; the newest, unless a place is given."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100
    before: QueryTime | None = None
    cursor: str | None = None
    after: Annotated[
        UUID | None, Field(description="A message of the thread: begin with the oldest that is newer.")
    ] = None
    around: Annotated[
        UUID | None, Field(description="A message of the thread: show it with what stands around it.")
    ] = None


class SearchQuery(Query):
    """What to look for, in which number."""

    account_id: UUID
    q: Annotated[str, Field(min_length=1, max_length=200, description="A part of a name or number, or words.")]
    limit: Annotated[int, Field(ge=1, le=50, description="Messages of a page.")] = 20
    cursor: Annotated[str | None, Field(description="`next` of the page before.")] = None


class CountsQuery(Query):
    """Of which number to count."""

    account_id: UUID


class FavoriteBody(OpenBody):
    """Whether the conversation is marked."""

    favorite: StrictBool


class BotBody(OpenBody):
    """Whether the bot answers here from now on."""

    enabled: StrictBool


class ReadBody(Body):
    """How far somebody has read."""

    through: UUID | None = Field(None, description="The newest message they have seen; without: all of them.")


class UnreadBody(Body):
    """How much is to be new again."""

    count: Annotated[
        int, Field(ge=1, le=1000, description="Messages, at least: fewer than are new already change nothing.")
    ] = 1


class ConversationStatusBody(Body):
    """What is to become of the conversation."""

    status: ConversationStatus


class BlockBody(Body):
    """Whether the contact is to be blocked."""

    blocked: StrictBool


class AssignBody(Body):
    """Who looks after the conversation from now on; null: nobody."""

    user_id: UUID | None = Field(description="null: nobody.")


class SendBody(OpenBody):
    """A reply. The same `client_key` gives the same message, however often it is sent."""

    conversation_id: UUID
    content: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    client_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    reply_to: UUID | None = None
    seen_through: UUID | None = Field(
        None, description="The newest message the writer has seen. If somebody else has answered since: 409 overtaken."
    )


class SendMediaBody(Body):
    """A file for a customer. The same `client_key` gives the same message."""

    conversation_id: UUID
    upload_id: UUID = Field(description="Of POST /uploads, once it is done.")
    caption: Annotated[str | None, Field(min_length=1, max_length=MAX_CAPTION)] = None
    voice: StrictBool = Field(False, description="Of OGG with Opus: shown as a voice note.")
    client_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    reply_to: UUID | None = None
    seen_through: UUID | None = Field(
        None, description="The newest message the writer has seen. If somebody else has answered since: 409 overtaken."
    )


class ReactionBody(Body):
    """Our reaction to a message; one of each side stands."""

    emoji: Annotated[str, Field(max_length=16, description="One emoji; empty takes ours back.")]
    client_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None


class FoundMessage(Row):
    """A message that has the words, with its conversation."""

    message: MessageRow
    conversation: ConversationRow
    matches: list[tuple[int, int]] = Field(
        description="Where in content_text the words begin and end, in UTF-16 units, as JavaScript counts."
    )


class Found(Row):
    """What a search found. People are on the first page alone."""

    people: list[ConversationRow] = Field(description="By name or number; at most 20, the newest first.")
    messages: list[FoundMessage] = Field(description="With all of the words, the newest first.")
    next: str | None = Field(description="For `cursor` of the next page; null on the last.")


class Done(Row):
    """It is done."""

    status: Literal["ok"] = "ok"


class ReadDone(Done):
    """The conversation counts as read."""

    unread_count: int
    my_unread: int


class UnreadDone(Done):
    """The conversation is new again to the user who asked."""

    my_unread: int


class FavoriteDone(Done):
    """The conversation is marked, or no longer."""

    is_favorite: bool


class ConversationDone(Done):
    """The conversation as it is now."""

    conversation: ConversationRow


class Reacted(Row):
    """The reaction is stored and will be sent."""

    status: Literal["queued"] = "queued"
    message: MessageRow = Field(description="The message it was put on, as it is now.")


class Queued(Row):
    """The message is stored and will be sent; its status says how far it is."""

    status: Literal["queued"] = "queued"
    message_id: UUID
    message: MessageRow
