"""Database rows → what the wire shows.

Tables, not entities: a list needs no identity map and no change tracking, which cost more than the rows themselves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, Select, any_, bindparam, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from inbox.clock import utc_now
from inbox.contacts.identity import name_shown
from inbox.conversations.quotes import quoted_messages
from inbox.conversations.schemas import BotSilence, ConversationRow, MessageRow
from inbox.conversations.state import REPLY_WINDOW
from inbox.db.queries import Values, values_of
from inbox.gateways.whatsapp.errors import may_succeed_later
from inbox.gateways.whatsapp.pauses import in_words
from inbox.models import ACCOUNTS, CONTACTS, CONVERSATIONS, MESSAGES, Annotation, Message, MessageStatus

#: What is read for a conversation, from a join with its contact and its account, named as on the wire.
CONVERSATION: tuple[Any, ...] = (
    CONVERSATIONS.c.id,
    CONVERSATIONS.c.account_id,
    CONVERSATIONS.c.contact_id,
    CONVERSATIONS.c.status,
    CONVERSATIONS.c.is_favorite,
    CONVERSATIONS.c.is_group,
    CONVERSATIONS.c.unread_count,
    CONVERSATIONS.c.bot_enabled,
    CONVERSATIONS.c.bot_paused_until,
    CONVERSATIONS.c.bot_last_reply_at,
    CONVERSATIONS.c.needs_human,
    CONVERSATIONS.c.needs_human_reason,
    CONVERSATIONS.c.notice_error,
    CONVERSATIONS.c.assigned_to,
    CONVERSATIONS.c.last_message,
    CONVERSATIONS.c.last_inbound_at,
    CONVERSATIONS.c.updated_at,
    CONVERSATIONS.c.changed_at,
    CONTACTS.c.phone.label("client_number"),
    CONTACTS.c.display_name,
    CONTACTS.c.username,
    ACCOUNTS.c.paused_reason.label("sends_paused_reason"),
)
MESSAGE: tuple[Any, ...] = (
    MESSAGES.c.id,
    MESSAGES.c.account_id,
    MESSAGES.c.conversation_id,
    MESSAGES.c.direction,
    MESSAGES.c.content_text,
    MESSAGES.c.timestamp,
    MESSAGES.c.wa_message_id,
    MESSAGES.c.message_type,
    MESSAGES.c.status,
    MESSAGES.c.media_id,
    MESSAGES.c.media_mime_type,
    MESSAGES.c.media_filename,
    MESSAGES.c.stored_at,
    MESSAGES.c.sent_at,
    MESSAGES.c.delivered_at,
    MESSAGES.c.read_at,
    MESSAGES.c.failed_at,
    MESSAGES.c.edited_at,
    MESSAGES.c.error_code,
    MESSAGES.c.error_title,
    MESSAGES.c.error_detail,
    MESSAGES.c.author_kind,
    MESSAGES.c.author_id,
    MESSAGES.c.author_name,
    MESSAGES.c.reply_to,
    MESSAGES.c.reply_to_wa_id,
    MESSAGES.c.client_key,
    MESSAGES.c.payload,
)

_conversations = TypeAdapter(list[ConversationRow])
_messages = TypeAdapter(list[MessageRow])


def conversation_rows(found: Iterable[Values]) -> list[ConversationRow]:
    """Conversations with their contacts, and what holds up their number."""
    now = utc_now()
    return _conversations.validate_python([_conversation(values, now) for values in found])


def _bot_silence(values: Values, now: datetime) -> BotSilence | None:
    """Why the bot would not answer the customer's next message. None: it would."""
    if values["is_group"]:
        return "group"
    if not values["bot_enabled"]:
        return "off"
    if values["needs_human"]:
        return "needs_human"
    until = values["bot_paused_until"]
    return "paused" if until is not None and now < until else None


def _conversation(values: Values, now: datetime) -> Values:
    inbound_at = values["last_inbound_at"]
    values["bot_silent_reason"] = _bot_silence(values, now)
    values["bot_enabled"] = values["bot_silent_reason"] is None
    values["reply_window_expires_at"] = inbound_at + REPLY_WINDOW if inbound_at else None
    values["contacts"] = {
        "display_name": name_shown(values["display_name"], values["username"]),
        "whatsapp_number": values["client_number"],
    }
    values["sends_paused_reason"] = in_words(values["sends_paused_reason"])
    return values


def message_row(session: Session, message: Message) -> MessageRow:
    """One message with its reactions."""
    values = {column.key: getattr(message, column.key) for column in MESSAGE}
    return message_rows(session.connection(), [values])[0]


def message_rows(connection: Connection, found: Sequence[Values]) -> list[MessageRow]:
    """Messages of one account with their reactions and what they quote."""
    reactions = _reactions(connection, found)
    quoted = _quoted(connection, found)
    return _messages.validate_python([_message(values, reactions, quoted) for values in found])


def _quoted(connection: Connection, found: Sequence[Values]) -> dict[str, Values]:
    wanted = [values["reply_to_wa_id"] for values in found if values["reply_to_wa_id"]]
    return quoted_messages(connection, found[0]["account_id"], wanted) if wanted else {}


def _message(values: Values, reactions: dict[str, list[Values]], quoted: dict[str, Values]) -> Values:
    values["author"] = {"kind": values["author_kind"], "id": values["author_id"], "name": values["author_name"]}
    values["error"] = _error(values) if values["status"] == MessageStatus.FAILED else None
    values["reactions"] = reactions.get(values["wa_message_id"], ())
    values["quoted"] = quoted.get(values["reply_to_wa_id"] or "")
    return values


def _error(values: Values) -> Values:
    code = values["error_code"]
    texts = {"title": values["error_title"], "detail": values["error_detail"]}
    return {"code": code, **texts, "can_retry": may_succeed_later(code)}


# --- reactions ---------------------------------------------------------------------------------------------------


def _reactions(connection: Connection, found: Sequence[Values]) -> dict[str, list[Values]]:
    """By wa id, the standing reaction of each person to it: the latest one, unless it was taken back."""
    targets = [values["wa_message_id"] for values in found if values["wa_message_id"]]
    if not targets:
        return {}
    values = {"account_id": found[0]["account_id"], "targets": targets}
    notes = values_of(connection.execute(_notes(connection.dialect.name), values))
    standing: dict[str, list[Values]] = defaultdict(list)
    for note in _latest(sorted(notes, key=lambda note: (note["timestamp"], note["id"]))):
        if emoji := note["content"].get("emoji"):
            reaction = {"emoji": emoji, "actor": note["actor"], "timestamp": note["timestamp"]}
            standing[note["target_wa_id"]].append(reaction)
    return standing


def _latest(notes: Iterable[Values]) -> Iterable[Values]:
    return {(note["target_wa_id"], note["actor"]): note for note in notes}.values()


@cache
def _notes(dialect: str) -> Select[Any]:
    """The reactions to the messages in `targets`: one array on PostgreSQL, where the text then stays the same."""
    notes: Any = Annotation.__table__.c
    query = select(notes.id, notes.target_wa_id, notes.actor, notes.content, notes.timestamp)
    query = query.where(notes.account_id == bindparam("account_id"), notes.kind == "reaction")
    if dialect == "postgresql":
        array = postgresql.ARRAY(notes.target_wa_id.type)
        return query.where(notes.target_wa_id == any_(bindparam("targets", type_=array)))
    return query.where(notes.target_wa_id.in_(bindparam("targets", expanding=True)))
