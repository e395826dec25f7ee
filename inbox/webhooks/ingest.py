"""Stored webhooks → contacts, conversations, messages, statuses, jobs: a batch in one transaction (I2, I3, I4).

One ingester works at a time (a lease), so reading before writing is safe. Should two believe that they lead, the
second finds at the end that events are done, and takes all back; unique keys hold against everybody. Batches make up
for being alone: the cost per message falls with the load.
A batch that fails is repeated event by event, then item by item; an item that fails alone becomes a dead letter.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Integer, Row, Select, bindparam, exists, func, or_, select, union_all, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import Database, fixed
from inbox.db.faults import describe, is_unavailable
from inbox.db.lease import Leadership
from inbox.db.writes import update_rows
from inbox.errors import DatabaseUnavailable
from inbox.models import DeadLetter, EventState, WebhookEvent
from inbox.webhooks.applying.apply import Batch
from inbox.webhooks.applying.placed import IngestSettings
from inbox.webhooks.parsing.parse import parse_event
from inbox.webhooks.parsing.records import Item, Unusable

log = logging.getLogger(__name__)

MAX_EVENTS = 500
MAX_BYTES = 8 * 1024 * 1024
MAX_ITEMS = 2000  # in one transaction: a tenth of a second for statuses, half a second for messages
STATUS_SHARE = 0.25  # of a batch, while there are other webhooks as well
TERMS = ("items", "stored", "duplicates", "dead")  # of I13
LEAD = 3.0  # seconds an ingester goes on leading after a batch; then another process may take over
_LOST = 0.1  # seconds until a look at what another process has left, which believes that it leads as well
_PENDING = WebhookEvent.state == fixed(EventState.PENDING)
_leaders: WeakKeyDictionary[Database, Leadership] = WeakKeyDictionary()


@dataclass
class Ingested:
    """What one pass did."""

    events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    more: bool = False  #: it did not take all that was pending
    busy_for: float | None = None  #: seconds for which another process may go on ingesting: nothing was tried


def events_pending(session: Session) -> bool:
    """True when ingest_batch has work: a cheap look before a write transaction."""
    return bool(session.execute(select(exists().where(_PENDING))).scalar_one())


@dataclass(frozen=True, slots=True)
class Backlog:
    """Webhooks that are stored and not read yet. `oldest_s`: how long the first has waited, 0 when there is none."""

    pending: int
    oldest_s: float


def backlog(session: Session, now: datetime) -> Backlog:
    """What waits for the ingester."""
    pending = _PENDING
    count = session.execute(select(func.count()).where(pending)).scalar_one()
    first = select(WebhookEvent.received_at).where(pending).order_by(WebhookEvent.id).limit(1)
    oldest = session.execute(first).scalar_one_or_none()
    return Backlog(count, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)


def ingest_batch(db: Database, *, settings: IngestSettings, limit: int = MAX_EVENTS, statuses: bool = True) -> Ingested:
    """Ingest the oldest pending events, or of those only what holds more than `statuses`.

    Raises DatabaseUnavailable, and then nothing has changed.
    """
    with db.reading() as session:
        events, more = _pending(session, limit, statuses=statuses)
    if not events:
        return Ingested()
    ingester = _Ingester(db, settings, leadership(db))
    try:
        done = ingester.together(events)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("a batch failed, ingesting its events one by one")
        done = ingester.one_by_one(events)
    done.more = more
    return done


def leadership(db: Database) -> Leadership:
    """This process's, of the ingesters that share a database."""
    return _leaders.setdefault(db, Leadership("ingest", LEAD))


def stop_leading(db: Database) -> None:
    """Let another process ingest at once: this one stops."""
    with db.writing() as session:
        leadership(db).give_up(session)


@dataclass(frozen=True, slots=True)
class _Event:
    """A stored webhook, parsed: before the transaction, so that reading does not lengthen the lock."""

    id: UUID
    received_at: datetime
    items: Sequence[Item]


def _pending(session: Session, limit: int, *, statuses: bool) -> tuple[list[_Event], bool]:
    """The events of the next batch, and whether others stay behind.

    The oldest of those that hold more than statuses, then the oldest of the others. Statuses of strangers' messages can
    come by the hundred thousand. While customers' messages wait they get a share, so that neither waits for all of the
    other.
    """
    share = max(1, int(limit * STATUS_SHARE))
    oldest = _OLDEST if statuses else _OLDEST_MESSAGES
    found = session.execute(oldest, {"messages": limit, "statuses": share}).all()
    if len(found) == share and all(row.statuses_only for row in found):
        found = session.execute(_OLDEST_STATUSES, {"statuses": limit}).all()
    waiting: dict[bool, list[Row[Any]]] = {False: [], True: []}
    for row in sorted(found, key=lambda row: row.id):
        waiting[row.statuses_only].append(row)
    messages = _up_to(MAX_ITEMS, waiting[False])
    others = _up_to(int(MAX_ITEMS * STATUS_SHARE) if messages else MAX_ITEMS, waiting[True])
    whole = len(messages) + len(others) == len(found) and all(row.so_far < MAX_BYTES for row in found)
    return [*messages, *others], not whole or any(len(rows) >= share for rows in waiting.values())


def _oldest(limit: str, *, of_statuses: bool) -> Select[Any]:
    """The oldest pending events of one queue, about MAX_BYTES, but at least one.

    `limit` names the parameter that says how many at most.
    """
    pending = _PENDING, WebhookEvent.statuses_only.is_(of_statuses)
    so_far = func.sum(WebhookEvent.size).over(order_by=WebhookEvent.id).label("so_far")
    waiting = select(WebhookEvent.id, WebhookEvent.size, so_far).where(*pending).order_by(WebhookEvent.id)
    queue = waiting.limit(bindparam(limit, type_=Integer())).subquery()
    return (
        select(WebhookEvent.id, WebhookEvent.body, WebhookEvent.received_at, WebhookEvent.statuses_only, queue.c.so_far)
        .join(queue, queue.c.id == WebhookEvent.id)
        .where(or_(queue.c.so_far <= MAX_BYTES, queue.c.so_far == queue.c.size))
    )


_OLDEST_MESSAGES = _oldest("messages", of_statuses=False)
_OLDEST_STATUSES = _oldest("statuses", of_statuses=True)
_OLDEST = union_all(_OLDEST_MESSAGES, _OLDEST_STATUSES)


def _up_to(items: int, rows: Iterable[Row[Any]]) -> list[_Event]:
    """The first events that hold `items` together, parsed; the first one in any case."""
    events: list[_Event] = []
    for row in rows:
        event = _Event(row.id, row.received_at, parse_event(row.body, row.received_at))
        items -= len(event.items)
        if events and items < 0:
            break
        events.append(event)
    return events


class _Taken(Exception):
    """Another ingester has done some of these events since we read them."""


def _finish(session: Session, events: Sequence[_Event], batch: Batch) -> Ingested:
    """Mark the events as done, with the terms of I13, and store what was unusable."""
    for event_id, item, reason, detail in batch.unusable:
        session.add(dead_letter(event_id, item, reason, detail, batch.now))
    rows = [
        {"id": event.id, "state": EventState.DONE, **{term: batch.counts[event.id][term] for term in TERMS}}
        for event in events
    ]
    update_rows(session, WebhookEvent.__table__, rows, where=_PENDING, otherwise=_Taken)
    totals: Counter[str] = sum((batch.counts[event.id] for event in events), Counter())
    log.info("ingested", extra={"events": len(events), **totals})
    return Ingested(len(events), totals)


def dead_letter(event_id: UUID | None, item: Item, reason: str, detail: str, now: datetime) -> DeadLetter:
    """The row that keeps `item` whole; its raw form can be ingested again."""
    log.warning("dead letter", extra={"event_id": str(event_id), "reason": reason})
    return DeadLetter(
        id=new_id(),
        event_id=event_id,
        reason=reason,
        detail=detail[:2000],
        raw=json.dumps(item.source.envelope(), ensure_ascii=True).encode(),
        at=now,
    )


@dataclass(frozen=True, slots=True)
class _Ingester:
    """Events into rows: all together, and when that fails in ever smaller parts."""

    db: Database
    settings: IngestSettings
    leadership: Leadership

    def together(self, events: Sequence[_Event]) -> Ingested:
        """All events in one transaction."""
        try:
            with self.db.writing() as session:
                now = self.db.now(session)
                if (until := self.leadership.take(session, now)) is not None:
                    return Ingested(busy_for=(until - now).total_seconds())
                batch = Batch(session, now, self.settings)
                for event in events:
                    for item in event.items:
                        batch.add(event.id, event.received_at, item)
                batch.apply()
                return _finish(session, events, batch)
        except _Taken:
            return Ingested(busy_for=_LOST)

    def one_by_one(self, events: Sequence[_Event]) -> Ingested:
        """Each event in a transaction of its own, so that a poisoned one does not hold back the rest."""
        total = Ingested()
        for event in events:
            try:
                done = self.together([event])
            except DatabaseUnavailable:
                raise
            except Exception:
                log.exception("an event failed, ingesting its items one by one", extra={"event_id": str(event.id)})
                done = self._item_by_item(event)
            if done.busy_for is not None:
                return done
            total.events += done.events
            total.counts += done.counts
        return total

    def _item_by_item(self, event: _Event) -> Ingested:
        """Every item in a savepoint; one that fails alone becomes a dead letter. If even that fails, the event is
        set aside whole, for a replay after the bug is mended."""
        try:
            with self.db.writing() as session:
                now = self.db.now(session)
                if (until := self.leadership.take(session, now)) is not None:
                    return Ingested(busy_for=(until - now).total_seconds())
                whole = Batch(session, now, self.settings)
                for item in event.items:
                    _one_item(session, whole, event, item)
                return _finish(session, [event], whole)
        except DatabaseUnavailable:
            raise
        except _Taken:
            return Ingested(busy_for=_LOST)
        except Exception:
            log.exception("an event cannot be ingested, it is kept as failed", extra={"event_id": str(event.id)})
            with self.db.writing() as session:
                failed = update(WebhookEvent).where(WebhookEvent.id == event.id)
                session.execute(failed.values(state=EventState.FAILED, attempts=WebhookEvent.attempts + 1))
            return Ingested(events=1)


def _one_item(session: Session, whole: Batch, event: _Event, item: Item) -> None:
    single = Batch(session, whole.now, whole.settings)
    single.add(event.id, event.received_at, item)
    try:
        with session.begin_nested():
            single.apply()
            session.flush()
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("an item failed", extra={"event_id": str(event.id)})
        session.expunge_all()
        whole.add(event.id, event.received_at, Unusable(source=item.source, reason="failed", detail=describe(error)))
        whole.apply()
    else:
        whole.absorb(single)
