"""Conversations and their messages over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.conversations import lists, service
from inbox.conversations.schemas import (
    AssignBody,
    BotBody,
    ConversationCounts,
    ConversationDone,
    ConversationQuery,
    ConversationRow,
    CountsQuery,
    FavoriteBody,
    FavoriteDone,
    MessageQuery,
    MessageRow,
    Queued,
    ReadDone,
    SendBody,
)
from inbox.errors import IdempotencyConflict, NotResendable, ReplyWindowClosed
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
    return answer(lists.count_conversations(runtime().db, access(), query.account_id))


@bp.get("/conversations/<uuid:conversation_id>")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: ConversationRow})
def get_conversation(conversation_id: UUID) -> Response:
    """One conversation."""
    return answer(service.get_conversation(runtime().db, access(), conversation_id))


@bp.post("/conversations/<uuid:conversation_id>/read")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("conversations", {200: ReadDone})
def read_conversation(conversation_id: UUID) -> Response:
    """Somebody opened the thread: nothing is unread, and the customer sees that it was read.

    Opened by somebody who cannot write there it stays unread, and the answer says how many messages are.
    """
    row = service.mark_read(runtime().db, access(), conversation_id)
    return answer(ReadDone(unread_count=row.unread_count))


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
    """The newest page of a thread, oldest message first; the next page is older."""
    return answer_page(MessageRow, lists.list_messages(runtime().db, access(), conversation_id, query))


@bp.post("/messages/send")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {202: Queued}, raises=[ReplyWindowClosed, IdempotencyConflict])
def send_message(json: SendBody) -> Response:
    """Queue a text to the customer. The same Idempotency-Key (or client_key) gives the same message."""
    draft = service.Draft(json.conversation_id, json.content, idempotency_key(json.client_key), json.reply_to)
    row = service.send_message(runtime().db, access(), draft, bot_stays_out=runtime().bot_stays_out)
    return answer(Queued(message_id=row.id, message=row), 202)


@bp.post("/messages/<uuid:message_id>/resend")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {202: Queued}, raises=[ReplyWindowClosed, NotResendable])
def resend_message(message_id: UUID) -> Response:
    """Send a failed or unconfirmed message again. An unconfirmed one may reach the customer twice."""
    row = service.resend(runtime().db, access(), message_id, bot_stays_out=runtime().bot_stays_out)
    return answer(Queued(message_id=row.id, message=row), 202)
