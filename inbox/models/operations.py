"""Processes, leadership, incidents, and what operators asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base


class Lease(Base):
    """Work that one process does for all at a time; the others stand by until the lease ends."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    holder: Mapped[UUID]
    until: Mapped[datetime]


class Process(Base):
    """A process and its newest report. A crashed one's row grows old. All rows stay for an hour (`outbox.silence`)."""

    __tablename__ = "processes"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  #: web | worker | other
    host: Mapped[str] = mapped_column(String(255))
    pid: Mapped[int]
    # the database's clock
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stopped_at: Mapped[datetime | None]  #: it said goodbye
    missed_at: Mapped[datetime | None]  #: when it last refused a webhook, or held some in its journal
    report: Mapped[dict[str, Any]]  #: `health.reporter.Report`


class Sample(Base):
    """What a process's calls came to until the end of a minute: the charts of the status page. Kept for a day."""

    __tablename__ = "samples"
    __table_args__ = (Index("ix_samples_minute", "minute"),)

    process_id: Mapped[UUID] = mapped_column(primary_key=True)
    minute: Mapped[datetime] = mapped_column(primary_key=True)
    figures: Mapped[dict[str, Any]]  #: by upstream: answers, errors, and times (`metrics.tally`)


class Incident(Base):
    """A time during which an upstream was away for at least one process."""

    __tablename__ = "incidents"
    __table_args__ = (
        Index("ix_incidents_newest", "started_at", "id"),  # GET /admin/incidents
        # one open incident per upstream, whatever the processes do at once
        Index(
            "uq_incidents_open",
            "upstream",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    upstream: Mapped[str] = mapped_column(String(32))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    first_error: Mapped[str | None]  #: class, status, code and phase; no text of anybody's
    affected: Mapped[dict[str, Any]]  #: `health.incidents.Affected`


class IncidentConversation(Base):
    """A conversation that waits because of an open incident: counts it once over all processes, gone at its end."""

    __tablename__ = "incident_conversations"

    incident_id: Mapped[UUID] = mapped_column(ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(primary_key=True)  #: no foreign key: it may be gone by now


class Reset(Base):
    """When somebody last asked every process to reset a circuit breaker or the cache."""

    __tablename__ = "resets"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)  #: a breaker's name, or "cache"
    at: Mapped[datetime]
