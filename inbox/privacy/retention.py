"""Messages that a number does not keep any longer: deleted by age, every hour, a few at a time."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, select, tuple_
from sqlalchemy.orm import Session

from inbox.accounts.removal import RETENTION
from inbox.auth import audit
from inbox.db import Database
from inbox.models import Account, Contact, Conversation, Message
from inbox.privacy.forgetting import ROWS, delete_conversations, delete_messages

ROUND = 3600.0  #: seconds from one pass over a number's conversations to the next
_CONVERSATIONS = 100  # in one transaction


@dataclass
class _Pass:
    """Where a pass over a number's conversations stands, the longest quiet first."""

    began: float
    place: tuple[datetime, UUID] | None = None
    over: bool = False
    deleted: Counter[str] = field(default_factory=Counter)


class Retention:
    """Of one process. Two processes that do the same at once find less to do."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._passes: dict[UUID, _Pass] = {}

    def step(self) -> bool:
        """Go on with the number that is due. True when there is more to do at once."""
        query = select(Account.id, Account.message_retention_days)
        with self._db.reading() as session:
            wanted = query.where(Account.message_retention_days.is_not(None), Account.deleted_at.is_(None))
            numbers = {row.id: row.message_retention_days for row in session.execute(wanted.order_by(Account.id))}
        for account_id, days in numbers.items():
            standing = self._passes.get(account_id)
            if standing is None or (standing.over and time.monotonic() - standing.began > ROUND):
                standing = self._passes[account_id] = _Pass(time.monotonic())
            if not standing.over:
                self._go_on(account_id, days or 0, standing)
                return True
        return False

    def _go_on(self, account_id: UUID, days: int, standing: _Pass) -> None:
        with self._db.writing() as session:
            now = self._db.now(session)
            cutoff = now - timedelta(days=days)
            rows = session.execute(_threads(account_id, standing.place)).all()
            standing.deleted["messages"] += (gone := _delete_old(session, account_id, [row.id for row in rows], cutoff))
            if gone < ROWS:  # else the same conversations once more
                quiet = [row.id for row in rows if row.updated_at < cutoff]
                standing.deleted["conversations"] += _delete_quiet(session, account_id, quiet, cutoff)
                standing.over = len(rows) < _CONVERSATIONS
                standing.place = (rows[-1].updated_at, rows[-1].id) if rows else None
            if standing.over and standing.deleted.total():
                counts = {name: count for name, count in standing.deleted.items() if count}
                audit.record(
                    session, RETENTION, "messages.expired", now, target=account_id, account_id=account_id, **counts
                )


def _threads(account_id: UUID, place: tuple[datetime, UUID] | None) -> Any:
    query = select(Conversation.id, Conversation.updated_at).where(Conversation.account_id == account_id)
    if place is not None:
        query = query.where(tuple_(Conversation.updated_at, Conversation.id) > tuple_(*place))
    return query.order_by(Conversation.updated_at, Conversation.id).limit(_CONVERSATIONS)


def _delete_old(session: Session, account_id: UUID, threads: list[UUID], cutoff: datetime) -> int:
    gone = 0
    for thread in threads:
        if gone >= ROWS:
            break
        gone += delete_messages(session, account_id, Message.conversation_id == thread, Message.timestamp < cutoff)
    return gone


def _delete_quiet(session: Session, account_id: UUID, threads: list[UUID], cutoff: datetime) -> int:
    """Conversations that are empty now, and their contacts. Who stopped marketing stays known, so as not to get any."""
    empty = ~exists().where(Message.conversation_id == Conversation.id)
    query = select(Conversation.id, Conversation.contact_id).where(
        Conversation.id.in_(threads), Conversation.updated_at < cutoff, empty
    )
    rows = session.execute(query.order_by(Conversation.id).with_for_update(of=Conversation, skip_locked=True)).all()
    if rows:
        delete_conversations(session, account_id, [row.id for row in rows])
        contacts = Contact.id.in_([row.contact_id for row in rows]), Contact.marketing_stopped_at.is_(None)
        session.execute(delete(Contact).where(*contacts), execution_options={"synchronize_session": False})
    return len(rows)
