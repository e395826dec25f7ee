"""What the wire shows of reports."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from inbox.schemas import Query, Row

MOST_DAYS = 92  #: of one report

Day = Annotated[dt.date, Field(examples=["2026-11-20"])]
Measure = Literal["first_reply", "resolution"]


class ReportQuery(Query):
    """Which days of a number; both are part of it."""

    account_id: UUID
    from_: Annotated[dt.date | None, Field(alias="from", description="Default: 30 days up to `to`.")] = None
    to: Annotated[dt.date | None, Field(description="Default: today, in the number's time zone.")] = None
    format: Annotated[Literal["json", "csv"] | None, Field(description="Without it, as Accept says.")] = None


class ReportPerson(Row):
    """A person of the business, or a key. Without id and name: somebody in the WhatsApp Business app."""

    id: str | None
    name: str | None


class WaitsRow(Row):
    """How long customers waited."""

    day: Day | None = Field(description="null: all days of the report.")
    measure: Measure = Field(
        description="first_reply: from the customer's question to the first reply. resolution: from the first message "
        "since the conversation was last done, until it is done."
    )
    by: Literal["bot", "person"]
    person: ReportPerson | None = Field(description="null: the bot, or all people together.")
    count: int
    median_seconds: int | None = Field(description="To one per cent.")
    p90_seconds: int | None = Field(description="Nine of ten waited no longer. To one per cent.")


class ReportRow(Row):
    """First replies and resolutions of a number, in the days of its time zone."""

    account_id: UUID
    zone: str
    first: Day
    last: Day
    days: list[WaitsRow] = Field(description="By day, people together.")
    people: list[WaitsRow] = Field(description="By person, days together; the bot among them.")
    rows: list[WaitsRow] = Field(description="By day and person.")
