"""What waits, for a machine or for a person: counted by indexes that hold nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.conversations.counts import NEEDS_HUMAN
from inbox.conversations.state import BOT_FAILED
from inbox.models import Account, Conversation, DeadLetter
from inbox.outbox import jobs


@dataclass(frozen=True, slots=True)
class Outbox:
    """What /health shows of it. `oldest_s` is seconds."""

    waiting: int
    oldest_s: float
    unconfirmed: int
    dead_letters: int
    paused_numbers: int
    untold: int
    bot_failed: int


def outbox(session: Session, now: datetime) -> Outbox:
    """How much waits, and what needs somebody."""
    depth = jobs.depth(session, now)
    dead = select(func.count()).where(DeadLetter.replayed_at.is_(None))
    paused = select(func.count()).where(Account.paused_reason.is_not(None), Account.deleted_at.is_(None))
    conversations = select(func.count()).select_from(Conversation)
    untold = conversations.where(Conversation.notice_error.is_not(None), NEEDS_HUMAN)
    failed = conversations.where(NEEDS_HUMAN, Conversation.needs_human_reason == BOT_FAILED)
    counts = [query.scalar_subquery() for query in (dead, paused, untold, failed)]
    return Outbox(depth.waiting, depth.oldest_s, depth.unconfirmed, *session.execute(select(*counts)).one())
