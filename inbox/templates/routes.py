"""Templates over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.conversations.schemas import Queued
from inbox.conversations.service import send_message
from inbox.conversations.writing import Draft
from inbox.errors import (
    BusinessAccountUnknown,
    ContactBlocked,
    IdempotencyConflict,
    MarketingStopped,
    TemplateNotSendable,
    UploadIncomplete,
    UploadNotFound,
)
from inbox.templates import service
from inbox.templates.schemas import SendTemplateBody, SyncAsked, TemplateList
from inbox.web import access, answer, contract, idempotency_key, requires, runtime

bp = Blueprint("templates", __name__)


@bp.get("/accounts/<uuid:account_id>/templates")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("templates", {200: TemplateList})
def list_templates(account_id: UUID) -> Response:
    """The message templates of a number, by name and language, those that cannot be sent included."""
    return answer(service.list_templates(runtime().db, access(), account_id))


@bp.post("/accounts/<uuid:account_id>/templates/sync")
@requires(Permission.MESSAGES_SEND)
@contract("templates", {202: SyncAsked}, raises=[BusinessAccountUnknown])
def sync_templates(account_id: UUID) -> Response:
    """Ask WhatsApp for the templates now, not within the hour. Every 20 seconds at most, however often it is called."""
    service.ask_again(runtime().db, access(), account_id)
    return answer(SyncAsked(), 202)


@bp.post("/messages/send-template")
@requires(Permission.MESSAGES_SEND)
@contract(
    "templates",
    {202: Queued},
    raises=[
        ContactBlocked,
        IdempotencyConflict,
        MarketingStopped,
        TemplateNotSendable,
        UploadIncomplete,
        UploadNotFound,
    ],
)
def send_template(json: SendTemplateBody) -> Response:
    """Queue a template to the customer, also when the reply window is closed.

    The text of the message is the template filled in. A header that is a picture, a video or a document is a file that
    was handed over, or an address. The same Idempotency-Key (or client_key) gives the same message.
    """
    content = service.FilledIn(json.template_id, json.parameters, json.upload_id)
    draft = Draft(json.conversation_id, content, idempotency_key(json.client_key))
    row = send_message(runtime().db, access(), draft, bot_stays_out=runtime().bot_stays_out)
    return answer(Queued(message_id=row.id, message=row), 202)
