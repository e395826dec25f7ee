"""Counting within windows: in this process, in Redis, and from one to the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis as redis_client
from hypothesis import given
from hypothesis import strategies as st

from inbox.errors import ConfigError, UpstreamUnavailable
from inbox.memory.redis import SharedRedis
from inbox.web.limits import counters
from inbox.web.limits.counters import Counters
from tests.bot.test_profile_cache_redis import closed_port, dropping_server, silent_server
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prefix(monkeypatch: pytest.MonkeyPatch, redis: str) -> Iterator[str]:
    """Keys of this test only, in a Redis that others use too."""
    own = f"test:{time.monotonic_ns()}:"
    monkeypatch.setattr(counters, "PREFIX", own)
    yield own
    with redis_client.Redis.from_url(redis) as client:
        for key in client.scan_iter(f"{own}*"):
            client.delete(key)


@pytest.fixture(params=["here", "redis"])
def made(request: pytest.FixtureRequest, clock: Clock) -> Counters:
    if request.param == "here":
        return Counters(clock=clock)
    request.getfixturevalue("prefix")
    return Counters(SharedRedis(request.getfixturevalue("redis")), clock=clock)


def test_a_window_counts_what_happens_in_it(made: Counters) -> None:
    assert [made.add("a", 60).used for _ in range(3)] == [1, 2, 3]
    assert made.add("b", 60, 5).used == 5
    assert made.look("a").used == 3
    assert 0 < made.look("a").left <= 60
    assert made.look("nobody") == (0, 0.0)


def test_what_is_given_back_does_not_count(made: Counters) -> None:
    made.add("a", 60, 2)
    assert made.add("a", 60, -1).used == 1
    assert made.add("never", 60, -1).used == 0


def test_a_window_ends(clock: Clock) -> None:
    made = Counters(clock=clock)
    made.add("a", 60)
    clock.now += 59
    assert made.add("a", 60) == (2, 1.0)
    clock.now += 1
    assert made.look("a").used == 0
    assert made.add("a", 60) == (1, 60.0)


def test_a_window_in_redis_ends(redis: str, prefix: str) -> None:
    Counters(SharedRedis(redis)).add("a", 60)
    with redis_client.Redis.from_url(redis) as client:
        (name,) = client.scan_iter(f"{prefix}*")
        assert 50_000 < client.pttl(name) <= 60_000
        client.persist(name)
        Counters(SharedRedis(redis)).add("a", 60)
        assert client.pttl(name) > 0  # no key stays for ever


def test_processes_share_what_is_in_redis(redis: str, prefix: str) -> None:
    one, other = Counters(SharedRedis(redis)), Counters(SharedRedis(redis))
    one.add("a", 60)
    assert other.add("a", 60).used == 2


def test_addresses_without_end_take_no_memory_without_end(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "LIMIT", 100)
    made = Counters(clock=clock)
    made.add("a name", 900)
    for number in range(1000):
        made.add(f"address {number}", 60)
    kept = [made.look(f"address {number}").used for number in range(1000)]
    assert sum(kept) <= 101
    assert all(kept[-100:])
    assert made.look("a name").used == 1  # of another length: floods of addresses do not reach it
    clock.now += 61
    made.add("somebody", 60)
    assert made.look("address 999").used == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30)), max_size=60))
def test_no_more_than_the_limit_passes_in_any_window(events: list[tuple[str, int]]) -> None:
    clock = Clock()
    made, passed = Counters(clock=clock), {}
    for key, pause in events:
        clock.now += pause
        window = made.add(key, 60)
        began = clock.now - (60 - window.left)
        passed.setdefault((key, began), []).append(clock.now)
        assert window.used == len(passed[key, began])
        assert all(began <= at < began + 60 for at in passed[key, began])


# --- Redis is away -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", [closed_port, silent_server, dropping_server])
def test_losing_redis_costs_one_short_wait_and_counts_go_on_here(lost: Any, clock: Clock) -> None:
    with lost() as (port, _):
        assert_counts_go_on(f"redis://127.0.0.1:{port}/0", clock)


def test_a_wrong_password_costs_no_more(own_redis: Any, clock: Clock) -> None:
    url, start = own_redis
    start("--requirepass", "right")
    assert_counts_go_on(url.replace("//", "//:wrong@"), clock)


def assert_counts_go_on(url: str, clock: Clock) -> None:
    shared = SharedRedis(url, clock=clock)
    made, breaker = Counters(shared, clock=clock), shared.breaker
    assert [made.add("a", 60).used for _ in range(500)] == list(range(1, 501))
    assert made.look("a").used == 500
    assert breaker.failures_total == 1
    clock.now += 34
    assert made.add("a", 60).used == 501
    assert breaker.failures_total == 2


def test_redis_is_used_again_when_it_is_back(own_redis: Any, clock: Clock) -> None:
    url, start = own_redis
    made = Counters(SharedRedis(url, clock=clock), clock=clock)
    assert made.add("a", 60).used == 1  # here
    start()
    assert made.add("a", 60).used == 2  # not asked: it was away a moment ago
    clock.now += 34
    assert [made.add("a", 60).used for _ in range(2)] == [1, 2]
    assert Counters(SharedRedis(url)).look("a").used == 2


def test_a_redis_known_to_be_away_is_not_asked(redis: str, prefix: str) -> None:
    shared = SharedRedis(redis)
    with pytest.raises(UpstreamUnavailable):
        shared.breaker.call(_fail)
    made = Counters(shared)
    assert made.add("a", 60).used == 1
    assert Counters(SharedRedis(redis)).look("a").used == 0


def _fail() -> None:
    raise UpstreamUnavailable("redis", "gone")


FOREIGN: dict[str, Callable[[redis_client.Redis, str], Any]] = {
    "text": lambda client, name: client.set(name, "not a number", ex=60),
    "a list": lambda client, name: client.lpush(name, "a list"),
    "a number without an end": lambda client, name: client.set(name, 10**9),
    "an end next year": lambda client, name: client.set(name, 10**9, ex=31_536_000),
    "the largest number": lambda client, name: client.set(name, 2**63 - 1, ex=60),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_what_somebody_else_stored_under_our_key_begins_anew_and_says_nothing_of_redis(
    redis: str, prefix: str, kind: str
) -> None:
    shared = SharedRedis(redis)
    made, breaker = Counters(shared), shared.breaker
    made.add("a", 60)
    with redis_client.Redis.from_url(redis) as client:
        (name,) = client.scan_iter(f"{prefix}*")
        client.delete(name)
        FOREIGN[kind](client, name.decode())
        made.look("a")
        assert made.add("a", 60).used == 1
        assert 0 < client.pttl(name) <= 60_000
    assert made.add("a", 60).used == made.look("a").used == 2
    assert (breaker.state, breaker.failures_total) == ("closed", 0)


def test_nobody_without_the_secret_knows_which_key_is_whose(redis: str, prefix: str) -> None:
    Counters(SharedRedis(redis), secret="ours").add("strangers/203.0.113.7", 60)
    assert Counters(SharedRedis(redis), secret="theirs").look("strangers/203.0.113.7").used == 0
    with redis_client.Redis.from_url(redis) as client:
        assert not [name for name in client.scan_iter(f"{prefix}*") if b"203.0" in name]


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="REDIS_URL"):
        Counters(SharedRedis("ftp://127.0.0.1/0"))
