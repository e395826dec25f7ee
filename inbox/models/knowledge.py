"""What a business gives its bot to read: files, texts and web pages, cut into passages."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base, server_now


class KnowledgeSource(Base):
    """A file, a text or a web page. While it is read again, what was read of it before is still used."""

    __tablename__ = "knowledge_sources"
    __table_args__ = (
        UniqueConstraint("account_id", "url"),
        # what is to be read next
        Index(
            "ix_knowledge_sources_due",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(8))  #: text | file | page
    name: Mapped[str]  #: of the file, or the title of the page
    url: Mapped[str | None] = mapped_column(String(2000))  #: of a page
    upload_id: Mapped[
        UUID | None
    ]  #: of a file until it is read; no foreign key: a file that is gone is an error to tell
    content: Mapped[str | None]  #: of a text until it is read
    size: Mapped[int | None]  #: bytes that were read
    state: Mapped[str] = mapped_column(String(8), default="reading")  #: reading | ready | failed
    problem: Mapped[str | None] = mapped_column(String(32))  #: why it failed: `knowledge.problems`
    language: Mapped[str] = mapped_column(String(16), default="simple")  #: as full-text search of PostgreSQL names it
    passages: Mapped[int] = mapped_column(default=0)
    read_at: Mapped[datetime | None]  #: the newest time that it could be read
    due_at: Mapped[datetime | None]  #: when to read it next; while somebody does: when somebody else may. None: never
    lease: Mapped[UUID | None]  #: the thread that reads it
    attempts: Mapped[int] = mapped_column(default=0)  #: that failed, in a row
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime] = mapped_column(default=server_now(), onupdate=server_now())


class KnowledgePassage(Base):
    """Some paragraphs of a source. On PostgreSQL a column more, `words`, is for searching; on SQLite a table (0027)."""

    __tablename__ = "knowledge_passages"
    __table_args__ = (Index("ix_knowledge_passages_source", "source_id", "number"),)

    seq: Mapped[int] = mapped_column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True)
    id: Mapped[UUID] = mapped_column(default=new_id, unique=True)  #: stays while the passage says the same
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    source_id: Mapped[UUID] = mapped_column(ForeignKey("knowledge_sources.id", ondelete="CASCADE"))
    number: Mapped[int]  #: its place in the source
    page: Mapped[int | None]  #: of a PDF, from 1
    heading: Mapped[str | None]  #: what it stands under
    language: Mapped[str] = mapped_column(String(16))  #: as its source's
    content: Mapped[str]
