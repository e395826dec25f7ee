"""Work that one process does for all at a time, without a lock manager: a row that says who, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from inbox.db import insert
from inbox.models import Lease


class Leadership:
    """This process's claim to one kind of work. The leader keeps leading while there is work."""

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._length = timedelta(seconds=seconds)
        self._me: UUID = uuid4()

    def free(self, session: Session, now: datetime) -> bool:
        """True when nobody else leads at the moment: a cheap look before take()."""
        query = select(Lease.holder).where(Lease.name == self._name, Lease.holder != self._me, Lease.until > now)
        return session.execute(query).first() is None

    def take(self, session: Session, now: datetime) -> bool:
        """Lead, or go on leading, until `now` + the length. The row stays locked to the end of the transaction."""
        statement = insert(session, Lease).values(name=self._name, holder=self._me, until=now + self._length)
        mine_or_over = or_(Lease.holder == self._me, Lease.until <= now)
        taken = statement.on_conflict_do_update(
            index_elements=[Lease.name],
            set_={"holder": statement.excluded.holder, "until": statement.excluded.until},
            where=mine_or_over,
        )
        return session.execute(taken.returning(Lease.name)).first() is not None
