"""A bot profile: what the business tells its bot. Every field may be left out; PUT replaces the whole."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field

from inbox.config.values import LONGEST_MODEL, MODEL_PATTERN
from inbox.gateways.whatsapp.text import MAX_TEXT
from inbox.schemas import Body, Row, Time

Short = Annotated[str | None, Field(max_length=500)]
Long = Annotated[str | None, Field(max_length=10_000)]


def _unique_ids(fields: list[CustomField]) -> list[CustomField]:
    ids = [field.id for field in fields]
    if len(set(ids)) != len(ids):
        raise ValueError("two fields have the same id")
    return fields


class CustomField(Body):
    """Something of the business that has no field of its own."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    label: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[str, Field(max_length=5000)]


class SystemRules(Body):
    """How the bot behaves."""

    language: Short = None
    tone: Short = None
    role: Long = None
    mission: Long = None
    style: Long = None
    priority: Long = None
    response_policy: Long = None
    security: Long = None


class Company(Body):
    """What the business is."""

    name: Short = None
    address: Short = None
    hours_block: Long = None
    zone: Long = None
    rendezvous: Long = None
    activity: Long = None


class Offer(Body):
    """What is sold, by category."""

    category: Short = None
    content: Long = None


class Conditions(Body):
    """On which terms."""

    zone: Long = None
    payment: Long = None
    engagement: Long = None
    restrictions: Long = None
    documents: Long = None


class Procedure(Body):
    """How something is done, step by step."""

    name: Short = None
    steps: Annotated[str, Field(max_length=10_000)] | Annotated[list[str], Field(max_length=100)] | None = None


class Question(Body):
    """A question that is often asked, with its answer."""

    question: Long = None
    answer: Long = None


class SpecialCase(Body):
    """What to say in one particular case."""

    case: Long = None
    response: Long = None


class Links(Body):
    """Addresses the bot may give to customers."""

    site: Short = None
    products: Short = None
    form: Short = None
    other: Long = None


class Escalation(Body):
    """How and when a person takes over."""

    procedure: Long = None
    contact: Short = None
    hours: Short = None


class TemplateConfig(Body):
    """The profile by its parts; each may be left out."""

    system_rules: SystemRules = SystemRules()
    company: Company = Company()
    offers: Annotated[list[Offer], Field(max_length=200)] = Field(default_factory=list)
    conditions: Conditions = Conditions()
    procedures: Annotated[list[Procedure], Field(max_length=200)] = Field(default_factory=list)
    faq: Annotated[list[Question], Field(max_length=500)] = Field(default_factory=list)
    special_cases: Annotated[list[SpecialCase], Field(max_length=200)] = Field(default_factory=list)
    links: Links = Links()
    escalation: Escalation = Escalation()
    special_rules: Long = None


class ProfileContent(Body):
    """What PUT takes and the database keeps."""

    MAX_BYTES = 1024 * 1024

    business_name: Short = None
    description: Long = None
    address: Short = None
    hours: Long = None
    knowledge_base: Annotated[str | None, Field(max_length=50_000)] = None
    custom_fields: Annotated[
        list[CustomField], Field(max_length=100, json_schema_extra={"uniqueItems": True}), AfterValidator(_unique_ids)
    ] = Field(default_factory=list)
    template_config: TemplateConfig = TemplateConfig()
    language: Annotated[
        str | None, Field(max_length=50, description="Language of the answers; null: the customer's own.")
    ] = None
    fallback_message: Annotated[
        str | None, Field(max_length=1000, description="Sent once when the AI has not answered in time.")
    ] = None
    max_answers_per_hour: Annotated[
        int,
        Field(ge=0, le=1000, strict=True, description="Answers per conversation and hour before a person is asked."),
    ] = 20
    model: Annotated[
        str | None,
        Field(max_length=LONGEST_MODEL, pattern=MODEL_PATTERN, description="null: the server's GEMINI_MODEL."),
    ] = None


class ProfileRow(ProfileContent, Row):
    """A profile as GET shows it; id and updated_at are null until the first PUT."""

    id: UUID | None
    account_id: UUID
    updated_at: Time | None


class PreviewBody(Body):
    """What a customer could write."""

    message: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class Preview(Row):
    """What the bot would answer, and by which model. Nothing is sent."""

    answer: str
    model: str | None
