"""The one memory: what is fresh, what stands in, what is asked again and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inbox.errors import DatabaseUnavailable, IdentityUnavailable, InvalidCredentials
from inbox.memory.kept import Kept
from tests.clocks import Clock

FRESH, STALE, LIMIT, PAUSE = 1.0, 3600.0, 100, 5.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(clock: Clock) -> Kept[str]:
    return Kept(FRESH, STALE, LIMIT, clock=clock)


@pytest.fixture
def pausing(clock: Clock) -> Kept[str]:
    """Of a source that is left alone for a while after it was away; nothing stands in."""
    return Kept(FRESH, limit=LIMIT, pause=PAUSE, away=IdentityUnavailable, clock=clock)


def raising(error: Exception) -> Callable[[], str]:
    def load() -> str:
        raise error

    return load


def test_a_fresh_entry_is_not_loaded_again_and_an_old_one_is(kept: Kept[str], clock: Clock) -> None:
    assert kept.get("anna", lambda: "viewer") == "viewer"
    clock.now += FRESH * 0.99
    assert kept.get("anna", lambda: "admin") == "viewer"
    clock.now += FRESH * 0.02
    assert kept.get("anna", lambda: "admin") == "admin"


def test_an_old_entry_stands_in_while_the_database_is_away_but_not_for_ever(kept: Kept[str], clock: Clock) -> None:
    kept.get("anna", lambda: "viewer")
    clock.now += STALE - 1
    assert kept.get("anna", raising(DatabaseUnavailable())) == "viewer"
    clock.now += 2
    with pytest.raises(DatabaseUnavailable):
        kept.get("anna", raising(DatabaseUnavailable()))


def test_a_refusal_is_final_also_when_the_database_goes_away_after_it(kept: Kept[str], clock: Clock) -> None:
    kept.get("anna", lambda: "viewer")
    clock.now += FRESH + 1
    with pytest.raises(InvalidCredentials):
        kept.get("anna", raising(InvalidCredentials()))
    with pytest.raises(DatabaseUnavailable):
        kept.get("anna", raising(DatabaseUnavailable()))


def test_what_was_being_loaded_when_everything_was_forgotten_is_not_kept(kept: Kept[str]) -> None:
    def load() -> str:
        kept.clear()
        return "viewer"

    assert kept.get("anna", load) == "viewer"
    assert kept.get("anna", lambda: "nobody") == "nobody"


def test_while_one_reads_again_the_others_go_on_with_what_is_known(kept: Kept[str], clock: Clock) -> None:
    kept.get("anna", lambda: "viewer")
    clock.now += FRESH + 1

    def slow() -> str:
        assert kept.get("anna", lambda: "loaded twice") == "viewer"  # somebody else, meanwhile
        return "admin"

    assert kept.get("anna", slow) == "admin"


def test_the_longest_unused_entry_goes_first(kept: Kept[str]) -> None:
    for number in range(LIMIT):
        kept.get(str(number), lambda: "old")
    assert kept.get("0", lambda: "new") == "old"
    kept.get("one more", lambda: "old")
    assert kept.get("0", lambda: "loaded again") == "old"
    assert kept.get("1", lambda: "loaded again") == "loaded again"


def test_a_value_says_itself_how_long_it_is_fresh(clock: Clock) -> None:
    kept: Kept[float] = Kept(lambda seconds: seconds, clock=clock)
    assert kept.get("anna", lambda: 10.0) == 10.0
    clock.now += 9
    assert kept.get("anna", lambda: 20.0) == 10.0
    clock.now += 2
    assert kept.get("anna", lambda: 20.0) == 20.0


def test_a_source_that_is_away_is_not_asked_again_at_once(pausing: Kept[str], clock: Clock) -> None:
    asked: list[float] = []

    def load() -> str:
        asked.append(clock.now)
        raise IdentityUnavailable

    for _ in range(20):
        with pytest.raises(IdentityUnavailable) as raised:
            pausing.get("anna", load)
        assert 1 <= int(raised.value.headers["Retry-After"]) <= PAUSE
        clock.now += 0.5
    assert asked == [1000.0, 1005.0]
    with pytest.raises(IdentityUnavailable):
        pausing.get("bert", load)
    assert len(asked) == 3  # each key for itself


def test_a_source_that_answers_again_is_asked_again(pausing: Kept[str], clock: Clock) -> None:
    with pytest.raises(IdentityUnavailable):
        pausing.get("anna", raising(IdentityUnavailable()))
    clock.now += PAUSE
    assert pausing.get("anna", lambda: "viewer") == "viewer"
    clock.now += FRESH
    assert pausing.get("anna", lambda: "admin") == "admin"


def test_nothing_stands_in_where_nothing_may_but_the_last_value_can_be_seen(pausing: Kept[str], clock: Clock) -> None:
    pausing.get("anna", lambda: "viewer")
    clock.now += FRESH
    with pytest.raises(IdentityUnavailable):
        pausing.get("anna", raising(IdentityUnavailable()))
    assert pausing.fresh("anna") is None
    assert pausing.last("anna") == "viewer"


def test_a_source_with_a_stand_in_is_left_alone_too(clock: Clock) -> None:
    kept: Kept[str] = Kept(FRESH, STALE, LIMIT, pause=PAUSE, clock=clock)
    kept.get("anna", lambda: "viewer")
    clock.now += FRESH
    assert kept.get("anna", raising(DatabaseUnavailable())) == "viewer"
    assert kept.get("anna", lambda: "admin") == "viewer"
    clock.now += PAUSE
    assert kept.get("anna", lambda: "admin") == "admin"


def test_a_value_that_was_not_enough_is_loaded_anew_once(pausing: Kept[str]) -> None:
    old = pausing.get("keys", lambda: "old")
    assert pausing.newer("keys", old, lambda: "new") == "new"
    assert pausing.newer("keys", old, lambda: "loaded twice") == "new"
    assert pausing.get("keys", lambda: "loaded twice") == "new"


def test_nothing_stands_in_for_a_newer_value(clock: Clock) -> None:
    kept: Kept[str] = Kept(FRESH, STALE, LIMIT, pause=PAUSE, clock=clock)
    old = kept.get("keys", lambda: "old")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            kept.newer("keys", old, raising(DatabaseUnavailable()))
    assert kept.get("keys", lambda: "fresh enough") == "old"


def test_what_is_put_counts_from_now_and_what_is_dropped_is_gone(kept: Kept[str], clock: Clock) -> None:
    kept.put("anna", "here")
    clock.now += FRESH / 2
    kept.put("anna", "here")
    clock.now += FRESH / 2
    assert kept.fresh("anna") == "here"
    kept.drop("anna")
    assert kept.fresh("anna") is None
    assert len(kept) == 0


def test_clearing_lets_a_source_be_asked_at_once(pausing: Kept[str]) -> None:
    with pytest.raises(IdentityUnavailable):
        pausing.get("anna", raising(IdentityUnavailable()))
    pausing.clear()
    assert pausing.get("anna", lambda: "viewer") == "viewer"
