"""Stored webhooks → contacts, conversations, messages, statuses, jobs: a batch in one transaction (I2, I3, I4).

One ingester works at a time (a lease, whose row is locked to the end of the transaction), so reading before writing
is safe; unique keys hold against everybody else. Batches make up for it: the cost per message falls with the load.
A batch that fails is repeated event by event, then item by item; an item that fails alone becomes a dead letter.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, exists, func, select, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import Database, fixed, one_of
from inbox.db.faults import describe, is_unavailable
from inbox.db.lease import Leadership
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
_NO_SYNC = {"synchronize_session": False}
LEAD = 0.25  # seconds an ingester goes on leading after a batch; then another process may take over
_leadership = Leadership("ingest", LEAD)


@dataclass
class Ingested:
    """What one pass did. `busy`: another process was ingesting, so nothing was tried."""

    events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    busy: bool = False


def events_pending(session: Session) -> bool:
    """True when ingest_batch has work: a cheap look before a write transaction."""
    return bool(session.execute(select(exists().where(WebhookEvent.state == fixed(EventState.PENDING)))).scalar_one())


@dataclass(frozen=True, slots=True)
class Backlog:
    """Webhooks that are stored and not read yet. `oldest_s`: how long the first has waited, 0 when there is none."""

    pending: int
    oldest_s: float


def backlog(session: Session, now: datetime) -> Backlog:
    """What waits for the ingester."""
    pending = WebhookEvent.state == fixed(EventState.PENDING)
    count = session.execute(select(func.count()).where(pending)).scalar_one()
    first = select(WebhookEvent.received_at).where(pending).order_by(WebhookEvent.id).limit(1)
    oldest = session.execute(first).scalar_one_or_none()
    return Backlog(count, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)


def ingest_batch(db: Database, *, settings: IngestSettings, limit: int = MAX_EVENTS) -> Ingested:
    """Ingest the oldest pending events. Raises DatabaseUnavailable, and then nothing has changed."""
    with db.reading() as session:
        if not _leadership.free(session, db.now(session)):
            return Ingested(busy=True)
        events = _pending(session, limit)
    ingester = _Ingester(db, settings)
    try:
        return ingester.together(events)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("a batch failed, ingesting its events one by one")
        return ingester.one_by_one(events)


@dataclass(frozen=True, slots=True)
class _Event:
    """A stored webhook, parsed: before the transaction, so that reading does not lengthen the lock."""

    id: UUID
    received_at: datetime
    items: Sequence[Item]


def _pending(session: Session, limit: int) -> list[_Event]:
    """The events of the next batch: the oldest of those that hold more than statuses, then the oldest of the others.

    Statuses of strangers' messages can come by the hundred thousand. While customers' messages wait they get a share,
    so that neither waits for all of the other.
    """
    first = _oldest(session, limit, MAX_ITEMS, statuses_only=False)
    share = STATUS_SHARE if first else 1.0
    return [*first, *_oldest(session, int(limit * share) or 1, int(MAX_ITEMS * share), statuses_only=True)]


def _oldest(session: Session, limit: int, items: int, *, statuses_only: bool) -> list[_Event]:
    """The oldest pending events of one queue: at most `limit`, about MAX_BYTES and `items`, but at least one."""
    pending = WebhookEvent.state == fixed(EventState.PENDING), WebhookEvent.statuses_only.is_(statuses_only)
    waiting = select(WebhookEvent.id, WebhookEvent.size).where(*pending).order_by(WebhookEvent.id).limit(limit)
    wanted: list[UUID] = []
    size = 0
    for row in session.execute(waiting):
        size += row.size
        if wanted and size > MAX_BYTES:
            break
        wanted.append(row.id)
    rows: list[Row[UUID, bytes, datetime]] = []
    for condition in one_of(session, WebhookEvent.id, wanted):
        query = select(WebhookEvent.id, WebhookEvent.body, WebhookEvent.received_at).where(condition)
        rows += session.execute(query).all()
    rows.sort(key=lambda row: row.id)
    return list(
        _up_to(items, (_Event(row.id, row.received_at, parse_event(row.body, row.received_at)) for row in rows))
    )


def _up_to(items: int, events: Iterable[_Event]) -> Iterator[_Event]:
    """The first of `events` that hold `items` together; the first one in any case."""
    for number, event in enumerate(events):
        items -= len(event.items)
        if number and items < 0:
            return
        yield event


def _still_pending(session: Session, events: Sequence[_Event]) -> list[_Event]:
    """Those that no other ingester has taken since we read them."""
    ids: set[UUID] = set()
    for condition in one_of(session, WebhookEvent.id, [event.id for event in events]):
        query = select(WebhookEvent.id).where(condition, WebhookEvent.state == fixed(EventState.PENDING))
        ids.update(session.execute(query).scalars())
    return [event for event in events if event.id in ids]


def _finish(session: Session, events: Sequence[_Event], batch: Batch) -> Ingested:
    """Mark the events as done, with the terms of I13, and store what was unusable."""
    for event_id, item, reason, detail in batch.unusable:
        session.add(dead_letter(event_id, item, reason, detail, batch.now))
    alike: dict[tuple[int, ...], list[UUID]] = defaultdict(list)
    for event in events:
        alike[tuple(batch.counts[event.id][term] for term in TERMS)].append(event.id)
    for counts, ids in alike.items():
        for condition in one_of(session, WebhookEvent.id, ids):
            done = {"state": EventState.DONE, **dict(zip(TERMS, counts, strict=True))}
            session.execute(update(WebhookEvent).where(condition).values(done), execution_options=_NO_SYNC)
    totals: Counter[str] = sum((batch.counts[event.id] for event in events), Counter())
    if events:
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

    def together(self, events: Sequence[_Event]) -> Ingested:
        """All events in one transaction."""
        with self.db.writing() as session:
            now = self.db.now(session)
            if not _leadership.take(session, now):
                return Ingested(busy=True)
            events = _still_pending(session, events)
            batch = Batch(session, now, self.settings)
            for event in events:
                for item in event.items:
                    batch.add(event.id, event.received_at, item)
            batch.apply()
            return _finish(session, events, batch)

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
            if done.busy:
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
                if not _leadership.take(session, now):
                    return Ingested(busy=True)
                whole = Batch(session, now, self.settings)
                still = _still_pending(session, [event])
                for item in event.items if still else ():
                    _one_item(session, whole, event, item)
                return _finish(session, still, whole)
        except DatabaseUnavailable:
            raise
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
    except Exception as error:
        if is_unavailable(error):
            raise
        log.exception("an item failed", extra={"event_id": str(event.id)})
        session.expunge_all()
        whole.add(event.id, event.received_at, Unusable(source=item.source, reason="failed", detail=describe(error)))
        whole.apply()
    else:
        whole.absorb(single)
