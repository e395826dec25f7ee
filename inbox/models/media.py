"""Files of messages that are kept."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base

LET_GO = datetime(1970, 1, 1, tzinfo=UTC)  #: when an upload was made that nobody wants any more


class MediaFile(Base):
    """The file of a message, kept or to be kept. The row is there before the file is, so that no file is forgotten.

    A file whose message is gone is deleted, and its row after it (`media.keeping`).
    """

    __tablename__ = "media_files"
    __table_args__ = (
        Index("uq_media_files_message", "message_id", unique=True),
        # those whose message is gone
        Index(
            "ix_media_files_orphans",
            "id",
            postgresql_where=text("message_id IS NULL"),
            sqlite_where=text("message_id IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)  #: names the file in the store
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("messages.id", ondelete="SET NULL"))
    mime_type: Mapped[str | None] = mapped_column(String(255))  #: by its first bytes, once it is kept
    size: Mapped[int | None]  #: bytes
    has_small: Mapped[bool] = mapped_column(default=False)  #: a small picture is kept beside it
    problem: Mapped[str | None] = mapped_column(String(16))  #: why it will never be kept: gone | too_large
    kept_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Upload(Base):
    """A file that somebody hands over piece by piece, to be sent. Sent, it is the `MediaFile` of its message.

    One that somebody gave up is older than all others (`LET_GO`): the next sweep takes it, and nobody else does.
    """

    __tablename__ = "uploads"
    __table_args__ = (UniqueConstraint("client_key", "account_id"), Index("ix_uploads_old", "created_at"))

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)  #: names the file in the store
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    client_key: Mapped[str] = mapped_column(String(255))
    mime_type: Mapped[str] = mapped_column(String(255))  #: as it was told; by its first bytes, once it is whole
    filename: Mapped[str | None]
    size: Mapped[int]  #: bytes, all of them
    received: Mapped[int] = mapped_column(default=0)  #: bytes
    done_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
