"""The processes that are running, each with its newest report: what an operator sees of all of them at once."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from circuitbreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN
from pydantic import Field, ValidationError
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.orm import Session

from inbox.clock import utc_now
from inbox.db import insert
from inbox.models import Incident, Process, Reset
from inbox.outbox.silence import DEAD_AFTER
from inbox.schemas import Row, Time

log = logging.getLogger(__name__)

Kind = Literal["web", "worker", "other"]

LIVE = DEAD_AFTER  # reports come every 5 s
SHOWN = timedelta(seconds=60)  # long enough for somebody to see when a crashed process was last alive
KEPT = timedelta(hours=1)  # starts, stops and missed webhooks are gaps in what we heard: `outbox.silence`

_SEVERITY = {STATE_CLOSED: 0, STATE_HALF_OPEN: 1, STATE_OPEN: 2}


class Circuit(Row):
    """How one circuit breaker of one process stands. The counters run since the process started."""

    state: str
    failure_count: int = 0
    success_count: int = 0
    opened_at: Time | None = None
    closed_at: Time | None = None
    retry_in_s: float = 0.0
    last_error: str | None = None
    failures_total: int = 0
    refused_total: int = 0

    @property
    def interrupted(self) -> bool:
        return bool(self.state != STATE_CLOSED)


class Calls(Row):
    """What the calls of one upstream came to in the last minute, in one process."""

    answers: int = 0
    errors: int = 0
    answered_at: Time | None = None
    failed_at: Time | None = None


class CacheCounts(Row):
    """Lookups of bot profiles since the process started, and how many are held."""

    hits: int = 0
    misses: int = 0
    loads: int = 0
    size: int = 0
    backend: str = ""


class Report(Row):
    """What a process says of itself. Fields have defaults: during a release, reports of both versions are about."""

    circuits: dict[str, Circuit] = Field(default_factory=dict)
    calls: dict[str, Calls] = Field(default_factory=dict)
    cache: CacheCounts = CacheCounts()
    dispatcher: bool = False  #: whether its crews are at work
    shed: int = 0  #: requests turned away because they had waited too long


@dataclass(frozen=True, slots=True)
class Identity:
    """Who reports."""

    id: UUID
    kind: Kind
    host: str
    pid: int
    started_at: datetime

    @classmethod
    def of_this_process(cls, kind: Kind) -> Identity:
        return cls(uuid4(), kind, socket.gethostname()[:255], os.getpid(), utc_now())


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as the database knows it."""

    who: Identity
    seen_at: datetime
    live: bool
    report: Report


@dataclass(frozen=True, slots=True)
class News:
    """What a process should know when it reports."""

    incident: bool  #: one is open
    reset_at: datetime | None  #: when something was last asked of all processes


def save(session: Session, who: Identity, report: Report, now: datetime, missed: float | None = None) -> News:
    """Write or renew a process's row, by one statement. `missed`: seconds since it last turned a webhook away."""
    statement = insert(session, Process).values(
        id=who.id,
        kind=who.kind,
        host=who.host,
        pid=who.pid,
        started_at=now - (utc_now() - who.started_at),
        seen_at=now,
        missed_at=None if missed is None else now - timedelta(seconds=missed),
        report=report.model_dump(mode="json"),
    )
    newer = {name: statement.excluded[name] for name in ("seen_at", "missed_at", "report")}
    saved = statement.on_conflict_do_update(index_elements=[Process.id], set_=newer)
    incident = exists().where(Incident.ended_at.is_(None))
    row = session.execute(saved.returning(incident, select(func.max(Reset.at)).scalar_subquery())).one()
    return News(*row)


def stop(session: Session, who: Identity, now: datetime) -> None:
    """The process stops."""
    session.execute(update(Process).where(Process.id == who.id).values(stopped_at=now))


def prune(session: Session, now: datetime) -> None:
    """Forget processes that have not reported for an hour."""
    session.execute(delete(Process).where(Process.seen_at < now - KEPT))


def seen(session: Session, now: datetime, crashed_within: timedelta = SHOWN) -> list[Seen]:
    """All processes that run, oldest first; those that crashed, within this time, are not live."""
    shown = select(Process).where(Process.stopped_at.is_(None), Process.seen_at >= now - crashed_within)
    rows = session.execute(shown.order_by(Process.started_at, Process.id)).scalars()
    return [
        Seen(
            who=Identity(row.id, _kind(row.kind), row.host, row.pid, row.started_at),
            seen_at=row.seen_at,
            live=row.seen_at >= now - LIVE,
            report=_read(row.report),
        )
        for row in rows
    ]


def everybody(me: Seen, known: Iterable[Seen]) -> list[Seen]:
    """The live processes: this one as of now, the others as they last reported."""
    return [me, *(each for each in known if each.live and each.who.id != me.who.id)]


def worst_circuit(name: str, processes: Iterable[Seen]) -> Circuit:
    """The circuit breaker of this name in the process where it stands worst."""
    return worst(each.report.circuits[name] for each in processes if name in each.report.circuits)


def hit_ratio(processes: Iterable[Seen]) -> float | None:
    """Of all lookups of bot profiles, those that were hits; None before the first."""
    counts = [each.report.cache for each in processes]
    hits, lookups = sum(count.hits for count in counts), sum(count.hits + count.misses for count in counts)
    return round(hits / lookups, 4) if lookups else None


def _read(content: dict[str, Any]) -> Report:
    """An empty report in the place of one that only another release can read: it must not stop ours."""
    try:
        return Report.model_validate(content)
    except ValidationError:
        log.warning("a process's report cannot be read; is another release running?")
        return Report()


def _kind(text: str) -> Kind:
    return "web" if text == "web" else "worker" if text == "worker" else "other"


def worst(circuits: Iterable[Circuit]) -> Circuit:
    """The one to show for all: open before half_open before closed."""
    return max(circuits, key=lambda circuit: _SEVERITY.get(circuit.state, 0), default=Circuit(state=STATE_CLOSED))
