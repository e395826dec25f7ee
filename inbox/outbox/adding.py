"""Adding sends to their lanes, inside the caller's transaction, which holds the conversations' rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Insert, bindparam, column, false, func, insert, select, table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import fixed
from inbox.db.wake import Work, wake
from inbox.db.writes import delete_rows, given_rows, write_rows
from inbox.models import Direction, Job, JobKind, JobState, Lane, Message, MessageStatus
from inbox.models.base import server_now

_MESSAGES: Any = Message.__table__
_LANES: Any = Lane.__table__
_JOBS: Any = Job.__table__
#: What a new message has of its own; the rest is of what becomes of it.
_OF_NEW = (
    *("id", "account_id", "conversation_id", "message_type", "content_text", "payload", "timestamp", "position"),
    *("stored_at", "reply_to", "reply_to_wa_id", "client_key", "author_kind", "author_id", "author_name", "request_id"),
    *("media_id", "media_mime_type", "media_filename", "answered_after", "changed_at"),
)


@dataclass(frozen=True, slots=True)
class Send:
    """A new message to send. It stays a plain record: it never joins the session.

    `withdraw_answers`: nobody waits for the bot in its conversation any more. `asked_at`: when the customer wrote what
    it answers; how long that took is measured when WhatsApp accepts it.
    """

    message: Message
    asked_at: datetime | None = None
    withdraw_answers: bool = False


def store_sends(session: Session, sends: Sequence[Send], now: datetime) -> None:
    """Store new messages, each with its job at the end of its lane, or neither (I5), when the session is flushed.

    They are of different conversations.
    """
    rows = [{name: getattr(each.message, name) for name in _OF_NEW} for each in sends]
    write_rows(session, _STEPS[session.get_bind().dialect.name][0], rows)
    for each in sends:
        if each.withdraw_answers:
            delete_rows(session, _JOBS.c.conversation_id, each.message.conversation_id, _ANSWERS)
    _enqueue(session, sends, now)


def enqueue_send(session: Session, message: Message, now: datetime) -> None:
    """Add a job for a message that is stored already, at the end of its lane."""
    _enqueue(session, [Send(message)], now)


def _enqueue(session: Session, sends: Sequence[Send], now: datetime) -> None:
    rows = [
        {
            "id": new_id(),
            "account_id": each.message.account_id,
            "conversation_id": each.message.conversation_id,
            "message_id": each.message.id,
            "payload": {} if each.asked_at is None else {"asked_at": each.asked_at.isoformat()},
        }
        for each in sends
    ]
    _, lane, job = _STEPS[session.get_bind().dialect.name]
    write_rows(session, lane, [{name: row[name] for name in _OF_LANE} for row in rows], {"now": now}, name=_LANE)
    write_rows(session, job, rows, {"now": now})
    wake(session, Work.DELIVER)


# --- statements --------------------------------------------------------------------------------------------------

_ANSWERS = _JOBS.c.kind == fixed(JobKind.ANSWER)
_LANE = "lane"
_OF_LANE = ("conversation_id", "account_id")
_OF_JOB = ("id", "account_id", "conversation_id", "message_id", "payload")
#: What all of them have.
_MESSAGE = {
    "direction": fixed(Direction.OUTBOUND),
    "status": fixed(MessageStatus.QUEUED),
    "attempts": fixed(0),
    "awaits_answer": false(),
}
_SEND = {"kind": fixed(JobKind.SEND), "state": fixed(JobState.PENDING)}
_SEND |= dict.fromkeys(("attempts", "resends", "revision"), fixed(0))


def _now() -> Any:
    return bindparam("now", type_=_JOBS.c.due_at.type)


def _one_place_more(statement: Any) -> Any:
    """In a lane that is there."""
    return statement.on_conflict_do_update(
        index_elements=[_LANES.c.conversation_id],
        set_={
            "next_seq": _LANES.c.next_seq + fixed(1),
            "due_at": func.coalesce(_LANES.c.due_at, statement.excluded.due_at),
        },
    )


def _messages() -> Insert:
    """On PostgreSQL: these, changed when they are written unless it is said when."""
    given = given_rows(_MESSAGES, _OF_NEW)
    *plain, changed_at = given.c
    made = select(*plain, func.coalesce(changed_at, server_now()), *_MESSAGE.values())
    return insert(_MESSAGES).from_select([*_OF_NEW, *_MESSAGE], made)


def _one_message() -> Insert:
    """On SQLite: as `_messages`, one after the other."""
    given: dict[str, Any] = {name: bindparam(f"all_{name}", type_=_MESSAGES.c[name].type) for name in _OF_NEW}
    return insert(_MESSAGES).values(given | {"changed_at": func.coalesce(given["changed_at"], server_now())} | _MESSAGE)


def _lanes() -> Any:
    """On PostgreSQL: a place in each lane, which is made if needed."""
    given = given_rows(_LANES, _OF_LANE)
    made = select(*given.c, _now(), fixed(2))
    into = postgresql.insert(_LANES).from_select([*_OF_LANE, "due_at", "next_seq"], made)
    return _one_place_more(into).returning(_LANES.c.conversation_id, _LANES.c.next_seq)


def _jobs() -> Insert:
    """On PostgreSQL: the jobs that take these places, which the part of the statement before tells."""
    given, lane = given_rows(_JOBS, _OF_JOB), table(_LANE, column("conversation_id"), column("next_seq"))
    made = select(*given.c, lane.c.next_seq - fixed(1), _now(), _now(), *_SEND.values())
    made = made.join(lane, lane.c.conversation_id == given.c.conversation_id)
    return insert(_JOBS).from_select([*_OF_JOB, "seq", "due_at", "created_at", *_SEND], made)


def _one_lane() -> Any:
    """On SQLite: as `_lanes`."""
    given: dict[str, Any] = {name: bindparam(f"all_{name}") for name in _OF_LANE}
    return _one_place_more(sqlite.insert(_LANES).values(given | {"due_at": _now(), "next_seq": fixed(2)}))


def _one_job() -> Insert:
    """On SQLite: as `_jobs`, one after the other."""
    given: dict[str, Any] = {name: bindparam(f"all_{name}") for name in _OF_JOB}
    place = select(_LANES.c.next_seq - fixed(1)).where(_LANES.c.conversation_id == given["conversation_id"])
    more = {"seq": place.scalar_subquery(), "due_at": _now(), "created_at": _now()}
    return insert(_JOBS).values(given | more | _SEND)


#: To store messages, to give them places, and the jobs that take these.
_STEPS = {
    "postgresql": (_messages(), _lanes(), _jobs()),
    "sqlite": (_one_message(), _one_lane(), _one_job()),
}
