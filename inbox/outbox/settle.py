"""Unknown outcomes: settled by evidence, repeated at most once, or by a person's decision (I7)."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from inbox.db import fixed
from inbox.models import REACTION, Account, Author, Conversation, Job, JobState, Lane, Message, MessageStatus
from inbox.outbox import adding, evidence, silence, store
from inbox.outbox.evidence import UNCONFIRMED
from inbox.outbox.silence import Hearing

log = logging.getLogger(__name__)

RECHECK = timedelta(seconds=10)
#: Gaps are forgotten after an hour (`processes.KEPT`): a send that waits for evidence is looked at more often.
_LOOK_WITHIN = timedelta(minutes=10)


def settle_accepted(session: Session, message: Message, wa_message_id: str, attempt: int, now: datetime) -> None:
    """A status brought our callback data back: the message was accepted. The caller holds conversation and lane."""
    job = session.execute(select(Job).where(Job.message_id == message.id)).scalar_one_or_none()
    evidence.accept(session, message, wa_message_id, attempt, now)
    lane = session.get(Lane, message.conversation_id)
    if job is not None and lane is not None and lane.lease is None:
        store.rest_lanes(session, [lane.conversation_id], now)


def lock_lanes(session: Session, conversation_ids: Iterable[UUID]) -> None:
    """Hold these lanes' rows until the transaction ends, in a fixed order."""
    query = select(Lane).where(Lane.conversation_id.in_(list(conversation_ids))).order_by(Lane.conversation_id)
    session.execute(query.with_for_update()).scalars().all()


def first_due() -> Select[datetime | None]:
    """Asks when an unknown outcome should be looked at next. No row: there is none that time alone moves on."""
    due = select(Job.due_at).where(Job.state == fixed(JobState.UNKNOWN), Job.due_at.is_not(None))
    return due.order_by(Job.due_at).limit(1)


def settle_unknown(session: Session, now: datetime, confirm_window: float, limit: int = 100) -> int:
    """Look for evidence about unknown sends (I7). Returns how many will be sent again.

    It was not accepted, and is sent again, once, when a whole window has passed in which no webhook can have been lost,
    statuses for later sends of the same number have come, and none for this one. Anything less, and the window starts
    again. A person is asked as soon as the first one is over.
    """
    window = timedelta(seconds=confirm_window)
    query = (
        select(Job.id, Job.conversation_id)
        .where(Job.state == fixed(JobState.UNKNOWN), Job.due_at <= now)
        .order_by(Job.due_at)
        .limit(limit)
    )
    due = session.execute(query).all()
    _lock_conversations(session, {row.conversation_id for row in due})
    lock_lanes(session, {row.conversation_id for row in due})
    heard = silence.hearing(session, now)
    resent = 0
    for row in due:
        job = session.get(Job, row.id, with_for_update=True)
        if job is not None and job.state == JobState.UNKNOWN:
            resent += _settle_one(session, job, now, window, heard)
    session.flush()
    return resent


def _lock_conversations(session: Session, ids: set[UUID]) -> None:
    query = select(Conversation).where(Conversation.id.in_(ids)).order_by(Conversation.id)
    session.execute(query.with_for_update()).scalars().all()


def _settle_one(session: Session, job: Job, now: datetime, window: timedelta, heard: Hearing) -> int:
    message = session.get_one(Message, job.message_id)
    account = session.get_one(Account, job.account_id)
    attempted = message.attempted_at or job.created_at
    listening = max(filter(None, (attempted, job.listening_from, heard.last_gap)))
    until = listening + silence.wait_for(window, attempted, listening)
    if job.listening_from is None:  # the first look: the end of a lease cannot say that there is a doubt
        session.get_one(Conversation, job.conversation_id).touch()
    job.listening_from = listening
    over = now >= attempted + window
    if over and not job.payload.get("asked"):
        job.payload = {"asked": "yes"}  # once: who has looked and left it so is not asked again
        _ask_a_person(session, message)
    blocked = session.get_one(Conversation, job.conversation_id).blocked_at is not None
    if account.deleted_at is not None:
        job.due_at = now + RECHECK  # it is being withdrawn
    elif over and (job.resends >= 1 or blocked):
        job.due_at = None  # repeated once, or to nobody now: from here on only evidence or a person decides
        log.error("message unconfirmed, not sent again by itself", extra={"message_id": str(message.id)})
    elif now < until:
        job.due_at = min(until, now + _LOOK_WITHIN if over else attempted + window)
    elif not heard.covers(until) or silence.lost_inside(session, attempted):
        job.due_at = now + RECHECK
    elif not _others_were_heard_of(account, listening):
        job.listening_from, job.due_at = until, now + RECHECK  # not a word of anybody: it starts again, and is longer
    else:
        log.warning("message was not accepted, sending again", extra={"message_id": str(message.id)})
        job.resends += 1
        _requeue(session, message, job, now)
        return 1
    return 0


def _others_were_heard_of(account: Account, since: datetime) -> bool:
    """True when statuses of sends begun since then have come: the way back is open."""
    return account.statuses_through is not None and account.statuses_through > since


def _ask_a_person(session: Session, message: Message) -> None:
    """Nobody knows whether the customer has it: the conversation shows that somebody should look."""
    if message.message_type == REACTION:
        return
    conversation = session.get_one(Conversation, message.conversation_id)
    asks = conversation.blocked_at is None and message.author_kind in (Author.BOT, Author.AGENT)
    if asks and not conversation.needs_human:
        conversation.needs_human, conversation.needs_human_reason = True, UNCONFIRMED
        conversation.touch()


def _requeue(session: Session, message: Message, job: Job, now: datetime) -> None:
    store.back_to_pending(message, job, now)
    session.get_one(Conversation, message.conversation_id).touch()
    evidence.no_longer_unconfirmed(session, message)
    lane = session.get_one(Lane, job.conversation_id)
    if lane.lease is None:
        store.rest_lanes(session, [lane.conversation_id], now)


def resend(session: Session, message: Message, now: datetime) -> None:
    """A person decided: send a failed or unconfirmed message again. The caller holds the conversation's row."""
    lane = store.lock_lane(session, message.conversation_id)
    job = session.execute(select(Job).where(Job.message_id == message.id).with_for_update()).scalar_one_or_none()
    message.wa_message_id = message.sent_at = message.failed_at = None
    message.error_code = message.error_title = message.error_detail = None
    message.status = MessageStatus.QUEUED
    if job is None:
        adding.enqueue_send(session, message, now)
    else:
        job.attempts = 0
        job.created_at = now
        assert lane is not None
        _requeue(session, message, job, now)
    session.flush()
