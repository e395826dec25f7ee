"""Adding sends to their lanes, inside the caller's transaction, which holds the conversation's row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, bindparam, column, delete, func, insert, select, table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import fixed
from inbox.db.wake import Work, wake
from inbox.db.writes import write_later
from inbox.models import Job, JobKind, JobState, Lane, Message
from inbox.models.base import server_now

_MESSAGES: Any = Message.__table__
_LANES: Any = Lane.__table__
_JOBS: Any = Job.__table__


def store_send(
    session: Session,
    message: Message,
    now: datetime,
    *,
    withdraw_answers: bool = False,
    asked_at: datetime | None = None,
) -> None:
    """Store a new message with its job at the end of its lane, or neither (I5), when the session is flushed.

    `withdraw_answers`: nobody waits for the bot here any more. `asked_at`: when the customer wrote what it answers; how
    long that took is measured when WhatsApp accepts it. `message` stays a plain record: it never joins the session.
    """
    write_later(session, _NEW, {f"message_{column.key}": getattr(message, column.key) for column in _MESSAGES.c})
    if withdraw_answers:
        write_later(session, _WITHDRAWN, {"thread": message.conversation_id})
    _enqueue(session, message, now, {} if asked_at is None else {"asked_at": asked_at.isoformat()})


def enqueue_send(session: Session, message: Message, now: datetime) -> None:
    """Add a job for a message that is stored already, at the end of its lane."""
    _enqueue(session, message, now, {})


def _enqueue(session: Session, message: Message, now: datetime, about: dict[str, Any]) -> None:
    place = {"number": message.account_id, "thread": message.conversation_id, "now": now}
    lane, job = _STEPS[session.get_bind().dialect.name]
    write_later(session, lane, place, name=_LANE)
    write_later(session, job, place | {"job": new_id(), "message": message.id, "about": about})
    wake(session, Work.DELIVER)


# --- statements --------------------------------------------------------------------------------------------------

_LANE = "lane"


def _new() -> Insert:
    values: dict[str, Any] = {c.key: bindparam(f"message_{c.key}", type_=c.type) for c in _MESSAGES.c}
    values["changed_at"] = func.coalesce(values["changed_at"], server_now())
    return insert(_MESSAGES).values(values)


def _lane(insert_into: Callable[[Any], Any]) -> Any:
    """One place more in the lane, which is made if needed."""
    statement = insert_into(_LANES).values(
        conversation_id=bindparam("thread"), account_id=bindparam("number"), due_at=bindparam("now"), next_seq=2
    )
    return statement.on_conflict_do_update(
        index_elements=[_LANES.c.conversation_id],
        set_={"next_seq": _LANES.c.next_seq + 1, "due_at": func.coalesce(_LANES.c.due_at, statement.excluded.due_at)},
    )


def _job(next_seq: Any) -> Insert:
    return insert(_JOBS).values(
        id=bindparam("job"),
        kind=JobKind.SEND,
        account_id=bindparam("number"),
        conversation_id=bindparam("thread"),
        message_id=bindparam("message"),
        seq=next_seq.scalar_subquery() - 1,
        state=JobState.PENDING,
        due_at=bindparam("now"),
        attempts=0,
        resends=0,
        revision=0,
        payload=bindparam("about"),
        created_at=bindparam("now"),
    )


_NEW = _new()
_WITHDRAWN = delete(_JOBS).where(_JOBS.c.conversation_id == bindparam("thread"), _JOBS.c.kind == fixed(JobKind.ANSWER))
#: The place in the lane, and the job that takes it: on PostgreSQL it is told by the part of the statement before it.
_STEPS = {
    "postgresql": (
        _lane(postgresql.insert).returning(_LANES.c.next_seq),
        _job(select(column("next_seq")).select_from(table(_LANE, column("next_seq")))),
    ),
    "sqlite": (
        _lane(sqlite.insert),
        _job(select(_LANES.c.next_seq).where(_LANES.c.conversation_id == bindparam("thread"))),
    ),
}
