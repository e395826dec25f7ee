"""Outgoing webhooks over HTTP."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.db.paging import Page
from inbox.errors import TooManyOfThem, WebhookEndpointExists
from inbox.hooks import service
from inbox.hooks.schemas import (
    DeliveryQuery,
    WebhookDeliveryRow,
    WebhookEndpointBody,
    WebhookEndpointMade,
    WebhookEndpointPatch,
    WebhookEndpointRow,
)
from inbox.schemas import Removed
from inbox.web import access, answer, answer_page, contract, idempotency_key, requires, runtime

bp = Blueprint("hooks", __name__)


@bp.get("/accounts/<uuid:account_id>/webhook-endpoints")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {200: list[WebhookEndpointRow]})
def list_endpoints(account_id: UUID) -> Response:
    """The addresses that are told what happens at a number."""
    return answer_page(WebhookEndpointRow, Page(service.list_endpoints(runtime().db, access(), account_id), None))


@bp.post("/accounts/<uuid:account_id>/webhook-endpoints")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {201: WebhookEndpointMade}, raises=[WebhookEndpointExists, TooManyOfThem])
def create_endpoint(account_id: UUID, json: WebhookEndpointBody) -> Response:
    """Tell an address what happens at a number, from now on. The secret is shown here and never again.

    Each event is a POST, signed as Standard Webhooks has it (`Webhook-Id`, `Webhook-Timestamp`, `Webhook-Signature`).
    Answer 2xx within 7 seconds; anything else is tried again for three days. An event comes at least once, always with
    the same id, and those of one conversation come in order.
    """
    idempotency_key(None)  # the address is the key; one in the header has to be well-formed all the same
    held = runtime()
    private = held.config.webhooks_private
    return answer(service.create_endpoint(held.db, held.cipher, access(), account_id, json, private=private), 201)


@bp.patch("/webhook-endpoints/<uuid:endpoint_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {200: WebhookEndpointRow}, raises=[WebhookEndpointExists])
def change_endpoint(endpoint_id: UUID, json: WebhookEndpointPatch) -> Response:
    """Change or pause an endpoint. What happens while it is paused waits, as long as raw webhooks are kept."""
    private = runtime().config.webhooks_private
    return answer(service.change_endpoint(runtime().db, access(), endpoint_id, json, private=private))


@bp.delete("/webhook-endpoints/<uuid:endpoint_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {200: Removed})
def delete_endpoint(endpoint_id: UUID) -> Response:
    """Tell an address nothing more. What waits for it is not sent."""
    service.delete_endpoint(runtime().db, access(), endpoint_id)
    return answer(Removed(id=endpoint_id))


@bp.post("/webhook-endpoints/<uuid:endpoint_id>/rotate")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {200: WebhookEndpointMade})
def rotate_secret(endpoint_id: UUID) -> Response:
    """Replace the secret. For 24 hours the old one signs as well, so receivers can change over in their own time."""
    return answer(service.rotate_secret(runtime().db, runtime().cipher, access(), endpoint_id))


@bp.post("/webhook-endpoints/<uuid:endpoint_id>/test")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {200: WebhookDeliveryRow})
def send_test(endpoint_id: UUID) -> Response:
    """Send an event of the kind `test`. The log of deliveries says whether it arrived."""
    return answer(service.send_test(runtime().db, access(), endpoint_id))


@bp.get("/webhook-endpoints/<uuid:endpoint_id>/deliveries")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {200: list[WebhookDeliveryRow]})
def list_deliveries(endpoint_id: UUID, query: DeliveryQuery) -> Response:
    """What was sent to an endpoint and what waits, newest first; kept as long as raw webhooks are."""
    return answer_page(WebhookDeliveryRow, service.list_deliveries(runtime().db, access(), endpoint_id, query))


@bp.post("/webhook-deliveries/<uuid:delivery_id>/resend")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("webhook endpoints", {200: WebhookDeliveryRow})
def resend(delivery_id: UUID) -> Response:
    """Send an event once more, at once and with the same id."""
    return answer(service.resend(runtime().db, access(), delivery_id))
