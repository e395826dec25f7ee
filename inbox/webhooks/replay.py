"""Dead letters are put back among the webhooks, to be ingested as if they had just come: one, many, or a number's."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import literal, select, tuple_, update
from sqlalchemy.orm import Session

from inbox.clock import first_id
from inbox.db import Database, one_of
from inbox.db.wake import Work, wake
from inbox.models import DeadLetter, EventState, WebhookEvent

UNKNOWN_NUMBER = "unknown_phone_number_id"  #: the reason of what comes for a number that nobody has added
AT_ONCE = 500  # letters in one transaction


def replay_oldest(session: Session, reason: str | None, now: datetime) -> int:
    """Replay the oldest AT_ONCE letters, or those with this reason, that nobody has replayed. How many there were."""
    wanted = select(DeadLetter).where(DeadLetter.replayed_at.is_(None)).order_by(DeadLetter.at, DeadLetter.id)
    if reason is not None:
        wanted = wanted.where(DeadLetter.reason == reason)
    letters = session.execute(wanted.limit(AT_ONCE).with_for_update(skip_locked=True)).scalars().all()
    return sum(replay(session, letter, now) for letter in letters)


def replay_failed(session: Session) -> int:
    """Let the oldest AT_ONCE webhooks that were set aside whole be ingested again. How many there were."""
    failed = select(WebhookEvent.id).where(WebhookEvent.state == EventState.FAILED).order_by(WebhookEvent.id)
    ids = session.execute(failed.limit(AT_ONCE).with_for_update(skip_locked=True)).scalars().all()
    for condition in one_of(session, WebhookEvent.id, ids):
        again = update(WebhookEvent).where(condition).values(state=EventState.PENDING)
        session.execute(again, execution_options={"synchronize_session": False})
    if ids:
        wake(session, Work.INGEST)
    return len(ids)


def adopt(db: Database, number_ids: Iterable[str]) -> int:
    """Replay what came for these numbers before they were added. How many letters that were.

    Page by page in short transactions. The bytes are searched: a letter that only mentions the number dies again.
    """
    mentioned = [f'"{number_id}"'.encode() for number_id in number_ids]
    waiting = DeadLetter.reason == UNKNOWN_NUMBER, DeadLetter.replayed_at.is_(None)
    page = select(DeadLetter).where(*waiting).order_by(DeadLetter.at, DeadLetter.id).limit(AT_ONCE)
    query, adopted = page, 0
    while True:
        with db.writing() as session:
            letters = session.execute(query.with_for_update()).scalars().all()
            now = db.now(session)
            adopted += sum(
                replay(session, letter, now) for letter in letters if any(each in letter.raw for each in mentioned)
            )
        if len(letters) < AT_ONCE:
            return adopted
        last = literal(letters[-1].at, DeadLetter.at.type), literal(letters[-1].id, DeadLetter.id.type)
        query = page.where(tuple_(DeadLetter.at, DeadLetter.id) > tuple_(*last))


def replay(session: Session, letter: DeadLetter, now: datetime) -> bool:
    """Make a webhook of the letter, once; False when that was done before. The caller has locked its row.

    The message may have been stored meanwhile, by WhatsApp's repeat: the ingester counts it as a duplicate then (I2).
    """
    if letter.replayed_at is not None:
        return False
    letter.replayed_at = now
    session.add(
        WebhookEvent(
            id=event_id(letter.id, now),
            body=letter.raw,
            size=len(letter.raw),
            # A message without a time of its own takes its place by this one (I3).
            received_at=letter.at,
        )
    )
    wake(session, Work.INGEST)
    return True


def event_id(letter_id: UUID, replayed_at: datetime) -> UUID:
    """The UUIDv7 of the webhook that a replay makes. Derived, so that a replay can be followed and never doubles."""
    random = int.from_bytes(hashlib.sha256(letter_id.bytes).digest()[:10]) & ~(0xF << 76 | 0x3 << 62)
    return UUID(int=first_id(replayed_at).int | 0x7 << 76 | 0x2 << 62 | random)


def dead_again(session: Session, letter: DeadLetter) -> UUID | None:
    """The newer dead letter that a replay of this one ended in."""
    if letter.replayed_at is None:
        return None
    # The time keeps it to the newest part of the index: the event's id has none.
    query = select(DeadLetter.id).where(
        DeadLetter.at >= letter.replayed_at, DeadLetter.event_id == event_id(letter.id, letter.replayed_at)
    )
    return session.execute(query.order_by(DeadLetter.at).limit(1)).scalar_one_or_none()
