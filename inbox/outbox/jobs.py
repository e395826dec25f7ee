"""Answers, receipts, files to keep: jobs without a lane, one of each kind per conversation, safe to run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import Insert, Integer, Select, Table, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from inbox.clock import new_id
from inbox.db import Database, chosen, fixed, found_by, insert
from inbox.db.wake import Work, wake
from inbox.db.writes import insert_rows
from inbox.models import REACTION, Account, Conversation, Job, JobKind, JobState, Message, UTCDateTime

MAX_READ_ATTEMPTS = 3
MAX_RAISED = 3  #: times that our own code may fail at a job
_RAISED_WAIT = timedelta(seconds=10)  # times how often it has
PATIENCE = timedelta(seconds=15)
_NOT_A_SEND = Job.kind != fixed(JobKind.SEND)
OF_A_NUMBER_IN_USE = Job.account_id.in_(select(Account.id).where(Account.deleted_at.is_(None)))
_JOBS = cast("Table", Job.__table__)
_CLAIMED = ("id", "lease", "account_id", "conversation_id", "revision", "attempts", "payload", "created_at")
LEASES = {
    JobKind.ANSWER: timedelta(seconds=60),
    JobKind.READ: timedelta(seconds=30),
    JobKind.MEDIA: timedelta(minutes=15),  # one file may take ten (WHATSAPP_MEDIA_SECONDS)
}
#: What all new answers have.
_NEW_ANSWER = (
    *(("kind", JobKind.ANSWER), ("state", JobState.PENDING)),
    *(("revision", 1), ("attempts", 0), ("resends", 0), ("seq", 0)),
)
_WORK = {JobKind.ANSWER: Work.ANSWER, JobKind.READ: Work.HOUSEKEEPING, JobKind.MEDIA: Work.MEDIA}


@dataclass(frozen=True, slots=True)
class JobClaim:
    """An answer, a receipt or files to work on until the lease ends."""

    job_id: UUID
    lease: UUID
    kind: JobKind
    account_id: UUID
    conversation_id: UUID
    revision: int
    attempts: int
    payload: dict[str, str]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """An answer that a customer waits for, since when: now, or at the end of a person's pause."""

    account_id: UUID
    conversation_id: UUID
    since: datetime


def patience(debounce: float) -> timedelta:
    """How long a customer may go on writing before the bot answers what there is."""
    return max(PATIENCE, timedelta(seconds=4 * debounce))


def request_answers(session: Session, owed: Sequence[Owed], now: datetime, debounce: float) -> None:
    """Let the bot answer once the customer pauses for `debounce` seconds.

    A pending answer is joined instead of added to: its revision grows, and its time moves on while the customer keeps
    writing, as long as that may be.
    """
    if not owed:
        return
    quiet = timedelta(seconds=debounce)
    rows = [
        {
            "id": new_id(),
            "account_id": each.account_id,
            "conversation_id": each.conversation_id,
            "due_at": max(each.since, now + quiet),
            "created_at": each.since,
            "payload": {},
        }
        for each in sorted(owed, key=lambda each: each.conversation_id)
    ]
    begun_after = now + quiet - patience(debounce)
    if session.get_bind().dialect.name == "postgresql":
        insert_rows(session, _ASKING, rows, {"begun_after": begun_after}, alike=_NEW_ANSWER)
    else:
        insert_rows(session, _asking(sqlite.insert(Job), begun_after), rows, alike=_NEW_ANSWER)
    for due in {max(each.since, now + quiet) for each in owed}:
        wake(session, Work.ANSWER, due)


def _asking(statement: Any, begun_after: Any) -> Insert:
    """A job for each, or what joins the one that is there."""
    patient = (Job.lease.is_(None)) & (Job.created_at > begun_after)
    patient &= Job.due_at < statement.excluded.due_at  # later only: after an answer that was put off the wait is longer
    joined: Insert = statement.on_conflict_do_update(
        index_elements=[Job.conversation_id, Job.kind],
        index_where=_NOT_A_SEND,
        set_={
            "revision": Job.revision + fixed(1),
            "due_at": case((patient, statement.excluded.due_at), else_=Job.due_at),
        },
    )
    return joined


_ASKING = _asking(postgresql.insert(Job), bindparam("begun_after", type_=UTCDateTime()))


def withdraw_answers(session: Session, conversation_ids: Iterable[UUID]) -> None:
    """Nobody waits for the bot here any more. An answer being written finds its job gone, and is discarded."""
    answers = (Job.conversation_id.in_(list(conversation_ids))) & (Job.kind == fixed(JobKind.ANSWER))
    session.execute(delete(Job).where(answers))


def void_answers(session: Session, conversation_ids: Iterable[UUID], now: datetime) -> None:
    """What was asked has changed: answers being written are void, and their jobs are due."""
    answers = (Job.conversation_id.in_(list(conversation_ids))) & (Job.kind == fixed(JobKind.ANSWER))
    again = {"lease": None, "due_at": now, "attempts": 0, "revision": Job.revision + 1}
    session.execute(update(Job).where(answers).values(again))
    wake(session, Work.ANSWER)


def look_again(session: Session, account_id: UUID, now: datetime) -> None:
    """What may speak when has changed for a number: answers that were put off are looked at now."""
    later = (Job.account_id == account_id) & (Job.kind == fixed(JobKind.ANSWER)) & Job.lease.is_(None)
    session.execute(update(Job).where(later, Job.due_at > now).values(due_at=now))
    wake(session, Work.ANSWER)


def request_receipt(
    session: Session, account_id: UUID, conversation_id: UUID, wa_message_id: str, now: datetime
) -> None:
    """Mark the customer's message, and those before it, as read."""
    statement = insert(session, Job).values(
        id=new_id(),
        kind=JobKind.READ,
        account_id=account_id,
        conversation_id=conversation_id,
        due_at=now,
        created_at=now,
        payload={"wa_message_id": wa_message_id},
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Job.conversation_id, Job.kind],
            index_where=_NOT_A_SEND,
            set_={"payload": statement.excluded.payload, "revision": Job.revision + 1},
        )
    )
    wake(session, Work.HOUSEKEEPING)


def request_media(session: Session, conversations: Mapping[UUID, UUID], now: datetime) -> None:
    """Keep the files of these conversations, each with its account: there are new ones."""
    if not conversations:
        return
    rows = [
        {
            "id": new_id(),
            "kind": JobKind.MEDIA,
            "account_id": conversations[conversation_id],
            "conversation_id": conversation_id,
            "state": JobState.PENDING,
            "due_at": now,
            "revision": 1,
            "created_at": now,
            "payload": {},
        }
        for conversation_id in sorted(conversations)
    ]
    insert_rows(session, _KEEPING[session.get_bind().dialect.name], rows)
    wake(session, Work.MEDIA)


#: A job for each, or what joins the one that is there.
_KEEPING = {
    name: into(Job).on_conflict_do_update(
        index_elements=[Job.conversation_id, Job.kind],
        index_where=_NOT_A_SEND,
        set_={"revision": Job.revision + 1},
    )
    for name, into in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


def first_due(kind: JobKind) -> Select[datetime | None]:
    """Asks when claim_jobs will find something. No row: nothing waits."""
    due = select(Job.due_at).where(Job.kind == kind, _NOT_A_SEND, Job.due_at.is_not(None), OF_A_NUMBER_IN_USE)
    # The order makes the planner use the index; without, it hopes that some job is due and reads until it meets one.
    return due.order_by(Job.due_at).limit(1)


def claim_due(db: Database, kind: JobKind, count: int) -> list[JobClaim]:
    """Up to `count` due jobs of a kind, leased, in one round trip."""
    with db.writing_once() as session:
        return claim_jobs(session, kind, db.now(session), count)


def claim_jobs(session: Session, kind: JobKind, now: datetime, limit: int) -> list[JobClaim]:
    """Lease up to `limit` due jobs of `kind`, the oldest first. A lease that ended in a crash is simply taken again."""
    values = {"of_kind": kind, "now": now, "limit": limit, "new_lease": uuid4(), "lease_ends": now + LEASES[kind]}
    leased = session.execute(_leasing(session.get_bind().dialect.name), values)
    return [
        JobClaim(kind=kind, job_id=job_id, **dict(zip(_CLAIMED[1:], values, strict=True)))
        # The database returns what it has changed in any order; the ids grow with time.
        for job_id, *values in sorted(leased, key=lambda row: row.id)
    ]


@cache
def _leasing(dialect: str) -> ReturningUpdate[Any]:
    due = (
        select(_JOBS.c.id)
        .where(_JOBS.c.kind == bindparam("of_kind"), _NOT_A_SEND, OF_A_NUMBER_IN_USE)
        .where(_JOBS.c.due_at <= bindparam("now"))
        .order_by(_JOBS.c.due_at)
        .limit(bindparam("limit", type_=Integer()))
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    until, lease = bindparam("lease_ends", type_=_JOBS.c.due_at.type), bindparam("new_lease", type_=_JOBS.c.lease.type)
    return (
        update(_JOBS)
        .where(found_by(dialect, _JOBS.c.id, select(due.c.id)))
        .values(lease=lease, due_at=until, attempts=_JOBS.c.attempts + 1)
        .returning(*(_JOBS.c[name] for name in _CLAIMED))
    )


def held_job(session: Session, claim: JobClaim) -> Job | None:
    """The claimed job's row, locked, if the lease is still ours."""
    job = session.get(Job, claim.job_id, with_for_update=True)
    return job if job is not None and job.lease == claim.lease else None


@cache
def _with_conversation(dialect: str) -> Select[Conversation, Job]:
    query = select(Conversation, Job).join(Job, Job.conversation_id == Conversation.id)
    query = query.where(chosen(dialect, Job.id, "jobs")).order_by(Conversation.id)
    return query.with_for_update(of=[Conversation, Job])


def held_with_conversations(session: Session, claims: Sequence[JobClaim]) -> dict[UUID, tuple[Conversation, Job]]:
    """Of claims whose lease is still ours, by job: the conversation and the job, locked in the order of all."""
    query = _with_conversation(session.get_bind().dialect.name)
    leases = {claim.job_id: claim.lease for claim in claims}
    found = session.execute(query, {"jobs": sorted(leases)})
    return {job.id: (conversation, job) for conversation, job in found if job.lease == leases[job.id]}


def finish_job(session: Session, claim: JobClaim, now: datetime) -> None:
    """The work is done: drop the job, or let it run again if something joined it meanwhile."""
    job = held_job(session, claim)
    if job is None:
        return
    if job.revision == claim.revision:
        session.delete(job)
    else:
        job.attempts, job.created_at = 0, now
        _give_back(session, job, now)


def keep_job(session: Session, claim: JobClaim, since: datetime, due: datetime) -> None:
    """The customer still waits, from `since` on: the job begins again, at `due`."""
    job = held_job(session, claim)
    if job is not None:
        job.attempts, job.created_at = 0, since
        _give_back(session, job, due)


def drop_job(session: Session, claim: JobClaim) -> None:
    """The work is done, or nobody wants it any more."""
    job = held_job(session, claim)
    if job is not None:
        session.delete(job)


def postpone_job(session: Session, claim: JobClaim, until: datetime) -> None:
    """Give the job back, to be tried again at `until`."""
    job = held_job(session, claim)
    if job is not None:
        _give_back(session, job, until)


def _give_back(session: Session, job: Job, due: datetime) -> None:
    job.lease, job.due_at = None, due
    wake(session, _WORK[JobKind(job.kind)], due)


def note_raised(session: Session, claim: JobClaim, now: datetime) -> bool:
    """Our own code failed at it: give it back, for a while. False when that was once too often, and it is dropped."""
    job = held_job(session, claim)
    if job is None:
        return True
    job.raised += 1
    if job.raised >= MAX_RAISED:
        session.delete(job)
        return False
    _give_back(session, job, now + job.raised * _RAISED_WAIT)
    return True


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in the outbox. `oldest_s` is seconds."""

    waiting: int
    oldest_s: float
    unconfirmed: int


def depth(session: Session, now: datetime) -> Depth:
    """How much waits, how long the oldest has been waiting, and how many sends have an unknown outcome.

    Those wait for evidence or for a person: no machine is late with them.
    """
    waiting, oldest, unknown = session.execute(
        select(
            func.count(),
            func.min(case((Job.state != fixed(JobState.UNKNOWN), Job.created_at))),
            func.count(case((Job.state == fixed(JobState.UNKNOWN), 1))),
        ).where(OF_A_NUMBER_IN_USE)
    ).one()
    since = min(oldest, now) if oldest else now  # an answer that waits for a person's pause to end is not late
    return Depth(waiting - unknown, (now - since).total_seconds(), unknown)


def to_decide(session: Session, limit: int) -> list[Message]:
    """Messages of unknown outcome about which a person was asked, the oldest first."""
    unknown = Job.state == fixed(JobState.UNKNOWN), OF_A_NUMBER_IN_USE, Message.message_type != REACTION
    query = select(Job.payload, Message).join(Message, Message.id == Job.message_id).where(*unknown)
    found = session.execute(query.order_by(Job.created_at).limit(limit))
    return [message for payload, message in found if payload.get("asked")]


def waiting(session: Session, kind: JobKind, now: datetime) -> tuple[int, float]:
    """How many jobs of a kind wait, and for how many seconds the oldest has.

    Without sends whose outcome is unknown, and answers that wait for a person's pause to end.
    """
    of_kind = Job.kind == fixed(kind), Job.state != fixed(JobState.UNKNOWN), Job.created_at <= now
    count, oldest = session.execute(
        select(func.count(), func.min(Job.created_at)).where(*of_kind, OF_A_NUMBER_IN_USE)
    ).one()
    return count, (now - oldest).total_seconds() if oldest else 0.0
