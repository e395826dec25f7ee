"""One conversation as a file: to be read, or to be read by programs. Written while it is read from the database."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import Literal
from uuid import UUID

from inbox.auth import audit
from inbox.auth.access import Access
from inbox.conversations.schemas import ConversationRow, MessageRow
from inbox.conversations.service import row_of, visible
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.models import Account, Author
from inbox.privacy.exporting import Export, messages_as_json, pages
from inbox.reports.rolling import zone_of

Format = Literal["text", "html", "json"]
MIMETYPES: dict[Format, str] = {"text": "text/plain", "html": "text/html", "json": "application/json"}
_ENDINGS: dict[Format, str] = {"text": "txt", "html": "html", "json": "json"}


def export_conversation(db: Database, access: Access, conversation_id: UUID, form: Format) -> Export:
    """The messages of a conversation, oldest first, without notes. Raises ConversationNotFound."""
    row, zone = _about(db, access, conversation_id, form)
    written = {"text": _text, "html": _html, "json": _json}[form]
    return Export(f"conversation-{conversation_id}.{_ENDINGS[form]}", written(db, row, zone))


@whole_transaction
def _about(db: Database, access: Access, conversation_id: UUID, form: Format) -> tuple[ConversationRow, tzinfo]:
    with db.writing() as session:
        conversation = visible(session, access, conversation_id)
        about = {"target": conversation_id, "account_id": conversation.account_id}
        audit.record(session, access.principal, "conversation.exported", db.now(session), **about, format=form)
        zone = zone_of(session.get_one(Account, conversation.account_id))
        return row_of(session, access, conversation_id), zone


def _json(db: Database, row: ConversationRow, _zone: tzinfo) -> Iterator[bytes]:
    yield f'{{"conversation": {row.model_dump_json()},\n"messages": '.encode()
    for piece in messages_as_json(db, row.id):
        yield piece.encode()
    yield b"}\n"


def _text(db: Database, row: ConversationRow, zone: tzinfo) -> Iterator[bytes]:
    yield f"{_title(row)}\n\n".encode()
    yield from _lines(db, row, zone, lambda time, who, text: f"[{time}] {who}: {text}\n")


def _html(db: Database, row: ConversationRow, zone: tzinfo) -> Iterator[bytes]:
    title = html.escape(_title(row))
    yield f'<!doctype html>\n<meta charset="utf-8">\n<title>{title}</title>\n<h1>{title}</h1>\n'.encode()
    yield from _lines(db, row, zone, _paragraph)


def _paragraph(time: str, who: str, text: str) -> str:
    said = html.escape(text).replace("\n", "<br>")
    return f"<p><time>{time}</time> <strong>{html.escape(who)}</strong><br>{said}</p>\n"


def _lines(db: Database, row: ConversationRow, zone: tzinfo, line: Callable[[str, str, str], str]) -> Iterator[bytes]:
    for page in pages(db, row.id):
        for message in page:
            time = message.timestamp.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
            yield line(time, _who(message, row), message.content_text).encode()


def _title(row: ConversationRow) -> str:
    return row.contacts.display_name or (f"+{row.client_number}" if row.client_number else str(row.id))


def _who(message: MessageRow, row: ConversationRow) -> str:
    if message.author.kind == Author.CUSTOMER:
        return message.author.name or _title(row)
    return message.author.name or {Author.BOT: "Bot", Author.SYSTEM: "Inbox"}.get(message.author.kind, "Team")
