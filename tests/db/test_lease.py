"""One process leads, the others stand by, and take over when it stops."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from inbox.db import Database
from inbox.db.lease import Leadership
from tests.queries import asked

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def take(db: Database, who: Leadership, seconds: float) -> bool:
    with db.writing() as session:
        return who.take(session, NOW + timedelta(seconds=seconds)) is None


def test_whoever_leads_goes_on_leading_while_there_is_work(db: Database) -> None:
    first, second = Leadership("work", 1.0), Leadership("work", 1.0)
    for seconds in (0, 0.5, 1.0, 1.5):
        assert take(db, first, seconds)
        assert not take(db, second, seconds)


def test_who_stands_by_is_told_until_when(db: Database) -> None:
    first, second = Leadership("work", 1.0), Leadership("work", 1.0)
    assert take(db, first, 0)
    with db.writing() as session:
        assert second.take(session, NOW) == NOW + timedelta(seconds=1)


def test_who_leads_does_not_ask_each_time(db: Database) -> None:
    leader = Leadership("work", 1.0)
    assert take(db, leader, 0)
    with asked(db) as statements:
        assert take(db, leader, 0.4)
        assert "INSERT" not in " ".join(statements)
        assert take(db, leader, 0.6)
    assert "INSERT INTO leases" in " ".join(statements)


def test_the_others_take_over_when_the_lease_ends(db: Database) -> None:
    first, second = Leadership("work", 1.0), Leadership("work", 1.0)
    assert take(db, first, 0)
    assert take(db, second, 1.0)
    assert not take(db, first, 1.5)


def test_the_others_take_over_at_once_when_the_leader_gives_up(db: Database) -> None:
    first, second = Leadership("work", 1.0), Leadership("work", 1.0)
    assert take(db, first, 0)
    with db.writing() as session:
        first.give_up(session)
    assert take(db, second, 0.1)
    assert not take(db, first, 0.2)


def test_a_clock_that_was_set_back_does_not_make_a_leader(db: Database) -> None:
    first, second = Leadership("work", 1.0), Leadership("work", 1.0)
    assert take(db, first, 3600)
    assert take(db, second, 3602)
    assert not take(db, first, 100)


def test_different_work_has_different_leaders(db: Database) -> None:
    assert take(db, Leadership("one", 1.0), 0)
    assert take(db, Leadership("two", 1.0), 0)
