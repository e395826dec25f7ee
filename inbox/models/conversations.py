"""Conversations and their messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base, server_now


class Conversation(Base):
    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("contact_id"),  # a contact belongs to one account
        Index("ix_conversations_newest", "account_id", "updated_at", "id"),  # the list
        Index("ix_conversations_changed", "account_id", "changed_at", "id"),  # updated_since
        # the list, narrowed: each holds the few rows that its filter looks for
        Index(
            "ix_conversations_unread",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("unread_count > 0"),
            sqlite_where=text("unread_count > 0"),
        ),
        Index(
            "ix_conversations_needs_human",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("needs_human"),
            sqlite_where=text("needs_human"),
        ),
        # those whose hand-over the backup number was not told of: /health
        Index(
            "ix_conversations_untold",
            "id",
            postgresql_where=text("notice_error IS NOT NULL"),
            sqlite_where=text("notice_error IS NOT NULL"),
        ),
        Index(
            "ix_conversations_closed",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("status = 'closed'"),
            sqlite_where=text("status = 'closed'"),
        ),
        Index(
            "ix_conversations_assigned",
            "assigned_to",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("assigned_to IS NOT NULL"),
            sqlite_where=text("assigned_to IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(String(16), default="open")
    is_group: Mapped[bool] = mapped_column(default=False)
    is_favorite: Mapped[bool] = mapped_column(default=False)
    unread_count: Mapped[int] = mapped_column(default=0)
    bot_enabled: Mapped[bool] = mapped_column(default=False)
    bot_paused_until: Mapped[datetime | None]  #: set by a person's reply: the bot stays out of the conversation
    bot_last_reply_at: Mapped[datetime | None]
    last_position: Mapped[int] = mapped_column(default=0)  #: given to a message; the next one gets the next (I3)
    asked_through: Mapped[int] = mapped_column(default=0)  #: position of the newest message that awaits an answer
    answered_through: Mapped[int] = mapped_column(default=0)  #: position up to which somebody has answered
    person_replied_at: Mapped[datetime | None]  #: own time of a person's newest reply: see conversations.order
    handed_over_at: Mapped[datetime | None]  #: own time of the newest message that the bot handed over
    notice_error: Mapped[str | None]  #: why the backup number could not be told of the hand-over
    needs_human: Mapped[bool] = mapped_column(default=False)
    needs_human_reason: Mapped[str | None] = mapped_column(String(64))
    assigned_to: Mapped[UUID | None]  #: a user; no foreign key, since users are disabled and never deleted
    epoch: Mapped[int] = mapped_column(default=0)  #: +1 whenever a person acts: an answer begun before is void (I9)
    last_message: Mapped[str | None]
    last_inbound_at: Mapped[datetime | None]  #: WhatsApp's time of the newest message the customer wrote
    updated_at: Mapped[datetime]  #: time of the newest message; the order of the list
    #: Our clock at every change, whichever statement makes it; what /changes and updated_since compare.
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())
    created_at: Mapped[datetime]


class GoneConversation(Base):
    """A conversation that was merged into another. Kept as long as a position of /changes is good (a day)."""

    __tablename__ = "gone_conversations"
    __table_args__ = (Index("ix_gone_conversations_changed", "account_id", "changed_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)  #: of the conversation that is gone
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    changed_at: Mapped[datetime] = mapped_column(default=server_now())


class Message(Base):
    __tablename__ = "messages"
    __table_args__ = (
        # The selective column stands first: an index that begins with the account tempts a planner without statistics
        # (a new installation) to read the whole account.
        UniqueConstraint("wa_message_id", "account_id"),
        Index(
            "uq_messages_client_key",
            "client_key",
            "account_id",
            unique=True,
            postgresql_where=text("client_key IS NOT NULL"),
            sqlite_where=text("client_key IS NOT NULL"),
        ),
        Index("ix_messages_thread", "conversation_id", "timestamp", "id"),
        # what the customer wrote since somebody answered
        Index(
            "ix_messages_waiting",
            "conversation_id",
            "position",
            postgresql_where=text("awaits_answer"),
            sqlite_where=text("awaits_answer"),
        ),
        Index("ix_messages_changed", "conversation_id", "changed_at", "id"),  # GET /changes
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    direction: Mapped[str] = mapped_column(String(8))
    message_type: Mapped[str] = mapped_column(String(64))
    content_text: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    timestamp: Mapped[datetime]  #: WhatsApp's clock for inbound, ours for outbound; never rewritten (I3)
    position: Mapped[int] = mapped_column(default=0)  #: in its conversation, given out under its lock (I3)
    awaits_answer: Mapped[bool] = mapped_column(default=False)  #: a customer's word, until answered_through passes it
    stored_at: Mapped[datetime]
    wa_message_id: Mapped[str | None] = mapped_column(String(512))
    duplicate_wa_message_id: Mapped[str | None] = mapped_column(String(512))  #: accepted twice: see I7 and the log
    reply_to: Mapped[UUID | None]  #: the quoted message, when we hold it
    reply_to_wa_id: Mapped[str | None] = mapped_column(String(512))
    client_key: Mapped[str | None] = mapped_column(String(255))
    author_kind: Mapped[str] = mapped_column(String(16))
    author_id: Mapped[str | None] = mapped_column(String(64))
    author_name: Mapped[str | None]
    media_id: Mapped[str | None] = mapped_column(String(255))
    media_mime_type: Mapped[str | None] = mapped_column(String(255))
    media_filename: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)  #: send attempts begun; part of the callback data (I7)
    attempted_at: Mapped[datetime | None]  #: start of the newest send attempt
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    edited_at: Mapped[datetime | None]
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_title: Mapped[str | None]
    error_detail: Mapped[str | None]
    #: Our clock at every change, reactions and ticks included; what /changes compares.
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class Annotation(Base):
    """A reaction, edit or revocation of another message. It has its own id and may come before its target."""

    __tablename__ = "annotations"
    __table_args__ = (
        UniqueConstraint("wa_message_id", "account_id"),
        Index("ix_annotations_target", "target_wa_id", "account_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    wa_message_id: Mapped[str] = mapped_column(String(512))
    target_wa_id: Mapped[str] = mapped_column(String(512))
    kind: Mapped[str] = mapped_column(String(16))  #: reaction | edit | revoke
    actor: Mapped[str] = mapped_column(String(64))  #: contact id, or "business"
    content: Mapped[dict[str, Any]]
    timestamp: Mapped[datetime]
