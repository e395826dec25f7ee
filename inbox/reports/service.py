"""A report of a number: read from the days that are written down, and from the messages of the few that are not."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth.access import Access
from inbox.db import Database, one_of
from inbox.errors import FieldProblem, InvalidRequest
from inbox.models import Account, ApiKey, ReportDay, User
from inbox.reports.rolling import BOT, PHONE, Measure, waits_of, zone_of
from inbox.reports.schemas import MOST_DAYS, ReportPerson, ReportQuery, ReportRow, WaitsRow
from inbox.reports.waits import percentile, total

_USUAL = timedelta(days=29)  # before the last day
_LIVE = 3  # days that are read from messages: today, yesterday just after midnight, and one after trouble
Cells = dict[tuple[date, Measure, str], Counter[int]]


def report(db: Database, access: Access, query: ReportQuery) -> ReportRow:
    """Raises AccountNotFound, PermissionDenied, InvalidRequest."""
    with db.reading() as session:
        account = require_account(session, access, query.account_id)
        zone, now = zone_of(account), db.now(session)
        first, last = _range(query, zone, now)
        cells = _cells(session, account, zone, first, last, now)
        people = _people(session, {who for _, _, who in cells})
    return ReportRow(
        account_id=account.id,
        zone=zone.key,
        first=first,
        last=last,
        days=list(_days(cells)),
        people=list(_by_person(cells, people)),
        rows=[_row(day, measure, who, cells[day, measure, who], people) for day, measure, who in sorted(cells)],
    )


def _range(query: ReportQuery, zone: ZoneInfo, now: datetime) -> tuple[date, date]:
    last = query.to or now.astimezone(zone).date()
    first = query.from_ or max(last, date.min + _USUAL) - _USUAL
    if first > last:
        raise InvalidRequest([FieldProblem("?from", "after_its_end", "must not be after to")])
    if (last - first).days >= MOST_DAYS:
        sentence = f"must be at most {MOST_DAYS} days before to, both counted"
        raise InvalidRequest([FieldProblem("?from", "too_many_days", sentence, {"most": MOST_DAYS})])
    return first, last


def _cells(session: Session, account: Account, zone: ZoneInfo, first: date, last: date, now: datetime) -> Cells:
    cells: Cells = {}
    written = select(ReportDay).where(ReportDay.account_id == account.id, ReportDay.day.between(first, last))
    for row in session.execute(written).scalars():
        counts = Counter({int(bucket): count for bucket, count in row.counts.items()})
        cells[row.day, row.measure, row.who] = counts  # type: ignore[index]  # as `rolling` wrote it
    today = now.astimezone(zone).date()
    through = account.reported_through or today - timedelta(days=_LIVE)
    day = max(first, through + timedelta(days=1), today - timedelta(days=_LIVE - 1))
    while day <= min(last, today):
        for (measure, who), counts in waits_of(session, account.id, zone, day).items():
            cells[day, measure, who] = counts
        day += timedelta(days=1)
    return cells


def _people(session: Session, ids: Iterable[str]) -> dict[str, ReportPerson]:
    """By what rows call them."""
    wanted = {UUID(each): each for each in ids if each not in (BOT, PHONE) and _is_id(each)}
    people = {PHONE: ReportPerson(id=None, name=None)}
    for condition in one_of(session, User.id, wanted):
        for row in session.execute(select(User.id, User.name, User.email).where(condition)):
            people[wanted[row.id]] = ReportPerson(id=str(row.id), name=row.name or row.email)
    for condition in one_of(session, ApiKey.id, [each for each, name in wanted.items() if name not in people]):
        for key in session.execute(select(ApiKey.id, ApiKey.name).where(condition)):
            people[wanted[key.id]] = ReportPerson(id=str(key.id), name=key.name)
    return people


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _days(cells: Cells) -> Iterator[WaitsRow]:
    merged: dict[tuple[date, Measure, bool], list[Counter[int]]] = defaultdict(list)
    for (day, measure, who), counts in cells.items():
        merged[day, measure, who == BOT].append(counts)
    for day, measure, bot in sorted(merged):
        yield _figures(day, measure, None, total(merged[day, measure, bot]), bot=bot)


def _by_person(cells: Cells, people: dict[str, ReportPerson]) -> Iterator[WaitsRow]:
    merged: dict[tuple[Measure, str], list[Counter[int]]] = defaultdict(list)
    for (_, measure, who), counts in cells.items():
        merged[measure, who].append(counts)
    for measure, who in sorted(merged):
        yield _row(None, measure, who, total(merged[measure, who]), people)


def _row(
    day: date | None, measure: Measure, who: str, counts: Counter[int], people: dict[str, ReportPerson]
) -> WaitsRow:
    person = None if who == BOT else people.get(who, ReportPerson(id=who, name=None))
    return _figures(day, measure, person, counts, bot=who == BOT)


def _figures(
    day: date | None, measure: Measure, person: ReportPerson | None, counts: Counter[int], *, bot: bool
) -> WaitsRow:
    return WaitsRow(
        day=day,
        measure=measure,
        by="bot" if bot else "person",
        person=person,
        count=counts.total(),
        median_seconds=percentile(counts, 0.5),
        p90_seconds=percentile(counts, 0.9),
    )


_COLUMNS = ("day", "measure", "by", "person_id", "person_name", "count", "median_seconds", "p90_seconds")


def as_csv(made: ReportRow) -> str:
    """The rows by day and person, for spreadsheets."""
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow(_COLUMNS)
    for row in made.rows:
        person = row.person or ReportPerson(id=None, name=None)
        cells = (row.day, row.measure, row.by, person.id, person.name, row.count, row.median_seconds, row.p90_seconds)
        lines.writerow([_plain(each) for each in cells])
    return file.getvalue()


def _plain(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: OWASP, "CSV Injection"."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
