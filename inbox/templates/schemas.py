"""What the wire shows of templates, and what it takes."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from inbox.schemas import Body, Row, Time
from inbox.templates.definition import Kind

MOST_PARAMETERS = 60
MOST_TEMPLATES = 2000  # of a number that are kept; WhatsApp allows 250, and 6,000 for a verified business


class ParameterRow(Row):
    """Something to be filled in before a template is sent."""

    name: str = Field(description="Its name in `parameters` of the message: body.1, header.name, button.0.")
    kind: Kind = Field(
        description="text: a line of words; link: the end of a button's address; code: what the customer copies; "
        "image, video and document: an https address from which WhatsApp fetches the file, which is left out where "
        "the message has a `upload_id`."
    )
    slot: str = Field(description="What stands in its place: {{1}}, or the button's address. Empty: nothing does.")
    example: str | None
    max_length: int
    mime_types: list[str] = Field(description="What the file may be: of image, video and document. Of others none.")


Refusal = Literal["paused", "rejected", "disabled", "not_approved", "unsupported"]


class TemplateRow(Row):
    """A template in one language. Its texts have their slots: {{1}} or {{name}}."""

    id: UUID
    account_id: UUID
    name: str
    language: str
    category: str = Field(description="What WhatsApp charges by: marketing, utility or authentication.")
    status: str = Field(description="WhatsApp's word, in small letters: approved, paused, rejected, pending …")
    reason: str | None = Field(description="Why it is not approved, in WhatsApp's word.")
    refusal: Refusal | None = Field(description="Why it cannot be sent from here; null: it can.")
    header: str
    body: str
    footer: str
    buttons: list[str]
    parameters: list[ParameterRow]
    changed_at: Time


class TemplateList(Row):
    """The templates of a number, as WhatsApp told them last."""

    templates: list[TemplateRow]
    synced_at: Time | None = Field(description="When they were last asked for with success; null: never.")
    error: str | None = Field(description="Why the last time failed, in words for people.")


class SyncAsked(Row):
    """WhatsApp is asked for the templates now; `synced_at` of the list says when they have come."""

    status: Literal["asked"] = "asked"


class SendTemplateBody(Body):
    """A template for a customer. The same `client_key` gives the same message, however often it is sent."""

    conversation_id: UUID
    template_id: UUID
    parameters: Annotated[
        dict[str, str],
        Field(max_length=MOST_PARAMETERS, description="By `name` of the template's `parameters`: all of them."),
    ] = Field(default_factory=dict)
    upload_id: Annotated[
        UUID | None, Field(description="The file of the header, handed over by POST /uploads: in place of its address.")
    ] = None
    client_key: Annotated[str | None, Field(min_length=1, max_length=255)] = None
