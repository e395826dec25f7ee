"""The profile cache: never a profile that is not the asked one's, one load for many.

Every lookup names the version that the caller has just read, as the bot does for each message.
"""

from __future__ import annotations

import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis as redis_client
from cachelib import simple
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.bot.profile_cache import CacheStats, ProfileCache
from inbox.config import Config
from inbox.errors import DatabaseUnavailable
from inbox.memory import flights
from tests.caches import HOUR, Row, look, make, own_prefix, redis_key, shared, threads
from tests.clocks import Clock
from tests.waiting import wait_until


@pytest.fixture(scope="module", autouse=True)
def prefix() -> Iterator[None]:
    with own_prefix():
        yield


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def row() -> Row:
    return Row()


@pytest.fixture(params=["simple", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str | None:
    """Every test that asks for it runs on both backends."""
    return request.getfixturevalue("redis") if request.param == "redis" else None


@pytest.fixture
def cache(redis_url: str | None, clock: Clock) -> Iterator[ProfileCache]:
    made = make(redis_url, clock)
    yield made
    made.clear()


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds by which the wall clock is ahead: SimpleCache goes by it."""
    ahead = [0.0]
    monkeypatch.setattr(simple, "time", lambda: time.time() + ahead[0])
    return ahead


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the cache has logged about lookups, in order."""
    caplog.set_level(logging.INFO, logger="inbox.bot")
    return lambda: [record.getMessage() for record in caplog.records if record.getMessage().startswith("Cache ")]


# --- hits and misses ---------------------------------------------------------------------------------------------


def test_a_profile_is_loaded_once_and_found_from_then_on(
    cache: ProfileCache, row: Row, redis_url: str | None, lines: Callable[[], list[str]]
) -> None:
    assert [look(cache, row) for _ in range(4)] == ["Version 1"] * 4
    assert row.loads == 1
    assert lines() == ["Cache MISS", "Cache HIT", "Cache HIT", "Cache HIT"]
    backend = "redis" if redis_url else "simple"
    assert cache.stats() == CacheStats(hits=3, misses=1, loads=1, errors=0, ratio=0.75, size=1, backend=backend)


def test_the_log_lines_say_which_cache_and_which_key(
    cache: ProfileCache, row: Row, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="inbox.bot")
    look(cache, row)
    (record,) = caplog.records
    assert (record.cache, record.key) == ("profile", f"profile:{row.account_id.hex}:1")  # type: ignore[attr-defined]


def test_an_edit_is_seen_by_the_next_lookup(cache: ProfileCache, row: Row) -> None:
    look(cache, row)
    row.version = 2
    assert look(cache, row) == "Version 2"
    assert row.loads == 2


def test_what_one_caller_does_to_a_profile_is_not_seen_by_another(cache: ProfileCache, row: Row) -> None:
    for _ in range(3):
        content = cache.get(row.account_id, 1, row.load)
        assert content == {"business_name": "Version 1"}
        content["business_name"] = "Changed"


def test_before_the_first_lookup_there_is_no_ratio(cache: ProfileCache) -> None:
    assert (cache.stats().ratio, cache.stats().size) == (None, 0)


def test_switched_off_every_lookup_loads(row: Row, redis: str, lines: Callable[[], list[str]]) -> None:
    cache = make(redis, resilience_cache=False)
    assert [look(cache, row) for _ in range(3)] == ["Version 1"] * 3
    assert lines() == ["Cache MISS"] * 3
    stats = cache.stats()
    assert (stats.loads, stats.ratio, stats.size, stats.backend) == (3, 0.0, 0, "off")
    row.error = DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        look(cache, row)
    assert cache.clear()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=60, deadline=None)
@given(content=st.dictionaries(st.text(), json_values, max_size=5))
def test_any_content_comes_back_as_it_was_stored(redis: str, content: dict[str, Any]) -> None:
    for url in (None, redis):
        cache, account_id = make(url), uuid.uuid4()
        for _ in range(2):
            assert cache.get(account_id, 1, lambda: (1, content)) == content
        assert cache.stats().hits == 1
        cache.clear()


# --- how long ----------------------------------------------------------------------------------------------------


def test_an_entry_ends_after_five_minutes_give_or_take_a_tenth(row: Row, wall: list[float]) -> None:
    cache = make()
    look(cache, row)
    wall[0] += 268
    look(cache, row)
    assert row.loads == 1
    wall[0] += 64
    look(cache, row)
    assert row.loads == 2


def test_entries_made_together_do_not_end_together(wall: list[float]) -> None:
    cache, rows = make(), [Row() for _ in range(60)]
    for row in rows:
        look(cache, row)
    wall[0] += 300
    for row in rows:
        look(cache, row)
    assert 5 < sum(row.loads == 2 for row in rows) < 55


def test_the_clocks_of_two_processes_need_not_agree(redis: str, row: Row) -> None:
    young, old = make(redis, Clock(5.0)), make(redis, Clock(9_000_000.0))
    assert [look(cache, row) for cache in (young, old, young)] == ["Version 1"] * 3
    row.version = 2
    assert [look(cache, row) for cache in (old, young, old)] == ["Version 2"] * 3
    assert row.loads == 2
    young.clear()


def test_in_redis_an_entry_expires_by_itself(redis: str, row: Row) -> None:
    cache = make(redis)
    look(cache, row)
    with redis_client.Redis.from_url(redis) as client:
        assert 260 < client.ttl(redis_key(row, 1)) <= 331
    cache.clear()


def test_a_first_profile_is_seen_at_once(cache: ProfileCache, row: Row) -> None:
    row.version = 0
    assert look(cache, row) is None
    row.version = 1
    assert look(cache, row) == "Version 1"


# --- one load for many -------------------------------------------------------------------------------------------


def test_fifty_cold_threads_load_once(cache: ProfileCache, row: Row) -> None:
    row.during = lambda: wait_until(lambda: cache.stats().misses == 50, "fifty threads to miss")
    with threads(50, lambda: look(cache, row)) as names:
        pass
    assert names == ["Version 1"] * 50
    assert (row.loads, cache.stats().loads) == (1, 1)


def test_accounts_do_not_wait_for_each_other(cache: ProfileCache, row: Row) -> None:
    released = threading.Event()
    row.during = lambda: released.wait(20)
    with threads(1, lambda: look(cache, row)):
        wait_until(lambda: row.loads, "the slow load to begin")
        assert look(cache, Row()) == "Version 1"
        released.set()


def test_a_failed_load_fails_for_all_who_waited_without_a_try_each(
    cache: ProfileCache, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[object] = []
    wait = flights.wait
    monkeypatch.setattr(flights, "wait", lambda *args: (waiting.append(args), wait(*args)))
    row.error = DatabaseUnavailable()
    row.during = lambda: wait_until(lambda: len(waiting) == 19, "nineteen threads to wait")
    with threads(20, lambda: look(cache, row)) as results:
        pass
    assert results == [DatabaseUnavailable] * 20
    assert (row.loads, cache.stats().errors) == (1, 1)


@contextmanager
def stuck(cache: ProfileCache, row: Row) -> Iterator[None]:
    """A thread whose load does not come back while the block runs; later loads are as quick as ever."""
    released, first = threading.Event(), threading.Lock()

    def hang_once() -> None:
        if first.acquire(blocking=False):
            assert released.wait(20)

    row.during = hang_once
    loads = row.loads
    with threads(1, lambda: look(cache, row)):
        wait_until(lambda: row.loads > loads, "the load to begin")
        try:
            yield
        finally:
            released.set()


def test_when_a_load_takes_too_long_one_of_those_who_wait_tries_again(
    cache: ProfileCache, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "PATIENCE", 0.3)
    with stuck(cache, row):
        with threads(10, lambda: look(cache, row)) as results:
            pass
        assert row.loads == 2
        assert "Version 1" in results
        assert set(results) <= {"Version 1", DatabaseUnavailable}
        assert look(cache, row) == "Version 1"
        assert row.loads == 2


def test_nobody_waits_past_the_callers_deadline(cache: ProfileCache, row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "PATIENCE", 60.0)
    with stuck(cache, row):
        for left in (0.05, -1.0):
            monkeypatch.setattr(flights, "remaining", lambda left=left: left)
            with pytest.raises(DatabaseUnavailable):
                look(cache, row)
        assert row.loads == 1


# --- edits and clears while something is being loaded ------------------------------------------------------------


def test_an_edit_before_the_row_is_read_is_kept_under_its_own_version(cache: ProfileCache, row: Row) -> None:
    row.version = 2
    assert look(cache, row, version=1) == "Version 2"  # the caller read 1, then somebody saved 2
    assert look(cache, row, version=2) == "Version 2"
    assert row.loads == 1


def test_an_edit_after_the_row_was_read_leaves_the_new_version_to_be_loaded(cache: ProfileCache, row: Row) -> None:
    def edit() -> None:
        row.version = 2
        row.during = lambda: None

    row.during = edit
    assert look(cache, row, version=1) == "Version 1"
    assert look(cache, row) == "Version 2"


def test_an_older_row_than_asked_for_is_not_kept_under_the_newer_version(cache: ProfileCache, row: Row) -> None:
    assert look(cache, row, version=2) == "Version 1"
    row.version = 2
    assert look(cache, row) == "Version 2"


def test_what_was_being_loaded_during_a_clear_is_not_kept(cache: ProfileCache, row: Row) -> None:
    row.during = lambda: cache.clear()
    assert look(cache, row) == "Version 1"
    row.during = lambda: None
    assert cache.stats().size == 0
    look(cache, row)
    assert row.loads == 2


def test_what_is_being_written_during_a_clear_is_not_kept(redis_url: str | None, row: Row) -> None:
    class ClearsWhenAsked(random.Random):
        """The jitter is drawn between the check and the write."""

        def uniform(self, a: float, b: float) -> float:
            cache.clear()
            return 1.0

    config = Config(env="development", redis_url=redis_url)
    cache = ProfileCache(Flask("tests"), config, shared(config), rng=ClearsWhenAsked())
    for _ in range(3):
        assert look(cache, row) == "Version 1"
    assert row.loads == 3
    assert cache.stats().size == 0


def test_after_a_clear_nobody_shares_a_load_that_began_before(
    cache: ProfileCache, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "PATIENCE", 60.0)
    with stuck(cache, row):
        cache.clear()
        assert look(cache, row) == "Version 1"
        assert row.loads == 2


def test_a_load_that_a_clear_has_overtaken_leaves_alone_what_was_kept_since(cache: ProfileCache, row: Row) -> None:
    with stuck(cache, row):
        cache.clear()
        look(cache, row)
    look(cache, row)
    assert (row.loads, cache.stats().hits) == (2, 1)


def test_clear_empties_everything(cache: ProfileCache, row: Row, redis_url: str | None) -> None:
    others = [Row() for _ in range(5)]
    for each in (row, *others):
        look(cache, each)
    assert cache.stats().size == 6
    assert cache.clear()
    assert cache.stats().size == 0
    if redis_url:
        with redis_client.Redis.from_url(redis_url) as client:
            assert not any(client.keys(redis_key(each, "*")) for each in (row, *others))
    row.version, row.error = 2, DatabaseUnavailable()
    with pytest.raises(DatabaseUnavailable):
        look(cache, row)
    for each in others:
        look(cache, each)
        assert each.loads == 2


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [DatabaseUnavailable(), KeyError("a bug")])
def test_an_error_passes_and_no_older_profile_stands_in(cache: ProfileCache, row: Row, error: Exception) -> None:
    look(cache, row)
    row.version, row.error = 2, error
    for _ in range(2):
        with pytest.raises(type(error)):
            look(cache, row)
    assert (row.loads, cache.stats().errors) == (3, 2)


# --- what holds whatever happens ---------------------------------------------------------------------------------

EVENTS = st.one_of(
    st.sampled_from([("edit", 0.0), ("clear", 0.0), ("database goes or comes", 0.0), ("look", 0.0), ("look", 1.0)]),
    st.tuples(st.just("wall clock"), st.sampled_from([-HOUR, -60.0, 60.0, 400.0, HOUR])),
)


@settings(max_examples=100, deadline=None)
@given(events=st.lists(EVENTS, max_size=30), together=st.booleans())
def test_whatever_happens_a_profile_is_the_current_one(
    redis: str, events: list[tuple[str, float]], together: bool
) -> None:
    row, ahead = Row(), [0.0]
    processes = [make(redis if together else None) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(simple, "time", lambda: time.time() + ahead[0])
        for event, amount in events:
            if event == "edit":
                row.version += 1
            elif event == "clear":
                processes[0].clear()
            elif event == "wall clock":
                ahead[0] += amount
            elif event == "look":
                try:
                    assert look(processes[int(amount)], row) == f"Version {row.version}"
                except DatabaseUnavailable:
                    assert row.error is not None
            else:
                row.error = DatabaseUnavailable() if row.error is None else None
    processes[0].clear()
