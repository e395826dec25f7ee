"""Bot profiles in flask-caching: by version, one load for many who ask, an older copy when the database is away."""

from inbox.cache.profile_cache import CacheStats, ProfileCache

__all__ = ["CacheStats", "ProfileCache"]
