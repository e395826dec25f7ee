"""Bot profiles in flask-caching, keyed by account and version: an edit is another key, so nothing has to be found.

The one caller, the bot, reads the version from the database for every message. So a profile is never served for a
version it is not, whatever becomes of a clock, a process or Redis; lifetimes only decide when an entry is thrown away.
What the version cannot know: a row changed by hand, and a database that was put back to an earlier day. For those
there is clear().

No older profile stands in while the database is away: the version was read from it a moment before, and the answer has
to be stored in it a moment later, so there would be nobody to answer for.

`get` and `set` of flask-caching are used, not `memoize`: that loads once per thread when cold (50 times for 50) and
stores what it loaded even if it was invalidated meanwhile.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import math
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from cachelib.serializers import BaseSerializer
from flask import Flask
from flask_caching import Cache

from inbox.config import Config
from inbox.errors import DatabaseUnavailable, UpstreamUnavailable
from inbox.memory.flights import Flights
from inbox.memory.redis import SharedRedis
from inbox.metrics import meters

log = logging.getLogger(__name__)

#: Reads a profile: the version that is stored now, and its content; 0 and {} when there is none.
Load = Callable[[], tuple[int, dict[str, Any]]]

TTL = 300.0  # seconds an entry is kept, give or take JITTER, so that entries made together do not end together
JITTER = 0.1
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
    ratio: float | None  #: of lookups that were hits; None before the first
    size: int  #: accounts whose profile this process has found or loaded
    backend: Backend  #: what serves at the moment: "simple" also while Redis is away


class ProfileCache:
    """Profile contents by (account, version). Thread-safe."""

    def __init__(
        self, app: Flask, config: Config, redis: SharedRedis | None = None, *, rng: random.Random | None = None
    ) -> None:
        self._enabled = config.resilience_cache
        rng = rng or random.Random()  # noqa: S311 (jitter, no secret)
        self._store = _Store(app, config.secret_key, redis if self._enabled else None, rng)
        self._flights: Flights[str] = Flights(DatabaseUnavailable)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._accounts: set[UUID] = set()
        self._clears = 0

    def get(self, account_id: UUID, version: int, load: Load) -> dict[str, Any]:
        """The content of `version`, which the caller has just read from the database; `load` fetches it on a miss.

        Of those who miss together one loads. Every error of `load` passes.
        """
        key = _key(account_id, version)
        text = self._store.get(key) if self._enabled else None
        self._note("hits" if text is not None else "misses")
        meters.LOOKUPS.labels("profiles", "hit" if text is not None else "miss").inc()
        log.info("Cache HIT" if text is not None else "Cache MISS", extra={"cache": "profile", "key": key})
        if text is None and self._enabled:
            text = self._flights.share(key, lambda: self._find_or_load(account_id, key, load), may_insist=True)
        elif text is None:
            text = self._load(load)[1]
        else:
            self._know(account_id)
        content: dict[str, Any] = json.loads(text)
        return content

    def stats(self) -> CacheStats:
        """What has been counted so far."""
        with self._lock:
            counts, size = self._counts.copy(), len(self._accounts)
        lookups = counts["hits"] + counts["misses"]
        return CacheStats(
            hits=counts["hits"],
            misses=counts["misses"],
            loads=counts["loads"],
            errors=counts["errors"],
            ratio=round(counts["hits"] / lookups, 4) if lookups else None,
            size=size,
            backend=self._store.backend if self._enabled else "off",
        )

    def clear(self) -> bool:
        """Forget every profile: in this process, and in Redis. False when Redis is configured and was not reached.

        Loads under way end, but are not kept. Other processes without Redis keep theirs for up to TTL.
        """
        with self._lock:
            self._clears += 1
            self._accounts.clear()
        self._flights.forget()
        return self._store.clear()

    def _find_or_load(self, account_id: UUID, key: str, load: Load) -> str:
        found = self._store.get(key)  # another thread's load may have ended between our look and this one
        if found is not None:
            return found
        clears = self._clears
        version, text = self._load(load)
        if clears != self._clears:  # what was read before a clear is not kept after it
            return text
        # Under the version that was loaded, which an edit may have made another than the one asked for.
        self._store.set(_key(account_id, version), text)
        if clears != self._clears:  # cleared between the check and the write
            self._store.delete(_key(account_id, version))
        else:
            self._know(account_id)
        return text

    def _load(self, load: Load) -> tuple[int, str]:
        self._note("loads")
        try:
            version, content = load()
        except Exception:
            self._note("errors")
            raise
        return version, json.dumps(content)

    def _note(self, name: str) -> None:
        with self._lock:
            self._counts[name] += 1

    def _know(self, account_id: UUID) -> None:
        with self._lock:
            self._accounts.add(account_id)


def _key(account_id: UUID, version: int) -> str:
    return f"profile:{account_id.hex}:{version}"


# --- where entries are -------------------------------------------------------------------------------------------


class _Store:
    """Texts by key in flask-caching: in Redis if it is configured and there, else in this process.

    An entry is "signature:text". What is not signed for its key is no profile of ours: it counts as a miss and
    is deleted.
    """

    def __init__(self, app: Flask, secret: str, redis: SharedRedis | None, rng: random.Random) -> None:
        self._secret = secret.encode()
        self._rng = rng
        self._redis = redis
        settings = {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": THRESHOLD}
        self._here = Cache(app, with_jinja2_ext=False, config=settings)
        self._there = None if redis is None else _in_redis(app, redis)

    @property
    def backend(self) -> Backend:
        return "redis" if self._redis is not None and self._redis.breaker.state != "open" else "simple"

    def get(self, key: str) -> str | None:
        entry = self._through(lambda cache: self._read(cache, key))
        if entry is None:
            return None
        signature, _, text = str(entry).partition(":")
        if not hmac.compare_digest(signature.encode(), self._signature(key, text).encode()):
            log.warning("an entry of the cache is not ours, it is deleted", extra={"key": key})
            self.delete(key)
            return None
        return text

    def _read(self, cache: Cache, key: str) -> Any:
        try:
            return cache.get(key)
        except Exception as error:
            if self._redis is None or not self._redis.is_wrong_type(error):
                raise
            return ""  # something that is not ours

    def set(self, key: str, text: str) -> None:
        lasts = math.ceil(TTL * self._rng.uniform(1 - JITTER, 1 + JITTER))
        self._through(lambda cache: cache.set(key, f"{self._signature(key, text)}:{text}", timeout=lasts))

    def delete(self, key: str) -> None:
        self._through(lambda cache: cache.delete(key))

    def clear(self) -> bool:
        """False when Redis is configured and was not reached."""
        self._here.clear()
        there = self._there
        if self._redis is None or there is None:
            return True
        try:
            self._redis.use(there.clear)
        except UpstreamUnavailable:
            return False
        return True

    def _signature(self, key: str, text: str) -> str:
        return hmac.new(self._secret, f"{key}\n{text}".encode(), hashlib.sha256).hexdigest()

    def _through(self, act: Callable[[Cache], Any]) -> Any:
        there = self._there
        if self._redis is not None and there is not None:
            try:
                return self._redis.use(lambda: act(there))
            except UpstreamUnavailable:
                pass  # what Redis would have told us, the database will
        return act(self._here)


def _in_redis(app: Flask, redis: SharedRedis) -> Cache:
    settings = {
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_HOST": redis.client,  # flask-caching takes a client in the place of a name
        "CACHE_KEY_PREFIX": PREFIX,
        "CACHE_SERIALIZER": _Text,
    }
    return Cache(app, with_jinja2_ext=False, config=settings)


class _Text(BaseSerializer):
    """In the place of pickle, which would let anybody who can write to Redis run code here."""

    def dumps(self, value: Any, *_: Any) -> bytes:
        return str(value).encode()

    def loads(self, bvalue: bytes | None) -> Any:
        return None if bvalue is None else bvalue.decode("utf-8", "replace")
