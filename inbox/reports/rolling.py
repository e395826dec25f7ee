"""Days that are over become a few rows each, so that a report never reads messages but those of the last days."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.accounts.hours import Hours
from inbox.db import Database
from inbox.db.queries import insert
from inbox.models import Account, Author, Message, ReportDay, Resolution
from inbox.reports.waits import bucket_of

Measure = Literal["first_reply", "resolution"]
BOT, PHONE = "bot", "phone"  #: of `ReportDay.who`: the bot, and the WhatsApp Business app, which names nobody
MOST_DAYS = 7  #: of one number, in one transaction
_SETTLES = timedelta(minutes=10)  # after midnight, for transactions that began before it
Waits = dict[tuple[Measure, str], Counter[int]]


def zone_of(account: Account) -> ZoneInfo:
    """Where a number's days begin: in the time zone of its hours."""
    hours = Hours.of(account)
    return ZoneInfo("UTC") if hours is None else hours.zone


def waits_of(session: Session, account_id: UUID, zone: ZoneInfo, day: date) -> Waits:
    """What was answered and done on this day, by two statements."""
    begin, end = _midnight(zone, day), _midnight(zone, day + timedelta(days=1))
    found: Waits = defaultdict(Counter)
    answers = (
        select(Message.author_kind, Message.author_id, Message.answered_after, func.count())
        .where(
            Message.account_id == account_id,
            Message.answered_after.is_not(None),
            Message.stored_at >= begin,
            Message.stored_at < end,
        )
        .group_by(Message.author_kind, Message.author_id, Message.answered_after)
    )
    for kind, author_id, seconds, count in session.execute(answers):
        who = BOT if kind == Author.BOT else author_id or PHONE
        found["first_reply", who][bucket_of(seconds or 0)] += count
    done = select(Resolution.done_by, Resolution.opened_at, Resolution.done_at).where(
        Resolution.account_id == account_id, Resolution.done_at >= begin, Resolution.done_at < end
    )
    for who, opened_at, done_at in session.execute(done):
        found["resolution", who][bucket_of((done_at - opened_at).total_seconds())] += 1
    return found


def roll_up(db: Database) -> None:
    """Write down the days of each number that are over."""
    query = select(Account).where(Account.deleted_at.is_(None)).order_by(Account.id)
    with db.reading() as session:
        now = db.now(session)
        behind = [each.id for each in session.execute(query).scalars() if any(_over(each, now))]
    for account_id in behind:
        with db.writing() as session:
            account = session.get_one(Account, account_id, with_for_update={"key_share": True})
            for day in list(_over(account, db.now(session)))[:MOST_DAYS]:
                _write(session, account, day)
                account.reported_through = day


def _over(account: Account, now: datetime) -> Iterator[date]:
    """The days that are over and not written yet. A number begins with yesterday."""
    yesterday = (now - _SETTLES).astimezone(zone_of(account)).date() - timedelta(days=1)
    day = yesterday if account.reported_through is None else account.reported_through + timedelta(days=1)
    while day <= yesterday:
        yield day
        day += timedelta(days=1)


def _write(session: Session, account: Account, day: date) -> None:
    rows: list[dict[str, Any]] = [
        {
            "account_id": account.id,
            "day": day,
            "measure": measure,
            "who": who,
            "counts": {str(bucket): count for bucket, count in sorted(counts.items())},
        }
        for (measure, who), counts in sorted(waits_of(session, account.id, zone_of(account), day).items())
    ]
    if rows:
        session.execute(insert(session, ReportDay).on_conflict_do_nothing(), rows)


def _midnight(zone: ZoneInfo, day: date) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
