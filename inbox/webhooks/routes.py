"""The webhook: verify the signature, store the raw event in one INSERT, answer 200 (I1)."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
from collections.abc import Sequence
from typing import Any, Literal

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from inbox.accounts.service import verify_token_matches
from inbox.clock import new_id, utc_now
from inbox.errors import DatabaseUnavailable, InvalidSignature, NotJSON, PayloadTooLarge, PermissionDenied
from inbox.logs import Thinned
from inbox.schemas import Row
from inbox.web import contract, public, runtime
from inbox.web.limits import limits
from inbox.webhooks.journal.journal import store_event
from inbox.webhooks.missed import missed
from inbox.webhooks.urgency import only_statuses

log = logging.getLogger(__name__)
refused = Thinned(log)

bp = Blueprint("webhooks", __name__)

MAX_BYTES = 4 * 1024 * 1024  # Meta sends up to 3 MB
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{1,200}\Z")  # anything else could be markup
_RECEIVED = b'{"status":"received"}\n'


class Received(Row):
    """The event is stored."""

    status: Literal["received"] = "received"


def _parameter(name: str, where: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": where, "required": True, "schema": {"type": "string", **schema}}


_HANDSHAKE = [
    _parameter("hub.mode", "query", const="subscribe"),
    _parameter("hub.verify_token", "query"),
    _parameter("hub.challenge", "query", pattern="^[A-Za-z0-9_-]{1,200}$"),
]
_SHA256 = re.compile(r"sha256=[0-9a-f]{64}")
_SIGNATURE = _parameter("X-Hub-Signature-256", "header", pattern=f"^{_SHA256.pattern}$")
_EVENT = {"object": "whatsapp_business_account", "entry": []}


@bp.get("/webhook/whatsapp")
@public("Meta proves itself by the verify token")
@contract(
    "webhooks",
    {200: None},
    raises=[PermissionDenied, DatabaseUnavailable],
    described={
        "parameters": _HANDSHAKE,
        "responses": {"200": {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    },
)
def verify_webhook() -> Response:
    """Meta's handshake when the address is saved: echo the challenge as plain text."""
    given = request.args.get("hub.verify_token", "")
    challenge = request.args.get("hub.challenge", "")
    known = verify_token_matches(runtime().db, runtime().config, given)
    if request.args.get("hub.mode") != "subscribe" or not known or not _CHALLENGE.match(challenge):
        raise PermissionDenied("The verify token, the mode or the challenge is not what we expect.")
    return Response(challenge, mimetype="text/plain")


@bp.post("/webhook/whatsapp")
@public("Meta proves itself by the signature over the body")
@contract(
    "webhooks",
    {200: Received},
    raises=[InvalidSignature, NotJSON, PayloadTooLarge, DatabaseUnavailable],
    described={
        "parameters": [_SIGNATURE],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {}, "example": _EVENT}}},
    },
)
def receive_webhook() -> Response:
    """Store one event; 503 when only the journal could. Nothing is read out of it: that is the ingester's work."""
    body = _signed_body()
    _check_json(body)
    store_event(runtime().db, runtime().journal, new_event(body))
    return Response(_RECEIVED, mimetype="application/json")


@bp.after_request
def note_refusal(response: Response) -> Response:
    """Remember that a webhook was not taken (I7). WhatsApp's are signed; one that is not, a stranger sent."""
    if request.method == "POST" and response.status_code != 200:
        signed = _SHA256.fullmatch(request.headers.get("X-Hub-Signature-256", ""))
        if signed or not runtime().config.whatsapp_app_secrets:
            missed.note()
    return response


def new_event(body: bytes) -> dict[str, Any]:
    """The row of an event that has just come."""
    return {
        "id": new_id(),
        "body": body,
        "size": len(body),
        "received_at": utc_now(),
        "statuses_only": only_statuses(body),
    }


def _signed_body() -> bytes:
    """The body, signed with one of the app secrets; without a secret development takes any, production none.

    Raises InvalidSignature, TooManyRequests (an address whose signatures were wrong too often) or PayloadTooLarge.
    """
    secrets = runtime().config.whatsapp_app_secrets
    if not secrets and not runtime().config.production:
        return _raw_body()
    header = request.headers.get("X-Hub-Signature-256", "")
    if _SHA256.fullmatch(header):  # or it cannot be right, and nothing more is read
        body = _raw_body()
        if _is_signed(body, header, secrets):
            return body
    limits.refuse_spent()
    refused.warning("webhook refused: wrong signature", limits.address())
    raise InvalidSignature


def _raw_body() -> bytes:
    """The bytes as they came: the signature covers them, and any re-encoding would differ."""
    request.max_content_length = MAX_BYTES
    try:
        return request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"A webhook has at most {MAX_BYTES} bytes.") from None


def _is_signed(body: bytes, header: str, secrets: Sequence[str]) -> bool:
    """Whether `header` is the HMAC-SHA256 of `body` under one of `secrets`; all are tried, in constant time."""
    expected = [f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}" for secret in secrets]
    return sum(hmac.compare_digest(header, each) for each in expected) > 0


def _check_json(body: bytes) -> None:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        raise NotJSON from None
