"""When a number is open: hours of the week in a time zone, and dates of exception. No clock of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, model_validator

from inbox.errors import BadValue
from inbox.gateways.whatsapp.text import MAX_TEXT, is_visible
from inbox.models import Account
from inbox.schemas import Body, Row, Time

MOST_SPANS = 6  # of one day
MOST_EXCEPTIONS = 60
#: Days that are looked through for an opening: one opening a week, and every one of them an exception.
_FAR = 7 * (MOST_EXCEPTIONS + 2)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise BadValue("not_a_zone", "is not a time zone of the IANA database, such as Europe/Paris")
    return name


def _visible(text: str) -> str:
    if not is_visible(text):
        raise BadValue("invisible", "must hold some visible text")
    return text


class Span(Body):
    """From when until when. One that closes earlier than it opens goes on into the next day."""

    opens: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])]
    closes: Annotated[str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", examples=["18:00"])]

    @model_validator(mode="after")
    def _some_time(self) -> Span:
        if self.opens == self.closes:
            raise BadValue("closes_at_once", "must not close when it opens; 24:00 is the end of the day")
        return self

    @property
    def over_midnight(self) -> bool:
        """It closes on the next day."""
        return self.closes < self.opens


def _apart(spans: list[Span]) -> list[Span]:
    ordered = sorted(spans, key=lambda span: span.opens)
    if any(before.over_midnight or before.closes > after.opens for before, after in pairwise(ordered)):
        raise BadValue("overlapping", "must not overlap")
    return ordered


Spans = Annotated[list[Span], Field(max_length=MOST_SPANS), AfterValidator(_apart)]


_CLOSED: Any = Field(default=[])


class Week(Body):
    """The hours of each day; a day without any is closed."""

    monday: Spans = _CLOSED
    tuesday: Spans = _CLOSED
    wednesday: Spans = _CLOSED
    thursday: Spans = _CLOSED
    friday: Spans = _CLOSED
    saturday: Spans = _CLOSED
    sunday: Spans = _CLOSED


class ExceptionBody(Body):
    """The hours of one date, in the place of its weekday's."""

    date: date
    spans: Spans = Field(default=[], description="Empty: closed all day.")


def _some_opening(week: Week) -> Week:
    if not any(getattr(week, day) for day in _DAYS):
        raise BadValue("never_open", "must be open at some time of the week; pause the number to send nothing")
    return week


def _each_once(exceptions: list[ExceptionBody]) -> list[ExceptionBody]:
    dates = [each.date for each in exceptions]
    if len(dates) != len(set(dates)):
        raise BadValue("not_different", "must name each date once")
    return exceptions


class HoursBody(Body):
    """When a number is open, and what a customer gets who writes while it is not."""

    zone: Annotated[str, Field(max_length=64, examples=["Europe/Paris"]), AfterValidator(_zone)]
    week: Annotated[Week, AfterValidator(_some_opening)]
    exceptions: Annotated[list[ExceptionBody], Field(max_length=MOST_EXCEPTIONS), AfterValidator(_each_once)] = _CLOSED
    away_text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT), AfterValidator(_visible)] | None = Field(
        default=None,
        description="Sent once in each stretch of being closed to a customer who writes, within the reply window, "
        "unless the bot answers or a person has. null: nothing is sent.",
    )
    bot: Literal["answers", "silent"] = Field(
        default="answers",
        description="What the bot does while it is closed: answers as always, or answers when it opens.",
    )


class HoursRow(Row):
    """The hours of a number, and how it is now."""

    hours: HoursBody | None = Field(description="null: it has none, and is always open.")
    open: bool
    changes_at: Time | None = Field(description="When it closes or opens next; null: it stays so.")


@dataclass(frozen=True, slots=True)
class Hours:
    """The same, to be asked. All times that go in and come out are aware."""

    zone: ZoneInfo
    week: Sequence[Sequence[Span]]
    exceptions: Mapping[date, Sequence[Span]]
    away_text: str | None
    bot_silent: bool

    @classmethod
    def of(cls, account: Account) -> Hours | None:
        """Those of a number, if it has any."""
        return cls.read(account.hours)

    @classmethod
    def read(cls, stored: dict[str, Any] | None) -> Hours | None:
        """From the column."""
        if stored is None:
            return None
        body = HoursBody.model_validate(stored)
        return cls(
            zone=ZoneInfo(body.zone),
            week=[getattr(body.week, day) for day in _DAYS],
            exceptions={each.date: each.spans for each in body.exceptions},
            away_text=body.away_text,
            bot_silent=body.bot == "silent",
        )

    def is_open(self, at: datetime) -> bool:
        """Whether it is open then."""
        return self._span_at(at) is not None

    def changes_at(self, at: datetime) -> datetime | None:
        """When it closes, or opens, after `at`. None: it is open always."""
        span = self._span_at(at)
        if span is None:
            return next((start for start, _ in self._from(at, _FAR) if start > at), None)
        closes = span[1]
        for start, end in self._from(at, 9):
            if start > closes:
                return closes
            closes = max(closes, end)
        return None

    def closed_since(self, at: datetime) -> datetime | None:
        """When the stretch of being closed began that `at` is in. None: longer ago than anybody remembers."""
        day = at.astimezone(self.zone).date()
        for back in range(_FAR):
            nights = (day - timedelta(days=back), day - timedelta(days=back + 1))  # the last may have ended later
            ends = [end for each in nights for _, end in self._of(each) if end <= at]
            if ends:
                return max(ends)
        return None

    def bot_from(self, at: datetime) -> datetime:
        """When the bot may speak: at `at`, or when it opens next."""
        if not self.bot_silent or self.is_open(at):
            return at
        return self.changes_at(at) or at

    def _span_at(self, at: datetime) -> tuple[datetime, datetime] | None:
        return next(((start, end) for start, end in self._from(at, 1) if start <= at < end), None)

    def _from(self, at: datetime, days: int) -> Iterator[tuple[datetime, datetime]]:
        """The spans of the day before `at`, of which one may go on, and of so many days from then, in order."""
        first = at.astimezone(self.zone).date()
        for ahead in range(-1, days):
            yield from self._of(first + timedelta(days=ahead))

    def _of(self, day: date) -> list[tuple[datetime, datetime]]:
        spans = self.exceptions.get(day, self.week[day.weekday()])
        after = day + timedelta(days=1)
        found = [
            (self._moment(day, span.opens), self._moment(after if span.over_midnight else day, span.closes))
            for span in spans
        ]
        return [(start, end) for start, end in found if start < end]  # an hour that a clock skips is none

    def _moment(self, day: date, clock: str) -> datetime:
        if clock == "24:00":
            day, clock = day + timedelta(days=1), "00:00"
        return datetime.combine(day, time.fromisoformat(clock), self.zone).astimezone(UTC)


def bot_from(account: Account, at: datetime) -> datetime:
    """When the bot may speak for this number: at `at`, or when it opens next."""
    hours = Hours.of(account)
    return at if hours is None else hours.bot_from(at)


def hours_row(account: Account, now: datetime) -> HoursRow:
    """As the wire shows it."""
    hours = Hours.of(account)
    if hours is None:
        return HoursRow(hours=None, open=True, changes_at=None)
    body = HoursBody.model_validate(account.hours)
    return HoursRow(hours=body, open=hours.is_open(now), changes_at=hours.changes_at(now))
