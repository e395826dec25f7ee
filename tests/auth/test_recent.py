"""What is remembered of somebody's rights, and for how long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inbox.errors import DatabaseUnavailable, InvalidCredentials
from inbox.memory.recent import FRESH, STALE, Recent
from inbox.memory.remembered import LIMIT


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> Recent[str]:
    return Recent(clock)


def raising(error: Exception) -> Callable[[], str]:
    def load() -> str:
        raise error

    return load


def test_a_fresh_entry_is_not_loaded_again_and_an_old_one_is(recent: Recent[str], clock: Clock) -> None:
    assert recent.get("anna", lambda: "viewer") == "viewer"
    clock.now += FRESH * 0.99
    assert recent.get("anna", lambda: "admin") == "viewer"
    clock.now += FRESH * 0.02
    assert recent.get("anna", lambda: "admin") == "admin"


def test_an_old_entry_stands_in_while_the_database_is_away_but_not_for_ever(recent: Recent[str], clock: Clock) -> None:
    recent.get("anna", lambda: "viewer")
    clock.now += STALE - 1
    assert recent.get("anna", raising(DatabaseUnavailable())) == "viewer"
    clock.now += 2
    with pytest.raises(DatabaseUnavailable):
        recent.get("anna", raising(DatabaseUnavailable()))


def test_a_refusal_is_final_also_when_the_database_goes_away_after_it(recent: Recent[str], clock: Clock) -> None:
    recent.get("anna", lambda: "viewer")
    clock.now += FRESH + 1
    with pytest.raises(InvalidCredentials):
        recent.get("anna", raising(InvalidCredentials()))
    with pytest.raises(DatabaseUnavailable):
        recent.get("anna", raising(DatabaseUnavailable()))


def test_what_was_being_loaded_when_everything_was_forgotten_is_not_kept(recent: Recent[str]) -> None:
    def load() -> str:
        recent.clear()
        return "viewer"

    assert recent.get("anna", load) == "viewer"
    assert recent.get("anna", lambda: "nobody") == "nobody"


def test_while_one_reads_again_the_others_go_on_with_what_is_known(recent: Recent[str], clock: Clock) -> None:
    recent.get("anna", lambda: "viewer")
    clock.now += FRESH + 1

    def slow() -> str:
        assert recent.get("anna", lambda: "loaded twice") == "viewer"  # somebody else, meanwhile
        return "admin"

    assert recent.get("anna", slow) == "admin"


def test_the_longest_unused_entry_goes_first(recent: Recent[str]) -> None:
    for number in range(LIMIT):
        recent.get(str(number), lambda: "old")
    assert recent.get("0", lambda: "new") == "old"
    recent.get("one more", lambda: "old")
    assert recent.get("0", lambda: "loaded again") == "old"
    assert recent.get("1", lambda: "loaded again") == "loaded again"
