"""Reactions that people of the team put on messages. They leave as messages do: in the lane, with the same outcomes."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from inbox.auth.access import Access
from inbox.clock import new_id
from inbox.conversations.rows import message_row
from inbox.conversations.schemas import MessageRow
from inbox.conversations.service import check_blocked, check_window, outbound_message, visible
from inbox.conversations.writing import Written
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import FieldProblem, IdempotencyConflict, InvalidRequest, MessageNotFound, NotReactable
from inbox.models import REACTION, Annotation, Author, Message, MessageStatus
from inbox.outbox import adding
from inbox.outbox.evidence import BUSINESS, annotation_id

_REACTABLE_FOR = timedelta(days=30)  # Meta, Reaction messages


@dataclass(frozen=True, slots=True)
class NewReaction:
    """An emoji for a message; an empty one takes back what stands there."""

    message_id: UUID
    emoji: str
    client_key: str | None = None


def react(db: Database, access: Access, new: NewReaction) -> MessageRow:
    """Put our reaction on a message, in the place of an earlier one. The message as it is now.

    It is shown at once, and taken away again if WhatsApp refuses it; then the thread says so. The same call again
    changes nothing. Raises MessageNotFound, ReplyWindowClosed, NotReactable, IdempotencyConflict, InvalidRequest.
    """
    if new.emoji and not is_emoji(new.emoji):
        sentence = "must be one emoji, or empty to take the reaction back"
        raise InvalidRequest([FieldProblem("/emoji", "not_an_emoji", sentence)])
    id_ = new_id()
    try:
        return _react(db, access, new, id_)
    except IntegrityError:
        return _react(db, access, new, id_)  # another request had the same key, and can be seen now


@whole_transaction(idempotent=True)
def _react(db: Database, access: Access, new: NewReaction, id_: UUID) -> MessageRow:
    with db.writing() as session:
        target = session.get(Message, new.message_id)
        if target is None or not access.allows(target.account_id):
            raise MessageNotFound
        conversation = visible(session, access, target.conversation_id, lock=True)
        now = db.now(session)
        if not _is_done(session, target, new, id_):
            check_blocked(conversation)
            check_window(conversation, now)
            _check_target(target, now)
            wire = {"message_id": target.wa_message_id, "emoji": new.emoji}
            message = outbound_message(
                conversation,
                Written(REACTION, new.emoji or f"[{REACTION}]", {REACTION: wire}),
                now,
                author=Author.AGENT,
                author_id=access.principal.id,
                name=access.principal.name,
            )
            message.id, message.client_key = id_, new.client_key
            message.position = conversation.last_position  # nothing comes after it: it is no answer to anything
            session.add(_annotation(message, str(target.wa_message_id), new.emoji, now))
            target.touch()
            conversation.touch()
            session.flush()
            adding.store_sends(session, [adding.Send(message)], now)
        return message_row(session, target.id)


def _is_done(session: Session, target: Message, new: NewReaction, id_: UUID) -> bool:
    """True when this call has been made before, or what it wants stands there. Raises IdempotencyConflict."""
    earlier = session.get(Message, id_)
    if earlier is None and new.client_key is not None:
        keyed = select(Message).where(Message.client_key == new.client_key, Message.account_id == target.account_id)
        earlier = session.execute(keyed).scalar_one_or_none()
    if earlier is not None:
        if earlier.payload.get(REACTION) != {"message_id": target.wa_message_id, "emoji": new.emoji}:
            raise IdempotencyConflict
        return True
    ours = (
        select(Annotation.content)
        .where(
            Annotation.account_id == target.account_id,
            Annotation.target_wa_id == target.wa_message_id,
            Annotation.kind == REACTION,
            Annotation.actor == BUSINESS,
        )
        .order_by(Annotation.timestamp.desc(), Annotation.id.desc())
        .limit(1)
    )
    content = session.execute(ours).scalar_one_or_none()
    return ((content or {}).get("emoji") or "") == new.emoji


def _check_target(target: Message, now: datetime) -> None:
    """Raises NotReactable for what WhatsApp would refuse."""
    sent = target.wa_message_id is not None and target.status != MessageStatus.FAILED
    if not sent or target.message_type == REACTION or target.payload.get("revoked"):
        raise NotReactable
    if now - target.timestamp > _REACTABLE_FOR:
        raise NotReactable("WhatsApp takes reactions to messages of the last 30 days.")


def _annotation(message: Message, target: str, emoji: str, now: datetime) -> Annotation:
    return Annotation(
        id=new_id(),
        account_id=message.account_id,
        wa_message_id=annotation_id(message.id),
        target_wa_id=target,
        kind=REACTION,
        actor=BUSINESS,
        content={"emoji": emoji or None},
        timestamp=now,
    )


def is_emoji(text: str) -> bool:
    """True for what may be one emoji: a sign, or several that are joined to one. WhatsApp has the last word."""
    kinds = {unicodedata.category(each) for each in text}
    some = "\u20e3" in text or bool({"So", "Cn"} & kinds) or any(each in "‼⁉↔↕" for each in text)
    return some and kinds <= _SIGNS | _BESIDE and all(_is_one(part) for part in text.split("\u200d"))


_SIGNS = {"So", "Sm", "Po", "Nd", "Cn"}  # Cn: newer than this Python
_BESIDE = {"Sk", "Cf", "Mn", "Me"}  # colours of skin, tags of flags, how it is shown


def _is_one(part: str) -> bool:
    signs = [each for each in part if unicodedata.category(each) in _SIGNS]
    return len(signs) == 1 or (len(signs) == 2 and all("\U0001f1e6" <= each <= "\U0001f1ff" for each in signs))  # flag
