"""People who are to be forgotten."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from inbox.clock import new_id
from inbox.models.base import Base


class Erasure(Base):
    """A contact who was erased: what is still to be looked through is raw webhooks and dead letters that name them."""

    __tablename__ = "erasures"
    __table_args__ = (
        Index(
            "ix_erasures_open",
            "id",
            postgresql_where=text("ended_at IS NULL"),
            sqlite_where=text("ended_at IS NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("whatsapp_accounts.id", ondelete="CASCADE"))
    contact_id: Mapped[UUID]  #: who is no longer there
    words: Mapped[list[str]]  #: by which a webhook names them; none once it has ended
    looked_through: Mapped[UUID]  #: up to this webhook
    until: Mapped[UUID]  #: webhooks from here on came after the contact was erased
    requested_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
