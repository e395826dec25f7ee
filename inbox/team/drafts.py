"""Drafts: what somebody is writing, so that they can go on elsewhere. Each has one for a reply and one for a note.

Every change carries the version it was made from. One that was made from an older version is refused and shown the
newer one, so that no device overwrites what was typed on another.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox.auth.access import Access, Principal
from inbox.conversations.service import visible
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import DraftConflict, NotAUser
from inbox.models import SavedDraft
from inbox.team.schemas import DraftBody, DraftRow, Mode

KEPT = timedelta(days=30)  #: since it was last changed


def list_drafts(db: Database, access: Access, conversation_id: UUID) -> list[DraftRow]:
    """The caller's own of a conversation. Raises ConversationNotFound, NotAUser."""
    me = _user(access.principal)
    query = select(SavedDraft).where(SavedDraft.conversation_id == conversation_id, SavedDraft.user_id == me)
    with db.reading() as session:
        visible(session, access, conversation_id)
        rows = session.execute(query.order_by(SavedDraft.mode)).scalars()
        return [DraftRow.model_validate(row) for row in rows]


@whole_transaction(idempotent=True)
def save_draft(db: Database, access: Access, conversation_id: UUID, mode: Mode, body: DraftBody) -> DraftRow:
    """Keep a draft. Saying again what stands there changes nothing.

    Raises DraftConflict when there is a newer version, ConversationNotFound, NotAUser.
    """
    me = _user(access.principal)
    with db.writing() as session:
        # The conversation is locked, if only to be shared: of two first drafts one waits, and sees the other.
        visible(session, access, conversation_id, lock=True)
        draft = session.get(SavedDraft, (conversation_id, me, mode), with_for_update=True)  # it may be dropped just now
        now = db.now(session)
        if draft is None:
            draft = SavedDraft(conversation_id=conversation_id, user_id=me, mode=mode, version=body.version)
            session.add(draft)
        elif (draft.text, draft.reply_to) == (body.text, body.reply_to):
            return DraftRow.model_validate(draft)
        elif draft.version != body.version:
            raise DraftConflict(extra={"draft": DraftRow.model_validate(draft).model_dump(mode="json")})
        draft.text, draft.reply_to = body.text, body.reply_to
        draft.version, draft.changed_at = draft.version + 1, now
        session.flush()
        return DraftRow.model_validate(draft)


@whole_transaction(idempotent=True)
def drop_draft(db: Database, access: Access, conversation_id: UUID, mode: Mode, version: int | None) -> None:
    """Forget a draft; with `version` only if it is still that one.

    Raises DraftConflict, ConversationNotFound, NotAUser.
    """
    me = _user(access.principal)
    with db.writing() as session:
        visible(session, access, conversation_id)
        draft = session.get(SavedDraft, (conversation_id, me, mode), with_for_update=True)
        if draft is None:
            return
        if version is not None and draft.version != version:
            raise DraftConflict(extra={"draft": DraftRow.model_validate(draft).model_dump(mode="json")})
        session.delete(draft)


def forget_drafts(session: Session, user_id: UUID) -> None:
    """Somebody is switched off: what they were writing is nobody's business any more."""
    session.execute(delete(SavedDraft).where(SavedDraft.user_id == user_id))


def _user(caller: Principal) -> UUID:
    if caller.kind != "user":
        raise NotAUser
    return UUID(caller.id)
