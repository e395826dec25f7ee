"""Webhooks as WhatsApp sends them, and short ways to put the system into a state."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from sqlalchemy import select

from inbox.db import Database
from inbox.models import Account, Conversation, DeadLetter, Message, WebhookEvent
from inbox.runtime import Runtime
from inbox.webhooks.ingest import Ingested, ingest_batch
from inbox.webhooks.routes import new_event

SAMPLES = Path(__file__).parent / "data" / "webhooks"
NUMBER_ID = "200000000000001"
WABA_ID = "100000000000001"
CUSTOMER = "33600000001"
T0 = 1795165200  # unix seconds: 2026-11-20 09:00 UTC, the base of the samples


def sample(name: str) -> bytes:
    """A sample webhook by its file name without the extension."""
    return (SAMPLES / f"{name}.json").read_bytes()


def signed(body: bytes, secret: str) -> dict[str, str]:
    """The headers Meta would send with `body`."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


def webhook(*, number_id: str = NUMBER_ID, field: str = "messages", **value: Any) -> bytes:
    """A webhook with one change; `value` gives messages=[…], statuses=[…], contacts=[…]."""
    inner = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "33700000000", "phone_number_id": number_id},
        **value,
    }
    entry = {"id": WABA_ID, "changes": [{"field": field, "value": inner}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def text_message(text: str = "hello", *, wa_id: str = "wamid.1", phone: str = CUSTOMER, at: int = T0) -> dict[str, Any]:
    """One inbound text."""
    return {"from": phone, "id": wa_id, "timestamp": str(at), "type": "text", "text": {"body": text}}


def status(kind: str, *, wa_id: str = "wamid.out", at: int = T0, callback: str | None = None) -> dict[str, Any]:
    """One delivery status."""
    made: dict[str, Any] = {"id": wa_id, "status": kind, "timestamp": str(at), "recipient_id": CUSTOMER}
    if callback is not None:
        made["biz_opaque_callback_data"] = callback
    if kind == "failed":
        made["errors"] = [{"code": 131026, "title": "Message undeliverable", "error_data": {"details": "test"}}]
    return made


def store_events(db: Database, *bodies: bytes) -> None:
    """Put webhooks where the route puts them."""
    with db.writing() as session:
        for body in bodies:
            session.add(WebhookEvent(**new_event(body)))
            session.flush()


def ingest(runtime: Runtime, *bodies: bytes) -> Ingested:
    """Store webhooks and ingest everything that is pending."""
    store_events(runtime.db, *bodies)
    return ingest_batch(runtime.db, settings=runtime.ingest_settings)


def all_messages(db: Database) -> list[Message]:
    """Every message in the order of its thread."""
    with db.reading() as session:
        return list(session.execute(select(Message).order_by(Message.timestamp, Message.id)).scalars())


def all_conversations(db: Database) -> list[Conversation]:
    with db.reading() as session:
        return list(session.execute(select(Conversation).order_by(Conversation.created_at, Conversation.id)).scalars())


def the_conversation(db: Database) -> Conversation:
    """The only conversation there is."""
    (only,) = all_conversations(db)
    return only


def dead_letters(db: Database) -> list[DeadLetter]:
    with db.reading() as session:
        return list(session.execute(select(DeadLetter).order_by(DeadLetter.at, DeadLetter.id)).scalars())


def the_account(db: Database) -> Account:
    with db.reading() as session:
        return session.execute(select(Account).order_by(Account.id).limit(1)).scalar_one()
