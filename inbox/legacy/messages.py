"""Messages and reactions. None of them is sent, answered, or awaits an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.sql import SQL, Composed
from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.conversations.order import next_position
from inbox.conversations.state import note_message
from inbox.db import one_of, one_of_pairs
from inbox.db.clean import short_id
from inbox.db.transactions import whole_transaction
from inbox.legacy.moving import Move, Person, Thread, store
from inbox.legacy.reading import Row, kept_id, made_id, moment, phone, text
from inbox.legacy.source import row_of
from inbox.legacy.tally import Outcome, Reason
from inbox.media.keeping import GONE, WHATSAPP_KEEPS
from inbox.models import Annotation, Author, Conversation, Direction, MediaFile, Message, MessageStatus
from inbox.outbox import jobs
from inbox.outbox.evidence import BUSINESS
from inbox.outbox.status import StatusError, apply_status
from inbox.webhooks.applying.annotate import REVOKED
from inbox.webhooks.parsing.content import MEDIA_TYPES

_INBOUND = frozenset({"inbound", "in", "incoming", "received"})
_OUTBOUND = frozenset({"outbound", "out", "outgoing", "sent"})
_RECEIPT = re.compile(r"\[status update\]")
_REACHED = frozenset({"sent", "delivered", "read"})
_NOT_SENT = frozenset({"pending", "queued", "sending", "scheduled", "draft", "created"})
_BY_BOT = frozenset({"bot", "gemini", "flow", "playground", "ai"})
_CODE = re.compile(r"\bCode (\d{1,10})\b")
_TYPES = {"voice": "audio", "reaction": "text"}  # what is called otherwise here, or would not be shown
_STRUCTURES = ("interactive_data", "audio_transcript", "template_name")  # kept for who reads the API


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A message that can be taken, with its place."""

    source_id: str
    id: UUID
    thread: Thread
    message: Message  #: belongs to no session
    reply_to: str | None  #: their id of what it quotes
    notes: tuple[Reason, ...]

    @property
    def keys(self) -> list[tuple[object, str]]:
        """What no other message may have: the id, and WhatsApp's."""
        keys: list[tuple[object, str]] = [("id", self.id.hex)]
        if self.message.wa_message_id is not None:
            keys.append((self.thread.account_id, self.message.wa_message_id))
        return keys


def move_messages(move: Move) -> None:
    """By conversation, each in the order in which it was written."""
    tally = move.tally("messages")
    if move.table("messages") is None:
        return
    seen: set[tuple[object, str]] = set()
    doubles = _doubles(move)
    for batch in move.batches(tally.name, "messages", _messages(move)):
        outcomes, kept = _take_messages(move, batch, doubles, seen)
        tally.count(outcomes)
        seen |= kept


def _messages(move: Move) -> Composed:
    source = move.source
    order = move.order("m", "messages", "conversation_id", "timestamp", "id")
    columns = [move.column("m", "messages", name) for name in ("id", "conversation_id")]
    if not source.has("messages", "id", "reply_to_message_id", "wa_message_id"):
        query = SQL("SELECT {}, {}, row_to_json(m)::text, NULL::text FROM {} m {}")
        return query.format(*columns, source.table("messages"), order)
    quoted = move.named("messages", SQL("t.wa_message_id::text AS wa_message_id").format())
    query = SQL(
        "SELECT {}, {}, row_to_json(m)::text, r.wa_message_id FROM {} m"
        " LEFT JOIN {} r ON r.named = m.reply_to_message_id::text {}"
    )
    return query.format(*columns, source.table("messages"), quoted, order)


def _doubles(move: Move) -> set[str]:
    """Ids of WhatsApp's that stand there more than once: nothing forbids it everywhere."""
    if not move.source.has("messages", "wa_message_id"):
        return set()
    query = "SELECT wa_message_id::text FROM {} WHERE wa_message_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
    found = move.source.rows(SQL(query).format(move.source.table("messages")))
    return {short_id(name) for (value,) in found if (name := text(value))}


@whole_transaction(idempotent=True)
def _take_messages(
    move: Move, batch: Sequence[tuple[Any, ...]], doubles: set[str], seen: set[tuple[object, str]]
) -> tuple[list[Outcome], set[tuple[object, str]]]:
    outcomes: list[Outcome] = []
    wanted: list[_Wanted] = []
    met: set[object] = set()
    for source_id, conversation_id, json, quoted in batch:
        each = _wanted(move, source_id, conversation_id, json, text(quoted))
        if isinstance(each, Reason):
            outcomes.append(Outcome(str(source_id), left=each))
        elif met.intersection(each.keys) or seen.intersection(each.keys):
            outcomes.append(Outcome(each.source_id, left=Reason.TWICE))
        else:
            met.update(each.keys)
            wanted.append(each)
    with move.session() as session:
        locked = _locked(session, wanted) if move.writes else None
        ids, wa_ids = _here(session, wanted)
        new: list[_Wanted] = []
        for each in wanted:
            known = each.id in ids or (each.thread.account_id, each.message.wa_message_id) in wa_ids
            if known:
                outcomes.append(Outcome(each.source_id, here=True))
            elif locked is not None and each.thread.id not in locked:
                outcomes.append(Outcome(each.source_id, left=Reason.GONE))
            else:
                outcomes.append(Outcome(each.source_id, notes=each.notes))
                new.append(each)
        if locked is not None and new:
            _store(move, session, new, locked, ids)
    return outcomes, {key for each in wanted for key in each.keys if key[1] in doubles}


def _wanted(
    move: Move, source_id: str | None, conversation_id: str | None, json: str, quoted: str | None
) -> _Wanted | Reason:
    row = row_of(json)
    if row is None:
        return Reason.UNREADABLE
    thread = move.threads.get(conversation_id) if conversation_id is not None else None
    if thread is None:
        return Reason.NO_CONVERSATION
    kind = (text(row.get("message_type"), 64) or "text").lower()
    if kind == "status" or _RECEIPT.fullmatch(text(row.get("content_text")) or ""):
        return Reason.RECEIPT
    direction = _direction(row)
    its_own = moment(row.get("timestamp"), move.now)
    at = its_own or moment(row.get("created_at"), move.now)
    if direction is None or at is None:
        return Reason.NO_DIRECTION if direction is None else Reason.NO_TIME
    if thread.since is not None and at < thread.since:
        return Reason.TOO_OLD
    id_ = made_id("messages", json) if source_id is None else _id_of(source_id)
    message = _message(row, id_, thread, direction, _TYPES.get(kind, kind), at)
    message.reply_to_wa_id = short_id(quoted) if quoted else None
    _sign(message, row, thread, move.people)
    notes = [*_state(message, row, at), *_content(move, message, row)]
    if its_own is None:
        notes.append(Reason.OTHER_TIME)
    return _Wanted(str(source_id), id_, thread, message, text(row.get("reply_to_message_id")), tuple(notes))


def _direction(row: Row) -> Direction | None:
    word = (text(row.get("direction")) or "").lower()
    if word in _INBOUND:
        return Direction.INBOUND
    return Direction.OUTBOUND if word in _OUTBOUND else None


def _message(row: Row, id_: UUID, thread: Thread, direction: Direction, kind: str, at: datetime) -> Message:
    wa_id = text(row.get("wa_message_id"))
    return Message(
        id=id_,
        account_id=thread.account_id,
        conversation_id=thread.id,
        direction=direction,
        message_type=kind,
        content_text=text(row.get("content_text")) or f"[{kind}]",
        payload={},
        timestamp=at,
        wa_message_id=short_id(wa_id) if wa_id else None,
        media_id=text(row.get("media_id"), 255),
        media_mime_type=text(row.get("media_mime_type"), 255),
        media_filename=text(row.get("media_filename"), 1000),
    )


def _sign(message: Message, row: Row, thread: Thread, people: Mapping[str, Person]) -> None:
    """Who wrote it. Older rows do not tell the bot from people."""
    if message.direction == Direction.INBOUND:
        message.author_kind, message.author_id, message.author_name = (
            Author.CUSTOMER,
            str(thread.contact_id),
            thread.name,
        )
        return
    by_bot = (text(row.get("sent_via")) or "").lower() in _BY_BOT
    message.author_kind = Author.BOT if by_bot else Author.AGENT
    person = people.get(str(row.get("sent_by_user_id")))
    if person is not None and not by_bot:
        message.author_id, message.author_name = str(person.id), person.name


def _state(message: Message, row: Row, at: datetime) -> Iterable[Reason]:
    """What became of it: a state that nothing follows of itself."""
    if message.direction == Direction.INBOUND:
        message.status = MessageStatus.RECEIVED
        return
    word, words = (text(row.get("status")) or "").lower(), text(row.get("error_message"))
    message.status = MessageStatus.SENT
    if word in _REACHED:
        apply_status(message, word, at)
    elif word in ("failed", "error", "undelivered"):
        code = _CODE.search(words or "")
        apply_status(message, "failed", at, StatusError(code and code[1], words, None))
    elif word in _NOT_SENT and message.wa_message_id is None:
        yield Reason.NOT_SENT
        apply_status(
            message, "failed", at, StatusError("never_sent", "The inbox before this one had not sent it.", None)
        )
    else:
        yield Reason.NO_STATUS
        apply_status(message, "sent", at)


def _content(move: Move, message: Message, row: Row) -> Iterable[Reason]:
    if (deleted_at := moment(row.get("deleted_for_all_at"), move.now)) is not None:
        message.content_text, message.payload, message.edited_at = REVOKED, {"revoked": True}, deleted_at
        message.media_id = None
        return
    structures = {name: row[name] for name in _STRUCTURES if row.get(name)}
    message.payload = {"legacy": structures} if structures else {}
    message.edited_at = moment(row.get("edited_at"), move.now)
    if _is_gone(move, message) or (message.media_id is None and message.message_type in MEDIA_TYPES):
        yield Reason.NO_FILE


def _is_gone(move: Move, message: Message) -> bool:
    """True when WhatsApp has its file no longer."""
    return message.media_id is not None and message.timestamp <= move.now - WHATSAPP_KEEPS


def _locked(session: Session, wanted: Sequence[_Wanted]) -> dict[UUID, Conversation]:
    """Their conversations. What arrives for one meanwhile waits, so that no message is stored twice."""
    found: dict[UUID, Conversation] = {}
    for condition in one_of(session, Conversation.id, {each.thread.id for each in wanted}):
        query = select(Conversation).where(condition).order_by(Conversation.id).with_for_update()
        found.update({conversation.id: conversation for conversation in session.execute(query).scalars()})
    return found


def _here(session: Session, wanted: Sequence[_Wanted]) -> tuple[set[UUID], set[tuple[UUID, str | None]]]:
    """Messages that are here, by their ids and by WhatsApp's. `reply_to` is looked for as well."""
    ids = {each.id for each in wanted} | {_id_of(each.reply_to) for each in wanted if each.reply_to}
    names = {(each.thread.account_id, each.message.wa_message_id) for each in wanted if each.message.wa_message_id}
    found: set[UUID] = set()
    named: set[tuple[UUID, str | None]] = set()
    for condition in one_of(session, Message.id, ids):
        found.update(session.execute(select(Message.id).where(condition)).scalars())
    for condition in one_of_pairs(session, Message.account_id, Message.wa_message_id, names):
        rows = session.execute(select(Message.account_id, Message.wa_message_id).where(condition))
        named.update((account_id, wa_id) for account_id, wa_id in rows)
    return found, named


def _id_of(source_id: str) -> UUID:
    return kept_id(source_id) or made_id("messages", source_id)


def _store(
    move: Move, session: Session, new: Sequence[_Wanted], locked: Mapping[UUID, Conversation], here: set[UUID]
) -> None:
    here = here | {each.id for each in new}
    answered = {each.id for each in locked.values() if each.asked_through <= each.answered_through}
    newest = {each.id: each.last_inbound_at for each in locked.values()}
    for each in new:
        conversation, message = locked[each.thread.id], each.message
        quoted = _id_of(each.reply_to) if each.reply_to else None
        message.reply_to = quoted if quoted in here else None
        if not conversation.last_position:
            conversation.updated_at = message.timestamp  # what it says so far is not the time of a message
        message.position = next_position(conversation)
        note_message(conversation, message.id, message.timestamp, message.content_text)
        if message.direction == Direction.INBOUND and Reason.OTHER_TIME not in each.notes:
            conversation.last_inbound_at = max(conversation.last_inbound_at or message.timestamp, message.timestamp)
    for conversation in {each.thread.id: locked[each.thread.id] for each in new}.values():
        if conversation.id in answered:
            conversation.answered_through = conversation.last_position
        conversation.touch()
    for each in new:
        conversation = locked[each.thread.id]
        if conversation.last_inbound_at != newest[conversation.id]:  # the predecessor's count tells of what came now
            conversation.unread_count = max(conversation.unread_count, each.thread.unread)
    store(move, session, Message, [_values(each.message, move.now) for each in new])
    _store_files(move, session, [each.message for each in new if each.message.media_id is not None])


def _values(message: Message, now: datetime) -> dict[str, Any]:
    columns = Message.__table__.columns.keys()
    given = {name: getattr(message, name) for name in columns}
    stored_at = min(message.timestamp, now)  # by the predecessor: it is news to nobody
    return given | {"stored_at": stored_at}


def _store_files(move: Move, session: Session, messages: Sequence[Message]) -> None:
    """What WhatsApp has still is fetched like any other file; of the rest it is known that it is gone."""
    gone = [message for message in messages if _is_gone(move, message)]
    if gone:
        rows = [
            {
                "id": new_id(),
                "account_id": message.account_id,
                "message_id": message.id,
                "problem": GONE,
                "created_at": move.now,
            }
            for message in gone
        ]
        session.flush()  # a file refers to its message
        store(move, session, MediaFile, rows)
    there = {message.conversation_id: message.account_id for message in messages if not _is_gone(move, message)}
    jobs.request_media(session, there, move.now)


# --- reactions ---------------------------------------------------------------------------------------------------


def move_reactions(move: Move) -> None:
    """Those that stand."""
    tally = move.tally("reactions")
    if move.table("message_reactions") is None:
        return
    for batch in move.batches(tally.name, "message_reactions", _reactions(move)):
        tally.count(_take_reactions(move, batch))


def _reactions(move: Move) -> Composed:
    source, id_ = move.source, move.column("r", "message_reactions", "id")
    order = move.order("r", "message_reactions", "created_at", "id")
    if not source.has("message_reactions", "message_id") or not source.has(
        "messages", "id", "conversation_id", "wa_message_id"
    ):
        query = SQL("SELECT {}, row_to_json(r)::text, NULL::text, NULL::text FROM {} r {}")
        return query.format(id_, source.table("message_reactions"), order)
    targets = move.named("messages", SQL("t.conversation_id::text AS thread, t.wa_message_id::text AS name").format())
    query = SQL(
        "SELECT {}, row_to_json(r)::text, m.thread, m.name FROM {} r LEFT JOIN {} m ON m.named = r.message_id::text {}"
    )
    return query.format(id_, source.table("message_reactions"), targets, order)


@whole_transaction(idempotent=True)
def _take_reactions(move: Move, batch: Sequence[tuple[Any, ...]]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    wanted: dict[tuple[UUID, str], tuple[str, dict[str, Any]]] = {}
    for source_id, json, conversation_id, target in batch:
        found = _reaction(move, json, move.threads.get(conversation_id or ""), text(target))
        if isinstance(found, Reason):
            outcomes.append(Outcome(str(source_id), left=found))
        elif (key := (found["account_id"], found["wa_message_id"])) in wanted:
            outcomes.append(Outcome(str(source_id), left=Reason.TWICE))
        else:
            wanted[key] = str(source_id), found
    with move.session() as session:
        here: set[tuple[UUID, str]] = set()
        for condition in one_of_pairs(session, Annotation.account_id, Annotation.wa_message_id, wanted):
            rows = session.execute(select(Annotation.account_id, Annotation.wa_message_id).where(condition))
            here.update((account_id, wa_id) for account_id, wa_id in rows)
        outcomes += [Outcome(source_id, here=key in here) for key, (source_id, _) in wanted.items()]
        new = [row for key, (_, row) in wanted.items() if key not in here]
        if move.writes:
            store(move, session, Annotation, new)
    return outcomes


def _reaction(move: Move, json: str, thread: Thread | None, target: str | None) -> dict[str, Any] | Reason:
    row = row_of(json)
    if row is None:
        return Reason.UNREADABLE
    if thread is None:
        return Reason.NO_CONVERSATION
    emoji = text(row.get("emoji"), 64)
    if target is None or emoji is None:
        return Reason.NO_TARGET if target is None else Reason.NO_EMOJI
    own = {number.id: number.phone for number in move.numbers.values()}[thread.account_id]
    is_ours = own is not None and phone(row.get("from_number")) == own
    return {
        "id": new_id(),
        "account_id": thread.account_id,
        "wa_message_id": short_id(text(row.get("wa_message_id")) or f"legacy.{made_id('reactions', json).hex}"),
        "target_wa_id": short_id(target),
        "kind": "reaction",
        "actor": BUSINESS if is_ours else str(thread.contact_id),
        "content": {"emoji": emoji},
        "timestamp": moment(row.get("created_at"), move.now) or move.now,
    }
