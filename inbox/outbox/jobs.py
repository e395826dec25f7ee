"""Answers and receipts: jobs without a lane, at most one of each kind per conversation, safe to run again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import Database, fixed, insert
from inbox.db.wake import Work, wake
from inbox.models import Account, Job, JobKind, JobState

MAX_READ_ATTEMPTS = 3
MAX_RAISED = 3  #: times that our own code may fail at a job
_RAISED_WAIT = timedelta(seconds=10)  # times how often it has
PATIENCE = timedelta(seconds=15)
_NOT_A_SEND = Job.kind != fixed(JobKind.SEND)
_OF_A_NUMBER_IN_USE = Job.account_id.in_(select(Account.id).where(Account.deleted_at.is_(None)))
LEASES = {JobKind.ANSWER: timedelta(seconds=60), JobKind.READ: timedelta(seconds=30)}


@dataclass(frozen=True, slots=True)
class JobClaim:
    """An answer or a receipt to work on until the lease ends."""

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
            "kind": JobKind.ANSWER,
            "account_id": each.account_id,
            "conversation_id": each.conversation_id,
            "state": JobState.PENDING,
            "due_at": max(each.since, now + quiet),
            "revision": 1,
            "created_at": each.since,
            "payload": {},
        }
        for each in sorted(owed, key=lambda each: each.conversation_id)
    ]
    statement = insert(session, Job)
    patient = (Job.lease.is_(None)) & (Job.created_at > now + quiet - patience(debounce))
    patient &= Job.due_at < statement.excluded.due_at  # later only: after an answer that was put off the wait is longer
    statement = statement.on_conflict_do_update(
        index_elements=[Job.conversation_id, Job.kind],
        index_where=_NOT_A_SEND,
        set_={"revision": Job.revision + 1, "due_at": case((patient, statement.excluded.due_at), else_=Job.due_at)},
    )
    session.execute(statement, rows)
    wake(session, Work.ANSWER)


def withdraw_answers(session: Session, conversation_ids: Iterable[UUID]) -> None:
    """Nobody waits for the bot here any more. An answer being written finds its job gone, and is discarded."""
    answers = (Job.conversation_id.in_(list(conversation_ids))) & (Job.kind == fixed(JobKind.ANSWER))
    session.execute(delete(Job).where(answers))


def void_answers(session: Session, conversation_ids: Iterable[UUID], now: datetime) -> None:
    """What was asked has changed: answers being written are void, and their jobs are due."""
    answers = (Job.conversation_id.in_(list(conversation_ids))) & (Job.kind == fixed(JobKind.ANSWER))
    again = {"lease": None, "due_at": now, "attempts": 0, "revision": Job.revision + 1}
    session.execute(update(Job).where(answers).values(again))


def request_receipt(
    session: Session, account_id: UUID, conversation_id: UUID, wa_message_id: str, now: datetime, *, typing: bool
) -> None:
    """Mark the customer's message (and those before it) as read, perhaps with the typing indicator."""
    statement = insert(session, Job).values(
        id=new_id(),
        kind=JobKind.READ,
        account_id=account_id,
        conversation_id=conversation_id,
        due_at=now,
        created_at=now,
        payload={"wa_message_id": wa_message_id, "typing": "yes" if typing else ""},
    )
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Job.conversation_id, Job.kind],
            index_where=_NOT_A_SEND,
            set_={"payload": statement.excluded.payload, "revision": Job.revision + 1},
        )
    )
    wake(session, Work.HOUSEKEEPING)


def jobs_due(session: Session, kind: JobKind, now: datetime) -> bool:
    """True when claim_jobs may find something."""
    due = select(Job.id).where(Job.kind == kind, _NOT_A_SEND, Job.due_at <= now, _OF_A_NUMBER_IN_USE)
    # The order makes the planner use the index; without, it hopes that some job is due and reads until it meets one.
    return session.execute(due.order_by(Job.due_at).limit(1)).first() is not None


def claim_due(db: Database, kind: JobKind, count: int) -> list[JobClaim]:
    """Up to `count` due jobs of a kind, leased. A look without a lock comes first: mostly nothing is due."""
    with db.reading() as session:
        if not jobs_due(session, kind, db.now(session)):
            return []
    with db.writing() as session:
        return claim_jobs(session, kind, db.now(session), count)


def claim_jobs(session: Session, kind: JobKind, now: datetime, limit: int) -> list[JobClaim]:
    """Lease up to `limit` due jobs of `kind`. A lease that ended in a crash is simply taken again."""
    query = (
        select(Job)
        .where(Job.kind == kind, _NOT_A_SEND, Job.due_at <= now, _OF_A_NUMBER_IN_USE)
        .order_by(Job.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claims = []
    for job in session.execute(query).scalars():
        job.lease, job.due_at = uuid4(), now + LEASES[kind]
        job.attempts += 1
        claims.append(
            JobClaim(
                job_id=job.id,
                lease=job.lease,
                kind=kind,
                account_id=job.account_id,
                conversation_id=job.conversation_id,
                revision=job.revision,
                attempts=job.attempts,
                payload=dict(job.payload),
                created_at=job.created_at,
            )
        )
    return claims


def held_job(session: Session, claim: JobClaim) -> Job | None:
    """The claimed job's row, locked, if the lease is still ours."""
    job = session.get(Job, claim.job_id, with_for_update=True)
    return job if job is not None and job.lease == claim.lease else None


def finish_job(session: Session, claim: JobClaim, now: datetime) -> None:
    """The work is done: drop the job, or let it run again if something joined it meanwhile."""
    job = held_job(session, claim)
    if job is None:
        return
    if job.revision == claim.revision:
        session.delete(job)
    else:
        job.lease, job.due_at, job.attempts, job.created_at = None, now, 0, now


def keep_job(session: Session, claim: JobClaim, since: datetime, due: datetime) -> None:
    """The customer still waits, from `since` on: the job begins again, at `due`."""
    job = held_job(session, claim)
    if job is not None:
        job.lease, job.due_at, job.attempts, job.created_at = None, due, 0, since


def drop_job(session: Session, claim: JobClaim) -> None:
    """The work is done, or nobody wants it any more."""
    job = held_job(session, claim)
    if job is not None:
        session.delete(job)


def postpone_job(session: Session, claim: JobClaim, until: datetime) -> None:
    """Give the job back, to be tried again at `until`."""
    job = held_job(session, claim)
    if job is not None:
        job.lease, job.due_at = None, until


def note_raised(session: Session, claim: JobClaim, now: datetime) -> bool:
    """Our own code failed at it: give it back, for a while. False when that was once too often, and it is dropped."""
    job = held_job(session, claim)
    if job is None:
        return True
    job.raised += 1
    job.lease, job.due_at = None, now + job.raised * _RAISED_WAIT
    if job.raised >= MAX_RAISED:
        session.delete(job)
    return job.raised < MAX_RAISED


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in the outbox. `oldest_s` is seconds."""

    waiting: int
    oldest_s: float
    unconfirmed: int


def depth(session: Session, now: datetime) -> Depth:
    """How much waits, how long the oldest has been waiting, and how many sends have an unknown outcome."""
    waiting, oldest, unknown = session.execute(
        select(
            func.count(),
            func.min(Job.created_at),
            func.count(case((Job.state == fixed(JobState.UNKNOWN), 1))),
        ).where(_OF_A_NUMBER_IN_USE)
    ).one()
    since = min(oldest, now) if oldest else now  # an answer that waits for a person's pause to end is not late
    return Depth(waiting - unknown, (now - since).total_seconds(), unknown)
