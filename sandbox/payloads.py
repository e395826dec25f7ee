"""Webhook bodies in the shapes of 2026.

Meta, "Webhooks > messages" (one page per message type), "Status messages webhook reference" and "Business-scoped user
IDs": from April 2026 every webhook carries user ids, and from API version 24 statuses carry no `conversation`.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.customers import Customer
from sandbox.graph_errors import HELP_PAGE, error_details

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BusinessNumber:
    """One of our numbers: its id in paths and its digits."""

    id: str
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One message or one status on its way to the application."""

    number: BusinessNumber
    contacts: tuple[JSON, ...] = ()
    messages: tuple[JSON, ...] = ()
    statuses: tuple[JSON, ...] = ()
    customer: Customer

    @property
    def type(self) -> str:
        """The message's type, or the status' name."""
        return str(self.messages[0]["type"] if self.messages else self.statuses[0]["status"])

    def describe(self) -> str:
        return f"{self.type} {(self.messages or self.statuses)[0]['id']}"

    def trait(self, name: str) -> str | None:
        """What a fault can match, besides the customer."""
        return self.type if name == "type" else None

    def recipients(self) -> tuple[str, ...]:
        """Every way to name the customer."""
        return (self.customer.bsuid, self.customer.phone) if self.customer.phone else (self.customer.bsuid,)


def envelope(waba_id: str, updates: Iterable[Update]) -> JSON:
    """One body for all the updates: one change per business number, every array it has."""
    values: dict[BusinessNumber, JSON] = {}
    for update in updates:
        value = values.setdefault(update.number, _empty_value(update.number))
        for contact in update.contacts:
            if contact not in value.setdefault("contacts", []):
                value["contacts"].append(contact)
        for name, items in (("messages", update.messages), ("statuses", update.statuses)):
            if items:
                value.setdefault(name, []).extend(items)
    changes = [{"value": value, "field": "messages"} for value in values.values()]
    return {"object": "whatsapp_business_account", "entry": [{"id": waba_id, "changes": changes}]}


def _empty_value(number: BusinessNumber) -> JSON:
    metadata = {"display_phone_number": number.display, "phone_number_id": number.id}
    return {"messaging_product": "whatsapp", "metadata": metadata}


def contact_of(customer: Customer, *, shows_phone: bool) -> JSON:
    """An entry of contacts[]: `wa_id` is left out, not null, where the number is not shown."""
    profile = {"name": customer.name} | ({"username": customer.username} if customer.username else {})
    wa_id = {"wa_id": customer.phone} if shows_phone else {}
    return {"profile": profile, **wa_id, "user_id": customer.bsuid}


def message_of(
    customer: Customer, wamid: str, timestamp: int, content: Mapping[str, Any], context: JSON | None
) -> JSON:
    """An entry of messages[]; content is `type`, the object named as it, and errors[] where there are any."""
    shows_phone = customer.phone is not None and not customer.hides_phone
    return {
        **({"context": context} if context else {}),
        **({"from": customer.phone} if shows_phone else {}),
        "from_user_id": customer.bsuid,
        "id": wamid,
        "timestamp": str(timestamp),
        **content,
    }


def status_of(
    customer: Customer,
    wamid: str,
    status: str,
    timestamp: int,
    *,
    shows_phone: bool,
    callback_data: str | None,
    pricing: JSON | None = None,
) -> JSON:
    """An entry of statuses[] for a message that was not refused."""
    return {
        "id": wamid,
        "status": status,
        "timestamp": str(timestamp),
        **({"recipient_id": customer.phone} if shows_phone else {}),
        "recipient_user_id": customer.bsuid,
        **({"biz_opaque_callback_data": callback_data} if callback_data is not None else {}),
        **({"pricing": pricing} if pricing else {}),
    }


def failed_status_of(
    customer: Customer, wamid: str, timestamp: int, code: int, *, shows_phone: bool, callback_data: str | None
) -> JSON:
    """A `failed` status. Sent to a phone number it names neither contact nor user id ("Business-scoped user IDs")."""
    recipient = {"recipient_id": customer.phone} if shows_phone else {"recipient_user_id": customer.bsuid}
    return {
        "id": wamid,
        "status": "failed",
        "timestamp": str(timestamp),
        **recipient,
        **({"biz_opaque_callback_data": callback_data} if callback_data is not None else {}),
        "errors": [error_details(code) | {"href": HELP_PAGE}],
    }


def encode(payload: Any) -> bytes:
    """The bytes as Meta sends and signs them: compact, everything outside ASCII as \\uXXXX in lower-case hex.

    Source: Graph API, "Webhooks > Getting started", validating payloads.
    """
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=True).encode()


def signature_of(body: bytes, secret: str) -> str:
    """The value of X-Hub-Signature-256."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
