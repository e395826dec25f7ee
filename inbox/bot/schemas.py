"""A bot profile: what the business tells its bot. PUT keeps the fields it does not name; null empties one.

The predecessor's page fills in a text of its own for every member that is not there, and shows null as nothing. So
what was never set is left out, here and in the database. What older templates hold beside the known members is kept.
"""

from __future__ import annotations

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from inbox.config.values import LONGEST_MODEL, MODEL_PATTERN
from inbox.errors import BadValue
from inbox.gateways.whatsapp.text import MAX_TEXT
from inbox.schemas import Body, OpenBody, Row, Time, printable

Short = Annotated[str | None, Field(max_length=500)]
Long = Annotated[str | None, Field(max_length=10_000)]


def _unique_ids(fields: list[CustomField]) -> list[CustomField]:
    ids = [field.id for field in fields]
    if len(set(ids)) != len(ids):
        raise BadValue("not_different", "two fields have the same id")
    return fields


class _Sparse(Body):
    """What was never set, and what was set to null, is left out."""

    ALWAYS: ClassVar[frozenset[str]] = frozenset()  #: shown nevertheless

    @model_serializer(mode="wrap")
    def _without_gaps(self, serialize: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        set_ = self.model_fields_set
        return {
            name: value
            for name, value in serialize(self).items()
            if name in self.ALWAYS or (name in set_ and value is not None)
        }


class Part(_Sparse):
    """A part of the template. Members that we do not know are kept, and told to the model as text."""

    model_config = ConfigDict(extra="allow")


class CustomField(OpenBody):
    """Something of the business that has no field of its own; empty while somebody is writing it."""

    id: Annotated[str, Field(min_length=1, max_length=100)]
    label: Annotated[str, Field(max_length=200)]
    value: Annotated[str, Field(max_length=5000)]


class SystemRules(Part):
    """How the bot behaves."""

    language: Short = None
    tone: Short = None
    role: Long = None
    mission: Long = None
    style: Long = None
    priority: Long = None
    response_policy: Long = None
    security: Long = None


class Company(Part):
    """What the business is."""

    name: Short = None
    address: Short = None
    hours_block: Long = None
    zone: Long = None
    rendezvous: Long = None
    activity: Long = None


class Offer(Part):
    """What is sold, by category."""

    category: Short = None
    content: Long = None


class Conditions(Part):
    """On which terms."""

    zone: Long = None
    payment: Long = None
    engagement: Long = None
    restrictions: Long = None
    documents: Long = None


class Procedure(Part):
    """How something is done, step by step."""

    name: Short = None
    steps: Annotated[str, Field(max_length=10_000)] | Annotated[list[str], Field(max_length=100)] | None = None


class Question(Part):
    """A question that is often asked, with its answer."""

    question: Long = None
    answer: Long = None


class SpecialCase(Part):
    """What to say in one particular case."""

    case: Long = None
    response: Long = None


class Links(Part):
    """Addresses the bot may give to customers."""

    site: Short = None
    products: Short = None
    form: Short = None
    other: Long = None


class Escalation(Part):
    """How and when a person takes over."""

    procedure: Long = None
    contact: Short = None
    hours: Short = None


class FallbackText(Part):
    """What is sent while the AI is away, to customers who write in this language."""

    language: Short = None
    text: Annotated[str | None, Field(max_length=1000)] = None


class TemplateConfig(Part):
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


class ProfileContent(_Sparse, OpenBody):
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
    fallback_texts: Annotated[
        list[FallbackText],
        Field(max_length=20, description="The same in several languages: the customer's own, as far as it is clear."),
    ] = Field(default_factory=list)
    max_answers_per_hour: Annotated[
        int,
        Field(ge=0, le=1000, strict=True, description="Answers per conversation and hour before a person is asked."),
    ] = 20
    reads_files: Annotated[
        bool, Field(strict=True, description="Voice messages and pictures go to the model as they are.")
    ] = True
    model: Annotated[
        str | None,
        Field(max_length=LONGEST_MODEL, pattern=MODEL_PATTERN, description="null: the server's GEMINI_MODEL."),
    ] = None


class ProfileInEffect(ProfileContent):
    """What a profile comes to: texts that were never set are left out, everything else has its default."""

    ALWAYS = frozenset({"custom_fields", "template_config", "max_answers_per_hour", "reads_files"})


class ProfileRow(ProfileInEffect):
    """A profile as GET shows it; id and updated_at are null until it is saved."""

    ALWAYS = ProfileInEffect.ALWAYS | {"id", "account_id", "updated_at"}

    id: UUID | None
    account_id: UUID
    updated_at: Time | None


class PreviewBody(Body):
    """What a customer could write, and a profile that is not saved yet."""

    MAX_BYTES = ProfileContent.MAX_BYTES + Body.MAX_BYTES

    message: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    profile: ProfileContent | None = Field(
        None, description="Answer as if this had been PUT; null: by the profile as it is saved."
    )


class PassageRef(Row):
    """A passage that the model was given with the question."""

    passage_id: UUID
    name: str = Field(description="Of its source.")
    page: int | None


class Preview(Row):
    """What the bot would answer, and by which model. Nothing is sent."""

    answer: str
    model: str | None
    knowledge: list[PassageRef]


class VersionAuthor(Row):
    """Who saved it: a user, a key or a command; `system` for what was saved before versions were kept."""

    kind: str
    id: str | None
    name: str


class VersionRow(Row):
    """A profile as it was saved once. The newest one is in use."""

    id: UUID
    account_id: UUID
    version: int
    changed: list[str] = Field(description="Fields that differ from the version before.")
    author: VersionAuthor
    created_at: Time


class VersionWhole(VersionRow):
    """With what was in it."""

    profile: ProfileInEffect


class QuestionBody(Body):
    """What a customer could ask."""

    text: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S"), AfterValidator(printable)]


class QuestionRow(Row):
    """A question that profiles are tried with."""

    id: UUID
    text: str
