"""Two contacts that prove to be one person become one: their threads, jobs and history join."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.models import (
    Annotation,
    Contact,
    ContactChange,
    Conversation,
    ConversationLabel,
    ConversationReader,
    ConversationStatus,
    GoneConversation,
    Job,
    JobKind,
    JobState,
    Lane,
    Message,
    Note,
    SavedDraft,
    WebhookDelivery,
)
from inbox.outbox.jobs import request_media


def merge_contacts(session: Session, survivor: Contact, other: Contact, now: datetime) -> bool:
    """Move all that is `other`'s to `survivor` and delete `other`.

    False, and nothing changed, while a send to `other` is in flight: its lane cannot move under it.
    """
    threads = _locked_threads(session, survivor, other)
    into, gone = threads.get(survivor.id), threads.get(other.id)
    if gone is not None:
        if into is not None and not _move_lane(session, into, gone, now):
            return False
        _rename_author(session, gone, other, survivor)
        _join_conversations(session, survivor, into, gone, now)
    survivor.fields = other.fields | survivor.fields
    survivor.marketing_stopped_at = survivor.marketing_stopped_at or other.marketing_stopped_at
    session.add(_audit(survivor, other, now))
    session.execute(update(ContactChange).where(ContactChange.contact_id == other.id).values(contact_id=survivor.id))
    session.flush()
    # At once, before the survivor takes over ids that must be unique; by hand, because a flush deletes last.
    session.execute(delete(Contact).where(Contact.id == other.id), execution_options={"synchronize_session": False})
    session.expunge(other)
    return True


def _locked_threads(session: Session, *contacts: Contact) -> dict[object, Conversation]:
    query = (
        select(Conversation)
        .where(Conversation.contact_id.in_([contact.id for contact in contacts]))
        .order_by(Conversation.id)
        .with_for_update()
    )
    return {conversation.contact_id: conversation for conversation in session.execute(query).scalars()}


def _rename_author(session: Session, thread: Conversation, old: Contact, new: Contact) -> None:
    """In their own thread; in groups the name they had stays."""
    own = select(Message.wa_message_id).where(Message.conversation_id == thread.id, Message.wa_message_id.is_not(None))
    reacted = update(Annotation).where(
        Annotation.account_id == thread.account_id, Annotation.target_wa_id.in_(own), Annotation.actor == str(old.id)
    )
    wrote = update(Message).where(Message.conversation_id == thread.id, Message.author_id == str(old.id))
    session.execute(reacted.values(actor=str(new.id)))
    session.execute(wrote.values(author_id=str(new.id)))


def _join_conversations(
    session: Session, survivor: Contact, into: Conversation | None, gone: Conversation, now: datetime
) -> None:
    if into is None:
        gone.contact_id = survivor.id
        gone.touch()
        return
    dropped = delete(Job).where(Job.conversation_id == gone.id, Job.kind != JobKind.SEND.value).returning(Job.kind)
    if JobKind.MEDIA in session.execute(dropped).scalars().all():
        request_media(session, {into.id: into.account_id}, now)
    moved = update(WebhookDelivery).where(WebhookDelivery.conversation_id == gone.id)
    session.execute(moved.values(conversation_id=into.id))
    _move_messages(session, into, gone)
    _join_readers(session, into, gone)
    _move_team_rows(session, into, gone)
    _join_rows(into, gone)
    session.flush()
    session.delete(gone)
    session.add(GoneConversation(id=gone.id, account_id=gone.account_id))
    session.flush()


def _move_messages(session: Session, into: Conversation, gone: Conversation) -> None:
    """Behind those of `into`, so that what was answered in either stays answered."""
    mine = update(Message).where(Message.conversation_id == gone.id)
    session.execute(mine.where(Message.position <= gone.answered_through).values(awaits_answer=False))
    moved = {"conversation_id": into.id, "position": Message.position + into.last_position}
    session.execute(mine.values(moved))
    if gone.asked_through > gone.answered_through:
        into.asked_through = into.last_position + gone.asked_through
        into.waiting_since = min(filter(None, [into.waiting_since, gone.waiting_since]), default=None)
    into.last_position += gone.last_position


def _join_readers(session: Session, into: Conversation, gone: Conversation) -> None:
    """What was new to somebody in either is new to them in both."""
    query = select(ConversationReader).where(ConversationReader.conversation_id.in_([into.id, gone.id]))
    readers = list(session.execute(query).scalars())
    theirs = {reader.user_id: reader for reader in readers if reader.conversation_id == into.id}
    for reader in readers:
        if reader.conversation_id == gone.id and reader.user_id in theirs:
            theirs[reader.user_id].beyond_team += reader.beyond_team  # the row goes with the conversation
        elif reader.conversation_id == gone.id:
            reader.conversation_id = into.id


def _move_team_rows(session: Session, into: Conversation, gone: Conversation) -> None:
    """Notes, labels and drafts. Who was writing in both has one draft, with both texts."""
    session.execute(update(Note).where(Note.conversation_id == gone.id).values(conversation_id=into.id))
    for kind, rest in ((ConversationLabel, ("label_id",)), (SavedDraft, ("user_id", "mode"))):
        there = {_named(row, rest): row for row in _of(session, kind, into)}
        for row in _of(session, kind, gone):
            if _named(row, rest) not in there:
                row.conversation_id = into.id
            elif isinstance(row, SavedDraft):
                _join_drafts(there[_named(row, rest)], row)
    session.flush()


def _of(session: Session, kind: type[Any], thread: Conversation) -> list[Any]:
    return list(session.execute(select(kind).where(kind.conversation_id == thread.id)).scalars())


def _named(row: object, names: tuple[str, ...]) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in names)


def _join_drafts(into: SavedDraft, gone: SavedDraft) -> None:
    into.text = f"{into.text}\n{gone.text}".strip()
    into.version = max(into.version, gone.version) + 1
    into.changed_at = max(into.changed_at, gone.changed_at)


def _move_lane(session: Session, into: Conversation, gone: Conversation, now: datetime) -> bool:
    """Append the pending sends of `gone` to the lane of `into`. False while one is in flight."""
    query = select(Lane).where(Lane.conversation_id.in_([into.id, gone.id])).order_by(Lane.conversation_id)
    lanes = {lane.conversation_id: lane for lane in session.execute(query.with_for_update()).scalars()}
    old = lanes.get(gone.id)
    if old is None:
        return True
    sends = select(Job).where(Job.conversation_id == gone.id, Job.kind == JobKind.SEND).order_by(Job.seq)
    jobs = list(session.execute(sends.with_for_update()).scalars())
    if old.lease is not None or any(job.state == JobState.SENDING for job in jobs):
        return False
    new = lanes.get(into.id)
    if new is None:
        new = Lane(conversation_id=into.id, account_id=into.account_id, next_seq=1)
        session.add(new)
    for job in jobs:
        job.conversation_id, job.seq = into.id, new.next_seq
        new.next_seq += 1
    if jobs and new.due_at is None:
        new.due_at = now
    session.flush()
    session.delete(old)
    session.flush()
    return True


def _join_rows(into: Conversation, gone: Conversation) -> None:
    """One row out of two: the newest preview, the stricter bot switch, what either needed."""
    if gone.updated_at > into.updated_at:
        into.last_message, into.updated_at = gone.last_message, gone.updated_at
        into.last_message_id = gone.last_message_id
    if into.status == ConversationStatus.DONE or gone.status == ConversationStatus.OPEN:
        into.status = gone.status
    into.opened_at = min(filter(None, [into.opened_at, gone.opened_at]), default=None)
    into.unread_count += gone.unread_count
    into.is_favorite = into.is_favorite or gone.is_favorite
    into.bot_enabled = into.bot_enabled and gone.bot_enabled
    for name in ("last_inbound_at", "bot_last_reply_at", "bot_paused_until", "person_replied_at", "away_told_at"):
        setattr(into, name, max(filter(None, [getattr(into, name), getattr(gone, name)]), default=None))
    if gone.needs_human and not into.needs_human:
        into.needs_human, into.needs_human_reason = True, gone.needs_human_reason
        into.handed_over_at, into.notice_error = gone.handed_over_at, gone.notice_error
    into.blocked_at = into.blocked_at or gone.blocked_at
    into.epoch = max(into.epoch, gone.epoch) + 1
    into.touch()


def _audit(survivor: Contact, other: Contact, now: datetime) -> ContactChange:
    return ContactChange(
        id=new_id(),
        account_id=survivor.account_id,
        contact_id=survivor.id,
        kind="merged",
        details={"contact_id": str(other.id), "phone": other.phone, "user_id": other.user_id},
        at=now,
    )
