"""The bases of every model on the wire."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from inbox.clock import rfc3339
from inbox.errors import BadValue

T = TypeVar("T")

#: A time on the wire: RFC 3339, UTC, milliseconds.
Time = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    Field(examples=["2026-11-20T09:00:01.000Z"], json_schema_extra={"format": "date-time"}),
]


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z", re.ASCII | re.IGNORECASE)


def _time(value: Any) -> Any:
    """RFC 3339 alone; a plus sign that was not encoded came as a space."""
    text = value.replace(" ", "+") if isinstance(value, str) else ""
    if not _RFC3339.match(text):
        raise BadValue("not_a_time", "must be a time with an offset, such as 2026-11-20T09:00:00Z")
    return text


def _kept(moment: datetime) -> datetime:
    """The nearest time that every database and time zone can hold; nothing of ours is older or newer than these."""
    return min(max(moment, datetime(1970, 1, 1, tzinfo=UTC)), datetime(9000, 1, 1, tzinfo=UTC))


#: A time in a query string: RFC 3339 with an offset.
QueryTime = Annotated[AwareDatetime, BeforeValidator(_time), AfterValidator(_kept)]


def printable(text: str) -> str:
    """`text`, for a validator: one line that can be read. Raises BadValue."""
    if not text.isprintable():
        raise BadValue("not_printable", "must be one line of printable characters")
    return text


def each_once(values: list[T]) -> list[T]:
    """`values`, for a validator: none of them twice. Raises BadValue."""
    if len(values) != len(set(values)):
        raise BadValue("not_different", "must name each once")
    return values


class Row(BaseModel):
    """Something we show. Every field is always there."""

    model_config = ConfigDict(from_attributes=True, json_schema_serialization_defaults_required=True)


class Removed(Row):
    """It is gone."""

    status: Literal["ok"] = "ok"
    id: UUID


class Body(BaseModel):
    """Something we are sent as JSON: unknown fields are refused by name, types are not guessed."""

    model_config = ConfigDict(extra="forbid")
    MAX_BYTES: ClassVar[int] = 64 * 1024  #: of a request. The longest message, all of it escaped, has 49 KB


#: Of a field of a body that may be left out: that is not the same as null.
LEFT_OUT: Any = Field(default=None)


class OpenBody(Body):
    """A body that the predecessor's page sends: fields that an older or newer build adds are ignored."""

    model_config = ConfigDict(extra="ignore")


class Query(BaseModel):
    """A query string: values are text, so they are read as the type they should be."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str = Field(description="A sentence for people.")
    status: int
    detail: str = Field(description="A short stable word, the same as code.")
    instance: str
    code: str
    request_id: str


class FieldError(BaseModel):
    """One bad field of a request."""

    pointer: str = Field(description="RFC 6901 pointer into the body, or ?name for a query parameter.")
    code: str = Field(description="A short stable word for what is wrong.")
    problem: str = Field(description="The same, for people.")
    values: dict[str, str | float] = Field(description="What a sentence of this code needs in another language.")


class ValidationProblem(Problem):
    """What is wrong with a request, field by field: 100 of them at most."""

    errors: list[FieldError]
