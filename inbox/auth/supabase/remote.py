"""What Supabase has said of tokens: asked once for many requests, and remembered for when it cannot be asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inbox.auth.hashing import token_hash
from inbox.auth.supabase import profiles
from inbox.auth.supabase.jwts import Claims
from inbox.auth.supabase.profiles import Profile
from inbox.errors import IdentityUnavailable, InvalidCredentials, UpstreamError, UpstreamRejected
from inbox.memory.kept import Kept

GOOD = 60.0  # seconds that a good answer is used for, or until the token ends: a ban is felt here by then
REFUSED = 10.0  # seconds that a refusal is used for, and a good answer of a token that has ended by our clock
PAUSE = 5.0  # seconds without asking about a token after asking has failed


@dataclass(frozen=True, slots=True)
class _Verdict:
    """`profile` is None when Supabase refuses the token."""

    lasts: float  #: seconds it is used without asking again
    profile: Profile | None


class RemoteProfiles:
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
        # Nothing stands in: whether a token may pass while Supabase is away, its end and the grace decide.
        self._kept: Kept[_Verdict] = Kept(
            lambda verdict: verdict.lasts,
            pause=PAUSE,
            away=IdentityUnavailable,
            may_insist=False,
            clock=clock,
            name="supabase_users",
        )

    def profile(self, token: str, claims: Claims) -> Profile:
        """What Supabase says of the holder of `token`, which says `claims` of itself.

        Raises InvalidCredentials when it refuses the token, or the answer is of somebody else; IdentityUnavailable.
        """
        verdict = self._kept.get(token_hash(token), lambda: self._asked(token, claims))
        if verdict.profile is None:
            raise InvalidCredentials
        return verdict.profile

    def vouched(self, token: str) -> bool:
        """True when the last that Supabase said of `token` in this process was good, however long ago."""
        verdict = self._kept.last(token_hash(token))
        return verdict is not None and verdict.profile is not None

    def _asked(self, token: str, claims: Claims) -> _Verdict:
        try:
            profile = profiles.of_user(self._ask(token), claims, self._now())
        except (UpstreamRejected, InvalidCredentials):
            return _Verdict(REFUSED, None)
        except UpstreamError as error:
            raise IdentityUnavailable from error
        return _Verdict(max(REFUSED, min(GOOD, claims.expires_at - self._now())), profile)
