"""Stored webhooks → contacts, conversations, messages, statuses, jobs: a batch in one transaction (I2, I3, I4).

One ingester works at a time (an advisory lock on PostgreSQL, the write lock on SQLite), so reading before writing is
safe; unique keys hold against everybody else. Batches make up for it: the cost per message falls with the load.
A batch that fails is repeated event by event, then item by item; an item that fails alone becomes a dead letter.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select, text, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import Database, fixed, one_of
from inbox.errors import DatabaseUnavailable
from inbox.models import DeadLetter, EventState, WebhookEvent
from inbox.webhooks.apply import Batch, IngestSettings
from inbox.webhooks.parse import parse_event
from inbox.webhooks.records import Item, Unusable

log = logging.getLogger(__name__)

MAX_EVENTS = 500
MAX_BYTES = 8 * 1024 * 1024
TERMS = ("items", "stored", "duplicates", "dead")  # of I13
_NO_SYNC = {"synchronize_session": False}
_LOCK = 0x1B0C6  # advisory lock key, arbitrary but ours


@dataclass
class Ingested:
    """What one pass did. `busy`: another process was ingesting, so nothing was tried."""

    events: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    answers: bool = False  #: bot jobs were made
    settled: bool = False  #: sends were settled: a lane may have opened
    busy: bool = False


def events_pending(session: Session) -> bool:
    """True when ingest_batch has work: a cheap look before a write transaction."""
    return bool(session.execute(select(exists().where(WebhookEvent.state == fixed(EventState.PENDING)))).scalar_one())


def ingest_batch(db: Database, *, settings: IngestSettings, limit: int = MAX_EVENTS) -> Ingested:
    """Ingest the oldest pending events. Raises DatabaseUnavailable, and then nothing has changed."""
    try:
        with db.writing() as session:
            if not _alone(db, session):
                return Ingested(busy=True)
            return _ingest(session, _claim(session, limit), db.now(session), settings)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("a batch failed, ingesting its events one by one")
        return _one_by_one(db, settings, limit)


def _alone(db: Database, session: Session) -> bool:
    if not db.is_postgres:
        return True  # BEGIN IMMEDIATE holds SQLite's only write lock
    return bool(session.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": _LOCK}).scalar_one())


@dataclass(frozen=True, slots=True)
class _Event:
    id: UUID
    body: bytes
    received_at: datetime


def _claim(session: Session, limit: int) -> list[_Event]:
    """The oldest pending events: at most `limit`, and about MAX_BYTES of them (one may be 4 MB)."""
    waiting = session.execute(
        select(WebhookEvent.id, WebhookEvent.size)
        .where(WebhookEvent.state == fixed(EventState.PENDING))
        .order_by(WebhookEvent.received_at, WebhookEvent.id)
        .limit(limit)
    ).all()
    wanted: list[UUID] = []
    size = 0
    for row in waiting:
        size += row.size
        if wanted and size > MAX_BYTES:
            break
        wanted.append(row.id)
    return _load(session, wanted)


def _load(session: Session, wanted: Sequence[UUID]) -> list[_Event]:
    if not wanted:
        return []
    rows = session.execute(
        select(WebhookEvent.id, WebhookEvent.body, WebhookEvent.received_at)
        .where(WebhookEvent.id.in_(wanted), WebhookEvent.state == fixed(EventState.PENDING))
        .order_by(WebhookEvent.received_at, WebhookEvent.id)
    )
    return [_Event(row.id, row.body, row.received_at) for row in rows]


def _ingest(session: Session, events: Sequence[_Event], now: datetime, settings: IngestSettings) -> Ingested:
    batch = Batch(session, now, settings)
    for event in events:
        for item in parse_event(event.body, event.received_at):
            batch.add(event.id, event.received_at, item)
    batch.apply()
    return _finish(session, events, batch)


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
    return Ingested(len(events), totals, answers=batch.answers_wanted, settled=batch.settled)


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


# --- when a batch fails ------------------------------------------------------------------------------------------


def _one_by_one(db: Database, settings: IngestSettings, limit: int) -> Ingested:
    """Each pending event in a transaction of its own, so that a poisoned one does not hold back the rest."""
    with db.reading() as session:
        waiting = [event.id for event in _claim(session, limit)]
    total = Ingested()
    for event_id in waiting:
        try:
            with db.writing() as session:
                if not _alone(db, session):
                    return Ingested(busy=True)
                done = _ingest(session, _load(session, [event_id]), db.now(session), settings)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("an event failed, ingesting its items one by one", extra={"event_id": str(event_id)})
            done = _last_resort(db, event_id, settings)
        total.events += done.events
        total.counts += done.counts
        total.answers |= done.answers
        total.settled |= done.settled
    return total


def _last_resort(db: Database, event_id: UUID, settings: IngestSettings) -> Ingested:
    """Item by item; an event that fails even so is set aside whole, for a replay after the bug is mended."""
    try:
        return _item_by_item(db, event_id, settings)
    except DatabaseUnavailable:
        raise
    except Exception:
        log.exception("an event cannot be ingested, it is kept as failed", extra={"event_id": str(event_id)})
        with db.writing() as session:
            failed = update(WebhookEvent).where(WebhookEvent.id == event_id)
            session.execute(failed.values(state=EventState.FAILED, attempts=WebhookEvent.attempts + 1))
        return Ingested(events=1)


def _item_by_item(db: Database, event_id: UUID, settings: IngestSettings) -> Ingested:
    """Every item in a savepoint; one that fails alone becomes a dead letter."""
    with db.writing() as session:
        if not _alone(db, session):
            return Ingested(busy=True)
        events = _load(session, [event_id])
        now = db.now(session)
        whole = Batch(session, now, settings)
        for event in events:
            for item in parse_event(event.body, event.received_at):
                _one_item(session, whole, event, item)
        return _finish(session, events, whole)


def _one_item(session: Session, whole: Batch, event: _Event, item: Item) -> None:
    single = Batch(session, whole.now, whole.settings)
    single.add(event.id, event.received_at, item)
    try:
        with session.begin_nested():
            single.apply()
    except Exception as error:
        if _database_away(error):
            raise
        log.exception("an item failed", extra={"event_id": str(event.id)})
        session.expunge_all()
        whole.add(event.id, event.received_at, Unusable(source=item.source, reason="failed", detail=_summary(error)))
        whole.apply()
    else:
        whole.absorb(single)


def _database_away(error: Exception) -> bool:
    return bool(getattr(error, "connection_invalidated", False))


def _summary(error: Exception) -> str:
    """An error's first line; the rest may quote statements and customers' texts."""
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {str(original).splitlines()[0] if str(original) else ''}"
