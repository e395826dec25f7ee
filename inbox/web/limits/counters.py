"""How often something happened within a window of time: counted in Redis when it is there, else in this process.

The two storages of the `limits` library did not do (measured on 5.8): in memory it keeps a key for every address there
is and begins a thread for each 10 ms of traffic; on Redis it asks three times a request, waits for a silent Redis as
long as redis-py does, and gives back no connection that a dead one holds.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from inbox.errors import UpstreamUnavailable
from inbox.memory.redis import SharedRedis

T = TypeVar("T")
Clock = Callable[[], float]

PREFIX = "inbox:limit:"  # of keys in Redis
LIMIT = 50_000  #: windows of one length in this process (270 bytes each); beyond that the oldest is forgotten

#: One round trip. What is no window of ours (another type, no number, no end or one too far away) begins again: it must
#: neither lock anybody out nor look like a Redis that is away.
_ADD = """
local count = redis.pcall('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if type(count) ~= 'number' or left < 0 or left > tonumber(ARGV[2]) then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return {tonumber(ARGV[1]), tonumber(ARGV[2])}
end
return {count, left}
"""
_LOOK = """
local count = redis.pcall('GET', KEYS[1])
if type(count) == 'table' or (count and not tonumber(count)) then
    redis.call('DEL', KEYS[1])
    return {0, 0}
end
return {tonumber(count or 0), redis.call('PTTL', KEYS[1])}
"""


class Window(NamedTuple):
    """How often it happened since the window began, and the seconds until it ends."""

    used: int
    left: float


class Counters:
    """Thread-safe. Losing Redis raises nothing: the process counts for itself until it is back."""

    def __init__(
        self,
        redis: SharedRedis | None = None,
        *,
        secret: str = "",
        clock: Clock = time.monotonic,
    ) -> None:
        """`secret` makes the keys: in Redis they tell no address and no name, and only we can write to a given one."""
        self._secret = secret.encode()
        self._here = _Here(clock)
        self._redis = None if redis is None else _Redis(redis)

    def add(self, key: str, seconds: float, amount: int = 1) -> Window:
        """Count `amount` in the window of `key`, which begins now if there is none."""
        key = self._keyed(key)
        return self._there(lambda redis: redis.add(key, seconds, amount)) or self._here.add(key, seconds, amount)

    def look(self, key: str) -> Window:
        """How it stands now; nothing is counted."""
        key = self._keyed(key)
        return self._there(lambda redis: redis.look(key)) or self._here.look(key)

    def _keyed(self, key: str) -> str:
        return hmac.digest(self._secret, key.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()

    def _there(self, use: Callable[[_Redis], T]) -> T | None:
        if self._redis is None:
            return None
        try:
            return use(self._redis)
        except UpstreamUnavailable:
            return None


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


class _Redis:
    """Windows in Redis."""

    def __init__(self, redis: SharedRedis) -> None:
        self._redis = redis
        self._add, self._look = (redis.client.register_script(each) for each in (_ADD, _LOOK))

    def add(self, key: str, seconds: float, amount: int) -> Window:
        return self._window(lambda: self._add([PREFIX + key], [amount, int(seconds * 1000)]))

    def look(self, key: str) -> Window:
        return self._window(lambda: self._look([PREFIX + key]))

    def _window(self, act: Callable[[], Any]) -> Window:
        """Raises UpstreamUnavailable: Redis is away, or was within the last half minute."""
        count, left = self._redis.use(act)
        return Window(max(0, count), max(0, left) / 1000)
