"""What Supabase has said of tokens: asked once for many requests, and remembered for when it cannot be asked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inbox.auth.hashing import token_hash
from inbox.auth.supabase import profiles
from inbox.auth.supabase.jwts import Claims
from inbox.auth.supabase.profiles import Profile
from inbox.errors import IdentityUnavailable, InvalidCredentials, UpstreamError, UpstreamRejected
from inbox.memory.flights import Flights
from inbox.memory.remembered import Remembered

GOOD = 60.0  # seconds that a good answer is used for, or until the token ends: a ban is felt here by then
REFUSED = 10.0  # seconds that a refusal is used for, and a good answer of a token that has ended by our clock
REST = 5.0  # seconds without asking about a token after asking has failed


@dataclass(frozen=True, slots=True)
class _Answer:
    """`profile` is of the last good answer; None when the last answer was a refusal, or there was none."""

    until: float  #: of the monotonic clock: not before then is asked again
    profile: Profile | None = None
    retry_after: int | None = None  #: seconds, when asking has failed; no exception, which would keep its frames


class Answers:
    """By the hash of the token, in this process. Thread-safe; one thread asks about a token at a time."""

    def __init__(
        self,
        ask: Callable[[str], dict[str, Any]],
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`ask` gives a user object. It raises UpstreamRejected, or another UpstreamError when we cannot tell."""
        self._ask = ask
        self._now = now
        self._clock = clock
        self._answers: Remembered[_Answer] = Remembered()
        self._flights: Flights[_Answer] = Flights(IdentityUnavailable)

    def profile(self, token: str, claims: Claims) -> Profile:
        """What Supabase says of the holder of `token`, which says `claims` of itself.

        Raises InvalidCredentials when it refuses the token, or the answer is of somebody else; IdentityUnavailable.
        """
        hash_ = token_hash(token)
        answer = self._current(hash_)
        if answer is None:
            answer = self._flights.share(hash_, lambda: self._asked(hash_, token, claims), may_insist=False)
        if answer.retry_after is not None:
            raise IdentityUnavailable(retry_after=answer.retry_after)
        if answer.profile is None:
            raise InvalidCredentials
        return answer.profile

    def vouched(self, token: str) -> bool:
        """True when the last that Supabase said of `token` in this process was good, however long ago."""
        answer = self._answers.get(token_hash(token))
        return answer is not None and answer.profile is not None

    def _current(self, hash_: str) -> _Answer | None:
        answer = self._answers.get(hash_)
        return answer if answer is not None and self._clock() < answer.until else None

    def _asked(self, hash_: str, token: str, claims: Claims) -> _Answer:
        answer = self._current(hash_)  # another thread may have asked since we looked
        if answer is None:
            answer = self._answer(hash_, token, claims)
            self._answers.put(hash_, answer)
        return answer

    def _answer(self, hash_: str, token: str, claims: Claims) -> _Answer:
        began = self._clock()
        try:
            profile = profiles.of_user(self._ask(token), claims, self._now())
        except (UpstreamRejected, InvalidCredentials):
            return _Answer(self._clock() + REFUSED)
        except UpstreamError as error:
            wait = REST if error.retry_after is None else max(1.0, min(REST, error.retry_after))
            before = self._answers.get(hash_)
            return _Answer(self._clock() + wait, before.profile if before else None, math.ceil(wait))
        return _Answer(began + max(REFUSED, min(GOOD, claims.expires_at - self._now())), profile)
