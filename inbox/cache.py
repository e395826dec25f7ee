"""Bot profiles in flask-caching, keyed by account and version: an edit is another key, so nothing has to be found."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import UUID

from flask import Flask
from flask_caching import Cache

log = logging.getLogger(__name__)

TTL = 300  # seconds; eviction only, freshness comes from the version
THRESHOLD = 2000  # entries; more than there are accounts on any installation we know


class ProfileCache:
    """Profile contents by (account, version)."""

    def __init__(self, app: Flask) -> None:
        settings = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": TTL, "CACHE_THRESHOLD": THRESHOLD}
        self._cache = Cache(app, config=settings)
        self.hits = 0
        self.misses = 0

    @property
    def hit_ratio(self) -> float | None:
        """Of this process; None before the first lookup."""
        lookups = self.hits + self.misses
        return round(self.hits / lookups, 4) if lookups else None

    def get(self, account_id: UUID, version: int, load: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The content of this version; `load` fetches it on a miss."""
        key = f"profile:{account_id.hex}:{version}"
        cached: dict[str, Any] | None = self._cache.get(key)
        log.info("Cache MISS" if cached is None else "Cache HIT", extra={"cache": "profile", "key": key})
        if cached is not None:
            self.hits += 1
            return cached
        self.misses += 1
        content = load()
        self._cache.set(key, content)
        return content
