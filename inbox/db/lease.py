"""Work that one process does for all at a time, without a lock manager: a row that says who, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import case, delete, or_
from sqlalchemy.orm import Session

from inbox.db import insert
from inbox.models import Lease


class Leadership:
    """This process's claim to one kind of work. Who leads goes on leading: it asks again when half of the time is over.

    A process that stood still for longer than its lease may believe that it leads. So the work has to notice when
    somebody else has done it.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._length = timedelta(seconds=seconds)
        self._me: UUID = uuid4()
        self._until: datetime | None = None

    def take(self, session: Session, now: datetime) -> datetime | None:
        """Lead, or go on leading: None. Else until when somebody else leads."""
        if self._until is not None and now < self._until - self._length / 2 <= now + self._length:
            return None
        statement = insert(session, Lease).values(name=self._name, holder=self._me, until=now + self._length)
        free = or_(Lease.holder == self._me, Lease.until <= now)
        taken = statement.on_conflict_do_update(
            index_elements=[Lease.name],
            set_={
                "holder": case((free, statement.excluded.holder), else_=Lease.holder),
                "until": case((free, statement.excluded.until), else_=Lease.until),
            },
        )
        holder, until = session.execute(taken.returning(Lease.holder, Lease.until)).one()
        self._until = until if holder == self._me else None
        return None if holder == self._me else until

    def give_up(self, session: Session) -> None:
        """Let another process lead at once. The caller has ended its work."""
        self._until = None
        session.execute(delete(Lease).where(Lease.name == self._name, Lease.holder == self._me))
