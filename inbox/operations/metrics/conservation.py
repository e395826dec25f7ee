"""The conservation equation (I13), checked on the newest rows: it costs the same however many there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from inbox.db import fixed
from inbox.models import NOT_SENT_YET, Direction, EventState, Job, Message, MessageStatus, WebhookDelivery, WebhookEvent

NEWEST = 2_000  # rows of a table

_ACCEPTED = (MessageStatus.SENT, MessageStatus.DELIVERED, MessageStatus.READ)


@dataclass(frozen=True, slots=True)
class Equation:
    """One of the equations of I13. `difference` is 0, or something was lost."""

    name: str
    terms: Mapping[str, int]
    difference: int


def equations(session: Session) -> list[Equation]:
    """Events, the items in them, sends, and webhooks to others."""
    return [*_inbound(session), _sends(session), _hooks(session)]


def _inbound(session: Session) -> tuple[Equation, Equation]:
    newest = (
        select(
            WebhookEvent.state,
            WebhookEvent.items,
            WebhookEvent.stored,
            WebhookEvent.duplicates,
            WebhookEvent.dead,
        )
        .order_by(WebhookEvent.id.desc())
        .limit(NEWEST)
        .subquery()
    )
    columns = newest.c
    states = [func.count(case((columns.state == fixed(state), 1))) for state in EventState]
    sums = [func.coalesce(func.sum(columns[term]), 0) for term in ("items", "stored", "duplicates", "dead")]
    received, *counted = map(int, session.execute(select(func.count(), *states, *sums)).one())
    pending, done, failed, items, stored, duplicates, dead = counted
    events = {"received": received, "ingested": done, "pending": pending, "failed": failed}
    parts = {"items": items, "stored": stored, "duplicates": duplicates, "dead": dead}
    return (
        Equation("events", events, received - done - pending - failed),
        Equation("items", parts, items - stored - duplicates - dead),
    )


def _sends(session: Session) -> Equation:
    """A message that waits has a job: one without would never leave.

    One of unknown outcome may have lost its job with its number, which was removed (`outbox.withdraw`).
    """
    newest = select(Message.id, Message.status, Message.direction).order_by(Message.id.desc()).limit(NEWEST).subquery()
    columns = newest.c
    query = (
        select(
            func.count(),
            func.count(case((columns.status.in_(_ACCEPTED), 1))),
            func.count(case((columns.status == MessageStatus.FAILED, 1))),
            func.count(case((columns.status == MessageStatus.UNCONFIRMED, 1))),
            func.count(case((columns.status.in_(NOT_SENT_YET), 1))),
            func.count(case((columns.status.in_(NOT_SENT_YET) & Job.id.is_(None), 1))),
        )
        .select_from(newest)
        .join(Job, Job.message_id == columns.id, isouter=True)
        .where(columns.direction == fixed(Direction.OUTBOUND))
    )
    queued, accepted, refused, unknown, waiting, lost = map(int, session.execute(query).one())
    terms = {"queued": queued, "accepted": accepted, "refused": refused, "unknown": unknown, "waiting": waiting}
    return Equation("sends", terms, lost + queued - accepted - refused - unknown - waiting)


def _hooks(session: Session) -> Equation:
    """Each webhook to others was taken, waits, or was given up after three days."""
    newest = select(WebhookDelivery.state).order_by(WebhookDelivery.seq.desc()).limit(NEWEST).subquery()
    found = session.execute(select(newest.c.state, func.count()).group_by(newest.c.state))
    counts = {row[0]: row[1] for row in found}
    delivered, waiting, given_up = (counts.get(state, 0) for state in ("delivered", "pending", "failed"))
    made = sum(counts.values())
    terms = {"made": made, "delivered": delivered, "waiting": waiting, "given_up": given_up}
    return Equation("hooks", terms, made - delivered - waiting - given_up)
