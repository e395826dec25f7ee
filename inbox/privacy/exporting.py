"""All that is kept of one contact, as a ZIP file that is written while it is read."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, tuple_

from inbox.auth import audit
from inbox.auth.access import Access
from inbox.clock import rfc3339
from inbox.conversations.rows import MESSAGE, message_rows
from inbox.conversations.schemas import MessageRow
from inbox.db import Database
from inbox.db.queries import values_of
from inbox.db.transactions import whole_transaction
from inbox.errors import UpstreamError
from inbox.media.headers import safe_name
from inbox.media.store import Store, copy_of, key_of
from inbox.models import MESSAGES, Contact, ContactChange, Conversation, MediaFile, Message, Note
from inbox.privacy.erasing import visible_contact

_MESSAGES = 500  # read at once
_PIECE = 65_536  # bytes


@dataclass(frozen=True, slots=True)
class Export:
    """`pieces` is the file; its name names nobody."""

    name: str
    pieces: Iterator[bytes]


class _Pipe(io.RawIOBase):
    """What a ZipFile writes to: it is taken out while it is written, so nothing of it has to be kept."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held += data
        return len(data)

    def take(self) -> bytes:
        """What was written since."""
        held, self._held = bytes(self._held), bytearray()
        return held


def export(db: Database, store: Store, access: Access, contact_id: UUID) -> Export:
    """Raises ContactNotFound."""
    about, conversation_id = _about(db, access, contact_id)
    return Export(f"contact-{contact_id}.zip", _zip(db, store, about, conversation_id))


@whole_transaction
def _about(db: Database, access: Access, contact_id: UUID) -> tuple[dict[str, Any], UUID | None]:
    with db.writing() as session:
        contact = visible_contact(session, access, contact_id)
        thread = session.execute(select(Conversation).where(Conversation.contact_id == contact_id)).scalar_one_or_none()
        changes = select(ContactChange).where(ContactChange.contact_id == contact_id).order_by(ContactChange.at)
        about: dict[str, Any] = {
            "contact": _plain(contact),
            "changes": [_plain(each) for each in session.execute(changes).scalars()],
            "conversation": None if thread is None else _plain(thread),
            "notes": [],
        }
        if thread is not None:
            notes = select(Note).where(Note.conversation_id == thread.id).order_by(Note.created_at)
            about["notes"] = [_plain(each) for each in session.execute(notes).scalars()]
        now = db.now(session)
        audit.record(
            session, access.principal, "contact.exported", now, target=contact_id, account_id=contact.account_id
        )
        return about, None if thread is None else thread.id


def _plain(row: Contact | ContactChange | Conversation | Note) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.c}


def _as_api(value: Any) -> str:
    """Times and ids as the API writes them."""
    return rfc3339(value) if isinstance(value, datetime) else str(value)


def _zip(db: Database, store: Store, about: dict[str, Any], conversation_id: UUID | None) -> Iterator[bytes]:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("contact.json", json.dumps(about, default=_as_api, ensure_ascii=False, indent=2))
        yield pipe.take()
        if conversation_id is not None:
            with archive.open("messages.json", "w", force_zip64=True) as file:
                for piece in messages_as_json(db, conversation_id):
                    file.write(piece.encode())
                    yield pipe.take()
            missing: list[str] = []
            for name, kept in _files(db, conversation_id):
                yield from _file(archive, pipe, store, name, kept, missing)
            archive.writestr("files-not-kept.json", json.dumps(missing))
    yield pipe.take()


def messages_as_json(db: Database, conversation_id: UUID) -> Iterator[str]:
    """A JSON array."""
    begin = "[\n"
    for page in pages(db, conversation_id):
        for row in page:
            yield begin + row.model_dump_json()
            begin = ",\n"
    yield "[\n]\n" if begin == "[\n" else "\n]\n"


def pages(db: Database, conversation_id: UUID) -> Iterator[list[MessageRow]]:
    """The messages of a conversation, oldest first, a page at a time with no transaction open between."""
    place: tuple[Any, Any] | None = None
    while True:
        query = select(*MESSAGE).where(MESSAGES.c.conversation_id == conversation_id)
        if place is not None:
            query = query.where(tuple_(MESSAGES.c.timestamp, MESSAGES.c.id) > tuple_(*place))
        with db.querying() as connection:
            order = MESSAGES.c.timestamp, MESSAGES.c.id
            rows = message_rows(values_of(connection.execute(query.order_by(*order).limit(_MESSAGES))))
        yield rows
        if len(rows) < _MESSAGES:
            break
        place = rows[-1].timestamp, rows[-1].id


def _files(db: Database, conversation_id: UUID) -> list[tuple[str, MediaFile | None]]:
    """Names within the archive, and the kept file; None where it is not kept."""
    query = (
        select(Message.id, Message.media_filename, Message.message_type, MediaFile)
        .outerjoin(MediaFile, (MediaFile.message_id == Message.id) & MediaFile.kept_at.is_not(None))
        .where(Message.conversation_id == conversation_id, Message.media_id.is_not(None))
        .order_by(Message.timestamp, Message.id)
    )
    with db.reading() as session:
        return [
            (f"files/{id_}-{safe_name(name or kind, (kept.mime_type or '') if kept else '')}", kept)
            for id_, name, kind, kept in session.execute(query)
        ]


def _file(
    archive: zipfile.ZipFile, pipe: _Pipe, store: Store, name: str, kept: MediaFile | None, missing: list[str]
) -> Iterator[bytes]:
    """A file that cannot be read is named among the missing ones; one that breaks off ends the archive unfinished."""
    if kept is None:
        missing.append(name)
        return
    with ExitStack() as opened:
        try:
            stored = opened.enter_context(copy_of(store, key_of(kept.account_id, kept.id)))
        except UpstreamError:
            missing.append(name)
            return
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_STORED  # pictures and sound are packed already
        with archive.open(entry, "w", force_zip64=True) as file:
            while piece := stored.read(_PIECE):
                file.write(piece)
                yield pipe.take()
