"""Profile caches without an app around them, and profiles without a database."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask

from inbox.bot import profile_cache
from inbox.bot.profile_cache import ProfileCache
from inbox.config import Config
from inbox.memory.redis import SharedRedis
from tests.clocks import Clock

HOUR = 3600.0


@contextmanager
def own_prefix() -> Iterator[None]:
    """Keys that nobody else has, in a Redis that others may be using as well."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(profile_cache, "PREFIX", f"inbox:test:{uuid.uuid4().hex}:")
        yield


class Row:
    """A stored profile, and the database it is in."""

    def __init__(self) -> None:
        self.account_id = uuid.uuid4()
        self.version = 1
        self.error: Exception | None = None
        self.loads = 0
        self.during: Callable[[], object] = lambda: None  # happens after the row was read, before it is handed over

    def content(self, version: int) -> dict[str, Any]:
        return {"business_name": f"Version {version}"} if version else {}

    def load(self) -> tuple[int, dict[str, Any]]:
        self.loads += 1
        version, error = self.version, self.error
        self.during()
        if error is not None:
            raise error
        return version, self.content(version)


def look(profiles: ProfileCache, row: Row, version: int | None = None) -> Any:
    """The name in the profile that is got for `version`, by default the current one."""
    return profiles.get(row.account_id, row.version if version is None else version, row.load).get("business_name")


def make(redis_url: str | None = None, clock: Clock | None = None, **changes: Any) -> ProfileCache:
    """The cache of one process."""
    config = Config(env="development", redis_url=redis_url, **changes)
    return ProfileCache(Flask("tests"), config, shared(config, clock))


def shared(config: Config, clock: Clock | None = None) -> SharedRedis | None:
    """The Redis client of one process."""
    if config.redis_url is None:
        return None
    return SharedRedis(config.redis_url, breaks=config.resilience_breaker, clock=clock or time.monotonic)


def redis_key(row: Row, version: int | str) -> str:
    """Where Redis has it."""
    return f"{profile_cache.PREFIX}profile:{row.account_id.hex}:{version}"


@contextmanager
def threads(count: int, work: Callable[[], Any]) -> Iterator[list[Any]]:
    """`count` threads that work while the block runs; afterwards, what each returned or raised."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(work())
        except Exception as error:
            results.append(type(error))

    started = [threading.Thread(target=run) for _ in range(count)]
    for thread in started:
        thread.start()
    try:
        yield results
    finally:
        for thread in started:
            thread.join(30)
    assert not any(thread.is_alive() for thread in started)
