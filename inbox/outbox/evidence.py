"""What is known of a send that WhatsApp took: accepted, perhaps failed since (I4, I7).

Statuses come early, late, twice and in any order. One that is early is parked until its id is known. A failure stays
parked for as long as statuses do: a message that is sent again forgets its id, and what WhatsApp tells once more about
the send that failed must not pass for news of the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, select, update
from sqlalchemy.orm import Session

from inbox.clock import new_id
from inbox.db import fixed, insert
from inbox.db.writes import delete_rows
from inbox.models import REACTION, Annotation, Author, Conversation, Job, JobState, Message, MessageStatus, ParkedStatus
from inbox.models.base import server_now
from inbox.outbox.status import StatusError, apply_status

log = logging.getLogger(__name__)

_JOBS: Any = Job.__table__

ANSWER_FAILED = "answer_failed"  #: why a person is asked for: what we answered did not reach the customer
HAND_OVER_OF = "hand_over_of"  #: in the payload of a notice to the backup number: the conversation it is about
BUSINESS = "business"  #: the actor of an annotation that the business itself made
UNCONFIRMED = "unconfirmed"  #: why a person is asked for: nobody knows whether the customer has a message


def accept(
    session: Session, message: Message, wa_message_id: str, attempt: int, now: datetime, *, merge: bool = True
) -> None:
    """WhatsApp has the message: remember its id, drop the job, merge statuses that came before us.

    `merge`: False when the caller looks for these itself.
    """
    if message.wa_message_id is None:
        message.wa_message_id = wa_message_id
    elif _is_second_copy(message, wa_message_id):
        message.duplicate_wa_message_id = wa_message_id
        log.error(
            "message accepted twice: the customer has it twice",
            extra={"message_id": str(message.id), "attempt": attempt},
        )
    doubted = message.status == MessageStatus.UNCONFIRMED
    apply_status(message, "sent", now)
    delete_rows(session, _JOBS.c.message_id, message.id)
    if doubted:
        no_longer_unconfirmed(session, message)
    if merge:
        merge_parked(session, message, wa_message_id, now)


def _is_second_copy(message: Message, wa_message_id: str) -> bool:
    """True for an id that is news. What was sent only once is one copy, whatever WhatsApp calls it."""
    return message.attempts > 1 and wa_message_id not in (message.wa_message_id, message.duplicate_wa_message_id)


def no_longer_unconfirmed(session: Session, message: Message) -> None:
    """One doubt less in this conversation; after the last one nobody need look. The caller holds the conversation."""
    session.flush()
    doubts = exists().where(
        Job.conversation_id == message.conversation_id,
        Job.state == fixed(JobState.UNKNOWN),
        Job.message_id != message.id,
    )
    asked = (Conversation.id == message.conversation_id) & (Conversation.needs_human_reason == UNCONFIRMED)
    session.execute(update(Conversation).where(asked, ~doubts).values(needs_human=False, needs_human_reason=None))


def merge_parked(session: Session, message: Message, wa_message_id: str, now: datetime) -> None:
    """Merge the statuses that came before it was known whose they are. The caller holds what `accept` needs."""
    query = select(ParkedStatus).where(
        ParkedStatus.account_id == message.account_id, ParkedStatus.wa_message_id == wa_message_id
    )
    for parked in session.execute(query).scalars().all():
        if parked.status == "failed":
            error = StatusError(**parked.error) if parked.error else None
            note_failure(session, message, wa_message_id, parked.timestamp, error, now)
        else:
            apply_status(message, parked.status, parked.timestamp)
            session.delete(parked)


def note_failure(
    session: Session, message: Message, wa_message_id: str, at: datetime, error: StatusError | None, now: datetime
) -> None:
    """A send that WhatsApp had accepted failed. The message has failed when no other send of it is known to live."""
    park_status(session, message.account_id, wa_message_id, "failed", at, error, now)
    known = {message.wa_message_id, message.duplicate_wa_message_id} - {wa_message_id, None}
    if message.attempts <= 1 or all(_has_failed(session, message.account_id, str(other)) for other in known):
        apply_status(message, "failed", at, error)
        ask_about_failure(session, message)


def ask_about_failure(session: Session, message: Message) -> None:
    """Ask for a person when `message`, of the bot or of a person, has failed for good: it answered nobody (I17).

    Not when a person has replied since, unless that reply has failed too; one that still waits asks when it fails. Nor
    for a contact who is blocked.
    If it is a notice to the backup number, the conversation it is about says so. The caller holds both.
    """
    if message.status == MessageStatus.FAILED and (about := hand_over_of(message)) is not None:
        reason = message.error_title or message.error_code or "WhatsApp gave no reason."
        untold = update(Conversation).where(Conversation.id == about)
        session.execute(untold.values(notice_error=reason))
    if message.message_type == REACTION:
        _take_away(session, message)
        return
    if message.author_kind not in (Author.BOT, Author.AGENT) or message.status != MessageStatus.FAILED:
        return
    replied = exists().where(
        Message.conversation_id == message.conversation_id,
        Message.author_kind == Author.AGENT,
        Message.message_type != REACTION,
        Message.position > message.position,
        Message.status != MessageStatus.FAILED,
    )
    conversation = session.get_one(Conversation, message.conversation_id)
    asked = conversation.needs_human and conversation.needs_human_reason != UNCONFIRMED
    if asked or conversation.blocked_at is not None or session.scalar(select(replied)):
        return
    conversation.needs_human, conversation.needs_human_reason = True, ANSWER_FAILED
    conversation.handed_over_at = message.timestamp
    conversation.touch()


def annotation_id(message_id: UUID) -> str:
    """The id of the annotation that a reaction of ours makes, in the place of one of WhatsApp's."""
    return f"inbox:{message_id.hex}"


def _take_away(session: Session, message: Message) -> None:
    """The customer does not see this reaction of ours, so we do not show it: what stood there before stands again."""
    if message.status != MessageStatus.FAILED:
        return
    target = (Message.account_id == message.account_id) & (
        Message.wa_message_id == message.payload[REACTION]["message_id"]
    )
    session.execute(
        delete(Annotation).where(
            Annotation.account_id == message.account_id, Annotation.wa_message_id == annotation_id(message.id)
        )
    )
    session.execute(update(Message).where(target).values(changed_at=server_now()))


def hand_over_of(message: Message | Row[Any]) -> UUID | None:
    """The conversation that a notice to the backup number is about."""
    about = message.payload.get(HAND_OVER_OF) if message.author_kind == Author.SYSTEM else None
    return UUID(about) if about else None


def overtaken(session: Session, message: Message, wa_message_id: str, attempt: int) -> bool:
    """True when this send is known to have failed and the message was queued again since: it proves nothing now."""
    if not _has_failed(session, message.account_id, wa_message_id):
        return False
    waits = exists().where(Job.message_id == message.id, Job.state == JobState.PENDING)
    return attempt < message.attempts or session.execute(select(waits)).scalar_one()


def _has_failed(session: Session, account_id: UUID, wa_message_id: str) -> bool:
    failed = exists().where(
        ParkedStatus.wa_message_id == wa_message_id,
        ParkedStatus.account_id == account_id,
        ParkedStatus.status == "failed",
    )
    return session.execute(select(failed)).scalar_one()


def park_status(
    session: Session,
    account_id: UUID,
    wa_message_id: str,
    status: str,
    at: datetime,
    error: StatusError | None,
    now: datetime,
) -> None:
    """Keep a status for when it is wanted. The same one twice is kept once."""
    park(session, [parked(account_id, wa_message_id, status, at, error, now)])


def parked(
    account_id: UUID, wa_message_id: str, status: str, at: datetime, error: StatusError | None, now: datetime
) -> dict[str, Any]:
    """The row of a status that waits for its message."""
    return {
        "id": new_id(),
        "account_id": account_id,
        "wa_message_id": wa_message_id,
        "status": status,
        "timestamp": at,
        "error": {"code": error.code, "title": error.title, "detail": error.detail} if error else {},
        "parked_at": now,
    }


def park(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Keep many at once: statuses of messages that are not ours come by the hundred thousand."""
    if rows:
        session.execute(insert(session, ParkedStatus).on_conflict_do_nothing(), rows)
