"""Conversations and their messages over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.conversations import blocking, counts, finding, lists, reactions, reading, service, threads
from inbox.conversations.attachments import Attachment
from inbox.conversations.schemas import (
    AssignBody,
    BlockBody,
    BotBody,
    ConversationCounts,
    ConversationDone,
    ConversationQuery,
    ConversationRow,
    ConversationStatusBody,
    CountsQuery,
    FavoriteBody,
    FavoriteDone,
    Found,
    MessageQuery,
    MessageRow,
    Queued,
    Reacted,
    ReactionBody,
    ReadBody,
    ReadDone,
    SearchQuery,
    SendBody,
    SendMediaBody,
    UnreadBody,
    UnreadDone,
)
from inbox.conversations.shapes import SendContentBody
from inbox.conversations.writing import Draft
from inbox.errors import (
    ContactBlocked,
    IdempotencyConflict,
    NotReactable,
    NotResendable,
    Overtaken,
    ReplyWindowClosed,
    TooManyRequests,
    UploadIncomplete,
)
from inbox.web import access, answer, answer_page, contract, idempotency_key, requires, runtime

bp = Blueprint("conversations", __name__)


@bp.get("/conversations")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: list[ConversationRow]})
def list_conversations(query: ConversationQuery) -> Response:
    """Conversations of an account, newest first.

    With updated_since: those that changed since, by our clock, the newest change first.
    """
    return answer_page(ConversationRow, lists.list_conversations(runtime().db, access(), query))


@bp.get("/conversations/counts")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: ConversationCounts})
def count_conversations(query: CountsQuery) -> Response:
    """How many conversations of an account wait, for the badges: each number up to 1000, which means 1000 or more."""
    return answer(counts.count_conversations(runtime().db, access(), query.account_id))


@bp.get("/search")
@requires(Permission.MESSAGES_VIEW)
@contract("conversations", {200: Found}, raises=[TooManyRequests])
def find(query: SearchQuery) -> Response:
    """People by a part of their name or number, and messages by the beginnings of words, without accents and case."""
    return answer(finding.find(runtime().db, access(), query))


@bp.get("/conversations/<uuid:conversation_id>")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: ConversationRow})
def get_conversation(conversation_id: UUID) -> Response:
    """One conversation."""
    return answer(service.get_conversation(runtime().db, access(), conversation_id))


@bp.post("/conversations/<uuid:conversation_id>/read")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: ReadDone})
def read_conversation(conversation_id: UUID, json: ReadBody | None) -> Response:
    """Somebody has read the thread, or part of it: nothing up to there is new to them.

    If they may write there, it is not new to the team either, and the customer sees that it was read.
    """
    row = reading.mark_read(runtime().db, access(), conversation_id, json.through if json else None)
    return answer(ReadDone(unread_count=row.unread_count, my_unread=row.my_unread))


@bp.post("/conversations/<uuid:conversation_id>/unread")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: UnreadDone})
def unread_conversation(conversation_id: UUID, json: UnreadBody | None) -> Response:
    """Make a conversation new again to the user who asks, and to nobody else."""
    row = reading.mark_unread(runtime().db, access(), conversation_id, (json or UnreadBody()).count)
    return answer(UnreadDone(my_unread=row.my_unread))


@bp.post("/conversations/<uuid:conversation_id>/status")
@requires(Permission.MESSAGES_SEND)
@contract("conversations", {200: ConversationDone})
def set_status(conversation_id: UUID, json: ConversationStatusBody) -> Response:
    """Say what is to become of a conversation: open, pending, done. A customer's message opens it again.

    Done means that nobody need answer: the customer does not count as waiting, and the bot leaves it alone. Taken back
    before anything else has happened, all waits as before. The user who says done has read it.
    """
    row = service.set_status(
        runtime().db, access(), conversation_id, json.status, bot_stays_out=runtime().bot_stays_out
    )
    return answer(ConversationDone(conversation=row))


@bp.post("/conversations/<uuid:conversation_id>/favorite")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: FavoriteDone})
def set_favorite(conversation_id: UUID, json: FavoriteBody) -> Response:
    """Mark as favourite, or not."""
    row = service.set_favorite(runtime().db, access(), conversation_id, favorite=json.favorite)
    return answer(FavoriteDone(is_favorite=row.is_favorite))


@bp.post("/conversations/<uuid:conversation_id>/bot")
@requires(Permission.MESSAGES_SEND)
@contract("conversations", {200: ConversationDone})
def set_bot(conversation_id: UUID, json: BotBody) -> Response:
    """Switch the bot on or off for this conversation. An answer it is writing is thrown away.

    On gives the conversation back to it, whatever had taken it: a switch, a question for a person, a person's reply.
    """
    row = service.set_bot(runtime().db, access(), conversation_id, enabled=json.enabled)
    return answer(ConversationDone(conversation=row))


@bp.post("/conversations/<uuid:conversation_id>/block")
@requires(Permission.MESSAGES_SEND)
@contract("conversations", {200: ConversationDone})
def block_contact(conversation_id: UUID, json: BlockBody) -> Response:
    """Block the contact, or not. What they write meanwhile is stored, and is new to nobody; the bot leaves it alone.

    Sending to them is refused until they are unblocked, and what still waits fails with `contact_blocked`. WhatsApp is
    not told, and they are not either.
    """
    row = blocking.set_blocked(runtime().db, access(), conversation_id, blocked=json.blocked)
    return answer(ConversationDone(conversation=row))


@bp.post("/conversations/<uuid:conversation_id>/assign")
@requires(Permission.MESSAGES_SEND)
@contract("conversations", {200: ConversationDone})
def assign_conversation(conversation_id: UUID, json: AssignBody) -> Response:
    """Take a conversation or put it down; giving it to others, or taking it from them, needs accounts.assign."""
    row = service.assign(runtime().db, access(), conversation_id, json.user_id)
    return answer(ConversationDone(conversation=row))


@bp.get("/messages/<uuid:conversation_id>")
@requires(Permission.MESSAGES_VIEW)
@contract("messages", {200: list[MessageRow]})
def list_messages(conversation_id: UUID, query: MessageQuery) -> Response:
    """A page of a thread, oldest message first: the newest one, or after or around a message.

    The next page is older; `rel="prev"` in the Link header is the newer one, when there is one.
    """
    return answer_page(MessageRow, threads.list_messages(runtime().db, access(), conversation_id, query))


@bp.post("/messages/send")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {202: Queued}, raises=[ContactBlocked, ReplyWindowClosed, IdempotencyConflict, Overtaken])
def send_message(json: SendBody) -> Response:
    """Queue a text to the customer. The same Idempotency-Key (or client_key) gives the same message.

    With seen_through it is refused as overtaken when somebody else, or the bot, has answered since that message: the
    problem has the answer's message_id, author, sent_at and text. Sent again without seen_through, it goes.
    A user who replies has read the thread, to seen_through or else to its end; a key says so by POST …/read.
    """
    draft = Draft(
        json.conversation_id, json.content, idempotency_key(json.client_key), json.reply_to, json.seen_through
    )
    row = service.send_message(runtime().db, access(), draft, bot_stays_out=runtime().bot_stays_out)
    return answer(Queued(message_id=row.id, message=row), 202)


@bp.post("/messages/send-media")
@requires(Permission.MESSAGES_SEND)
@contract(
    "messages",
    {202: Queued},
    raises=[ContactBlocked, ReplyWindowClosed, IdempotencyConflict, Overtaken, UploadIncomplete],
)
def send_media(json: SendMediaBody) -> Response:
    """Queue a file that was handed over by POST /uploads. WhatsApp gets the file first, then the message."""
    content = Attachment(json.upload_id, json.caption, json.voice)
    draft = Draft(json.conversation_id, content, idempotency_key(json.client_key), json.reply_to, json.seen_through)
    row = service.send_message(runtime().db, access(), draft, bot_stays_out=runtime().bot_stays_out)
    return answer(Queued(message_id=row.id, message=row), 202)


@bp.post("/messages/send-content")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {202: Queued}, raises=[ContactBlocked, ReplyWindowClosed, IdempotencyConflict, Overtaken])
def send_content(json: SendContentBody) -> Response:
    """Queue a place, contact cards, buttons, or a list to choose from. Otherwise as POST /messages/send.

    What the customer chooses comes as a message of theirs that quotes this one, with the id in its payload.
    """
    key = idempotency_key(json.client_key)
    draft = Draft(json.conversation_id, json.content, key, json.reply_to, json.seen_through)
    row = service.send_message(runtime().db, access(), draft, bot_stays_out=runtime().bot_stays_out)
    return answer(Queued(message_id=row.id, message=row), 202)


@bp.post("/messages/<uuid:message_id>/reaction")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {202: Reacted}, raises=[ContactBlocked, ReplyWindowClosed, NotReactable, IdempotencyConflict])
def react(message_id: UUID, json: ReactionBody) -> Response:
    """Put an emoji on a message, in the place of our earlier one, or take ours back.

    It is shown at once. If WhatsApp refuses it, it is taken away and the thread shows it as a message that failed.
    """
    new = reactions.NewReaction(message_id, json.emoji, idempotency_key(json.client_key))
    return answer(Reacted(message=reactions.react(runtime().db, access(), new)), 202)


@bp.post("/messages/<uuid:message_id>/resend")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {202: Queued}, raises=[ContactBlocked, ReplyWindowClosed, NotResendable])
def resend_message(message_id: UUID) -> Response:
    """Send a failed or unconfirmed message again. An unconfirmed one may reach the customer twice."""
    row = service.resend(runtime().db, access(), message_id, bot_stays_out=runtime().bot_stays_out)
    return answer(Queued(message_id=row.id, message=row), 202)
