"""The database was put back from a backup: what it takes for undone may have been done since.

A reply that waited when the backup was made has probably left, and its status was told to a database that is gone. It
will not be told again, so silence proves nothing about it. Nothing of then is sent or answered by itself; people are
shown where to look.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import OPERATOR
from inbox.conversations.state import RESTORED, hand_over, owes_answer
from inbox.db import Database, fixed
from inbox.db.queries import one_of
from inbox.models import Conversation, Job, JobKind, JobState, Lane, Message, MessageStatus, UserSession
from inbox.outbox.evidence import UNCONFIRMED
from inbox.outbox.jobs import withdraw_answers
from inbox.webhooks.applying.placed import IngestSettings
from inbox.webhooks.ingest import events_pending, ingest_batch

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found undone, and is left to people."""

    webhooks: int
    sends: int
    answers: int
    sessions: int


def after_restore(db: Database, settings: IngestSettings) -> Restored:
    """Leave to people what the backup holds as undone, and end every session. Nothing else may run; safe to repeat."""
    webhooks = 0
    while _pending(db):
        done = ingest_batch(db, settings=settings)  # their answers are void as well, so they come first
        webhooks += done.events
        if done.busy_for is not None:  # the lease of who read when the backup was made
            threading.Event().wait(done.busy_for)
    sends = _in_batches(db, _doubt_sends)
    answers = _in_batches(db, _leave_answers)
    with db.writing() as session:
        now = db.now(session)
        sessions = len(session.execute(delete(UserSession).returning(UserSession.id)).all())
        found = Restored(webhooks, sends, answers, sessions)
        audit.record(session, OPERATOR, "database.restored", now, sends=sends, answers=answers)
    return found


def _pending(db: Database) -> bool:
    with db.reading() as session:
        return events_pending(session)


def _in_batches(db: Database, work: Callable[[Session], int]) -> int:
    """Do `work` in transactions of their own until one of them finds nothing more."""
    total = 0
    while True:
        with db.writing() as session:
            done = work(session)
        if not done:
            return total
        total += done


def _doubt_sends(session: Session) -> int:
    """Make sends unconfirmed for good: a status may still settle one, or a person sends it again."""
    settled = (Job.state == fixed(JobState.UNKNOWN)) & Job.due_at.is_(None)
    wanted = select(Job.id, Job.message_id, Job.conversation_id).where(Job.kind == fixed(JobKind.SEND), ~settled)
    found = session.execute(wanted.order_by(Job.conversation_id, Job.seq).limit(_BATCH)).all()
    conversations = {row.conversation_id for row in found}
    asking = {"needs_human": True, "needs_human_reason": UNCONFIRMED}
    for condition in one_of(session, Conversation.id, conversations):
        session.execute(update(Conversation).where(condition, ~Conversation.needs_human).values(asking))
    for condition in one_of(session, Lane.conversation_id, conversations):
        session.execute(update(Lane).where(condition).values(due_at=None, lease=None))
    sent = {
        "status": MessageStatus.UNCONFIRMED,
        "attempts": case((Message.attempts < 1, 1), else_=Message.attempts),
        "attempted_at": func.coalesce(Message.attempted_at, Message.stored_at),
    }
    for condition in one_of(session, Message.id, {row.message_id for row in found}):
        session.execute(update(Message).where(condition).values(sent))
    unknown = {"state": JobState.UNKNOWN, "due_at": None, "held_until": None, "resends": 1, "payload": {"asked": "yes"}}
    for condition in one_of(session, Job.id, {row.id for row in found}):
        session.execute(update(Job).where(condition).values(unknown))
    return len(found)


def _leave_answers(session: Session) -> int:
    """Ask for a person wherever the bot owed an answer: it has probably given one."""
    wanted = select(Job.conversation_id).where(Job.kind == fixed(JobKind.ANSWER)).order_by(Job.conversation_id)
    waiting = list(session.execute(wanted.limit(_BATCH)).scalars())
    for condition in one_of(session, Conversation.id, waiting):
        for conversation in session.execute(select(Conversation).where(condition)).scalars():
            if owes_answer(conversation):
                hand_over(conversation, RESTORED, conversation.last_inbound_at)
    withdraw_answers(session, waiting)
    return len(waiting)
