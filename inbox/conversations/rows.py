"""Database rows → what the wire shows.

Tables, not entities: a list needs no identity map and no change tracking, which cost more than the rows themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Select, String, bindparam, case, cast, func, or_, select
from sqlalchemy.orm import Session

from inbox.accounts.hours import Hours
from inbox.auth.access import Access
from inbox.clock import rfc3339, utc_now
from inbox.contacts.identity import name_shown
from inbox.conversations.schemas import BotSilence, ConversationRow, MessageRow
from inbox.conversations.state import REPLY_WINDOW
from inbox.db import fixed
from inbox.db.queries import Values, from_json, json_row, json_rows, values_of
from inbox.gateways.whatsapp.errors import may_succeed_later
from inbox.gateways.whatsapp.pauses import in_words
from inbox.models import (
    ACCOUNTS,
    CONTACTS,
    CONVERSATIONS,
    MESSAGES,
    NOT_SENT_YET,
    REACTION,
    Annotation,
    ConversationLabel,
    ConversationReader,
    Message,
    MessageStatus,
)
from inbox.outbox.evidence import UNCONFIRMED

READERS = ConversationReader.__table__
_NEWEST = MESSAGES.alias("newest")
#: How many messages are new to somebody, where conversations are joined with their own readers' row, or none.
NEW_TO_ME = CONVERSATIONS.c.unread_count + func.coalesce(READERS.c.beyond_team, 0)

_LABELS = ConversationLabel.__table__
#: Their ids, with commas between: one look at an index for each row of a page.
_LABEL_IDS = (
    select(func.aggregate_strings(cast(_LABELS.c.label_id, String), ","))
    .where(_LABELS.c.conversation_id == CONVERSATIONS.c.id)
    .correlate(CONVERSATIONS)
    .scalar_subquery()
)
#: What is read for a conversation, named as on the wire.
_CONVERSATION: tuple[Any, ...] = (
    CONVERSATIONS.c.id,
    CONVERSATIONS.c.account_id,
    CONVERSATIONS.c.contact_id,
    CONVERSATIONS.c.status,
    CONVERSATIONS.c.is_favorite,
    CONVERSATIONS.c.is_group,
    CONVERSATIONS.c.unread_count,
    case((NEW_TO_ME > 0, NEW_TO_ME), else_=0).label("my_unread"),
    CONVERSATIONS.c.waiting_since,
    CONVERSATIONS.c.bot_enabled,
    CONVERSATIONS.c.bot_paused_until,
    CONVERSATIONS.c.bot_last_reply_at,
    CONVERSATIONS.c.needs_human,
    CONVERSATIONS.c.needs_human_reason,
    CONVERSATIONS.c.notice_error,
    CONVERSATIONS.c.assigned_to,
    CONVERSATIONS.c.blocked_at,
    CONVERSATIONS.c.last_message,
    CONVERSATIONS.c.last_message_id,
    _NEWEST.c.message_type.label("last_message_kind"),
    _NEWEST.c.status.label("last_message_status"),
    _NEWEST.c.timestamp.label("last_message_at"),
    _NEWEST.c.author_kind,
    _NEWEST.c.author_id,
    _NEWEST.c.author_name,
    CONVERSATIONS.c.last_inbound_at,
    CONVERSATIONS.c.updated_at,
    CONVERSATIONS.c.changed_at,
    CONTACTS.c.phone.label("client_number"),
    CONTACTS.c.display_name,
    CONTACTS.c.username,
    ACCOUNTS.c.paused_reason.label("sends_paused_reason"),
    ACCOUNTS.c.hours,
    _LABEL_IDS.label("label_ids"),
)
_PLAIN: tuple[Any, ...] = (
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
    MESSAGES.c.window_closes_at,
    MESSAGES.c.error_code,
    MESSAGES.c.error_title,
    MESSAGES.c.error_detail,
    MESSAGES.c.author_kind,
    MESSAGES.c.author_id,
    MESSAGES.c.author_name,
    MESSAGES.c.reply_to,
    MESSAGES.c.reply_to_wa_id,
    MESSAGES.c.client_key,
    MESSAGES.c.changed_at,
    MESSAGES.c.payload,
)
_NOTES: Any = Annotation.__table__.c
_ORIGINAL = MESSAGES.alias("original")
QUOTED = ("id", "content_text", "author_kind", "author_name")
#: What is read for a message. Reactions and the quoted message come along: apart, each would be a round trip more.
MESSAGE: tuple[Any, ...] = (
    *_PLAIN,
    select(
        json_rows(
            id=_NOTES.id, actor=_NOTES.actor, emoji=_NOTES.content["emoji"].as_string(), timestamp=_NOTES.timestamp
        )
    )
    .where(
        _NOTES.target_wa_id == MESSAGES.c.wa_message_id,
        _NOTES.account_id == MESSAGES.c.account_id,
        _NOTES.kind == "reaction",
    )
    .scalar_subquery()
    .label("notes"),
    select(json_row(**{name: _ORIGINAL.c[name] for name in QUOTED}))
    .where(
        _ORIGINAL.c.wa_message_id == MESSAGES.c.reply_to_wa_id,
        _ORIGINAL.c.account_id == MESSAGES.c.account_id,
    )
    .scalar_subquery()
    .label("quoted"),
)
#: Of a thread, what is shown as a message of its own. A reaction of ours is shown where it was put, until it fails.
IN_THREADS = or_(MESSAGES.c.message_type != REACTION, MESSAGES.c.status == fixed(MessageStatus.FAILED))
_ONE_MESSAGE = select(*MESSAGE).where(MESSAGES.c.id == bindparam("id"))

_conversations = TypeAdapter(list[ConversationRow])
_messages = TypeAdapter(list[MessageRow])


def conversations_shown() -> Select[Any]:
    """Statement: conversations of numbers in use, as the parameter `me` sees them (`me` below).

    One row each, whatever is joined: by primary keys, so it costs a page of look-ups.
    """
    user_id = bindparam("me", type_=READERS.c.user_id.type)
    mine = (READERS.c.conversation_id == CONVERSATIONS.c.id) & (READERS.c.user_id == user_id)
    return (
        select(*_CONVERSATION)
        .join(CONTACTS, CONVERSATIONS.c.contact_id == CONTACTS.c.id)
        .join(ACCOUNTS, CONVERSATIONS.c.account_id == ACCOUNTS.c.id)
        .outerjoin(_NEWEST, CONVERSATIONS.c.last_message_id == _NEWEST.c.id)
        .outerjoin(READERS, mine)
        .where(ACCOUNTS.c.deleted_at.is_(None))
    )


def me(access: Access) -> dict[str, UUID | None]:
    """The parameter of `conversations_shown`. A key sees what the team sees."""
    return {"me": access.principal.user_id}


def conversation_rows(found: Iterable[Values]) -> list[ConversationRow]:
    """Conversations with their contacts, and what holds up their number."""
    now = utc_now()
    resting: dict[UUID, bool] = {}
    return _conversations.validate_python([_conversation(values, now, resting) for values in found])


def _bot_silence(values: Values, now: datetime, resting: dict[UUID, bool]) -> BotSilence | None:
    """Why the bot would not answer the customer's next message. None: it would."""
    if values["is_group"]:
        return "group"
    if values["blocked_at"] is not None:
        return "blocked"
    if not values["bot_enabled"]:
        return "off"
    if values["needs_human"] and values["needs_human_reason"] != UNCONFIRMED:  # a doubt stops no bot
        return "needs_human"
    until = values["bot_paused_until"]
    if until is not None and now < until:
        return "paused"
    return "closed" if _rests(values, now, resting) else None


def _rests(values: Values, now: datetime, known: dict[UUID, bool]) -> bool:
    """Whether the number's bot waits until it opens. Read once for all rows of a number: it takes 0.3 ms."""
    account_id = values["account_id"]
    if account_id not in known:
        hours = Hours.read(values["hours"])
        known[account_id] = hours is not None and hours.bot_from(now) > now
    return known[account_id]


def _conversation(values: Values, now: datetime, resting: dict[UUID, bool]) -> Values:
    inbound_at = values["last_inbound_at"]
    values["bot_silent_reason"] = _bot_silence(values, now, resting)
    values["bot_enabled"] = values["bot_silent_reason"] is None
    values["reply_window_expires_at"] = inbound_at + REPLY_WINDOW if inbound_at else None
    values["last_message_author"] = _author(values) if values["author_kind"] else None
    if values["last_message_status"] == MessageStatus.SENDING:  # nobody is told when a send begins, only how it ends
        values["last_message_status"] = MessageStatus.QUEUED
    values["contacts"] = {
        "display_name": name_shown(values["display_name"], values["username"]),
        "whatsapp_number": values["client_number"],
    }
    values["label_ids"] = sorted(filter(None, (values["label_ids"] or "").split(",")))
    values["sends_paused_reason"] = in_words(values["sends_paused_reason"])
    return values


def message_row(session: Session, message_id: UUID) -> MessageRow:
    """One stored message. What the session has changed of it is shown."""
    session.flush()
    return message_rows(values_of(session.execute(_ONE_MESSAGE, {"id": message_id})))[0]


def new_message_row(message: Message, quoted: Message | None) -> MessageRow:
    """A message just stored: nobody can have reacted to it."""
    values = {column.key: getattr(message, column.key) for column in _PLAIN}
    quote = None if quoted is None else {name: getattr(quoted, name) for name in QUOTED}
    return message_rows([values | {"notes": [], "quoted": quote}])[0]


def message_rows(found: Iterable[Values]) -> list[MessageRow]:
    """Messages with their reactions and what they quote."""
    return _messages.validate_python([_message(values) for values in found])


def _message(values: Values) -> Values:
    values["author"] = _author(values)
    values["error"] = _error(values) if values["status"] == MessageStatus.FAILED else None
    values["reactions"] = _standing(values.pop("notes"))
    if values["status"] not in NOT_SENT_YET:
        values["window_closes_at"] = None
    return values


def _author(values: Values) -> Values:
    return {"kind": values["author_kind"], "id": values["author_id"], "name": values["author_name"]}


def overtaken_by(answer: Message) -> Values:
    """Of the answer that was first, what the problem `overtaken` tells."""
    author = {"kind": answer.author_kind, "id": answer.author_id, "name": answer.author_name}
    times = {"sent_at": rfc3339(answer.timestamp)}
    return {"message_id": str(answer.id), "author": author, **times, "text": answer.content_text}


def _error(values: Values) -> Values:
    code = values["error_code"]
    texts = {"title": values["error_title"], "detail": values["error_detail"]}
    can_retry = may_succeed_later(code) and values["message_type"] != REACTION
    return {"code": code, **texts, "can_retry": can_retry}


def _standing(notes: Iterable[Values]) -> list[Values]:
    """The standing reaction of each person: the latest one, unless it was taken back."""
    latest: dict[str, Values] = {}
    for note in sorted(notes, key=lambda note: (note["timestamp"], note["id"])):
        latest[note["actor"]] = note
    return [note | {"timestamp": from_json(note["timestamp"])} for note in latest.values() if note["emoji"]]
