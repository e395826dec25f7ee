"""Unknown outcomes: settled by evidence, repeated at most once, or by a person's decision (I7)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from inbox.db import fixed
from inbox.db.wake import Work, wake
from inbox.models import Account, EventState, Incident, Job, JobState, Lane, Message, MessageStatus, WebhookEvent
from inbox.outbox import evidence, store

log = logging.getLogger(__name__)

RECHECK = timedelta(seconds=10)


def settle_accepted(session: Session, message: Message, wa_message_id: str, attempt: int, now: datetime) -> None:
    """A status brought our callback data back: the message was accepted. The caller holds conversation and lane."""
    job = session.execute(select(Job).where(Job.message_id == message.id)).scalar_one_or_none()
    evidence.accept(session, message, wa_message_id, attempt, now)
    lane = session.get(Lane, message.conversation_id)
    if job is not None and lane is not None and lane.lease is None:
        lane.due_at = store.next_due(session, message.conversation_id, now)
        wake(session, Work.DELIVER)


def lock_lanes(session: Session, conversation_ids: Iterable[UUID]) -> None:
    """Hold these lanes' rows until the transaction ends, in a fixed order."""
    query = select(Lane).where(Lane.conversation_id.in_(list(conversation_ids))).order_by(Lane.conversation_id)
    session.execute(query.with_for_update()).scalars().all()


def unknown_due(session: Session, now: datetime) -> bool:
    """True when some unknown outcome should be looked at."""
    query = exists().where(Job.state == fixed(JobState.UNKNOWN), Job.due_at <= now)
    return session.execute(select(query)).scalar_one()


def settle_unknown(session: Session, now: datetime, confirm_window: float, limit: int = 100) -> int:
    """Look for evidence about unknown sends (I7). Returns how many will be sent again.

    The confirm window has passed, and statuses for later sends of the same number have arrived, but none for this
    one: it was not accepted, so send it again, once. Without such evidence it stays unconfirmed.
    """
    window = timedelta(seconds=confirm_window)
    query = (
        select(Job.id, Job.conversation_id)
        .where(Job.state == fixed(JobState.UNKNOWN), Job.due_at <= now)
        .order_by(Job.due_at)
        .limit(limit)
    )
    due = session.execute(query).all()
    lock_lanes(session, {row.conversation_id for row in due})
    resent = 0
    for row in due:
        job = session.get(Job, row.id, with_for_update=True)
        if job is not None and job.state == JobState.UNKNOWN:
            resent += _settle_one(session, job, now, window)
    session.flush()
    return resent


def _settle_one(session: Session, job: Job, now: datetime, window: timedelta) -> int:
    message = session.get_one(Message, job.message_id)
    account = session.get_one(Account, job.account_id)
    attempted = message.attempted_at or job.created_at
    listening = max(attempted, _database_back(session, attempted) or attempted)
    if account.deleted_at is not None:
        job.due_at = now + RECHECK  # it is being withdrawn
    elif now < listening + window:
        job.due_at = listening + window
    elif job.resends >= 1:
        job.due_at = None  # it was repeated once: from here on only evidence or a person decides
        log.error("message unconfirmed, not sent again by itself", extra={"message_id": str(message.id)})
    elif not _others_were_heard_of(account, attempted) or _unread(session, listening + window):
        job.due_at = now + RECHECK
    else:
        log.warning("message was not accepted, sending again", extra={"message_id": str(message.id)})
        job.resends += 1
        _requeue(session, message, job, now)
        return 1
    return 0


def _database_back(session: Session, attempted: datetime) -> datetime | None:
    """When the database last came back since. Statuses were refused while it was away, and come again late: the
    window starts over, or a status that is on its way would be taken for one that never comes."""
    ended = select(func.max(Incident.ended_at))
    return session.execute(ended.where(Incident.upstream == "database", Incident.ended_at > attempted)).scalar_one()


def _others_were_heard_of(account: Account, attempted: datetime) -> bool:
    """True when statuses of sends begun later have come: the way back is open."""
    return account.statuses_through is not None and account.statuses_through > attempted


def _unread(session: Session, until: datetime) -> bool:
    """True while webhooks that had come by then wait for the ingester: the status may be among them."""
    query = exists().where(WebhookEvent.state == fixed(EventState.PENDING), WebhookEvent.received_at <= until)
    return session.execute(select(query)).scalar_one()


def _requeue(session: Session, message: Message, job: Job, now: datetime) -> None:
    store.back_to_pending(message, job, now)
    lane = session.get_one(Lane, job.conversation_id)
    if lane.lease is None:
        lane.due_at = store.next_due(session, job.conversation_id, now)
        wake(session, Work.DELIVER)


def resend(session: Session, message: Message, now: datetime) -> None:
    """A person decided: send a failed or unconfirmed message again. The caller holds the conversation's row."""
    lane = store.lock_lane(session, message.conversation_id)
    job = session.execute(select(Job).where(Job.message_id == message.id).with_for_update()).scalar_one_or_none()
    message.wa_message_id = message.sent_at = message.failed_at = None
    message.error_code = message.error_title = message.error_detail = None
    message.status = MessageStatus.QUEUED
    if job is None:
        store.enqueue_send(session, message, now)
    else:
        job.attempts = 0
        job.created_at = now
        assert lane is not None
        _requeue(session, message, job, now)
    session.flush()
