"""Message templates: texts that WhatsApp has approved, and may be sent when the reply window is closed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base, server_now


class MessageTemplate(Base):
    """A template in one language, as WhatsApp last told us of it."""

    __tablename__ = "message_templates"
    __table_args__ = (UniqueConstraint("account_id", "name", "language"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    wa_template_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(512))
    language: Mapped[str] = mapped_column(String(16))
    category: Mapped[str] = mapped_column(String(32))  #: MARKETING, UTILITY, AUTHENTICATION: what WhatsApp charges by
    status: Mapped[str] = mapped_column(String(32))  #: APPROVED, PAUSED, REJECTED …: an open list of WhatsApp's
    reason: Mapped[str | None]  #: why it is not approved, in WhatsApp's word
    named: Mapped[bool] = mapped_column(default=False)  #: its parameters have names; otherwise they are numbered
    definition: Mapped[dict[str, Any]]  #: {"components": […]}, as WhatsApp tells them
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class TemplateSync(Base):
    """When the templates of a number are asked for next, and what came of the last time."""

    __tablename__ = "template_syncs"
    __table_args__ = (Index("ix_template_syncs_due", "due_at"),)

    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"), primary_key=True)
    due_at: Mapped[datetime]  #: while somebody asks: when somebody else may
    synced_at: Mapped[datetime | None]  #: the last time that all of them came
    error: Mapped[str | None]  #: why the last time failed, in words for people
