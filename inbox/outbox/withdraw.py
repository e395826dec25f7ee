"""Taking back what a removed number still had to do: nothing of it is ever sent, also if the number comes back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.models import Conversation, Job, JobKind, JobState, Lane, Message, MessageStatus
from inbox.outbox.status import ACCOUNT_DELETED, apply_status

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


def _locked(session: Session, key: InstrumentedAttribute[UUID], ids: Iterable[UUID]) -> list[Any]:
    """The rows with these keys, locked. In the order of all: conversations, lanes, messages, jobs; each by its key."""
    query = select(key.class_).where(key.in_(sorted(ids))).order_by(key)
    return list(session.execute(query.with_for_update()).scalars())


def _end(message: Message, job: Job, now: datetime) -> None:
    if job.state == JobState.PENDING:
        apply_status(message, "failed", now, ACCOUNT_DELETED)
    else:
        message.status = MessageStatus.UNCONFIRMED
