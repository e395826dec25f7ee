"""Sends in their lanes: add, claim, record. Every function works inside the caller's transaction.

Locks are taken in one order everywhere, so that nobody waits in a circle: conversation, lane, message, job. A lane is
the queue of one conversation's sends; a transaction that adds, claims or settles a send holds its row.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, bindparam, case, exists, false, func, or_, select, update
from sqlalchemy.orm import Session, aliased, load_only

from inbox.db import fixed, one_of
from inbox.db.wake import Work, wake
from inbox.db.writes import update_rows
from inbox.gateways.whatsapp.messages import Recipient
from inbox.models import (
    Account,
    Contact,
    Conversation,
    Job,
    JobKind,
    JobState,
    Lane,
    Message,
    MessageStatus,
    ParkedStatus,
    Pause,
    UTCDateTime,
)
from inbox.models.base import server_now
from inbox.outbox import tries
from inbox.outbox.due import lock_due_lanes
from inbox.outbox.evidence import (
    accept,
    ask_about_failure,
    hand_over_of,
    merge_parked,
    no_longer_unconfirmed,
    overtaken,
)
from inbox.outbox.outcomes import (
    Accepted,
    Outcome,
    PauseNumber,
    Refused,
    RetryLater,
    Scope,
    SendClaim,
    Unknown,
)
from inbox.outbox.status import ACCOUNT_DELETED, CONTACT_BLOCKED, StatusError, apply_status

log = logging.getLogger(__name__)

_LANES: Any = Lane.__table__
_MESSAGES: Any = Message.__table__
_JOBS: Any = Job.__table__
Sent = tuple[SendClaim, Accepted]

LEASE = timedelta(seconds=20)  # more than the send deadline (10 s) and clock slack
UNKNOWN_HOLD = timedelta(seconds=15)  # how long an unknown head holds its lane before order yields (I6)
GIVE_UP_AFTER = timedelta(hours=24)  # then WhatsApp's reply window is closed anyway
LONGEST_COOL_DOWN = timedelta(minutes=15)
_OTHER = aliased(Job)
_FIRST = (
    select(func.min(_OTHER.seq))
    .where(_OTHER.conversation_id == Job.conversation_id)
    .where(_OTHER.kind == JobKind.SEND, _OTHER.state != JobState.UNKNOWN)
    .scalar_subquery()
)
_HEADS = (
    select(
        Job.id.label("job_id"),
        Job.conversation_id,
        Job.message_id,
        Job.due_at,
        Job.payload.label("about"),
        Message.attempts,
        Message.content_text,
        Message.reply_to_wa_id,
        Message.author_kind,
        Message.message_type,
        Message.payload,
        Contact.phone,
        Contact.user_id,
        Contact.group_id,
    )
    .join(Message, Job.message_id == Message.id)
    .join(Conversation, Job.conversation_id == Conversation.id)
    .join(Contact, Conversation.contact_id == Contact.id)
    .where(Job.seq == _FIRST, Job.kind == JobKind.SEND)
)


def claim_sends(
    session: Session, now: datetime, limit: int, most: Mapping[UUID, int] = MappingProxyType({})
) -> list[SendClaim]:
    """Take up to `limit` sends, one per lane, and mark them as sending. Expired leases become unknown outcomes (I8).

    `most`: how many of them may be of these numbers.
    """
    lanes = lock_due_lanes(session, now, limit, most)
    ready = [lane for lane in lanes if lane.lease is None or not _lease_expired(session, lane, now)]
    heads = _heads(session, [lane.conversation_id for lane in ready])
    claims: list[SendClaim] = []
    early: list[UUID] = []
    lease = uuid4()
    for lane in ready:
        head = heads.get(lane.conversation_id)
        if head is None or (head.due_at is not None and head.due_at > now):
            early.append(lane.conversation_id)
        else:
            claims.append(_send_claim(lane, head, lease))
    rest_lanes(session, early, now)
    _mark_sending(session, claims, now)
    return claims


def _heads(session: Session, conversation_ids: Sequence[UUID]) -> dict[UUID, Row[Any]]:
    """The send that may leave next in each lane. Unknown ones are passed over: they held it for as long as they should.

    The lanes are held, so nothing that is read here changes.
    """
    heads: dict[UUID, Row[Any]] = {}
    for condition in one_of(session, Job.conversation_id, conversation_ids):
        heads.update({row.conversation_id: row for row in session.execute(_HEADS.where(condition))})
    return heads


def _send_claim(lane: Row[Any], head: Row[Any], lease: UUID) -> SendClaim:
    return SendClaim(
        job_id=head.job_id,
        lease=lease,
        message_id=head.message_id,
        attempt=head.attempts + 1,
        conversation_id=head.conversation_id,
        account_id=lane.account_id,
        phone_number_id=lane.phone_number_id,
        access_token_encrypted=lane.access_token_encrypted,
        recipient=Recipient(head.phone, head.user_id, head.group_id),
        text=head.content_text,
        reply_to_wa_id=head.reply_to_wa_id,
        type=head.message_type,
        payload=head.payload,
        hand_over_of=hand_over_of(head),
        asked_at=head.about.get("asked_at"),
    )


def _mark_sending(session: Session, claims: Sequence[SendClaim], now: datetime) -> None:
    if not claims:
        return
    begun = {"status": MessageStatus.SENDING, "attempted_at": now}
    leased = [
        {"conversation_id": claim.conversation_id, "lease": claim.lease, "due_at": now + LEASE} for claim in claims
    ]
    update_rows(session, _LANES, leased)
    update_rows(session, _MESSAGES, [{"id": each.message_id, "attempts": each.attempt, **begun} for each in claims])
    update_rows(session, _JOBS, [{"id": claim.job_id, "state": JobState.SENDING} for claim in claims])


def _lease_expired(session: Session, lane: Row[Any], now: datetime) -> bool:
    """The holder of the lease died, perhaps after the request had left: unknown, not a retry (I8).

    False when it had begun nothing. What is in flight is not always the head: an earlier send may have been queued
    again meanwhile.
    """
    query = select(Job).where(Job.conversation_id == lane.conversation_id, Job.state == fixed(JobState.SENDING))
    job = session.execute(query.with_for_update()).scalar_one_or_none()
    if job is None:
        return False
    log.warning("send lease expired, outcome unknown", extra={"message_id": str(job.message_id)})
    _to_unknown(session, job, now)
    rest_lanes(session, [lane.conversation_id], now)
    return True


def _to_unknown(session: Session, job: Job, now: datetime) -> None:
    message = session.get_one(Message, job.message_id)
    if job.state != JobState.UNKNOWN:  # a late record of what a lease's end has told already holds nothing up again
        job.held_until = now + UNKNOWN_HOLD
        tries.note(message, Unknown("no usable answer"), now)
    job.state = JobState.UNKNOWN
    job.due_at, job.listening_from, job.payload = now, None, {}  # settle_unknown knows the confirm window
    message.status = MessageStatus.UNCONFIRMED
    wake(session, Work.HOUSEKEEPING)


def record_accepted(session: Session, sends: Sequence[Sent], now: datetime) -> list[Sent]:
    """Store that WhatsApp took these sends, all at once.

    Those that are not as they were when they were claimed are returned: `record` is for each of them, in a transaction
    of its own.
    """
    found = {row.Job.id: row for row in _lock_claimed(session, [claim for claim, _ in sends])}
    left: list[Sent] = []
    done: dict[UUID, tuple[Message, str]] = {}
    for claim, outcome in sends:
        row = found.get(claim.job_id)
        if row is None or not _is_as_claimed(row, claim) or row.Lane.conversation_id in done:
            left.append((claim, outcome))
            continue
        row.Conversation.touch()
        accept(session, row.Message, outcome.wa_message_id, claim.attempt, now, merge=False)
        done[row.Lane.conversation_id] = (row.Message, outcome.wa_message_id)
    if _rest_lanes(session, done, now, [wa_id for _, wa_id in done.values()]):
        for message, wa_id in done.values():
            merge_parked(session, message, wa_id, now)
    return left


def _lock_claimed(session: Session, claims: Sequence[SendClaim]) -> Iterable[Row[Any]]:
    (condition,) = one_of(session, Job.id, {claim.job_id for claim in claims})
    query = (
        select(Conversation, Lane, Message, Job, Account)  # the number is at hand for who is told of it
        .options(load_only(Conversation.id))
        .join(Message, Job.message_id == Message.id)
        .join(Conversation, Message.conversation_id == Conversation.id)
        .join(Lane, Message.conversation_id == Lane.conversation_id)
        .join(Account, Message.account_id == Account.id)
        .where(condition)
        .order_by(Conversation.id)
        .with_for_update(of=[Conversation, Lane, Message, Job])
    )
    return session.execute(query)


def _is_as_claimed(row: Row[Any], claim: SendClaim) -> bool:
    states = row.Job.state, row.Message.status, row.Message.attempts, row.Lane.lease
    return states == (JobState.SENDING, MessageStatus.SENDING, claim.attempt, claim.lease)


def record(
    session: Session,
    claim: SendClaim,
    outcome: Outcome,
    now: datetime,
    rng: random.Random,
    *,
    rest: float | None = None,
) -> bool:
    """Store what became of a claimed send. True when it settled the message's attempt.

    `rest`: seconds for which the whole number should send nothing.

    The job may be gone (an echo settled it first, or its number was removed) or may belong to a later attempt (our
    lease had expired); then only facts about WhatsApp's acceptance are kept.
    """
    if claim.hand_over_of is not None:
        _lock_both(session, claim.hand_over_of, claim.conversation_id)
    touched = _touch_conversation(session, claim.message_id)
    if touched is None:  # deleted meanwhile
        return False
    conversation_id, blocked_at = touched
    lane, message, job, _number = _lock_send(session, claim, conversation_id)  # at hand for who is told of it
    # The attempt is the fence: a late result must not be told of the attempt that came after it. UNKNOWN counts as
    # ours too, because the end of our lease may have been told before we come with what really happened.
    if job is not None and message.attempts == claim.attempt and job.state in (JobState.SENDING, JobState.UNKNOWN):
        doubted = message.status == MessageStatus.UNCONFIRMED
        _record_on_job(session, message, job, outcome, now, rng, blocked=blocked_at is not None)
        if doubted and message.status != MessageStatus.UNCONFIRMED:
            no_longer_unconfirmed(session, message)
    # Too late for the job, but that WhatsApp has the message stays true, and a second copy has to be said.
    elif isinstance(outcome, Accepted) and not overtaken(session, message, outcome.wa_message_id, claim.attempt):
        accept(session, message, outcome.wa_message_id, claim.attempt, now)
    elif job is None and message.attempts == claim.attempt and message.status == MessageStatus.UNCONFIRMED:
        _record_withdrawn(message, outcome, now)
    # What a result says of the number holds whatever became of the message.
    if isinstance(outcome, PauseNumber):
        used = Account.access_token_encrypted.is_not_distinct_from(claim.access_token_encrypted)
        pause_number(session, claim.account_id, outcome.reason, now, used)  # unless it has got another token since
    elif isinstance(outcome, RetryLater) and outcome.scope is Scope.NUMBER:
        _cool_down(session, claim.account_id, outcome.after, now)
    elif rest is not None:
        _cool_down(session, claim.account_id, rest, now)
    # The lane may have been leased again after our lease ended: then it is not ours to give back.
    if lane is not None and lane.lease in (None, claim.lease):
        rest_lanes(session, [conversation_id], now)
    session.flush()
    return job is not None


def _lock_send(
    session: Session, claim: SendClaim, conversation_id: UUID
) -> tuple[Lane | None, Message, Job | None, Account | None]:
    """What a send consists of, locked in the order of all: by one statement while all of it is there.

    With it its number, which is not locked; None when that would take a statement of its own.
    """
    whole = (
        select(Lane, Message, Job, Account)
        .join(Message, Message.conversation_id == Lane.conversation_id)
        .join(Job, Job.message_id == Message.id)
        .join(Account, Account.id == Message.account_id)
        .where(Lane.conversation_id == conversation_id, Message.id == claim.message_id, Job.id == claim.job_id)
        .with_for_update(of=[Lane, Message, Job])
    )
    if (found := session.execute(whole).one_or_none()) is not None:
        return found[0], found[1], found[2], found[3]
    lane = lock_lane(session, conversation_id)
    message = session.get_one(Message, claim.message_id, with_for_update=True)
    return lane, message, session.get(Job, claim.job_id, with_for_update=True), None


def _record_on_job(
    session: Session, message: Message, job: Job, outcome: Outcome, now: datetime, rng: random.Random, *, blocked: bool
) -> None:
    if not isinstance(outcome, Unknown):
        tries.note(message, outcome, now)
    match outcome:
        case Accepted(wa_message_id):
            accept(session, message, wa_message_id, message.attempts, now)
        case Refused(code, title, detail):
            fail(session, message, job, StatusError(code, title, detail), now)
        case Unknown():
            _to_unknown(session, job, now)
        case PauseNumber() | RetryLater() if blocked:
            fail(session, message, job, CONTACT_BLOCKED, now)
        case PauseNumber():
            back_to_pending(message, job, now)
        case RetryLater():
            if now - job.created_at > GIVE_UP_AFTER:
                error = StatusError("gave_up", "WhatsApp could not be reached for 24 hours.", outcome.reason)
                fail(session, message, job, error, now)
                return
            if outcome.scope is not Scope.LOCAL:
                job.attempts += 1
            delay = outcome.after if outcome.after is not None else retry_delay(job.attempts, rng)
            back_to_pending(message, job, now + min(timedelta(seconds=delay), LONGEST_COOL_DOWN))
    session.flush()


def _record_withdrawn(message: Message, outcome: Outcome, now: datetime) -> None:
    """The number was removed while this was sent (`outbox.withdraw`): what did not leave will not leave any more."""
    match outcome:
        case Refused(code, title, detail):
            apply_status(message, "failed", now, StatusError(code, title, detail))
        case RetryLater() | PauseNumber():
            apply_status(message, "failed", now, ACCOUNT_DELETED)


def retry_delay(
    attempts: int, rng: random.Random, *, base: float = 1.0, factor: float = 4.0, cap: float = 60.0
) -> float:
    """Seconds before the next attempt: base * factor**(attempts-1) up to cap, of which a random half to whole.

    1 s, 4 s, 16 s, 60 s, 60 s … for attempts 1, 2, 3 … WhatsApp's own advice is 4**X seconds (About the platform,
    pair rate limits, 2026); the random part keeps many lanes from returning at once.
    """
    whole = min(cap, base * factor ** min(max(attempts, 1) - 1, 16))
    return rng.uniform(whole / 2, whole)


def back_to_pending(message: Message, job: Job, due: datetime) -> None:
    """The message waits again, until `due`."""
    job.state = JobState.PENDING
    job.due_at, job.held_until = due, None
    message.status = MessageStatus.QUEUED


def fail(session: Session, message: Message, job: Job, error: StatusError, now: datetime) -> None:
    """The message will not be sent. The caller holds conversation, lane, message and job."""
    apply_status(message, "failed", now, error)
    session.delete(job)
    ask_about_failure(session, message)
    log.warning("message refused", extra={"message_id": str(message.id), "code": error.code, "title": error.title})


def _lock_both(session: Session, *conversation_ids: UUID) -> None:
    """In the order of everybody, so that nobody waits in a circle."""
    query = select(Conversation.id).where(Conversation.id.in_(conversation_ids)).order_by(Conversation.id)
    session.execute(query.with_for_update()).all()


def _touch_conversation(session: Session, message_id: UUID) -> Row[UUID, datetime | None] | None:
    """Lock the message's conversation and mark it as changed: its id, and since when its contact is blocked.

    None when the message is gone.
    """
    wanted = select(Message.conversation_id).where(Message.id == message_id).scalar_subquery()
    statement = update(Conversation).where(Conversation.id == wanted).values(changed_at=server_now())
    return session.execute(statement.returning(Conversation.id, Conversation.blocked_at)).one_or_none()


def lock_lane(session: Session, conversation_id: UUID) -> Lane | None:
    """The conversation's lane, held until the transaction ends. None when nothing was ever sent."""
    return session.get(Lane, conversation_id, with_for_update=True)


def rest_lanes(session: Session, conversation_ids: Iterable[UUID], now: datetime) -> None:
    """Nothing is in flight in lanes that the caller holds.

    They are looked at next when their heads are due and no unknown outcome holds them; never, when there is nothing.
    """
    _rest_lanes(session, conversation_ids, now, ())


def _rest_lanes(session: Session, conversation_ids: Iterable[UUID], now: datetime, wa_ids: Collection[str]) -> bool:
    """As rest_lanes. True when a status waits for one of these ids of WhatsApp."""
    session.flush()  # the statement is about tables, so nothing else makes the session write what has changed
    early = [
        exists().where(condition, ParkedStatus.account_id == _LANES.c.account_id)
        for condition in one_of(session, ParkedStatus.wa_message_id, wa_ids)
    ]
    parked = or_(false(), *early)
    found = False
    for condition in one_of(session, _LANES.c.conversation_id, set(conversation_ids)):
        rest = _REST.where(condition).returning(_LANES.c.due_at, parked.label("parked"))
        for row in session.execute(rest, {"at": now}):
            found = found or row.parked
            if row.due_at is not None:
                wake(session, Work.DELIVER, row.due_at)
    return found


def _next_due() -> ColumnElement[datetime | None]:
    of_lane = _JOBS.c.conversation_id == _LANES.c.conversation_id
    sends = select(_JOBS.c.due_at).where(of_lane, _JOBS.c.kind == JobKind.SEND, _JOBS.c.state != JobState.UNKNOWN)
    head = sends.order_by(_JOBS.c.seq).limit(1).scalar_subquery()
    still = _JOBS.c.held_until > bindparam("at", type_=UTCDateTime())
    held_until = select(func.max(_JOBS.c.held_until)).where(of_lane, still).scalar_subquery()
    return case((held_until > head, held_until), else_=func.coalesce(head, held_until))


_REST = update(_LANES).values(lease=None, due_at=_next_due())


def _cool_down(session: Session, account_id: UUID, after: float | None, now: datetime) -> None:
    until = now + min(timedelta(seconds=after if after is not None else 5.0), LONGEST_COOL_DOWN)
    later = or_(Account.send_not_before.is_(None), Account.send_not_before < until)
    cooling = update(Account).where(Account.id == account_id, Account.deleted_at.is_(None), later)
    session.execute(cooling.values(send_not_before=until))
    wake(session, Work.DELIVER, until)


def pause_number(
    session: Session, account_id: UUID, reason: Pause, now: datetime, *conditions: ColumnElement[bool]
) -> None:
    """Stop this number's sends until somebody resumes them. Inbound is not touched (I12)."""
    changed = session.execute(
        update(Account)
        .where(Account.id == account_id, Account.paused_reason.is_(None), Account.deleted_at.is_(None), *conditions)
        .values(paused_reason=reason, paused_at=now, updated_at=now)
        .returning(Account.id)
    ).scalar_one_or_none()
    if changed is not None:
        log.error("number paused: its sends wait", extra={"account_id": str(account_id), "reason": reason})
