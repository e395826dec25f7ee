"""What waits because its upstream was away is due at once, when a person has said that it is well."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from inbox.db import Database
from inbox.db.wake import Work, wake
from inbox.models import Job, JobKind, JobState, Lane
from inbox.outbox import store
from inbox.resilience import GEMINI, WHATSAPP

_AT_ONCE = 1000  # lanes of one transaction; what is left is due within a minute anyway


def hurry(db: Database, upstream: str) -> None:
    """Make due the questions that wait for Gemini, or the replies that wait for WhatsApp, and wake their crew.

    What a number was asked to wait for stays: WhatsApp would refuse it again. Raises DatabaseUnavailable.
    """
    hurried = _WAITING.get(upstream)
    if hurried is not None:
        with db.writing() as session:
            hurried(session, db.now(session))


def _hurry_questions(session: Session, now: datetime) -> None:
    tried = Job.kind == JobKind.ANSWER, Job.attempts > 0, Job.lease.is_(None), Job.due_at > now
    session.execute(update(Job).where(*tried).values(due_at=now))
    wake(session, Work.ANSWER)


def _hurry_replies(session: Session, now: datetime) -> None:
    tried = Job.kind == JobKind.SEND, Job.state == JobState.PENDING, Job.attempts > 0, Job.due_at > now
    waiting = select(Job.conversation_id).where(*tried)
    late = select(Lane.conversation_id).where(
        Lane.lease.is_(None), Lane.due_at > now, Lane.conversation_id.in_(waiting)
    )
    found = session.execute(late.order_by(Lane.conversation_id).limit(_AT_ONCE).with_for_update()).scalars().all()
    session.execute(update(Job).where(Job.conversation_id.in_(found), *tried).values(due_at=now))
    store.rest_lanes(session, found, now)
    wake(session, Work.DELIVER)


_WAITING = {GEMINI.name: _hurry_questions, WHATSAPP.name: _hurry_replies}
