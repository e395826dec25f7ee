"""One process leads, the others stand by, and take over when it stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from inbox.db import Database
from inbox.db.lease import Leadership

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def take(db: Database, who: Leadership, seconds: float) -> bool:
    with db.writing() as session:
        return who.take(session, NOW + timedelta(seconds=seconds))


def free(db: Database, who: Leadership, seconds: float) -> bool:
    with db.reading() as session:
        return who.free(session, NOW + timedelta(seconds=seconds))


def test_whoever_leads_goes_on_leading_while_there_is_work(db: Database) -> None:
    first, second = Leadership("work", 1.0), Leadership("work", 1.0)
    for seconds in (0, 0.5, 1.0, 1.5):
        assert free(db, first, seconds)
        assert take(db, first, seconds)
        assert not free(db, second, seconds)
        assert not take(db, second, seconds)


def test_the_others_take_over_when_the_lease_ends(db: Database) -> None:
    first, second = Leadership("work", 1.0), Leadership("work", 1.0)
    assert take(db, first, 0)
    assert free(db, second, 1.0)
    assert take(db, second, 1.0)
    assert not take(db, first, 1.5)


def test_different_work_has_different_leaders(db: Database) -> None:
    assert take(db, Leadership("one", 1.0), 0)
    assert take(db, Leadership("two", 1.0), 0)
