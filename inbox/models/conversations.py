"""Conversations and their messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base, server_now
from inbox.models.states import ConversationStatus


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
        Index(
            "ix_conversations_favorite",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("is_favorite"),
            sqlite_where=text("is_favorite"),
        ),
        # those whose hand-over the backup number was not told of: /health
        Index(
            "ix_conversations_untold",
            "id",
            postgresql_where=text("notice_error IS NOT NULL"),
            sqlite_where=text("notice_error IS NOT NULL"),
        ),
        Index(
            "ix_conversations_waiting",  # order=waiting
            "account_id",
            "waiting_since",
            "id",
            postgresql_where=text("waiting_since IS NOT NULL"),
            sqlite_where=text("waiting_since IS NOT NULL"),
        ),
        Index(
            "ix_conversations_unanswered",
            "account_id",
            "updated_at",
            "id",
            postgresql_where=text("waiting_since IS NOT NULL"),
            sqlite_where=text("waiting_since IS NOT NULL"),
        ),
        Index(
            "ix_conversations_put_away",  # pending and done
            "account_id",
            "status",
            "updated_at",
            "id",
            postgresql_where=text("status <> 'open'"),
            sqlite_where=text("status <> 'open'"),
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
    status: Mapped[str] = mapped_column(String(16), default=ConversationStatus.OPEN)
    is_group: Mapped[bool] = mapped_column(default=False)
    is_favorite: Mapped[bool] = mapped_column(default=False)
    unread_count: Mapped[int] = mapped_column(default=0)  #: to the team; `ConversationReader` has each person's own
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
    blocked_at: Mapped[datetime | None]  #: what the customer writes is stored, and asks for nobody
    epoch: Mapped[int] = mapped_column(default=0)  #: +1 whenever a person acts: an answer begun before is void (I9)
    last_message: Mapped[str | None]
    last_message_id: Mapped[UUID | None]  #: whose text that is; no foreign key, which would be a circle
    #: WhatsApp's time of the oldest message that nobody has answered: set just while asked_through > answered_through.
    waiting_since: Mapped[datetime | None]
    #: WhatsApp's time of the customer's first message since it was last done; None: they have not written since.
    opened_at: Mapped[datetime | None]
    answered_before_done: Mapped[int | None]  #: answered_through when somebody said "done", for taking that back
    asked_before_done: Mapped[str | None] = mapped_column(String(64))  #: why a person was asked for then
    last_inbound_at: Mapped[datetime | None]  #: WhatsApp's time of the newest message the customer wrote
    away_told_at: Mapped[datetime | None]  #: when the customer was last told that the number is closed
    updated_at: Mapped[datetime]  #: time of the newest message; the order of the list
    #: Our clock at every change, whichever statement makes it; what /changes and updated_since compare.
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())
    created_at: Mapped[datetime]

    def touch(self) -> None:
        """Mark the row as changed, by the server's clock when it is written: versions of a row are compared by it."""
        self.changed_at = server_now()


class ConversationReader(Base):
    """Somebody who has opened a conversation, or has been given it: what is new to them is counted apart.

    To all others what is new to the team is new.
    """

    __tablename__ = "conversation_readers"
    __table_args__ = (
        Index("ix_conversation_readers_conversation", "conversation_id"),  # somebody reads: the others have not
        # what is new to somebody although the team has dealt with it
        Index(
            "ix_conversation_readers_behind",
            "user_id",
            "account_id",
            postgresql_where=text("beyond_team > 0"),
            sqlite_where=text("beyond_team > 0"),
        ),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    #: Messages that are new to them beyond the team's `unread_count`; below 0: so many of those they have seen. So a
    #: customer's message, which adds to unread_count alone, is new to everybody.
    beyond_team: Mapped[int] = mapped_column(default=0)


class GoneConversation(Base):
    """A conversation that was merged or deleted. Kept as long as a position of /changes is good (a day)."""

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
        # what was written, newest first: searches. They alone say that there is a text, so nothing else is tempted
        Index(
            "ix_messages_written",
            "account_id",
            "timestamp",
            "id",
            postgresql_where=text("content_text <> ''"),
            sqlite_where=text("content_text <> ''"),
        ),
        # what the customer wrote since somebody answered
        Index(
            "ix_messages_waiting",
            "conversation_id",
            "position",
            postgresql_where=text("awaits_answer"),
            sqlite_where=text("awaits_answer"),
        ),
        Index("ix_messages_changed", "conversation_id", "changed_at", "id"),  # GET /changes
        # first answers of a day: reports
        Index(
            "ix_messages_answers",
            "account_id",
            "stored_at",
            postgresql_where=text("answered_after IS NOT NULL"),
            sqlite_where=text("answered_after IS NOT NULL"),
        ),
        # replies whose author is told that the reply window closes
        Index(
            "ix_messages_closing",
            "account_id",
            postgresql_where=text("window_closes_at IS NOT NULL"),
            sqlite_where=text("window_closes_at IS NOT NULL"),
        ),
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
    request_id: Mapped[str | None] = mapped_column(String(200))  #: of the request or job that wrote it; ours only
    media_id: Mapped[str | None] = mapped_column(String(255))
    media_mime_type: Mapped[str | None] = mapped_column(String(255))
    media_filename: Mapped[str | None]
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(default=0)  #: send attempts begun; part of the callback data (I7)
    attempted_at: Mapped[datetime | None]  #: start of the newest send attempt
    tries: Mapped[list[str] | None]  #: the newest attempts that were not accepted: `outbox.tries`
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    edited_at: Mapped[datetime | None]
    answered_after: Mapped[int | None]  #: the first answer to a customer who had waited so many seconds
    window_closes_at: Mapped[datetime | None]  #: it waits, and WhatsApp takes it until then: set an hour before
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_title: Mapped[str | None]
    error_detail: Mapped[str | None]
    #: Our clock at every change, reactions and ticks included; what /changes compares.
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())

    def touch(self) -> None:
        """As Conversation.touch."""
        self.changed_at = server_now()


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
