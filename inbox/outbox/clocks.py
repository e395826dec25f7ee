"""Due times from a clock that was ahead and has been set back: nothing waits longer than any wait we set."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from inbox.db import one_of
from inbox.models import Account, Job, Lane
from inbox.outbox.store import LONGEST_COOL_DOWN

log = logging.getLogger(__name__)

#: What may wait, by its key, and the time it waits for.
_WAITS: tuple[tuple[InstrumentedAttribute[UUID], InstrumentedAttribute[Any]], ...] = (
    (Job.id, Job.due_at),
    (Job.id, Job.held_until),
    (Job.id, Job.created_at),
    (Lane.conversation_id, Lane.due_at),
    (Account.id, Account.send_not_before),
)


def bring_back(session: Session, now: datetime, longest: timedelta) -> int:
    """Make due what would wait for longer than `longest`, or than any cool-down. How much that was.

    What somebody holds at the moment is passed over.
    """
    horizon = now + max(longest, LONGEST_COOL_DOWN) + timedelta(minutes=1)
    count = 0
    for key, column in _WAITS:
        far = select(key).where(column > horizon).with_for_update(skip_locked=True)
        found = session.execute(far).scalars().all()
        for these in one_of(session, key, found):
            session.execute(update(key.class_).where(these).values({column.key: now}))
        count += len(found)
    if count:
        log.warning("the clock was set back: what would wait too long is due now", extra={"count": count})
    return count
