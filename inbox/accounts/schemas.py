"""What the wire shows of a business number, and what it takes. Tokens go in and never come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic.json_schema import SkipJsonSchema

from inbox.accounts.reputation import ReputationRow
from inbox.config import phone_digits, values
from inbox.errors import BadValue
from inbox.schemas import LEFT_OUT, Body, OpenBody, Query, Row, Time

MOST_PEOPLE = 250  #: users of an installation who are looked at to say who may be given a conversation


class PersonRow(Row):
    """Somebody who may be given conversations of a number."""

    id: UUID
    name: str | None
    email: str | None


def _read(read: Callable[[str], str]) -> AfterValidator:
    """The field as `read` makes it; what its BadValue says is what the client is told."""

    def validate(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return SecretStr(read(value.get_secret_value()))
        return read(value)

    return AfterValidator(validate)


def _never(_value: Any) -> Any:
    raise BadValue("unchangeable", "cannot be changed: add the other number as an account of its own")


def _some_text(text: str) -> str:
    if not text.strip():
        raise BadValue("invisible", "must hold some text")
    return text.strip()


def _looks_like(pattern: str) -> dict[str, Any]:
    """What the document says a value has to match; it is checked by code of ours, which takes a little more."""
    return {"pattern": pattern}


Name = Annotated[str, Field(min_length=1, max_length=200, json_schema_extra=_looks_like(r"\S")), _read(_some_text)]
Digits = Annotated[
    str,
    Field(examples=["200000000000001"], json_schema_extra=_looks_like("^[0-9]{1,64}$")),
    _read(values.digits),
]
Phone = Annotated[
    str,
    Field(
        max_length=32,
        description="With its country code. Kept as digits.",
        examples=["+33612345678"],
        json_schema_extra=_looks_like(r"^\+?[1-9][0-9]{6,14}$"),
    ),
    _read(phone_digits),
]
AccessToken = Annotated[
    SecretStr,
    Field(min_length=1, max_length=values.LONGEST_TOKEN, json_schema_extra=_looks_like("^[!-~]+$")),
    _read(values.token),
]
VerifyToken = Annotated[SecretStr, Field(min_length=1, max_length=255)]


class AccountRow(Row):
    """A business number. Its tokens are not shown, only whether it has them."""

    id: UUID
    name: str
    phone_number_id: str
    phone_number: str | None
    waba_id: str | None = Field(description="Learned from the first webhook if it was not given.")
    bot_auto_on: bool
    auto_assign: bool = Field(description="What needs a person goes to those present, in turn.")
    has_access_token: bool
    has_verify_token: bool
    paused_reason: str | None = Field(description="Why nothing is sent; paused_by_a_person when somebody asked for it.")
    paused_code: str | None = Field(description="The same as a word that stays.")
    paused_at: Time | None
    message_retention_days: int | None = Field(description="Older messages are deleted; null: they are kept.")
    restorable_until: Time | None = Field(description="Of a removed number: until when it can be brought back.")
    reputation: ReputationRow | None = Field(description="What WhatsApp says of it; null while nothing is known.")
    created_at: Time
    updated_at: Time


class AccountMade(AccountRow):
    """The number; `restored` when it had been removed and is back."""

    restored: bool = Field(description="The number had been removed; it is back, with its conversations.")


class AccountGone(Row):
    """The number is removed, and can be brought back until then."""

    status: Literal["ok"] = "ok"
    id: UUID
    restorable_until: Time = Field(description="Adding the same phone_number_id before brings everything back.")


class AccountQuery(Query):
    """Which numbers to list: those in use, or those that are removed and can be brought back."""

    removed: Annotated[bool, Field(description="Needs accounts.manage for all numbers.")] = False
    limit: Annotated[int, Field(ge=1, le=200)] = 200  # few have more numbers, and older clients do not page
    cursor: str | None = None


class AccountBody(OpenBody):
    """A business number to add."""

    name: Name
    phone_number_id: Digits
    phone_number: Phone | None = None
    waba_id: Digits | None = None
    access_token: AccessToken | None = None
    verify_token: VerifyToken | None = None
    bot_auto_on: bool = True


class AccountPatch(Body):
    """What to change; null takes a value out, what is left out stays."""

    name: Name = LEFT_OUT
    phone_number: Phone | None = LEFT_OUT
    waba_id: Digits | None = LEFT_OUT
    access_token: AccessToken | None = LEFT_OUT
    verify_token: VerifyToken | None = LEFT_OUT
    bot_auto_on: bool = LEFT_OUT
    auto_assign: bool = LEFT_OUT
    paused: bool = LEFT_OUT
    message_retention_days: Annotated[int, Field(ge=7, le=3650)] | None = LEFT_OUT
    phone_number_id: SkipJsonSchema[Annotated[Any, BeforeValidator(_never)]] = None
