"""The bases of every model on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from inbox.clock import rfc3339

#: A time on the wire: RFC 3339, UTC, milliseconds.
Time = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    Field(examples=["2026-11-20T09:00:01.000Z"]),
]


def _storable(value: Any) -> Any:
    """Refuse text that no database can store: U+0000 and lone surrogates, anywhere inside."""
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("must not contain U+0000 or lone surrogates")
    elif isinstance(value, dict):
        for key, item in value.items():
            _storable(key)
            _storable(item)
    elif isinstance(value, list):
        for item in value:
            _storable(item)
    return value


def _plus(value: Any) -> Any:
    """Undo what happens to the plus sign of +01:00 in a query string that was not encoded."""
    return value.replace(" ", "+") if isinstance(value, str) and "T" in value else value


#: A time in a query string: RFC 3339 with an offset.
QueryTime = Annotated[AwareDatetime, BeforeValidator(_plus)]


class Row(BaseModel):
    """Something we show."""

    model_config = ConfigDict(from_attributes=True)


class Body(BaseModel):
    """Something we are sent as JSON: unknown fields are refused by name, types are not guessed."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def check_storable(cls, data: Any) -> Any:
        return _storable(data)


class Query(BaseModel):
    """A query string: values are text, so they are read as the type they should be."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def check_storable(cls, data: Any) -> Any:
        return _storable(data)


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
    pointer: str = Field(description="RFC 6901 pointer into the body, or ?name for a query parameter.")
    problem: str


class ValidationProblem(Problem):
    errors: list[FieldError]
