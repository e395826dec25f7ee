"""What follows a transaction: after its commit, once, and not at all without one."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from inbox.auth.generation import RIGHTS, rights_changed
from inbox.db import Database
from inbox.db.after_commit import after_commit
from inbox.db.wake import Work, wake
from inbox.models import Account


@pytest.fixture
def heard(db: Database) -> list[str]:
    """The signals that were sent, with what another reader saw of the default account's name."""
    names: list[str] = []

    def hear() -> None:
        with db.reading() as session:
            names.append(session.execute(select(Account.name)).scalar_one())

    db.signals.connect("renamed", hear)
    return names


def rename(db: Database, name: str, *, then: Exception | None = None) -> None:
    with db.writing() as session:
        session.execute(update(Account).values(name=name))
        after_commit(session, "renamed")
        if then is not None:
            raise then


def test_what_follows_sees_what_was_committed(db: Database, heard: list[str]) -> None:
    rename(db, "Bakery")
    assert heard == ["Bakery"]


def test_nothing_follows_a_rollback(db: Database, heard: list[str]) -> None:
    with pytest.raises(ValueError, match="no"):
        rename(db, "Bakery", then=ValueError("no"))
    assert heard == []


def test_a_signal_is_sent_once_however_often_it_was_asked_for(db: Database, heard: list[str]) -> None:
    with db.writing() as session:
        for _ in range(3):
            after_commit(session, "renamed")
    assert len(heard) == 1


def test_what_fails_afterwards_is_logged_and_stops_neither_the_caller_nor_the_others(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    others: list[str] = []
    db.signals.connect("renamed", lambda: 1 // 0)
    db.signals.connect("renamed", lambda: others.append("told"))
    rename(db, "Bakery")
    assert others == ["told"]
    assert "what follows a change failed" in caplog.text


def test_who_only_reads_has_nothing_to_tell(db: Database) -> None:
    with db.reading() as session, pytest.raises(KeyError):
        after_commit(session, "renamed")


def test_work_and_rights_are_told_together_each_after_the_commit(db: Database) -> None:
    told: list[str] = []
    db.signals.connect(Work.DELIVER, lambda: told.append("deliver"))
    db.signals.connect(RIGHTS, lambda: told.append("rights"))
    with db.writing() as session:
        wake(session, Work.DELIVER)
        rights_changed(session)
        assert told == []
    assert told == ["deliver", "rights"]
