"""Work that is still to be done."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base
from inbox.models.states import JobState


class Job(Base):
    """The outbox: pending work only. A finished job's row is deleted."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("uq_outbox_message", "message_id", unique=True),
        # claiming the head of a lane
        Index("ix_outbox_lane", "conversation_id", "seq"),
        # at most one send in flight per conversation (I6), whatever the code does
        Index(
            "uq_outbox_in_flight",
            "conversation_id",
            unique=True,
            postgresql_where=text("state = 'sending'"),
            sqlite_where=text("state = 'sending'"),
        ),
        # one pending answer and one pending receipt per conversation (I2)
        Index(
            "uq_outbox_single",
            "conversation_id",
            "kind",
            unique=True,
            postgresql_where=text("kind <> 'send'"),
            sqlite_where=text("kind <> 'send'"),
        ),
        # claiming answers and receipts
        Index(
            "ix_outbox_due",
            "kind",
            "due_at",
            postgresql_where=text("kind <> 'send'"),
            sqlite_where=text("kind <> 'send'"),
        ),
        # looking for evidence about unknown sends
        Index(
            "ix_outbox_unknown",
            "due_at",
            postgresql_where=text("state = 'unknown'"),
            sqlite_where=text("state = 'unknown'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(16))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="CASCADE"))
    seq: Mapped[int] = mapped_column(default=0)  #: place in the lane
    state: Mapped[str] = mapped_column(String(8), default=JobState.PENDING)
    due_at: Mapped[datetime | None]  #: None: only evidence or a person moves it on
    attempts: Mapped[int] = mapped_column(default=0)  #: tries that count towards the growing delay
    held_until: Mapped[datetime | None]  #: of an unknown outcome: nothing written later leaves before (I6)
    listening_from: Mapped[datetime | None]  #: of an unknown outcome: since when silence counts (`outbox.silence`)
    resends: Mapped[int] = mapped_column(default=0)  #: automatic repeats of an unknown outcome: once at most (I7)
    raised: Mapped[int] = mapped_column(server_default="0")  #: how often our own code has failed at it
    lease: Mapped[UUID | None]  #: the thread that works on a job that is not a send; due_at is then when the lease ends
    revision: Mapped[int] = mapped_column(default=0)  #: of an answer: +1 for each customer message that joins it
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime]


class Lane(Base):
    """The queue of sends of one conversation. Locked by every transaction that adds, claims or settles a send."""

    __tablename__ = "lanes"
    __table_args__ = (
        Index(
            "ix_lanes_due",
            "account_id",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
    )

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    due_at: Mapped[datetime | None]  #: when to look at the lane next: a job is due, a hold or a lease ends. None: empty
    lease: Mapped[UUID | None]  #: the send in flight
    next_seq: Mapped[int] = mapped_column(default=1)


class CoolDown(Base):
    """A quota that is used up until a time, shared because quotas belong to projects, not to processes."""

    __tablename__ = "cool_downs"

    key: Mapped[str] = mapped_column(primary_key=True)  #: such as gemini:gemini-3.5-flash-lite
    until: Mapped[datetime]
    reason: Mapped[str]
