"""Sends in their lanes: add, claim, record. Every function works inside the caller's transaction.

Locks are taken in one order everywhere, so that nobody waits in a circle: conversation, lane, message, job. A lane is
the queue of one conversation's sends; a transaction that adds, claims or settles a send holds its row.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, exists, func, or_, select, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import fixed, insert
from inbox.db.wake import Work, wake
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
    Pause,
)
from inbox.outbox.evidence import accept, ask_about_failure, hand_over_of, no_longer_unconfirmed, overtaken
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
from inbox.outbox.status import ACCOUNT_DELETED, StatusError, apply_status

log = logging.getLogger(__name__)

Places = Mapping[UUID, int | None]  #: by number; None: any

LEASE = timedelta(seconds=20)  # more than the send deadline (10 s) and clock slack
UNKNOWN_HOLD = timedelta(seconds=15)  # how long an unknown head holds its lane before order yields (I6)
GIVE_UP_AFTER = timedelta(hours=24)  # then WhatsApp's reply window is closed anyway
LONGEST_COOL_DOWN = timedelta(minutes=15)


def enqueue_send(session: Session, message: Message, now: datetime) -> None:
    """Add `message` at the end of its conversation's lane. The caller holds the conversation's row."""
    statement = insert(session, Lane).values(
        conversation_id=message.conversation_id, account_id=message.account_id, due_at=now, next_seq=2
    )
    statement = statement.on_conflict_do_update(
        index_elements=[Lane.conversation_id],
        set_={"next_seq": Lane.next_seq + 1, "due_at": func.coalesce(Lane.due_at, statement.excluded.due_at)},
    )
    next_seq = session.execute(statement.returning(Lane.next_seq)).scalar_one()
    job = Job(
        id=new_id(),
        kind=JobKind.SEND,
        account_id=message.account_id,
        conversation_id=message.conversation_id,
        message_id=message.id,
        seq=next_seq - 1,
        due_at=now,
        created_at=now,
    )
    session.add(job)
    session.flush()
    wake(session, Work.DELIVER)


def sends_due(session: Session, now: datetime) -> bool:
    """True when claim_sends may find something: a cheap look before a write transaction."""
    return bool(session.execute(select(_open_accounts(now).exists())).scalar_one())


def _open_accounts(now: datetime) -> Select[UUID]:
    """Numbers that may send and have a lane due. Asked per number, so a paused one with 100,000 lanes costs nothing."""
    return select(Account.id).where(
        Account.paused_reason.is_(None),
        Account.deleted_at.is_(None),
        or_(Account.send_not_before.is_(None), Account.send_not_before <= now),
        exists().where(Lane.account_id == Account.id, Lane.due_at <= now),
    )


def claim_sends(
    session: Session, now: datetime, limit: int, places: Callable[[Sequence[UUID]], Places] = dict.fromkeys
) -> list[SendClaim]:
    """Take up to `limit` sends, one per lane, and mark them as sending. Expired leases become unknown outcomes (I8).

    `places` says in which order numbers are asked, and how many sends each may begin.
    """
    claims: list[SendClaim] = []
    accounts = list(session.execute(_open_accounts(now)).scalars())
    random.shuffle(accounts)  # no number starves behind a busy one
    for account_id, most in places(accounts).items():
        until = limit if most is None else min(limit, len(claims) + most)
        while len(claims) < until:
            lanes = _lock_due_lanes(session, account_id, now, until - len(claims))
            if not lanes:
                break
            claims += _claim_heads(session, lanes, now)
    return claims


def _lock_due_lanes(session: Session, account_id: UUID, now: datetime, limit: int) -> list[Lane]:
    query = select(Lane).where(Lane.account_id == account_id, Lane.due_at <= now).order_by(Lane.due_at).limit(limit)
    return list(session.execute(query.with_for_update(skip_locked=True)).scalars())


def _claim_heads(session: Session, lanes: list[Lane], now: datetime) -> list[SendClaim]:
    claims = []
    for lane in lanes:
        in_flight = _in_flight(session, lane.conversation_id) if lane.lease is not None else None
        head = _head(session, lane.conversation_id)
        if in_flight is not None:  # not always the head: an earlier send may have been queued again meanwhile
            _lease_expired(session, lane, in_flight, now)
        elif head is None:
            lane.due_at = lane.lease = None
        elif head.due_at is not None and head.due_at > now:
            lane.due_at, lane.lease = head.due_at, None
        else:
            claims.append(_claim(session, lane, head, now))
    session.flush()
    return claims


def _in_flight(session: Session, conversation_id: UUID) -> Job | None:
    query = select(Job).where(Job.conversation_id == conversation_id, Job.state == fixed(JobState.SENDING))
    return session.execute(query.with_for_update()).scalar_one_or_none()


def _head(session: Session, conversation_id: UUID) -> Job | None:
    """The send that may leave next. Unknown ones are passed over: their lane was held for as long as it should be."""
    query = (
        select(Job)
        .where(Job.conversation_id == conversation_id, Job.kind == JobKind.SEND, Job.state != JobState.UNKNOWN)
        .order_by(Job.seq)
        .limit(1)
    )
    return session.execute(query.with_for_update()).scalar_one_or_none()


def _claim(session: Session, lane: Lane, job: Job, now: datetime) -> SendClaim:
    message = session.get_one(Message, job.message_id)
    account = session.get_one(Account, job.account_id)
    contact = session.execute(
        select(Contact)
        .join(Conversation, Conversation.contact_id == Contact.id)
        .where(Conversation.id == job.conversation_id)
    ).scalar_one()
    lane.lease, lane.due_at = uuid4(), now + LEASE
    job.state = JobState.SENDING
    message.attempts += 1
    message.attempted_at = now
    message.status = MessageStatus.SENDING
    return SendClaim(
        job_id=job.id,
        lease=lane.lease,
        message_id=message.id,
        attempt=message.attempts,
        conversation_id=job.conversation_id,
        account_id=job.account_id,
        phone_number_id=account.phone_number_id,
        access_token_encrypted=account.access_token_encrypted,
        recipient=Recipient(contact.phone, contact.user_id, contact.group_id),
        text=message.content_text,
        reply_to_wa_id=message.reply_to_wa_id,
        hand_over_of=hand_over_of(message),
    )


def _lease_expired(session: Session, lane: Lane, job: Job, now: datetime) -> None:
    """The holder of the lease died, perhaps after the request had left: unknown, not a retry (I8)."""
    log.warning("send lease expired, outcome unknown", extra={"message_id": str(job.message_id)})
    _to_unknown(session, job, now)
    lane.lease, lane.due_at = None, next_due(session, job.conversation_id, now)


def _to_unknown(session: Session, job: Job, now: datetime) -> None:
    message = session.get_one(Message, job.message_id)
    if job.state != JobState.UNKNOWN:  # a late record of what a lease's end has told already holds nothing up again
        job.held_until = now + UNKNOWN_HOLD
    job.state = JobState.UNKNOWN
    job.due_at, job.listening_from, job.payload = now, None, {}  # settle_unknown knows the confirm window
    message.status = MessageStatus.UNCONFIRMED


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
    conversation_id = _touch_conversation(session, claim.message_id, now)
    if conversation_id is None:  # deleted meanwhile
        return False
    lane = lock_lane(session, conversation_id)
    message = session.get_one(Message, claim.message_id, with_for_update=True)
    job = session.get(Job, claim.job_id, with_for_update=True)
    # The attempt is the fence: a late result must not be told of the attempt that came after it. UNKNOWN counts as
    # ours too, because the end of our lease may have been told before we come with what really happened.
    if job is not None and message.attempts == claim.attempt and job.state in (JobState.SENDING, JobState.UNKNOWN):
        doubted = message.status == MessageStatus.UNCONFIRMED
        _record_on_job(session, message, job, outcome, now, rng)
        if doubted and message.status != MessageStatus.UNCONFIRMED:
            no_longer_unconfirmed(session, message, now)
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
        lane.lease, lane.due_at = None, next_due(session, conversation_id, now)
    session.flush()
    return job is not None


def _record_on_job(
    session: Session, message: Message, job: Job, outcome: Outcome, now: datetime, rng: random.Random
) -> None:
    match outcome:
        case Accepted(wa_message_id):
            accept(session, message, wa_message_id, message.attempts, now)
        case Refused(code, title, detail):
            _fail(session, message, job, StatusError(code, title, detail), now)
        case Unknown():
            _to_unknown(session, job, now)
        case PauseNumber():
            back_to_pending(message, job, now)
        case RetryLater():
            if now - job.created_at > GIVE_UP_AFTER:
                error = StatusError("gave_up", "WhatsApp could not be reached for 24 hours.", outcome.reason)
                _fail(session, message, job, error, now)
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


def retry_delay(attempts: int, rng: random.Random, *, base: float = 1.0, cap: float = 60.0) -> float:
    """Seconds before the next attempt: base * 4**(attempts-1) up to cap, of which a random half to whole.

    1 s, 4 s, 16 s, 60 s, 60 s … for attempts 1, 2, 3 … WhatsApp's own advice is 4**X seconds (About the platform,
    pair rate limits, 2026); the random part keeps many lanes from returning at once.
    """
    whole = min(cap, base * 4.0 ** min(max(attempts, 1) - 1, 16))
    return rng.uniform(whole / 2, whole)


def back_to_pending(message: Message, job: Job, due: datetime) -> None:
    """The message waits again, until `due`."""
    job.state = JobState.PENDING
    job.due_at, job.held_until = due, None
    message.status = MessageStatus.QUEUED


def _fail(session: Session, message: Message, job: Job, error: StatusError, now: datetime) -> None:
    apply_status(message, "failed", now, error)
    session.delete(job)
    ask_about_failure(session, message, now)
    log.warning("message refused", extra={"message_id": str(message.id), "code": error.code, "title": error.title})


def _lock_both(session: Session, *conversation_ids: UUID) -> None:
    """In the order of everybody, so that nobody waits in a circle."""
    query = select(Conversation.id).where(Conversation.id.in_(conversation_ids)).order_by(Conversation.id)
    session.execute(query.with_for_update()).all()


def _touch_conversation(session: Session, message_id: UUID, now: datetime) -> UUID | None:
    """Lock the message's conversation and mark it as changed. None when the message is gone."""
    wanted = select(Message.conversation_id).where(Message.id == message_id).scalar_subquery()
    statement = update(Conversation).where(Conversation.id == wanted).values(changed_at=now)
    return session.execute(statement.returning(Conversation.id)).scalar_one_or_none()


def lock_lane(session: Session, conversation_id: UUID) -> Lane | None:
    """The conversation's lane, held until the transaction ends. None when nothing was ever sent."""
    return session.get(Lane, conversation_id, with_for_update=True)


def next_due(session: Session, conversation_id: UUID, now: datetime) -> datetime | None:
    """When to look at the lane next: its head is due and no unknown outcome holds it. None: there is nothing to do."""
    session.flush()
    sends = select(Job.due_at).where(Job.conversation_id == conversation_id, Job.kind == JobKind.SEND)
    head = sends.where(Job.state != JobState.UNKNOWN).order_by(Job.seq).limit(1).scalar_subquery()
    holds = select(func.max(Job.held_until)).where(Job.conversation_id == conversation_id, Job.held_until > now)
    due, held_until = session.execute(select(head, holds.scalar_subquery())).one()
    return max(filter(None, (due, held_until)), default=None)


def _cool_down(session: Session, account_id: UUID, after: float | None, now: datetime) -> None:
    until = now + min(timedelta(seconds=after if after is not None else 5.0), LONGEST_COOL_DOWN)
    later = or_(Account.send_not_before.is_(None), Account.send_not_before < until)
    cooling = update(Account).where(Account.id == account_id, Account.deleted_at.is_(None), later)
    session.execute(cooling.values(send_not_before=until))


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
