"""Files of messages over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, request

from inbox.auth.access import Permission
from inbox.errors import MediaNotFound
from inbox.media import service
from inbox.media.files import answer_file
from inbox.web import access, contract, requires, runtime

bp = Blueprint("media", __name__)


@bp.get("/messages/media/<uuid:message_id>")
@requires(Permission.MESSAGES_VIEW)
@contract(
    "messages",
    {200: None, 206: None, 304: None},
    raises=[MediaNotFound, service.MediaRefused, service.RangeNotSatisfiable, service.MediaUnavailable],
    described={
        "parameters": [{"name": "Range", "in": "header", "schema": {"type": "string"}, "description": "bytes=0-1023"}],
        "responses": {"200": {"content": {"*/*": {}}}, "206": {"content": {"*/*": {}}}},
    },
)
def get_media(message_id: UUID) -> Response:
    """The file of a message, straight from WhatsApp. What could run as a page is for saving only."""
    asked = service.Asked(
        has=request.if_none_match.contains_weak,
        head=request.method == "HEAD",
        byte_range=request.headers.get("Range"),
        if_range=request.headers.get("If-Range"),
    )
    held = runtime()
    found = service.get_media(held.db, held.media, held.cipher, access(), message_id, asked)
    return answer_file(found, max_age=service.MAX_AGE)
