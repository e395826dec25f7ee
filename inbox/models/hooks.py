"""Webhooks to the customer's own systems: where they go, and what was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base, server_now


class WebhookEndpoint(Base):
    """An address that is told what happens at a number."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (UniqueConstraint("account_id", "url"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(2000))
    description: Mapped[str] = mapped_column(default="")
    events: Mapped[list[str]]  #: which kinds it is told of
    secret_encrypted: Mapped[str]
    old_secret_encrypted: Mapped[str | None]  #: signs as well until `old_secret_until`
    old_secret_until: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]  #: by a person: what happens meanwhile waits
    failures: Mapped[int] = mapped_column(default=0)  #: in a row, whatever was sent
    rests_until: Mapped[datetime | None]  #: nothing is sent to it before, because it failed
    last_error: Mapped[str | None]  #: of the newest try; None: it went well
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class WebhookDelivery(Base):
    """An event on its way to one endpoint, or the record of it. Written with what it tells of, in one transaction."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        # what waits: the next of an endpoint, and what stands before it in its conversation
        Index(
            "ix_webhook_deliveries_due",
            "endpoint_id",
            "due_at",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        Index(
            "ix_webhook_deliveries_lane",
            "endpoint_id",
            "conversation_id",
            "seq",
            postgresql_where=text("state = 'pending'"),
            sqlite_where=text("state = 'pending'"),
        ),
        Index("ix_webhook_deliveries_newest", "endpoint_id", "created_at", "id"),  # the log
        Index("ix_webhook_deliveries_old", "created_at"),  # pruning
        Index("ix_webhook_deliveries_conversation", "conversation_id"),  # forgetting a contact
    )

    #: Given out while the conversation is locked: the order within it, which no clock can tell.
    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    id: Mapped[UUID] = mapped_column(default=new_id, unique=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID | None]  #: no foreign key: what happened stays told when two become one
    event_id: Mapped[UUID]  #: the same for every endpoint and every try
    event: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(String(16), default="pending")  #: pending | delivered | failed
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime | None]
    lease: Mapped[UUID | None]  #: the thread that sends it; due_at is then when the lease ends
    http_status: Mapped[int | None]  #: of the newest answer
    error: Mapped[str | None]  #: of the newest try, in words
    ended_at: Mapped[datetime | None]  #: delivered, or given up
    created_at: Mapped[datetime] = mapped_column(default=server_now())
