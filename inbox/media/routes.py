"""Files of messages over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from inbox.auth.access import Permission
from inbox.errors import IdempotencyConflict, MediaNotFound, MediaUnavailable, PayloadTooLarge, UploadOffset
from inbox.media import service, uploads
from inbox.media.files import answer_file
from inbox.media.schemas import PIECE, MediaQuery, PieceQuery, UploadBody, UploadRow
from inbox.web import access, answer, contract, idempotency_key, requires, runtime

bp = Blueprint("media", __name__)


@bp.get("/messages/media/<uuid:message_id>")
@requires(Permission.MESSAGES_VIEW)
@contract(
    "messages",
    {200: None, 206: None, 304: None},
    raises=[MediaNotFound, service.MediaRefused, service.RangeNotSatisfiable, MediaUnavailable],
    described={
        "parameters": [{"name": "Range", "in": "header", "schema": {"type": "string"}, "description": "bytes=0-1023"}],
        "responses": {"200": {"content": {"*/*": {}}}, "206": {"content": {"*/*": {}}}},
    },
)
def get_media(message_id: UUID, query: MediaQuery) -> Response:
    """The file of a message, or a small picture of it. What could run as a page is for saving only."""
    asked = service.Asked(
        has=request.if_none_match.contains_weak,
        small=query.size == "small",
        head=request.method == "HEAD",
        byte_range=request.headers.get("Range"),
        if_range=request.headers.get("If-Range"),
    )
    held = runtime()
    shelves = service.Shelves(held.store, held.media, held.cipher, held.config.whatsapp_media.total)
    found = service.get_media(held.db, shelves, access(), message_id, asked)
    return answer_file(found, max_age=service.MAX_AGE)


@bp.post("/uploads")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {200: UploadRow, 201: UploadRow}, raises=[IdempotencyConflict])
def begin_upload(json: UploadBody) -> Response:
    """Begin to hand over a file that is to be sent. Its type and size are WhatsApp's limits, checked here.

    The same key finds what there is of it (200): go on at `received`. Unsent, it is forgotten after a day.
    """
    row, made = uploads.begin(runtime().db, access(), json, idempotency_key(json.client_key) or json.client_key)
    return answer(row, 201 if made else 200)


@bp.put("/uploads/<uuid:upload_id>")
@requires(Permission.MESSAGES_SEND)
@contract(
    "messages",
    {200: UploadRow},
    raises=[UploadOffset, PayloadTooLarge, MediaUnavailable],
    described={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
def put_piece(upload_id: UUID, query: PieceQuery) -> Response:
    """Hand over the piece that begins at `offset`. One that is there already changes nothing."""
    request.max_content_length = PIECE
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"A piece has at most {PIECE} bytes.") from None
    held = runtime()
    return answer(uploads.put_piece(held.db, held.store, access(), upload_id, query.offset, data))


@bp.delete("/uploads/<uuid:upload_id>")
@requires(Permission.MESSAGES_SEND)
@contract("messages", {204: None})
def drop_upload(upload_id: UUID) -> Response:
    """Give up a file that has not been sent."""
    uploads.drop(runtime().db, access(), upload_id)
    return Response(status=204)
