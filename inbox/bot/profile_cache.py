"""Bot profiles in flask-caching, keyed by account and version: an edit is another key, so nothing has to be found.

Callers read the version from the database for every message. A profile is therefore never served for a version it is
not, whatever becomes of a clock, a process or Redis; lifetimes only decide when an entry is thrown away. What the
version cannot know: a row changed by hand, and a database that was put back to an earlier day. For those there is
clear().

`get` and `set` of flask-caching are used, not `memoize`: that loads once per thread when cold (50 times for 50) and
stores what it loaded even if it was invalidated meanwhile.
"""

from __future__ import annotations

import json
import logging
import math
import random
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from cachelib.serializers import BaseSerializer
from flask import Flask
from flask_caching import Cache

from inbox.config import REDIS, Config
from inbox.errors import ConfigError, DatabaseUnavailable, UpstreamUnavailable
from inbox.memory.copies import NO_CONTENT, Copies
from inbox.memory.flights import Flights
from inbox.resilience import Breaker

log = logging.getLogger(__name__)

T = TypeVar("T")
Clock = Callable[[], float]
#: Reads a profile: the version that is stored now, and its content; 0 and {} when there is none.
Load = Callable[[], tuple[int, dict[str, Any]]]

TTL = 300.0  # seconds an entry is kept, give or take JITTER, so that entries made together do not end together
JITTER = 0.1
NEGATIVE_TTL = 30.0  # seconds "there is no profile" is kept
#: Entries. More than there are accounts, because a full SimpleCache sorts itself at every write (1 ms per 5,000).
THRESHOLD = 10_000
PREFIX = "inbox:cache:"  # of keys in Redis

Backend = Literal["simple", "redis", "off"]


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Of this process since it started."""

    hits: int
    misses: int
    loads: int  #: reads of a profile from the database; fewer than misses, as threads share one
    errors: int  #: loads that failed
    stale: int  #: older profiles used because the current one could not be loaded
    ratio: float | None  #: of lookups that were hits; None before the first
    size: int  #: accounts whose profile this process knows
    backend: Backend  #: what serves just now: "simple" also while Redis is away


class ProfileCache:
    """Profile contents by (account, version). Thread-safe."""

    def __init__(
        self, app: Flask, config: Config, *, clock: Clock = time.monotonic, rng: random.Random | None = None
    ) -> None:
        """Connects to nothing. Raises ConfigError for a REDIS_URL that is no address."""
        self._enabled = config.resilience_cache
        self._store = _Store(app, config, clock, rng or random.Random())  # noqa: S311 (jitter, no secret)
        self._copies = Copies(clock, THRESHOLD)
        self._lock = threading.Lock()
        self._flights: Flights[str] = Flights(DatabaseUnavailable)
        self._counts: Counter[str] = Counter()

    @property
    def breaker(self) -> Breaker | None:
        """Redis's; None when it is not used."""
        return self._store.breaker

    def get(self, account_id: UUID, version: int, load: Load) -> dict[str, Any]:
        """The content of `version`, which the caller has just read from the database; `load` fetches it on a miss.

        While `load` raises DatabaseUnavailable, the newest older content that this process knew to be current within
        the last hour. Without one the error passes, as does every other error of `load`.
        """
        content: dict[str, Any] = json.loads(self._text(_Lookup(account_id, version, load, self._copies.generation)))
        return content

    def stats(self) -> CacheStats:
        with self._lock:
            counts = self._counts.copy()
        lookups = counts["hits"] + counts["misses"]
        return CacheStats(
            hits=counts["hits"],
            misses=counts["misses"],
            loads=counts["loads"],
            errors=counts["errors"],
            stale=counts["stale"],
            ratio=round(counts["hits"] / lookups, 4) if lookups else None,
            size=len(self._copies),
            backend=self._store.backend if self._enabled else "off",
        )

    def clear(self) -> bool:
        """Forget every profile: in this process, and in Redis. False when Redis is configured and was not reached.

        Loads under way end, but are not kept. Other processes without Redis keep theirs for up to TTL.
        """
        self._forget()
        cleared = self._store.clear()
        self._forget()  # what somebody found in the store between these lines
        return cleared

    def _forget(self) -> None:
        self._copies.clear()
        self._flights.forget()

    def _count(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    # --- one lookup ----------------------------------------------------------------------------------------------

    def _text(self, lookup: _Lookup) -> str:
        text = self._store.get(lookup.key) if self._enabled else None
        if text is not None:
            self._count("hits")
            log.info("Cache HIT", extra=lookup.extra)
            self._copies.keep(lookup.account_id, lookup.version, text, generation=lookup.generation)
            return text
        self._count("misses")
        log.info("Cache MISS", extra=lookup.extra)
        if not self._enabled:
            return self._load(lookup)[1]
        copy = self._copies.usable(lookup.account_id, lookup.version)
        if copy is None or not self._copies.resting(copy):
            try:
                return self._flights.share(lookup.key, lambda: self._find_or_load(lookup), may_insist=copy is None)
            except DatabaseUnavailable:
                copy = self._copies.rest(lookup.account_id, lookup.version)
                if copy is None:
                    raise
        self._count("stale")
        log.warning("Cache STALE", extra={**lookup.extra, "used_version": copy.version})
        return copy.text

    def _find_or_load(self, lookup: _Lookup) -> str:
        text = self._store.get(lookup.key)  # another thread may have loaded it since we looked
        if text is None:
            version, text = self._load(lookup)
            self._keep(lookup, version, text)
        return text

    def _load(self, lookup: _Lookup) -> tuple[int, str]:
        self._count("loads")
        try:
            version, content = lookup.load()
        except Exception:
            self._count("errors")
            raise
        return version, json.dumps(content)

    def _keep(self, lookup: _Lookup, version: int, text: str) -> None:
        """Under the version that was loaded, which an edit may have made another than the one asked for."""
        if lookup.generation != self._copies.generation:
            return
        key = _key(lookup.account_id, version)
        self._store.set(key, text)
        self._copies.keep(lookup.account_id, version, text, generation=lookup.generation)
        if lookup.generation != self._copies.generation:  # cleared between the check and the write
            self._store.delete(key)


@dataclass(frozen=True, slots=True)
class _Lookup:
    """What is asked for. `generation` counts the clears before it began."""

    account_id: UUID
    version: int
    load: Load
    generation: int

    @property
    def key(self) -> str:
        return _key(self.account_id, self.version)

    @property
    def extra(self) -> dict[str, str]:
        return {"cache": "profile", "key": self.key}


def _key(account_id: UUID, version: int) -> str:
    return f"profile:{account_id.hex}:{version}"


# --- where entries are -------------------------------------------------------------------------------------------


class _Store:
    """Texts by key in flask-caching: in Redis if it is configured and there, else in this process.

    An entry is [whose clock, until when, text]. SimpleCache goes by the wall clock, which may be set back, so an entry
    also ends by the monotonic clock it was made with. To another process that reading means nothing: there, the key's
    expiry in Redis ends it, and its version keeps it right.
    """

    def __init__(self, app: Flask, config: Config, clock: Clock, rng: random.Random) -> None:
        self._clock = clock
        self._clock_id = secrets.token_hex(8)
        self._rng = rng
        settings = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": THRESHOLD}
        self._local = Cache(app, with_jinja2_ext=False, config=settings)
        used = config.redis_url if config.resilience_cache else None
        self._redis = _Redis(app, used, clock) if used else None
        if self._redis is not None:
            self._redis.breaker.enabled = config.resilience_breaker

    @property
    def breaker(self) -> Breaker | None:
        return self._redis.breaker if self._redis is not None else None

    @property
    def backend(self) -> Backend:
        return "redis" if self._redis is not None and self._redis.breaker.state != "open" else "simple"

    def get(self, key: str) -> str | None:
        match self._through(lambda cache: cache.get(key)):
            case [str(clock_id), float(until), str(text)]:
                return text if clock_id != self._clock_id or self._clock() < until else None
        return None

    def set(self, key: str, text: str) -> None:
        lasts = NEGATIVE_TTL if text == NO_CONTENT else TTL * self._rng.uniform(1 - JITTER, 1 + JITTER)
        entry = [self._clock_id, self._clock() + lasts, text]
        self._through(lambda cache: cache.set(key, entry, timeout=math.ceil(lasts)))

    def delete(self, key: str) -> None:
        self._through(lambda cache: cache.delete(key))

    def clear(self) -> bool:
        """False when Redis is configured and was not reached."""
        self._local.clear()
        if self._redis is None:
            return True
        try:
            self._redis.use(lambda cache: cache.clear())
        except UpstreamUnavailable:
            return False
        return True

    def _through(self, act: Callable[[Cache], Any]) -> Any:
        if self._redis is not None:
            try:
                return self._redis.use(act)
            except UpstreamUnavailable:
                pass  # what Redis would have told us, the database will
        return act(self._local)


class _Redis:
    """flask-caching's RedisCache, cut short when Redis is away.

    By CACHE_REDIS_URL and with options of our own: as it comes, one lookup takes 5 s when Redis takes connections and
    says nothing, and 58 s by CACHE_REDIS_HOST (measured with redis 8.1).
    """

    def __init__(self, app: Flask, url: str, clock: Clock) -> None:
        # Imported only where it is used: it would cost every start 50 ms.
        from redis import RedisError
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._error = RedisError
        self.breaker = Breaker("redis", REDIS, clock=clock)
        settings = {
            "CACHE_TYPE": "RedisCache",
            "CACHE_REDIS_URL": url,
            "CACHE_KEY_PREFIX": PREFIX,
            "CACHE_SERIALIZER": _JSON,
            "CACHE_OPTIONS": {
                "socket_timeout": REDIS.read,
                "socket_connect_timeout": REDIS.connect,
                "retry": Retry(NoBackoff(), 0),
            },
        }
        try:
            self._cache = Cache(app, with_jinja2_ext=False, config=settings)
        except ValueError:
            raise ConfigError("REDIS_URL", "must be an address such as redis://host:6379/0") from None

    def use(self, act: Callable[[Cache], T]) -> T:
        """Raises UpstreamUnavailable: Redis is away, or was within the last half minute."""
        return self.breaker.call(self._translated, act)

    def _translated(self, act: Callable[[Cache], T]) -> T:
        try:
            return act(self._cache)
        except self._error as error:
            log.warning("Redis is away, the process's own cache serves", extra={"error": type(error).__name__})
            raise UpstreamUnavailable("redis", "no answer", code=type(error).__name__) from error


class _JSON(BaseSerializer):
    """In the place of pickle, which would let whoever can write to Redis run code here."""

    def dumps(self, value: Any, *_: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, bvalue: bytes | None) -> Any:
        """None, as if it were not there, for what is not JSON."""
        try:
            return None if bvalue is None else json.loads(bvalue)
        except ValueError:
            return None
