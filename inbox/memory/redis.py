"""The one Redis client of a process: short waits, no repeats, and one circuit for everybody who uses it.

Redis is optional, and losing it changes no answer. With the options of redis-py as they come, one call takes 5 s when
Redis takes connections and says nothing, and up to 58 s when it repeats (measured with redis 8.1).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from inbox.config import REDIS, Config
from inbox.errors import ConfigError, UpstreamUnavailable
from inbox.resilience import Breaker

log = logging.getLogger(__name__)

T = TypeVar("T")


class SharedRedis:
    """Thread-safe. Connects at the first use."""

    def __init__(self, url: str, *, breaks: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        """`breaks` is off when RESILIENCE_BREAKER is. Raises ConfigError for a url that is no address."""
        # Imported only where it is used: it would cost every start 50 ms.
        from redis import Redis, RedisError
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._error = RedisError
        self.breaker = Breaker("redis", REDIS, clock=clock)
        self.breaker.enabled = breaks
        waits = {"socket_timeout": REDIS.read, "socket_connect_timeout": REDIS.connect}
        try:
            if not url.startswith("unix:") and not re.fullmatch(r"(/[0-9]*)?", urlsplit(url).path):
                raise ValueError  # redis-py would take a word for database 0
            self.client: Any = Redis.from_url(url, retry=Retry(NoBackoff(), 0), **waits)
        except ValueError:
            raise ConfigError("REDIS_URL", "must be an address such as redis://host:6379/0") from None

    def use(self, act: Callable[[], T]) -> T:
        """What `act` returns. Raises UpstreamUnavailable: Redis is away, or was within the last half minute."""
        return self.breaker.call(self._translated, act)

    def _translated(self, act: Callable[[], T]) -> T:
        try:
            return act()
        except self._error as error:
            log.warning("Redis is away, this process goes on without it", extra={"error": type(error).__name__})
            raise UpstreamUnavailable("redis", "no answer", code=type(error).__name__) from error

    def is_wrong_type(self, error: Exception) -> bool:
        """True when the key holds something of another type, which says nothing about Redis."""
        return isinstance(error, self._error) and str(error).startswith("WRONGTYPE")

    def close(self) -> None:
        """Close the connections. The next use opens new ones."""
        self.client.close()


def shared_redis(config: Config) -> SharedRedis | None:
    """The client of this configuration; None where there is no Redis. Raises ConfigError."""
    if config.redis_url is None:
        return None
    return SharedRedis(config.redis_url, breaks=config.resilience_breaker)
