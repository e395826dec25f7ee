"""Database rows → what the wire shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.conversations.schemas import (
    AuthorInfo,
    ContactCard,
    ContactRow,
    ConversationRow,
    ErrorInfo,
    MessageRow,
    Reaction,
)
from inbox.conversations.state import window_expires_at
from inbox.db import one_of_pairs
from inbox.gateways.meta_errors import may_succeed_later
from inbox.models import Annotation, Author, Contact, Conversation, Direction, Message, MessageStatus


def conversation_row(conversation: Conversation, contact: Contact, paused_reason: str | None) -> ConversationRow:
    """One conversation with its contact, and what holds up its number."""
    return ConversationRow(
        id=conversation.id,
        account_id=conversation.account_id,
        contact_id=conversation.contact_id,
        client_number=contact.phone,
        status=conversation.status,
        is_favorite=conversation.is_favorite,
        is_group=conversation.is_group,
        unread_count=conversation.unread_count,
        bot_enabled=conversation.bot_enabled,
        bot_paused_until=conversation.bot_paused_until,
        bot_last_reply_at=conversation.bot_last_reply_at,
        needs_human=conversation.needs_human,
        needs_human_reason=conversation.needs_human_reason,
        assigned_to=conversation.assigned_to,
        sends_paused_reason=paused_reason,
        last_message=conversation.last_message,
        last_inbound_at=conversation.last_inbound_at,
        reply_window_expires_at=window_expires_at(conversation),
        updated_at=conversation.updated_at,
        changed_at=conversation.changed_at,
        contacts=ContactCard(display_name=shown_name(contact), whatsapp_number=contact.phone),
    )


def shown_name(contact: Contact) -> str | None:
    """What to call a contact: the profile's name, else the username."""
    return contact.display_name or contact.username


def contact_row(contact: Contact) -> ContactRow:
    """One contact."""
    return ContactRow(
        id=contact.id,
        account_id=contact.account_id,
        display_name=shown_name(contact),
        whatsapp_number=contact.phone,
        username=contact.username,
        is_group=contact.group_id is not None,
        marketing_stopped_at=contact.marketing_stopped_at,
        created_at=contact.created_at,
    )


def message_rows(session: Session, messages: Sequence[Message]) -> list[MessageRow]:
    """Messages with their reactions."""
    reactions = _reactions(session, messages)
    return [_message_row(message, reactions[message.id]) for message in messages]


def _message_row(message: Message, reactions: list[Reaction]) -> MessageRow:
    return MessageRow(
        id=message.id,
        conversation_id=message.conversation_id,
        direction=Direction(message.direction),
        content_text=message.content_text,
        timestamp=message.timestamp,
        wa_message_id=message.wa_message_id,
        message_type=message.message_type,
        status=MessageStatus(message.status),
        media_id=message.media_id,
        media_mime_type=message.media_mime_type,
        media_filename=message.media_filename,
        stored_at=message.stored_at,
        sent_at=message.sent_at,
        delivered_at=message.delivered_at,
        read_at=message.read_at,
        failed_at=message.failed_at,
        edited_at=message.edited_at,
        error=_error(message),
        author=AuthorInfo(kind=Author(message.author_kind), id=message.author_id, name=message.author_name),
        reply_to=message.reply_to,
        reactions=reactions,
        client_key=message.client_key,
        payload=message.payload,
    )


def _error(message: Message) -> ErrorInfo | None:
    if message.status != MessageStatus.FAILED:
        return None
    return ErrorInfo(
        code=message.error_code,
        title=message.error_title,
        detail=message.error_detail,
        can_retry=may_succeed_later(message.error_code),
    )


def _reactions(session: Session, messages: Sequence[Message]) -> dict[UUID, list[Reaction]]:
    """The standing reaction of each person to each message: the latest one, unless it was taken back."""
    by_key = {(message.account_id, message.wa_message_id): message.id for message in messages if message.wa_message_id}
    found: dict[UUID, list[Reaction]] = defaultdict(list)
    notes: list[Annotation] = []
    for condition in one_of_pairs(session, Annotation.account_id, Annotation.target_wa_id, by_key):
        notes += session.execute(select(Annotation).where(condition, Annotation.kind == "reaction")).scalars()
    for note in _latest(sorted(notes, key=lambda note: (note.timestamp, note.id))):
        if emoji := note.content.get("emoji"):
            reaction = Reaction(emoji=emoji, actor=note.actor, timestamp=note.timestamp)
            found[by_key[note.account_id, note.target_wa_id]].append(reaction)
    return found


def _latest(notes: Iterable[Annotation]) -> Iterable[Annotation]:
    return {(note.target_wa_id, note.actor): note for note in notes}.values()
