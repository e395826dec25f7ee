"""What the demo's drawer sends and sees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inbox.schemas import Body, Query, Row

_PHONE = Field(pattern=r"^[0-9]{6,15}$")


class WriteBody(Body):
    """What a customer writes."""

    phone: Annotated[str, _PHONE]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    text: Annotated[str, Field(min_length=1, max_length=1000)]


class FaultBody(Body):
    """What is to break for a minute."""

    name: Literal["gemini_hangs", "gemini_503", "whatsapp_late", "answer_lost", "token_refused", "webhooks_twice"]


class DeskQuery(Query):
    """Whose phone to look at."""

    phone: Annotated[str, _PHONE]


class ReceivedText(Row):
    """A text on a customer's phone."""

    id: str
    text: str
    at: float


class ScoreRow(Row):
    """How the demo stands."""

    wrote: int
    answered: int
    waiting: int
    twice: int
    lost: int
    our_errors: int


class DeskRow(Row):
    """A customer's phone, and the score."""

    received: list[ReceivedText]
    score: ScoreRow
