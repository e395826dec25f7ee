"""What WhatsApp sent us, and what could not be read of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base
from inbox.models.states import EventState


class WebhookEvent(Base):
    """A webhook exactly as it came. The four counts are the terms of I13."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        # the ingester's two queues: ids are in order of time, so pruning needs no index of its own
        Index(
            "ix_webhook_events_pending",
            "statuses_only",
            "id",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        # those that could not be read
        Index(
            "ix_webhook_events_failed",
            "id",
            postgresql_where=text("state = 'failed'"),
            sqlite_where=text("state = 'failed'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    size: Mapped[int]  #: bytes
    received_at: Mapped[datetime]
    #: It holds delivery statuses and nothing else, so customers' messages go first.
    statuses_only: Mapped[bool] = mapped_column(server_default=false())
    # The server fills in the rest: the request path binds as little as it can.
    state: Mapped[str] = mapped_column(String(8), server_default=EventState.PENDING)
    attempts: Mapped[int] = mapped_column(server_default="0")
    items: Mapped[int] = mapped_column(server_default="0")
    stored: Mapped[int] = mapped_column(server_default="0")
    duplicates: Mapped[int] = mapped_column(server_default="0")
    dead: Mapped[int] = mapped_column(server_default="0")


class ParkedStatus(Base):
    """A delivery status for an id we do not know yet: merged when the id appears, else pruned. Failures stay longer,
    see `outbox.evidence`."""

    __tablename__ = "parked_statuses"
    __table_args__ = (
        UniqueConstraint("wa_message_id", "account_id", "status", "timestamp"),
        Index("ix_parked_statuses_parked", "parked_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    wa_message_id: Mapped[str] = mapped_column(String(512))
    status: Mapped[str] = mapped_column(String(32))
    timestamp: Mapped[datetime]
    error: Mapped[dict[str, Any]] = mapped_column(default=dict)
    parked_at: Mapped[datetime]


class DeadLetter(Base):
    """An item that could not be handled, whole, with the reason."""

    __tablename__ = "dead_letters"
    __table_args__ = (
        Index("ix_dead_letters_newest", "at", "id"),
        # those that wait: /health
        Index(
            "ix_dead_letters_waiting",
            "replayed_at",
            postgresql_where=text("replayed_at IS NULL"),
            sqlite_where=text("replayed_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    event_id: Mapped[UUID | None]  #: no foreign key: a dead letter outlives the pruning of its event
    reason: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str]
    raw: Mapped[bytes] = mapped_column(LargeBinary)  #: a webhook envelope that holds only this item: JSON, UTF-8
    at: Mapped[datetime]
    replayed_at: Mapped[datetime | None]
