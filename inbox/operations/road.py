"""One message's road across web, worker and upstream, told from what the database keeps of it.

Logs may be gone or on another machine; rows are not. No text that anybody wrote is told, and no number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from inbox.clock import first_id, rfc3339
from inbox.db import Database
from inbox.gateways.whatsapp.pauses import in_words as why_paused
from inbox.models import (
    NOT_SENT_YET,
    Account,
    AuditEntry,
    Author,
    Conversation,
    DeadLetter,
    Direction,
    Incident,
    Job,
    JobKind,
    JobState,
    Message,
    MessageStatus,
    WebhookEvent,
)
from inbox.operations.text import some
from inbox.outbox import tries
from inbox.outbox.tries import Try

_MESSAGES = 20  #: that one request may have written
_NEAR = timedelta(minutes=10)  #: after a request began, whose id tells when
_PAGE, _PAGES = 500, 40  #: of webhooks that are looked through for the one that brought a message
_SKEW = timedelta(minutes=2)  #: between WhatsApp's clock and ours
_ANSWERS, _LATER = 5, 50  #: answers that are told; positions after it that are looked at
_REST_OF_SECOND = timedelta(microseconds=999_999)


@dataclass(frozen=True, slots=True)
class Step:
    """What happened, when and where: at WhatsApp, in a web process, in a worker, at a person's.

    `told`: a time of WhatsApp's, in whole seconds.
    """

    at: datetime
    where: str
    what: str
    told: bool = False

    @property
    def place(self) -> datetime:
        """Where it stands among the others: what was told may have been at any moment of its second, after ours."""
        return self.at + _REST_OF_SECOND if self.told and not self.at.microsecond else self.at


@dataclass(slots=True)
class Road:
    """`now`: how things stand."""

    title: str
    steps: list[Step] = field(default_factory=list)
    now: list[str] = field(default_factory=list)


def explain(db: Database, id_: str, back: timedelta) -> list[Road]:
    """The roads of the messages with this id, oldest first; of a request those it wrote. Empty when nothing has it."""
    with db.reading() as session:
        now = db.now(session)
        messages = _messages(session, id_, now - back)
        roads = [_road(session, message, now) for message in messages]
        audited = _audited(session, id_, now - back)
    return roads + ([audited] if audited else [])


def in_words(road: Road) -> Iterator[str]:
    """Lines for a terminal. Times are UTC."""
    yield road.title
    width = max((len(step.where) for step in road.steps), default=0)
    for step in sorted(road.steps, key=lambda each: each.place):
        yield f"  {rfc3339(step.at)}  {step.where.ljust(width)}  {step.what}"
    for line in road.now:
        yield f"  now: {line}"


# --- finding -----------------------------------------------------------------------------------------------------


def _messages(session: Session, id_: str, since: datetime) -> Sequence[Message]:
    """By our id, WhatsApp's, or the request's, whose id tells its time when it is ours."""
    ours = _uuid(id_)
    if ours is not None and (message := session.get(Message, ours)) is not None:
        return [message]
    theirs = select(Message).where(Message.wa_message_id == id_).limit(_MESSAGES)
    if found := session.execute(theirs).scalars().all():
        return found
    places: list[ColumnElement[bool]] = [Message.id >= first_id(since)]
    if ours is not None and ours.version == 7:
        began = _time_of(ours)
        places = [Message.id >= first_id(began - _SKEW), Message.id < first_id(began + _NEAR)]
    written = select(Message).where(Message.request_id == id_, *places).order_by(Message.id).limit(_MESSAGES)
    return session.execute(written).scalars().all()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _time_of(id_: UUID) -> datetime:
    """When a UUIDv7 was made."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, tz=UTC)


def _audited(session: Session, id_: str, since: datetime) -> Road | None:
    """What the audit log has of a request."""
    query = select(AuditEntry).where(AuditEntry.at >= since, AuditEntry.request_id == id_).order_by(AuditEntry.at)
    entries = session.execute(query.limit(_MESSAGES)).scalars().all()
    if not entries:
        return None
    steps = [
        Step(each.at, "web", f"{each.action} of {each.target_id or '-'}, by a {each.actor_kind}") for each in entries
    ]
    return Road(f"Request {id_} in the audit log", steps)


# --- telling -----------------------------------------------------------------------------------------------------


def _road(session: Session, message: Message, now: datetime) -> Road:
    road = Road(f"Message {message.id} of conversation {message.conversation_id}, number {message.account_id}")
    if message.direction == Direction.INBOUND:
        _tell_how_it_came(session, message, road)
        _tell_what_answered(session, message, road)
    else:
        _tell_how_it_left(message, road)
        _tell_why_it_waits(session, message, road, now)
    ended = max((step.at for step in road.steps), default=message.stored_at)
    waits = message.status in (*NOT_SENT_YET, MessageStatus.UNCONFIRMED)
    open_ = waits or (message.awaits_answer and not _is_answered(session, message))
    until = now if open_ else ended
    _tell_acts(session, message, road, until)
    _tell_what_was_away(session, road, message.stored_at, until)
    return road


def _tell_how_it_came(session: Session, message: Message, road: Road) -> None:
    road.steps.append(Step(message.timestamp, "WhatsApp", f"the customer wrote it ({message.message_type})"))
    event = _event_of(session, message)
    if event is None:
        road.now.append("the webhook that brought it is not kept any more, or came long before it was stored")
    else:
        told = f"webhook {event.id} was stored, {event.size} bytes"
        road.steps.append(Step(event.received_at, "web", told))
        items, dead = some(event.items, "item"), some(event.dead, "dead letter")
        read = f"{items}: {event.stored} stored, {event.duplicates} seen before, {dead}"
        road.now.append(f"that webhook is {event.state}; {read}")
        letters = session.execute(select(DeadLetter.reason).where(DeadLetter.event_id == event.id).limit(_MESSAGES))
        road.now += [f"a part of it is a dead letter: {reason}" for (reason,) in letters] if event.dead else []
    road.steps.append(Step(message.stored_at, "worker", f"read, and stored as number {message.position} of its thread"))


def _event_of(session: Session, message: Message) -> WebhookEvent | None:
    """The webhook that brought it: one that holds its id, of those that came before it was stored."""
    if message.wa_message_id is None:
        return None
    wanted = message.wa_message_id.encode()
    after, last = first_id(message.timestamp - _SKEW), first_id(message.stored_at + _SKEW)
    query = select(WebhookEvent.id, WebhookEvent.body).order_by(WebhookEvent.id).limit(_PAGE)
    for _ in range(_PAGES):
        page = session.execute(query.where(WebhookEvent.id > after, WebhookEvent.id <= last)).all()
        for row in page:
            if wanted in bytes(row.body):
                return session.get(WebhookEvent, row.id)
        if len(page) < _PAGE:
            return None
        after = page[-1].id
    return None


def _tell_what_answered(session: Session, message: Message, road: Road) -> None:
    """What was said after it: the first answer, and what else came before the customer wrote again."""
    answers: list[Message] = []
    for later in _after(session, message):
        answered = any(each.author_kind != Author.SYSTEM for each in answers)
        if later.direction == Direction.OUTBOUND:
            answers.append(later)
        elif answered:
            break
    for answer in answers[:_ANSWERS]:
        waited = (answer.stored_at - message.timestamp).total_seconds()
        told = f"answer {answer.id} was queued, {waited:.1f} s after it"
        road.steps.append(Step(answer.stored_at, _PLACES[Author(answer.author_kind)], told))
        if answer.sent_at is not None:
            road.steps.append(Step(answer.sent_at, "WhatsApp", f"took the answer {answer.id}", told=True))
    if message.awaits_answer and not _is_answered(session, message):
        conversation = session.get_one(Conversation, message.conversation_id)
        road.now.append("nobody has answered it yet")
        road.now += [f"it asks for a person: {conversation.needs_human_reason}"] if conversation.needs_human else []
        pending = select(Job).where(Job.conversation_id == conversation.id, Job.kind == JobKind.ANSWER)
        job = session.execute(pending).scalar_one_or_none()
        if job is not None and job.due_at is not None:
            tried = some(job.attempts, "try", "tries")
            road.now.append(f"the bot will look at it at {rfc3339(job.due_at)}, after {tried}")


def _after(session: Session, message: Message) -> Iterator[Message]:
    """What came after it in its conversation, in the order it came to us."""
    query = select(Message).where(
        Message.conversation_id == message.conversation_id,
        Message.timestamp >= message.timestamp - _SKEW,
        Message.position.between(message.position + 1, message.position + _LATER),
    )
    yield from session.execute(query.order_by(Message.position)).scalars()


def _is_answered(session: Session, message: Message) -> bool:
    return message.position <= session.get_one(Conversation, message.conversation_id).answered_through


_PLACES = {Author.AGENT: "web", Author.BOT: "worker", Author.SYSTEM: "worker", Author.CUSTOMER: "WhatsApp"}


def _tell_how_it_left(message: Message, road: Road) -> None:
    by = f"request {message.request_id}" if message.request_id else "a request whose id is not kept"
    where = _PLACES[Author(message.author_kind)]
    road.steps.append(Step(message.stored_at, where, f"queued for the {message.author_kind} ({by})"))
    earlier = list(tries.of(message))
    begun = {each.attempt: each.began for each in earlier}
    if message.attempted_at is not None:
        begun[message.attempts] = message.attempted_at
    for attempt, began in begun.items():
        told = f"attempt {attempt} began; the log has it under message_id {message.id}"
        road.steps.append(Step(began, "worker", told))
    road.steps += [Step(each.ended, "worker", f"attempt {each.attempt} {_came_to(each)}") for each in earlier]
    for at, what in (
        (message.sent_at, f"accepted, as {message.wa_message_id}"),
        (message.delivered_at, "delivered"),
        (message.read_at, "read"),
        (message.failed_at, f"failed: {message.error_code or '-'} {message.error_title or ''}".rstrip()),
    ):
        if at is not None:
            road.steps.append(Step(at, "WhatsApp", what, told=True))


def _came_to(tried: Try) -> str:
    if tried.unknown:
        return "had no usable answer: WhatsApp may have it"
    if tried.pause is not None:
        return f"was refused, and its number paused: {why_paused(tried.pause)}"
    return "was not taken, to be tried again"


def _tell_acts(session: Session, message: Message, road: Road, until: datetime) -> None:
    """What people did about it while it was on its way: its number paused and resumed, itself sent again, a restore."""
    account = session.get_one(Account, message.account_id)
    outbound = message.direction == Direction.OUTBOUND
    if outbound and account.paused_at is not None:
        road.steps.append(Step(account.paused_at, "number", f"paused: {why_paused(account.paused_reason)}"))
    resumed = (AuditEntry.action == "account.resumed") & (AuditEntry.account_id == message.account_id)
    resent = (AuditEntry.action == "message.resent") & (AuditEntry.target_id == str(message.id))
    restored = AuditEntry.action == "database.restored"
    query = select(AuditEntry).where(
        AuditEntry.at >= message.stored_at,
        AuditEntry.at <= until,
        or_(resumed, resent, restored) if outbound else restored,
    )
    for entry in session.execute(query.order_by(AuditEntry.at).limit(_MESSAGES)).scalars():
        road.steps += _acts(entry)


def _acts(entry: AuditEntry) -> Iterator[Step]:
    by = " ".join(filter(None, (entry.actor_kind, entry.actor_id)))
    if entry.action == "database.restored":
        left = "what it took for undone was left to people"
        yield Step(entry.at, "database", f"was put back from a backup; {left}")
    elif entry.action == "message.resent":
        yield Step(entry.at, "web", f"to be sent again, says {by} (request {entry.request_id})")
    else:
        if since := entry.details.get("since"):
            reason = why_paused(entry.details.get("before"))
            yield Step(datetime.fromisoformat(since), "number", f"paused: {reason}")
        yield Step(entry.at, "number", f"resumed by {by}")


def _tell_why_it_waits(session: Session, message: Message, road: Road, now: datetime) -> None:
    road.now.append(message.status)
    job = session.execute(select(Job).where(Job.message_id == message.id)).scalar_one_or_none()
    if job is None:
        return
    if job.state == JobState.UNKNOWN:
        road.now.append("WhatsApp may have it: waiting for a status that says so, or for a person")
    elif job.due_at is not None and job.due_at > now:
        tried = some(job.attempts, "try that counts", "tries that count")
        road.now.append(f"tried again at {rfc3339(job.due_at)}, after {tried}")
    before = select(Job.id).where(
        Job.conversation_id == job.conversation_id, Job.kind == JobKind.SEND, Job.seq < job.seq
    )
    ahead = len(session.execute(before.limit(100)).all())
    comes = some(ahead, "send of its conversation comes", "sends of its conversation come")
    road.now += [f"{comes} first"] if ahead else []
    account = session.get_one(Account, message.account_id)
    if account.paused_reason is not None:
        road.now.append(f"its number is paused: {why_paused(account.paused_reason)}")
    if account.send_not_before is not None and account.send_not_before > now:
        road.now.append(f"WhatsApp asked its number to wait until {rfc3339(account.send_not_before)}")


def _tell_what_was_away(session: Session, road: Road, since: datetime, until: datetime) -> None:
    """Incidents that overlap it."""
    lasting = or_(Incident.ended_at.is_(None), Incident.ended_at >= since)
    query = select(Incident).where(Incident.started_at <= until, lasting).order_by(Incident.started_at.desc())
    for incident in session.execute(query.limit(_ANSWERS)).scalars():
        ended = rfc3339(incident.ended_at) if incident.ended_at else "now"
        step = f"was away until {ended} ({incident.first_error or 'no error'})"
        road.steps.append(Step(incident.started_at, incident.upstream, step))
