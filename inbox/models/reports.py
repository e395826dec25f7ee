"""How long customers waited, kept so that a report costs as much for a busy number as for a quiet one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base


class Resolution(Base):
    """Somebody has said of a conversation that it is done."""

    __tablename__ = "resolutions"
    __table_args__ = (
        Index("ix_resolutions_account", "account_id", "done_at"),  # those of a day
        Index("ix_resolutions_conversation", "conversation_id", "done_at"),  # taking the newest back
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    done_by: Mapped[str] = mapped_column(String(64))  #: id of a user or a key
    opened_at: Mapped[datetime]  #: as Conversation.opened_at
    done_at: Mapped[datetime]


class ReportDay(Base):
    """The waits of one day that is over, of one person or the bot: how many of which length. Names no customer."""

    __tablename__ = "report_days"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)  #: in the time zone that the number had then
    measure: Mapped[str] = mapped_column(String(16), primary_key=True)  #: first_reply | resolution
    who: Mapped[str] = mapped_column(String(64), primary_key=True)  #: bot, phone, or the id of a user or a key
    counts: Mapped[dict[str, Any]]  #: by bucket: `reports.waits`
