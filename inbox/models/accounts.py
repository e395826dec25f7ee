"""Business numbers and their bot profiles."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Date, ForeignKey, String, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base


class Account(Base):
    """A business number."""

    __tablename__ = "whatsapp_accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    phone_number_id: Mapped[str] = mapped_column(String(64), unique=True)
    waba_id: Mapped[str | None] = mapped_column(String(64))
    phone_number: Mapped[str | None] = mapped_column(String(32))
    access_token_encrypted: Mapped[str | None]
    verify_token_hash: Mapped[str | None] = mapped_column(String(64))
    bot_auto_on: Mapped[bool] = mapped_column(default=True)
    auto_assign: Mapped[bool] = mapped_column(default=False, server_default=false())  #: see `live.assigning`
    paused_reason: Mapped[str | None]  #: a code, `Pause`; words are made where it is shown
    paused_at: Mapped[datetime | None]
    send_not_before: Mapped[datetime | None]  #: the number's cool-down after 130429 and the like
    statuses_through: Mapped[datetime | None]  #: newest send attempt for which a status came back: evidence for I7
    reputation: Mapped[dict[str, Any] | None]  #: what WhatsApp says of it: `accounts.reputation`
    deleted_at: Mapped[datetime | None]  #: out of use and invisible from then on; its rows are purged later
    purged_at: Mapped[datetime | None]  #: nothing but this row is left of it
    message_retention_days: Mapped[int | None]  #: older messages are deleted; None: kept
    hours: Mapped[dict[str, Any] | None]  #: `accounts.hours`; None: always open
    reported_through: Mapped[date | None] = mapped_column(Date)  #: days up to this one are in report_days
    hook_events: Mapped[list[str]] = mapped_column(default=list, server_default="[]")  #: that an endpoint wants
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BotProfile(Base):
    """What the bot knows and how it speaks. One per account."""

    __tablename__ = "bot_profiles"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"), unique=True)
    content: Mapped[dict[str, Any]]  #: `bot.schemas.ProfileContent`
    version: Mapped[int] = mapped_column(default=1)  #: +1 at every edit; part of the cache key
    updated_at: Mapped[datetime]


class BotProfileVersion(Base):
    """A profile as it was saved once: who saved it, and what was different then."""

    __tablename__ = "bot_profile_versions"
    __table_args__ = (UniqueConstraint("account_id", "version"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    version: Mapped[int]
    content: Mapped[dict[str, Any]]  #: `bot.schemas.ProfileContent`
    changed: Mapped[list[str]]  #: names of the fields that differ from the version before
    actor_kind: Mapped[str] = mapped_column(String(16))  #: as in the audit log
    actor_id: Mapped[str | None] = mapped_column(String(64))
    actor_name: Mapped[str]
    created_at: Mapped[datetime]


class BotQuestion(Base):
    """What a customer could ask: a profile is tried with it before it is saved."""

    __tablename__ = "bot_questions"
    __table_args__ = (UniqueConstraint("account_id", "text"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    text: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime]
