"""Supabase access tokens: whose they are, checked here with the project's keys, or by asking Supabase.

How a token is checked is decided by what is configured and published, and its `alg` only chooses among these:

- ES256 and RS256: by the published key with its `kid`. No request is made for it.
- HS256: by SUPABASE_JWT_SECRET where it is set. That secret takes no other algorithm, and no published key takes this
  one: otherwise a public key could be used as a secret to sign with.
- Anything else that looks like a token of Supabase, and every token of a project that publishes no keys: by asking.

What a check here cannot see until the token ends (an hour, by default): that its holder has signed out, was banned or
deleted at Supabase. Somebody who must be out at once is to be disabled here, which is looked up for every request.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from inbox.auth.hashing import token_hash
from inbox.auth.supabase import jwts, profiles
from inbox.auth.supabase.jwts import ASYMMETRIC, LEEWAY, Claims, Header, Key
from inbox.auth.supabase.profiles import Profile
from inbox.auth.supabase.remote import RemoteProfiles
from inbox.auth.supabase.signing_keys import SigningKeys
from inbox.config import Config
from inbox.errors import (
    EmailNotConfirmed,
    IdentityUnavailable,
    InvalidCredentials,
    UpstreamError,
    UpstreamRejected,
    UserDisabled,
    WrongPassword,
)
from inbox.gateways.supabase import SupabaseAuth
from inbox.memory.kept import Kept

__all__ = ["Claims", "Profile", "SupabaseTokens"]

log = logging.getLogger(__name__)

#: What Supabase says to a password that it does not take; any other reason is the project's, and we cannot tell.
_PASSWORD_REFUSED = {
    "invalid_credentials": WrongPassword,
    "email_not_confirmed": EmailNotConfirmed,
    "user_banned": UserDisabled,
}
_TOLD = 60.0  # seconds in which the log says once of a user that their token is taken beyond its end


@dataclass(frozen=True, slots=True)
class _Seen:
    """A token and the key that proves it; without one, nothing in `claims` is proven."""

    header: Header
    key: Key | None
    claims: Claims


class SupabaseTokens:
    """Thread-safe. Opens no connection before a token comes.

    `now` gives Unix seconds, `clock` seconds that never jump.

    A token that has ended is asked about, and refused as long as Supabase answers. Only while it cannot be asked is one
    that ended at most SUPABASE_GRACE_SECONDS ago still taken, so that nobody is signed out because Supabase is away and
    cannot renew their token. What that costs: a thief of a token can use it for the grace longer than its hour,
    if Supabase is away just then, or if they can keep us from reaching it; and a person who signed out, was banned or
    deleted at Supabase in its last hour stays in for as long. Disabling them here works all the same. 0 buys the
    strict rule: while Supabase is away, a user whose token ends has to wait for it.
    """

    def __init__(
        self,
        config: Config,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        url = config.supabase_url
        self._now = now
        self._told: Kept[bool] = Kept(_TOLD, clock=clock)
        self._secret = config.supabase_jwt_secret
        self._issuer = config.supabase_issuer or (f"{url}/auth/v1" if url else None)
        self._grace = config.supabase_grace
        self._seen: Kept[_Seen] = Kept(math.inf)
        self._gateway = gateway = SupabaseAuth(url, config.supabase_key) if url else None
        self._keys = SigningKeys(gateway.jwks, clock) if gateway else None
        self._remote = RemoteProfiles(gateway.user, now=now, clock=clock) if gateway else None

    @property
    def takes_passwords(self) -> bool:
        """True when there is a Supabase that can be asked whose a password is."""
        return self._gateway is not None

    def by_password(self, email: str, password: str) -> str:
        """A token of whom these belong to at Supabase.

        Raises WrongPassword, EmailNotConfirmed, UserDisabled; IdentityUnavailable when we cannot tell.
        """
        if self._gateway is None:
            raise WrongPassword
        try:
            return self._gateway.access_token(email, password)
        except UpstreamRejected as error:
            if refusal := _PASSWORD_REFUSED.get(str(error.code)):
                raise refusal from None
            log.warning("Supabase takes no passwords", extra={"code": error.code})
            raise IdentityUnavailable from error
        except UpstreamError as error:
            raise IdentityUnavailable from error

    def verify(self, token: str) -> Claims:
        """Whose token it is. Raises InvalidCredentials; IdentityUnavailable when we cannot tell."""
        seen = self._read(token)
        now = self._now()
        if now < seen.claims.not_before - LEEWAY:
            raise InvalidCredentials
        if seen.key is not None and now < seen.claims.expires_at + LEEWAY:
            return seen.claims
        return self._asked(token, seen)

    def profile(self, token: str) -> Profile:
        """What Supabase says of the holder of a verified token. Raises as verify()."""
        seen = self._read(token)
        if self._remote is None:
            return profiles.of_claims(seen.claims)
        return self._remote.profile(token, seen.claims)

    def _read(self, token: str) -> _Seen:
        """What `token` says, proven where a key of ours can prove it.

        A proof is remembered (checking a signature takes 110 us, finding that it was checked 2), and holds as long as
        the key it was made with is the one that would be used now.
        """
        hash_ = token_hash(token)
        seen = self._seen.last(hash_)
        if seen is not None and self._key_for(seen.header) is seen.key:
            return seen
        unverified = jwts.read(token)
        key = self._key_for(unverified.header)
        if key is None:
            return _Seen(unverified.header, None, jwts.claims_of(unverified.payload))
        seen = _Seen(unverified.header, key, jwts.verified(token, key, self._issuer))
        self._seen.put(hash_, seen)
        return seen

    def _key_for(self, header: Header) -> Key | None:
        """What tokens with this header are checked with; None: only Supabase can tell. Raises as verify()."""
        if header.algorithm == "HS256" and self._secret:
            return self._secret
        if self._keys is None:
            raise InvalidCredentials
        return self._keys.find(header.kid) if header.algorithm in ASYMMETRIC else None

    def _asked(self, token: str, seen: _Seen) -> Claims:
        """The claims of a token that is not proven, or has ended, if Supabase agrees. Raises as verify()."""
        if self._remote is None:
            raise InvalidCredentials
        try:
            self._remote.profile(token, seen.claims)
        except IdentityUnavailable:
            if not self._may_pass(token, seen):
                raise
        return seen.claims

    def _may_pass(self, token: str, seen: _Seen) -> bool:
        """While Supabase cannot be asked: whether `token` is genuine, and has not ended for longer than the grace."""
        if seen.key is None and self._remote is not None and not self._remote.vouched(token):
            return False
        ended = self._now() - seen.claims.expires_at
        if ended < LEEWAY:
            return True
        if ended > self._grace:
            return False
        self._tell(seen.claims.subject, ended)
        return True

    def _tell(self, subject: str, ended: float) -> None:
        if not self._told.fresh(subject):
            self._told.put(subject, True)
            extra = {"subject": subject, "ended_s": round(ended)}
            log.warning("a token is taken beyond its end, as Supabase cannot be asked", extra=extra)
