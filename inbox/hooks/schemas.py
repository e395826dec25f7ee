"""What the wire shows of outgoing webhooks, and what it takes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from inbox.errors import BadValue
from inbox.gateways.whatsapp.media import origin_of
from inbox.schemas import LEFT_OUT, Body, Query, Row, Time, each_once, printable

MOST_ENDPOINTS = 20  # of one number

Event = Literal["message.received", "message.status", "conversation.needs_human", "conversation.assigned"]
State = Literal["pending", "delivered", "failed"]


def _address(text: str) -> str:
    """An address that everybody reads alike. Where it leads is looked at when it is called. Raises BadValue."""
    if origin_of(text) is None and origin_of(f"{text}/") is None:
        sentence = "must be an address such as https://example.com/hooks, without a user, a fragment or blanks"
        raise BadValue("not_an_address", sentence)
    return text


Url = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_address)]
Events = Annotated[
    list[Event],
    Field(min_length=1, max_length=4, json_schema_extra={"uniqueItems": True}),
    AfterValidator(each_once),
]
Description = Annotated[str, StringConstraints(max_length=200), AfterValidator(printable)]


class WebhookEndpointRow(Row):
    """An address that is told what happens at a number."""

    id: UUID
    account_id: UUID
    url: str
    description: str
    events: list[Event]
    paused_at: Time | None = Field(description="By a person: what happens meanwhile waits.")
    failures: int = Field(description="In a row.")
    rests_until: Time | None = Field(description="After a failure: nothing is sent before.")
    last_error: str | None = Field(description="Of the newest try; null when it went well.")
    waiting: int = Field(description="Events that have not been delivered yet; counted up to 1000.")
    created_at: Time


class WebhookEndpointMade(WebhookEndpointRow):
    """With the secret that signs what is sent: shown here and never again."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookEndpointBody(Body):
    """An endpoint to be made."""

    url: Url
    events: Events
    description: Description = ""


class WebhookEndpointPatch(Body):
    """What is to be different; the rest stays."""

    url: Url = LEFT_OUT
    events: Events = LEFT_OUT
    description: Description = LEFT_OUT
    paused: bool = LEFT_OUT


class WebhookDeliveryRow(Row):
    """One event and what became of it at one endpoint."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event: str
    conversation_id: UUID | None
    state: State
    attempts: int
    due_at: Time | None = Field(description="When it is tried next; null once it has ended.")
    http_status: int | None
    error: str | None
    created_at: Time
    ended_at: Time | None


class DeliveryQuery(Query):
    """Which deliveries to list."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: str | None = None
    state: State | None = None
