"""Who wrote."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base, server_now


class Contact(Base):
    """A person, or a group. WhatsApp knows people by phone, by business-scoped user id, or by both."""

    __tablename__ = "contacts"
    __table_args__ = (
        UniqueConstraint("phone", "account_id"),
        UniqueConstraint("user_id", "account_id"),
        UniqueConstraint("group_id", "account_id"),
        # a parent id may be shared by nobody else, but older samples repeat it: looked up, not unique
        Index(
            "ix_contacts_parent", "account_id", "parent_user_id", postgresql_where=text("parent_user_id IS NOT NULL")
        ),
        Index("ix_contacts_page", "account_id", "created_at", "id"),  # GET /contacts
        # for searching: ix_contacts_name, _username, _number (migration 0011); with pg_trgm, ix_contacts_search (0004)
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    phone: Mapped[str | None] = mapped_column(String(32))  #: digits, no plus
    user_id: Mapped[str | None] = mapped_column(String(255))
    parent_user_id: Mapped[str | None] = mapped_column(String(255))
    group_id: Mapped[str | None] = mapped_column(String(255))
    username: Mapped[str | None] = mapped_column(String(255))
    display_name: Mapped[str | None]
    marketing_stopped_at: Mapped[datetime | None]
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")  #: by id of a ContactField
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class ContactField(Base):
    """A detail that a number keeps of its contacts."""

    __tablename__ = "contact_fields"
    __table_args__ = (UniqueConstraint("account_id", "name_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(40))
    name_key: Mapped[str] = mapped_column(String(160))  #: casefolded
    kind: Mapped[str] = mapped_column(String(8))  #: text | number | date | choice
    choices: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class ContactChange(Base):
    """What changed about who a contact is. For audit, and to recognise messages that were written before the change."""

    __tablename__ = "contact_changes"
    __table_args__ = (
        Index("ix_contact_changes_contact", "contact_id", "at"),
        Index("ix_contact_changes_phone", "old_phone", "account_id"),
        Index("ix_contact_changes_user_id", "old_user_id", "account_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))  #: merged | identity_changed
    old_phone: Mapped[str | None] = mapped_column(String(32))
    old_user_id: Mapped[str | None] = mapped_column(String(255))
    details: Mapped[dict[str, Any]]
    at: Mapped[datetime]  #: WhatsApp's time of the message that told us
