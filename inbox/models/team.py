"""What a team keeps beside its conversations: notes, labels, replies to take from, drafts, and who is where."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base, server_now


class Note(Base):
    """What colleagues tell each other about a conversation. A table of its own: no note can ever reach the outbox."""

    __tablename__ = "notes"
    __table_args__ = (
        Index("ix_notes_thread", "conversation_id", "created_at", "id"),  # the list
        Index("ix_notes_changed", "conversation_id", "changed_at", "id"),  # GET /changes
        Index(
            "uq_notes_client_key",
            "client_key",
            "conversation_id",
            unique=True,
            postgresql_where=text("client_key IS NOT NULL"),
            sqlite_where=text("client_key IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    author_kind: Mapped[str] = mapped_column(String(16))  #: user | key
    author_id: Mapped[str] = mapped_column(String(64))
    author_name: Mapped[str]  #: as it was when the note was written
    text: Mapped[str]  #: empty once it is deleted
    client_key: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]  #: the row stays, so that GET /changes can tell
    #: Our clock at every change; what /changes compares.
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class Label(Base):
    """A word by which a team sorts the conversations of a number."""

    __tablename__ = "labels"
    __table_args__ = (UniqueConstraint("account_id", "name_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(40))
    name_key: Mapped[str] = mapped_column(String(160))  #: casefolded
    color: Mapped[int]  #: 0 … 7, one of the page's
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class ConversationLabel(Base):
    """A conversation has a label."""

    __tablename__ = "conversation_labels"
    __table_args__ = (Index("ix_conversation_labels_label", "label_id", "conversation_id"),)  # the list, narrowed

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    label_id: Mapped[UUID] = mapped_column(ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True)


class CannedReply(Base):
    """A text that people of a number send often, found by its shortcut."""

    __tablename__ = "canned_replies"
    __table_args__ = (UniqueConstraint("account_id", "shortcut_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    shortcut: Mapped[str] = mapped_column(String(40))
    shortcut_key: Mapped[str] = mapped_column(String(160))  #: casefolded
    text: Mapped[str]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class SavedDraft(Base):
    """What somebody is writing and has not sent."""

    __tablename__ = "drafts"
    __table_args__ = (Index("ix_drafts_old", "changed_at"),)  # pruning

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    mode: Mapped[str] = mapped_column(String(8), primary_key=True)  #: reply | note
    text: Mapped[str]
    reply_to: Mapped[UUID | None]  #: a message; whether it can still be quoted is asked when the reply is sent
    version: Mapped[int]  #: +1 with every change
    changed_at: Mapped[datetime]


class AssignmentTurn(Base):
    """When somebody was last given a conversation by itself: a count of the number's, which no clock can disorder."""

    __tablename__ = "assignment_turns"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    turn: Mapped[int]


class Presence(Base):
    """Somebody has a conversation open. Over as soon as it has not been said again for a while (`live.presence`)."""

    __tablename__ = "presences"
    __table_args__ = (Index("ix_presences_newest", "account_id", "said_at"),)  # GET /changes

    conversation_id: Mapped[UUID] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[UUID]
    doing: Mapped[str] = mapped_column(String(8))  #: viewing | writing
    said_at: Mapped[datetime]
