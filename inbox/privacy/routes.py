"""Exporting a conversation, exporting and erasing one contact, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.errors import ContactNotFound, ConversationNotFound
from inbox.privacy import conversation, erasing, exporting
from inbox.privacy.conversation import MIMETYPES
from inbox.privacy.schemas import Erased, ExportQuery
from inbox.web import access, answer, contract, requires, runtime

bp = Blueprint("privacy", __name__)
_FILES: dict[str, Any] = {kind: {} for kind in MIMETYPES.values()} | {
    "application/json": {"example": {"conversation": {}, "messages": []}}
}


@bp.get("/contacts/<uuid:contact_id>/export")
@requires(Permission.ACCOUNTS_MANAGE)
@contract(
    "contacts",
    {200: None},
    raises=[ContactNotFound],
    described={"responses": {"200": {"content": {"application/zip": {}}}}},
)
def export_contact(contact_id: UUID) -> Response:
    """All that is kept of a contact, as a ZIP file: JSON and the files they sent. The audit log notes it."""
    made = exporting.export(runtime().db, runtime().store, access(), contact_id)
    return _download(made, "application/zip")


@bp.get("/conversations/<uuid:conversation_id>/export")
@requires(Permission.ACCOUNTS_MANAGE)
@contract(
    "conversations",
    {200: None},
    raises=[ConversationNotFound],
    described={"responses": {"200": {"content": _FILES}}},
)
def export_conversation(conversation_id: UUID, query: ExportQuery) -> Response:
    """The messages of a conversation as a file to read, or as JSON. The audit log notes it."""
    made = conversation.export_conversation(runtime().db, access(), conversation_id, query.format)
    return _download(made, MIMETYPES[query.format])


@bp.delete("/contacts/<uuid:contact_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("contacts", {200: Erased}, raises=[ContactNotFound])
def erase_contact(contact_id: UUID) -> Response:
    """Delete all that is kept of a contact, for good: conversation, messages, files, notes.

    Raw webhooks that name them follow within minutes. If they write again, they are somebody new.
    """
    backup = runtime().config.human_backup_number
    return answer(erasing.erase(runtime().db, access(), contact_id, backup_number=backup))


def _download(made: exporting.Export, mimetype: str) -> Response:
    response = Response(made.pieces, mimetype=mimetype, direct_passthrough=True)
    response.headers["Content-Disposition"] = f'attachment; filename="{made.name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
