"""Samples: what each process's calls came to, minute by minute, for a day. One row per process and minute at most."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox.db import insert
from inbox.metrics.tally import CLASSES, Counted
from inbox.models import Sample

log = logging.getLogger(__name__)

KEPT = timedelta(hours=24)
MINUTE = timedelta(minutes=1)

ByMinute = dict[datetime, dict[str, Counted]]


def minute_of(moment: datetime) -> datetime:
    """The beginning of its minute."""
    return moment.replace(second=0, microsecond=0)


def save(session: Session, process_id: UUID, counted: Mapping[str, Counted], now: datetime) -> None:
    """Store what a process has counted since its sample before, and forget samples of yesterday."""
    row = {"process_id": process_id, "minute": minute_of(now)}
    figures = {upstream: asdict(each) for upstream, each in counted.items()}
    session.execute(insert(session, Sample).values(**row, figures=figures).on_conflict_do_nothing())
    session.execute(delete(Sample).where(Sample.minute < now - KEPT))


def by_minute(session: Session, since: datetime) -> ByMinute:
    """What all processes have counted, by minute and upstream."""
    found: ByMinute = defaultdict(dict)
    query = select(Sample.minute, Sample.figures).where(Sample.minute >= since).order_by(Sample.minute)
    for minute, figures in session.execute(query):
        for upstream, values in figures.items():
            if len(values.get("times", ())) == len(CLASSES) + 1:  # or another release counts in other classes
                found[minute].setdefault(upstream, Counted()).add(Counted(**values))
    return dict(found)
