"""The keys that Supabase publishes (JWKS), by which this process checks tokens without asking.

One request in ten minutes fetches them again; those that come meanwhile go on with what is known. So a key that is
taken out of the set is taken for good for twenty minutes at most: Supabase's edge may show the set of ten minutes ago,
and ours is of ten minutes ago at most. While Supabase is away the set stays good for a day: it says who made a token,
and that does not change because nobody can be asked.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from inbox.auth.supabase.jwts import ASYMMETRIC
from inbox.errors import IdentityUnavailable, InvalidCredentials, UpstreamError
from inbox.memory.kept import Kept
from inbox.resilience.breaker import describe

if TYPE_CHECKING:
    import jwt

log = logging.getLogger(__name__)

FRESH = 600.0  # seconds a set is used without another look
FORCED = 30.0  # seconds between fetches for unknown kids: inventing kids costs Supabase no more than that
PAUSE = 5.0  # seconds without a try after one that failed
KEPT = 86_400.0  # seconds that a set is good for while Supabase cannot be asked
_MOST = 50  # keys
_ALL = "all"  # the one entry


@dataclass(frozen=True, slots=True)
class _Published:
    """The usable keys of one fetch."""

    keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict)  #: by kid
    raw: Mapping[str, Any] = field(default_factory=dict)  #: the JWK of each key
    forced_at: float = -math.inf  #: of the monotonic clock: the last fetch for a kid that was not among them


class SigningKeys:
    """Of one process, fetched by `fetch` when they are first needed. Thread-safe."""

    def __init__(self, fetch: Callable[[], list[dict[str, Any]]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: Kept[_Published] = Kept(
            FRESH, KEPT, 1, pause=PAUSE, away=IdentityUnavailable, may_insist=False, clock=clock, name="signing_keys"
        )

    def find(self, kid: str | None) -> jwt.PyJWK | None:
        """The key with this id; None when no key is published at all, so that only Supabase can tell.

        Raises InvalidCredentials when there are keys and this is none of them, IdentityUnavailable when we cannot tell.
        """
        known = self._kept.get(_ALL, self._published)
        if known.keys and kid is not None and kid not in known.keys and self._clock() - known.forced_at >= FORCED:
            known = self._kept.newer(_ALL, known, lambda: self._published(forced=True))
        if not known.keys:
            return None
        key = known.keys.get(kid) if kid is not None else None
        if key is None:
            raise InvalidCredentials
        return key

    def _published(self, *, forced: bool = False) -> _Published:
        """Raises IdentityUnavailable."""
        before, began = self._kept.last(_ALL) or _Published(), self._clock()
        try:
            published = self._fetch()
        except UpstreamError as error:
            log.warning("the keys of Supabase cannot be fetched", extra={"error": describe(error)})
            raise IdentityUnavailable(retry_after=_seconds(error)) from error
        keys, raw = _usable_keys(published, before)
        if before.keys.keys() != keys.keys():
            log.info("keys of Supabase", extra={"kids": sorted(keys)})
        return _Published(keys, raw, began if forced else before.forced_at)


def _seconds(error: UpstreamError) -> int:
    return max(1, min(60, math.ceil(error.retry_after or PAUSE)))


def _usable_keys(published: list[dict[str, Any]], seen: _Published) -> tuple[dict[str, jwt.PyJWK], dict[str, Any]]:
    """Those that may check a signature of a kind we take. One that was there before stays the same object."""
    keys: dict[str, jwt.PyJWK] = {}
    raw: dict[str, Any] = {}
    for jwk in published[:_MOST]:
        kid = jwk.get("kid")
        if not isinstance(kid, str) or jwk.get("use", "sig") != "sig":
            continue
        same = seen.keys.get(kid) if seen.raw.get(kid) == jwk else None
        key = same or _key(jwk)
        if key is not None:
            keys[kid], raw[kid] = key, jwk
    return keys, raw


def _key(jwk: dict[str, Any]) -> jwt.PyJWK | None:
    import jwt  # see jwts.verified

    try:
        key = jwt.PyJWK(jwk)
    except Exception:  # whatever cryptography thinks of numbers that are no key
        return None
    # RFC 7518: RSA keys have 2048 bits or more. A shared secret in a public document is none.
    if key.algorithm_name not in ASYMMETRIC or key.Algorithm.check_key_length(key.key):
        return None
    return key
