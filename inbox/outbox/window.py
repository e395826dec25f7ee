"""Replies that wait while WhatsApp's reply window closes: their author is told an hour before, and they end in time.

WhatsApp would refuse them anyway, but only once it is asked, and a number may be paused for days.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Select, or_, select, update
from sqlalchemy.orm import Session

from inbox.db import fixed
from inbox.models import Account, Author, Conversation, Job, JobKind, JobState, Lane, Message, MessageStatus
from inbox.models.base import server_now
from inbox.outbox import store
from inbox.outbox.status import StatusError

WINDOW = timedelta(hours=24)  # Meta: free text until 24 hours after the customer last wrote
WARNED = timedelta(hours=1)  # before its end
_DOUBT = timedelta(minutes=1)  # after its end: clocks differ, and WhatsApp has the last word
_TRIED_AGAIN = timedelta(minutes=15)  # at the latest: a number cools down for so long
TOO_LATE = StatusError(
    "reply_window_closed",
    "It waited until WhatsApp's 24 hours were over.",
    "Send a template, or wait until the customer writes again.",
)


def watch_windows(session: Session, now: datetime, limit: int = 200) -> int:
    """Mark the replies that should be looked at, let go of those marks that are over, end what is too late.

    How many ended. A template waits on: WhatsApp takes it at any time. A notice to the backup number is WhatsApp's to
    refuse.
    """
    _forget(session, now)
    found = session.execute(_waiting(now).limit(limit)).all()
    conversations = {row.conversation_id for row in found}
    locked = select(Conversation).where(Conversation.id.in_(conversations)).order_by(Conversation.id)
    closes = {each.id: _end_of(each) for each in session.execute(locked.with_for_update()).scalars()}
    lanes = select(Lane).where(Lane.conversation_id.in_(conversations)).order_by(Lane.conversation_id)
    session.execute(lanes.with_for_update()).all()
    ended: set[UUID] = set()
    for row in found:
        message = session.get(Message, row.message_id, with_for_update=True)
        job = session.get(Job, row.job_id, with_for_update=True)
        until = closes.get(row.conversation_id)
        if message is None or job is None or job.state != JobState.PENDING or until is None:
            continue  # it has left meanwhile
        if until + _DOUBT <= now:
            store.fail(session, message, job, TOO_LATE, now)
            ended.add(row.conversation_id)
        elif until - WARNED <= now:
            message.window_closes_at = until
        session.get_one(Conversation, row.conversation_id).touch()
    session.flush()
    store.rest_lanes(session, [each for each in ended if session.get_one(Lane, each).lease is None], now)
    return len(ended)


def _end_of(conversation: Conversation) -> datetime | None:
    return conversation.last_inbound_at + WINDOW if conversation.last_inbound_at else None


def _waiting(now: datetime) -> Select[UUID, UUID, UUID | None]:
    """Replies whose window is about to close and that nobody was told of, and those for which it has closed.

    From the lanes that are due: what waits is due, or was tried and will be again within a minute.
    """
    over, soon = now - WINDOW - _DOUBT, now - WINDOW + WARNED
    return (
        select(Job.id.label("job_id"), Job.conversation_id, Job.message_id)
        .join(Lane, Lane.conversation_id == Job.conversation_id)
        .join(Conversation, Conversation.id == Job.conversation_id)
        .join(Message, Message.id == Job.message_id)
        .join(Account, Account.id == Job.account_id)
        .where(
            Lane.account_id == Account.id,
            Lane.due_at <= now + _TRIED_AGAIN,
            Account.deleted_at.is_(None),
            Job.kind == fixed(JobKind.SEND),
            Job.state == fixed(JobState.PENDING),
            Message.author_kind.in_([Author.AGENT, Author.BOT]),
            Message.message_type != "template",
            Conversation.last_inbound_at <= soon,
            or_(Conversation.last_inbound_at <= over, Message.window_closes_at.is_(None)),
        )
        .order_by(Job.conversation_id, Job.seq)
    )


def _forget(session: Session, now: datetime) -> None:
    """Take the marks from what has left, and from what may leave later, because the customer has written again."""
    written = select(Conversation.last_inbound_at).where(Conversation.id == Message.conversation_id).scalar_subquery()
    marked = select(Message.id).where(  # by the few that are marked: a join may begin with all conversations
        Message.window_closes_at.is_not(None),
        or_(Message.status != MessageStatus.QUEUED, written > now - WINDOW + WARNED),
    )
    ids = list(session.execute(marked).scalars())
    if ids:
        session.execute(
            update(Message).where(Message.id.in_(ids)).values(window_closes_at=None),
            execution_options={"synchronize_session": False},
        )
        threads = select(Message.conversation_id).where(Message.id.in_(ids))
        session.execute(
            update(Conversation).where(Conversation.id.in_(threads)).values(changed_at=server_now()),
            execution_options={"synchronize_session": False},
        )
