"""How often something happened within a window of time: counted in Redis when it is there, else in this process.

Flask-Limiter's storage, in the place of the two it comes with (measured on 4.1 with limits 5.8). MemoryStorage keeps a
key for every address there is, begins a thread when it is made, and then one for each 10 ms of traffic that goes
through all keys. RedisStorage is asked three times a request, waits for a silent Redis as long as redis-py does, and
gives back no connection that a dead one holds.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from limits.storage import Storage

from inbox.config import REDIS
from inbox.errors import ConfigError, UpstreamUnavailable
from inbox.resilience import Breaker

T = TypeVar("T")
Clock = Callable[[], float]

PREFIX = "inbox:limit:"  # of keys in Redis
LIMIT = 50_000  #: windows of one length in this process (270 bytes each); beyond that the oldest is forgotten

#: One round trip. Whatever has no end gets one, so that no key stays for ever.
_ADD = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
    left = tonumber(ARGV[2])
end
return {count, left}
"""


class Window(NamedTuple):
    """How often it happened since the window began, and the seconds until it ends."""

    used: int
    left: float


class Counters(Storage):
    """Thread-safe. Losing Redis raises nothing: the process counts for itself until it is back."""

    STORAGE_SCHEME: list[str] = ["inbox"]  # noqa: RUF012 (the library's way)  #: how Flask-Limiter finds it: storage_uri="inbox://"

    def __init__(
        self,
        uri: str | None = None,
        *,
        redis_url: str | None = None,
        breaker: Breaker | None = None,
        clock: Clock = time.monotonic,
        **_: Any,
    ) -> None:
        """Connects to nothing. `breaker`: of the same Redis, where somebody else uses it too. Raises ConfigError."""
        super().__init__(uri)
        self._here = _Here(clock)
        self._redis = _Redis(redis_url, breaker or Breaker("redis", REDIS, clock=clock)) if redis_url else None
        self._seen = threading.local()

    def add(self, key: str, seconds: float, amount: int = 1) -> Window:
        """Count `amount` in the window of `key`, which begins now if there is none."""
        window = self._there(lambda redis: redis.add(key, seconds, amount)) or self._here.add(key, seconds, amount)
        self._seen.last = key, window
        return window

    def window(self, key: str) -> Window:
        """How it stands; as this thread saw it last, if it has looked at nothing else since."""
        last: tuple[str, Window] = getattr(self._seen, "last", ("", Window(0, 0.0)))
        return last[1] if last[0] == key else self.look(key)

    def look(self, key: str) -> Window:
        """How it stands now; nothing is counted."""
        window = self._there(lambda redis: redis.look(key)) or self._here.look(key)
        self._seen.last = key, window
        return window

    def _there(self, use: Callable[[_Redis], T]) -> T | None:
        if self._redis is None:
            return None
        try:
            return use(self._redis)
        except UpstreamUnavailable:
            return None

    # --- what Flask-Limiter asks of a storage -----------------------------------------------------------------------

    @property
    def base_exceptions(self) -> type[Exception]:
        return UpstreamUnavailable

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self.add(key, expiry, amount).used

    def get(self, key: str) -> int:
        return self.look(key).used

    def get_expiry(self, key: str) -> float:
        return time.time() + self.window(key).left

    def clear(self, key: str) -> None:
        self._there(lambda redis: redis.clear(key))
        self._here.clear(key)

    def check(self) -> bool:
        return True

    def reset(self) -> None:
        """Not supported, as `limits` lets a storage say: windows end by themselves."""
        raise NotImplementedError


class _Here:
    """Windows in this process: by their length, in the order in which they end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[float, OrderedDict[str, tuple[int, float]]] = {}

    def add(self, key: str, seconds: float, amount: int) -> Window:
        now = self._clock()
        with self._lock:
            windows = self._windows.setdefault(seconds, OrderedDict())
            while windows and (len(windows) > LIMIT or next(iter(windows.values()))[1] <= now):
                windows.popitem(last=False)
            count, until = windows.get(key, (0, now + seconds))
            count = max(0, count + amount)
            windows[key] = count, until
        return Window(count, until - now)

    def look(self, key: str) -> Window:
        now = self._clock()
        with self._lock:
            found = [windows[key] for windows in self._windows.values() if key in windows]
        running = [Window(count, until - now) for count, until in found if until > now]
        return running[0] if running else Window(0, 0.0)

    def clear(self, key: str) -> None:
        with self._lock:
            for windows in self._windows.values():
                windows.pop(key, None)


class _Redis:
    """Windows in Redis, with the short waits of the profile cache."""

    def __init__(self, url: str, breaker: Breaker) -> None:
        # Imported only where it is used: it would cost every start 50 ms.
        from redis import Redis, RedisError
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._error = RedisError
        self._breaker = breaker
        waits = {"socket_timeout": REDIS.read, "socket_connect_timeout": REDIS.connect}
        try:
            self._client = Redis.from_url(url, retry=Retry(NoBackoff(), 0), **waits)
        except ValueError:
            raise ConfigError("REDIS_URL", "must be an address such as redis://host:6379/0") from None
        self._add = self._client.register_script(_ADD)

    def add(self, key: str, seconds: float, amount: int) -> Window:
        count, left = self._use(lambda: self._add([PREFIX + key], [amount, int(seconds * 1000)]))
        return Window(max(0, count), left / 1000)

    def look(self, key: str) -> Window:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(PREFIX + key)
        pipeline.pttl(PREFIX + key)
        count, left = self._use(lambda: [int(value or 0) for value in pipeline.execute()])
        return Window(max(0, count), max(0, left) / 1000)

    def clear(self, key: str) -> None:
        self._use(lambda: self._client.delete(PREFIX + key))

    def _use(self, act: Callable[[], Any]) -> Any:
        """Raises UpstreamUnavailable: Redis is away, or was within the last half minute."""
        return self._breaker.call(self._translated, act)

    def _translated(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (self._error, ValueError) as error:  # or what is stored there is not what we put there
            raise UpstreamUnavailable("redis", "no answer", code=type(error).__name__) from error
