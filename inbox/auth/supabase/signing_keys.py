"""The keys that Supabase publishes (JWKS), by which this process checks tokens without asking.

A request waits for a fetch only where nothing could be said without it. A thread renews the keys at half the time they
are fresh for, so a key that is taken out of the set is taken for good until then at most: Supabase's edge may show the
set of ten minutes ago, ours is of ten minutes ago at most, which makes twenty. While Supabase is away the set stays
good for a day: it says who made a token, and that does not change because nobody can be asked.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from inbox.auth.supabase.jwts import ASYMMETRIC
from inbox.errors import IdentityUnavailable, InvalidCredentials, UpstreamError
from inbox.logs import set_request_id
from inbox.resilience.breaker import describe

if TYPE_CHECKING:
    import jwt

log = logging.getLogger(__name__)

FRESH = 600.0  # seconds a set is used without another look, if the thread below could not look
RENEW = 300.0  # seconds after which the thread fetches it anew
FORCED = 30.0  # seconds between fetches for unknown kids: whoever invents kids costs Supabase no more than that
REST = 5.0  # seconds without a try after one that failed, while there is nothing at all
KEPT = 86_400.0  # seconds that a set is good for while Supabase cannot be asked
_PATIENCE = 5.0  # seconds to wait for another thread's fetch
_LEAVE = 2.0  # seconds close() waits for the thread
_MOST = 50  # keys


@dataclass(frozen=True, slots=True)
class _State:
    """What is known, and what became of the last try. Times are of the monotonic clock."""

    keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict)  #: by kid
    fetched_at: float = -math.inf  #: when the fetch of `keys` began
    tried_at: float = -math.inf
    forced_at: float = -math.inf
    retry_after: int | None = None  #: seconds; None: the last try was a success
    raw: Mapping[str, Any] = field(default_factory=dict)  #: the JWK of each key


class SigningKeys:
    """Of one process, fetched by `fetch` when they are first needed. Thread-safe. Somebody has to close() it."""

    def __init__(self, fetch: Callable[[], list[dict[str, Any]]], clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._state = _State()
        self._fetching = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def find(self, kid: str | None) -> jwt.PyJWK | None:
        """The key with this id; None when no key is published at all, so that only Supabase can tell.

        Raises InvalidCredentials when there are keys and this is none of them, IdentityUnavailable when we cannot tell.
        """
        state = self._usable()
        if state.keys and kid is not None and kid not in state.keys and self._clock() - state.forced_at >= FORCED:
            state = self._renewed(state, forced=True)
        if not state.keys:
            return None
        key = state.keys.get(kid) if kid is not None else None
        if key is not None:
            return key
        if kid is None or state.retry_after is None:
            raise InvalidCredentials
        raise IdentityUnavailable(retry_after=state.retry_after)

    def close(self) -> None:
        """End the thread. A fetch under way ends by its own deadline."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None and self._pid == os.getpid():
            self._thread.join(_LEAVE)

    # --- how old ---------------------------------------------------------------------------------------------

    def _usable(self) -> _State:
        """A set that may be used, fetched now if need be. Raises IdentityUnavailable."""
        state, now = self._state, self._clock()
        age = now - state.fetched_at
        if age <= RENEW:
            return state
        if age > KEPT:
            if state.retry_after is None or now - state.tried_at >= REST:
                state = self._renewed(state)
            if now - state.fetched_at > KEPT:
                raise IdentityUnavailable(retry_after=state.retry_after or 5)
        elif age > FRESH and now - state.tried_at > FRESH:
            # The process was asleep, or the thread starved: nobody has looked, so a key may be gone for long.
            state = self._renewed(state)
        self._start()
        self._wake.set()
        return state

    def _renewed(self, seen: _State, *, forced: bool = False) -> _State:
        """What is known after a try that was made, or under way, when `seen` was known. Raises IdentityUnavailable."""
        if not self._fetching.acquire(timeout=_PATIENCE):
            raise IdentityUnavailable
        try:
            if self._state is seen:
                self._state = self._tried(seen, forced=forced)
            return self._state
        finally:
            self._fetching.release()

    def _tried(self, seen: _State, *, forced: bool) -> _State:
        now = self._clock()
        before = replace(seen, tried_at=now, forced_at=now if forced else seen.forced_at)
        try:
            published = self._fetch()
        except UpstreamError as error:
            log.warning("the keys of Supabase cannot be fetched", extra={"error": describe(error)})
            return replace(before, retry_after=_seconds(error))
        keys, raw = _usable_keys(published, seen)
        if seen.keys.keys() != keys.keys():
            log.info("keys of Supabase", extra={"kids": sorted(keys)})
        return replace(before, keys=keys, raw=raw, fetched_at=now, retry_after=None)

    # --- the thread ------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Renew from now on, once per process: threads do not survive a fork."""
        if self._pid == os.getpid():
            return
        with self._starting:
            if self._pid == os.getpid() or self._stopping.is_set():
                return
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._run, name="signing keys", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(RENEW if self._state.retry_after is None else FORCED)
            self._wake.clear()
            set_request_id("")
            self.renew_if_due()

    def renew_if_due(self) -> None:
        """What the thread does: fetch, if the set is old enough and the last try long enough ago."""
        state, now = self._state, self._clock()
        if self._stopping.is_set() or now - state.fetched_at < RENEW or now - state.tried_at < FORCED:
            return
        try:
            self._renewed(state)
        except IdentityUnavailable:
            pass  # another thread is at it
        except Exception:
            log.exception("renewing the keys failed")


def _seconds(error: UpstreamError) -> int:
    return max(1, min(60, math.ceil(error.retry_after or REST)))


def _usable_keys(published: list[dict[str, Any]], seen: _State) -> tuple[dict[str, jwt.PyJWK], dict[str, Any]]:
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
