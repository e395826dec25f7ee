"""Whether silence about a send proves anything: only if no webhook can have been lost meanwhile (I7).

A gap is a moment at which one may have been: a process that takes webhooks started, stopped or died, refused one, or
holds some in its journal, or the database was away. All of it stands in the rows that the processes write anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, case, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from inbox.clock import first_id
from inbox.db import fixed
from inbox.models import DeadLetter, EventState, Incident, Process, WebhookEvent

DEAD_AFTER = timedelta(seconds=30)  #: without a report, of which there is one every 5 s
TWO_REPORTS = timedelta(seconds=10)  #: a process that is dead by now died within this time after its last one
#: WhatsApp repeats a webhook "at once, then ever less often, for up to 7 days" (Cloud API, Webhooks, 2026) and does
#: not publish when. After a gap we wait for five windows, and four times as long as it may have been trying by then.
_REPEATED_WITHIN, _GROWTH = 5, 4


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is known of the way back, of all processes together."""

    last_gap: datetime | None  #: when a webhook may have been lost last
    reported_through: datetime | None  #: up to when every process that takes webhooks has told of gaps; None: all
    unread_from: datetime | None  #: when the oldest webhook that waits for the ingester came

    def covers(self, until: datetime) -> bool:
        """True when nothing that came by then can still be unknown to us."""
        reported = self.reported_through is None or self.reported_through >= until
        return reported and (self.unread_from is None or self.unread_from > until)


def hearing(session: Session, now: datetime) -> Hearing:
    """How well we have heard until `now`."""
    takes_webhooks = Process.kind != "worker"
    running = and_(takes_webhooks, Process.stopped_at.is_(None))
    died = and_(running, Process.seen_at < now - DEAD_AFTER)
    row = session.execute(
        select(
            func.max(case((takes_webhooks, Process.started_at))),
            func.max(case((takes_webhooks, Process.stopped_at))),
            func.max(Process.missed_at),
            func.max(case((died, Process.seen_at))),
            func.min(case((and_(running, ~died), Process.seen_at))),
        )
    ).one()
    started, stopped, missed, last_word, reported_through = row
    gaps = (started, stopped, missed, last_word and last_word + TWO_REPORTS, _database_back(session, now))
    return Hearing(max(filter(None, gaps), default=None), reported_through, _unread_from(session))


def _database_back(session: Session, now: datetime) -> datetime | None:
    """When the database last came back (now, if it has not): meanwhile no process could say what it missed."""
    back = func.coalesce(Incident.ended_at, literal(now, Incident.ended_at.type))
    return session.execute(select(func.max(back)).where(Incident.upstream == "database")).scalar_one()


def _unread_from(session: Session) -> datetime | None:
    oldest = select(WebhookEvent.received_at).where(WebhookEvent.state == fixed(EventState.PENDING))
    return session.execute(oldest.order_by(WebhookEvent.id).limit(1)).scalar_one_or_none()


def lost_inside(session: Session, since: datetime) -> bool:
    """True when something that came since could not be read: the status that is missed may be in it."""
    failed = exists().where(WebhookEvent.state == fixed(EventState.FAILED), WebhookEvent.id >= first_id(since))
    dead = exists().where(
        DeadLetter.at >= since, DeadLetter.reason.in_(("failed", "unreadable")), DeadLetter.replayed_at.is_(None)
    )
    return session.execute(select(or_(failed, dead))).scalar_one()


def wait_for(window: timedelta, attempted: datetime, listening: datetime) -> timedelta:
    """How long to listen from `listening` on for statuses of a send that began at `attempted`.

    The confirm window when nothing has happened since; after a gap as long as a repeat of WhatsApp may take.
    """
    if listening <= attempted:
        return window
    return _REPEATED_WITHIN * window + _GROWTH * (listening - attempted)
