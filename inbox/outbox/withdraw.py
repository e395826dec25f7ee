"""Taking back what is not to be sent any more: of a number that was removed, of a contact who was blocked.

Nothing of it is ever sent, also if the number comes back, or the contact is unblocked.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.db import fixed
from inbox.models import Conversation, Job, JobKind, JobState, Lane, Message, MessageStatus
from inbox.outbox import store
from inbox.outbox.status import ACCOUNT_DELETED, CONTACT_BLOCKED, apply_status

BATCH = 500  # jobs in one transaction


def withdraw(session: Session, account_id: UUID, now: datetime, limit: int) -> int:
    """Drop up to `limit` jobs of this number. How many were; fewer than `limit`: there are no more.

    A message that waits fails. One that may have left stays unconfirmed, and what its send comes to is still recorded
    (`store.record`), but it is not sent again. Answers and receipts are forgotten.
    """
    wanted = select(Job.id, Job.conversation_id, Job.message_id).where(Job.account_id == account_id)
    found = session.execute(wanted.order_by(Job.conversation_id, Job.id).limit(limit)).all()
    conversations = {row.conversation_id for row in found}
    for conversation in _locked(session, Conversation.id, conversations):
        conversation.touch()
    for lane in _locked(session, Lane.conversation_id, conversations):
        lane.due_at = lane.lease = None
    sends = _locked(session, Message.id, {row.message_id for row in found if row.message_id is not None})
    messages = {message.id: message for message in sends}
    for job in _locked(session, Job.id, {row.id for row in found}):
        if job.kind == JobKind.SEND and job.message_id in messages:
            _end(messages[job.message_id], job, now)
        session.delete(job)
    session.flush()
    return len(found)


def withdraw_from_blocked(session: Session, conversation_id: UUID, now: datetime) -> None:
    """What waits for a contact who was just blocked fails. The caller holds the conversation.

    What is being sent just now may arrive. If it comes back, or its outcome stays unknown, it is not sent again
    (`store.record`, `settle_unknown`).
    """
    lane = store.lock_lane(session, conversation_id)
    waits = select(Job.id, Job.message_id).where(
        Job.conversation_id == conversation_id, Job.kind == fixed(JobKind.SEND)
    )
    found = session.execute(waits.where(Job.state == fixed(JobState.PENDING))).all()
    messages = {each.id: each for each in _locked(session, Message.id, {row.message_id for row in found})}
    for job in _locked(session, Job.id, {row.id for row in found}):
        store.fail(session, messages[job.message_id], job, CONTACT_BLOCKED, now)
    if found and lane is not None and lane.lease is None:
        store.rest_lanes(session, [conversation_id], now)


def _locked(session: Session, key: InstrumentedAttribute[UUID], ids: Iterable[UUID]) -> list[Any]:
    """The rows with these keys, locked. In the order of all: conversations, lanes, messages, jobs; each by its key."""
    query = select(key.class_).where(key.in_(sorted(ids))).order_by(key)
    return list(session.execute(query.with_for_update()).scalars())


def _end(message: Message, job: Job, now: datetime) -> None:
    if job.state == JobState.PENDING:
        apply_status(message, "failed", now, ACCOUNT_DELETED)
    else:
        message.status = MessageStatus.UNCONFIRMED
