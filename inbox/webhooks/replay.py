"""A dead letter is put back among the webhooks, to be ingested as if it had just come."""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.clock import first_id
from inbox.db.wake import Work, wake
from inbox.models import DeadLetter, WebhookEvent


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
