"""Dead letters: looking at them, and trying them again after what was wrong is mended."""

from __future__ import annotations

import base64
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from inbox.auth import audit
from inbox.auth.access import Permission, Principal
from inbox.db import Database
from inbox.db.clean import load
from inbox.db.paging import Cursor, Page, newest_first
from inbox.db.transactions import whole_transaction
from inbox.errors import DeadLetterNotFound, PermissionDenied
from inbox.models import DeadLetter
from inbox.operations.dead_letters.schemas import (
    DeadLetterContent,
    DeadLetterQuery,
    DeadLetterRow,
    Replayed,
    ReplayedMany,
)
from inbox.webhooks.replay import AT_ONCE, dead_again, event_id, replay, replay_failed, replay_oldest

# A letter may have megabytes: lists do not read what it holds.
_SHOWN = (
    DeadLetter.id,
    DeadLetter.event_id,
    DeadLetter.reason,
    DeadLetter.detail,
    DeadLetter.at,
    DeadLetter.replayed_at,
    func.length(DeadLetter.raw).label("size"),
)


def list_dead_letters(db: Database, query: DeadLetterQuery) -> Page[DeadLetterRow]:
    """Newest first: all, those of a reason, those that were replayed or not."""
    wanted = select(*_SHOWN)
    if query.reason is not None:
        wanted = wanted.where(DeadLetter.reason == query.reason)
    if query.replayed is not None:
        never = DeadLetter.replayed_at.is_(None)
        wanted = wanted.where(~never if query.replayed else never)
    with db.reading() as session:
        page = newest_first(
            session, wanted, DeadLetter.at, DeadLetter.id, limit=query.limit, cursor=Cursor.decode(query.cursor)
        )
    return Page([DeadLetterRow.model_validate(row) for row in page.rows], page.next)


def get_dead_letter(db: Database, reader: Principal, letter_id: UUID) -> DeadLetterContent:
    """One, with what it holds. Raises DeadLetterNotFound, PermissionDenied for who may not read messages."""
    if not reader.may_everywhere(Permission.MESSAGES_VIEW):
        raise PermissionDenied.of(Permission.MESSAGES_VIEW)
    with db.reading() as session:
        row = session.execute(select(*_SHOWN, DeadLetter.raw).where(DeadLetter.id == letter_id)).one_or_none()
    if row is None:
        raise DeadLetterNotFound
    shown = DeadLetterRow.model_validate(row).model_dump()
    return DeadLetterContent(**shown, **_content(row.raw))


def _content(raw: bytes) -> dict[str, Any]:
    try:
        return {"content": load(raw), "content_base64": None}
    except (ValueError, RecursionError):
        return {"content": None, "content_base64": base64.b64encode(raw).decode()}


@whole_transaction(idempotent=True)
def replay_dead_letter(db: Database, actor: Principal, letter_id: UUID) -> Replayed:
    """Put one back among the webhooks, once: what was replayed before is answered as then, or says what it became.

    Raises DeadLetterNotFound.
    """
    with db.writing() as session:
        letter = session.get(DeadLetter, letter_id, with_for_update=True)
        if letter is None:
            raise DeadLetterNotFound
        now = db.now(session)
        if replay(session, letter, now):
            audit.record(session, actor, "dead_letter.replayed", now, target=letter.id, reason=letter.reason)
        assert letter.replayed_at is not None
        return Replayed(
            id=letter.id,
            replayed_at=letter.replayed_at,
            event_id=event_id(letter.id, letter.replayed_at),
            dead_letter_id=dead_again(session, letter),
        )


@whole_transaction(idempotent=True)
def replay_dead_letters(db: Database, actor: Principal, reason: str | None) -> ReplayedMany:
    """Put the oldest back, all or those with this reason, and webhooks that were set aside whole; a bounded number."""
    with db.writing() as session:
        now = db.now(session)
        letters = replay_oldest(session, reason, now)
        failed = replay_failed(session) if reason is None else 0
        if letters or failed:
            audit.record(session, actor, "dead_letters.replayed", now, target=reason, letters=letters, failed=failed)
    return ReplayedMany(dead_letters=letters, failed_webhooks=failed, more=max(letters, failed) == AT_ONCE)
