"""Notes: what colleagues tell each other about a conversation. They have no road to the customer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import Access, Permission, Principal
from inbox.clock import new_id
from inbox.conversations.service import require_visible, visible
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import IdempotencyConflict, NoteNotFound, PermissionDenied
from inbox.models import Conversation, Note
from inbox.team.schemas import MOST_NOTES, NoteAuthor, NoteRow


@dataclass(frozen=True, slots=True)
class NewNote:
    """What somebody wants to note."""

    conversation_id: UUID
    text: str
    client_key: str | None = None


def list_notes(db: Database, access: Access, conversation_id: UUID) -> list[NoteRow]:
    """The newest MOST_NOTES, oldest first, without what was deleted. Raises ConversationNotFound."""
    there = select(Note).where(Note.conversation_id == conversation_id, Note.deleted_at.is_(None))
    with db.reading() as session:
        visible(session, access, conversation_id)
        newest = session.execute(there.order_by(Note.created_at.desc(), Note.id.desc()).limit(MOST_NOTES)).scalars()
        return [note_row(note) for note in newest][::-1]


def changed_notes(connection: Connection, account_id: UUID, conversation_id: UUID, since: datetime) -> list[NoteRow]:
    """Those of a conversation that changed since, deleted ones among them: at most MOST_NOTES, the newest."""
    notes = Note.__table__.c
    query = (
        select(Note.__table__)
        .where(notes.conversation_id == conversation_id, notes.account_id == account_id, notes.changed_at >= since)
        .order_by(notes.changed_at.desc(), notes.id.desc())
        .limit(MOST_NOTES)
    )
    return [note_row(note) for note in connection.execute(query)][::-1]


def add_note(db: Database, access: Access, new: NewNote) -> NoteRow:
    """Note something. The same client key gives the same note, and so does the same call after a broken connection.

    Raises ConversationNotFound, IdempotencyConflict, InvalidRequest.
    """
    require_visible(new.text, "/text")
    return _add_note(db, access, new, new_id())


@whole_transaction(idempotent=True)
def _add_note(db: Database, access: Access, new: NewNote, note_id: UUID) -> NoteRow:
    with db.writing() as session:
        conversation = visible(session, access, new.conversation_id, lock=True)
        earlier = _noted_before(session, access.principal, new, note_id)
        if earlier is not None:
            return note_row(earlier)
        now = db.now(session)
        note = Note(
            id=note_id,
            account_id=conversation.account_id,
            conversation_id=conversation.id,
            author_kind=access.principal.kind,
            author_id=access.principal.id,
            author_name=access.principal.name,
            text=new.text,
            client_key=new.client_key,
            created_at=now,
        )
        session.add(note)
        return _changed(session, conversation, note, now)


def _noted_before(session: Session, caller: Principal, new: NewNote, note_id: UUID) -> Note | None:
    """What an earlier attempt at this call stored, or an earlier request with its key. The conversation is locked."""
    if new.client_key is None:
        return session.get(Note, note_id)
    query = select(Note).where(Note.client_key == new.client_key, Note.conversation_id == new.conversation_id)
    note = session.execute(query).scalar_one_or_none()
    # One that its author has changed or deleted since is still the answer to the request that made it.
    untouched = note is not None and note.edited_at is None and note.deleted_at is None
    if note is not None and (not _wrote(caller, note) or (untouched and note.text != new.text)):
        raise IdempotencyConflict
    return note


@whole_transaction(idempotent=True)
def edit_note(db: Database, access: Access, note_id: UUID, text: str) -> NoteRow:
    """Change one's own note. Raises NoteNotFound, PermissionDenied, InvalidRequest."""
    require_visible(text, "/text")
    with db.writing() as session:
        note, conversation = _found(session, access, note_id)
        if not _wrote(access.principal, note):
            raise PermissionDenied("Only who wrote a note can change it.")
        if note.text == text:
            return note_row(note)
        now = db.now(session)
        note.text, note.edited_at = text, now
        return _changed(session, conversation, note, now)


@whole_transaction(idempotent=True)
def delete_note(db: Database, access: Access, note_id: UUID) -> NoteRow:
    """Take a note back: one's own, or with accounts.manage anybody's. Raises NoteNotFound, PermissionDenied."""
    with db.writing() as session:
        note, conversation = _found(session, access, note_id)
        now = db.now(session)
        if not _wrote(access.principal, note):
            if not access.principal.may(Permission.ACCOUNTS_MANAGE, note.account_id):
                raise PermissionDenied("Only who wrote a note, or who manages the number, can delete it.")
            shown = {"author": note.author_name, "conversation_id": str(note.conversation_id)}
            audit.record(
                session, access.principal, "note.deleted", now, target=note.id, account_id=note.account_id, **shown
            )
        note.text, note.deleted_at = "", now
        return _changed(session, conversation, note, now)


def _found(session: Session, access: Access, note_id: UUID) -> tuple[Note, Conversation]:
    note = session.get(Note, note_id)
    if note is None or not access.allows(note.account_id):
        raise NoteNotFound
    conversation = visible(session, access, note.conversation_id, lock=True)
    session.refresh(note)  # as it is now that nobody else can change it
    if note.deleted_at is not None:
        raise NoteNotFound
    return note, conversation


def _changed(session: Session, conversation: Conversation, note: Note, now: datetime) -> NoteRow:
    """The row of a note that is new or different: whoever looks at its conversation is told."""
    conversation.changed_at = now
    session.flush()
    session.refresh(note)
    return note_row(note)


def _wrote(caller: Principal, note: Note) -> bool:
    return (note.author_kind, note.author_id) == (caller.kind, caller.id)


def note_row(note: Note | Row[Any]) -> NoteRow:
    """As the wire shows it."""
    plain = {name: getattr(note, name) for name in NoteRow.model_fields if name not in ("author", "deleted")}
    author = NoteAuthor.model_validate({"kind": note.author_kind, "id": note.author_id, "name": note.author_name})
    return NoteRow(author=author, deleted=note.deleted_at is not None, **plain)
