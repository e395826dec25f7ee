"""The processes that run just now, each with its newest report: what an operator sees of all of them at once."""

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
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox.clock import utc_now
from inbox.db import insert
from inbox.models import Process
from inbox.schemas import Row, Time

log = logging.getLogger(__name__)

Kind = Literal["web", "worker", "other"]

LIVE = timedelta(seconds=30)  # reports come every 5 s
KEPT = timedelta(seconds=60)  # long enough for somebody to see when a crashed process was last alive

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
    def ill(self) -> bool:
        return bool(self.state != STATE_CLOSED)


class CacheCounts(Row):
    """Lookups of bot profiles since the process started, and how many are held."""

    hits: int = 0
    misses: int = 0
    loads: int = 0
    stale: int = 0
    size: int = 0
    backend: str = ""


class Report(Row):
    """What a process says of itself. Fields have defaults: during a release, reports of both versions are about."""

    circuits: dict[str, Circuit] = Field(default_factory=dict)
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


def save(session: Session, who: Identity, report: Report, now: datetime) -> None:
    """Write or renew a process's row."""
    statement = insert(session, Process).values(
        id=who.id,
        kind=who.kind,
        host=who.host,
        pid=who.pid,
        started_at=who.started_at,
        seen_at=now,
        report=report.model_dump(mode="json"),
    )
    newer = {"seen_at": statement.excluded.seen_at, "report": statement.excluded.report}
    session.execute(statement.on_conflict_do_update(index_elements=[Process.id], set_=newer))


def remove(session: Session, who: Identity) -> None:
    """The process stops."""
    session.execute(delete(Process).where(Process.id == who.id))


def prune(session: Session, now: datetime) -> None:
    """Forget processes that have not reported for a minute."""
    session.execute(delete(Process).where(Process.seen_at < now - KEPT))


def seen(session: Session, now: datetime) -> list[Seen]:
    """All processes there are rows of, oldest first; those that crashed within the last minute are not live."""
    rows = session.execute(select(Process).order_by(Process.started_at, Process.id)).scalars()
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
