"""How much anybody may ask of us: callers by who they are, strangers by their address, guesses at passwords by both.

Flask-Limiter holds the rates; the counting is `counters`. A caller is known after authentication only, so theirs is
counted there (`admit`). Before it, an address whose requests were refused too often is refused at once, without the
database or Supabase being asked, unless it shows a token that is known to be good: a guesser does not lock out those
who share their address. 429 says when to come back, and every limited answer says what is left (the RateLimit headers
of draft-ietf-httpapi-ratelimit-headers-07, whose Reset is in seconds; Flask-Limiter's own would be a Unix time).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from flask import Flask, Response, current_app, g, request
from flask_limiter import ApplicationLimit, Limiter, RequestLimit
from limits import RateLimitItem, parse

from inbox.auth.access import Principal
from inbox.auth.addresses import known_email
from inbox.auth.hashing import token_hash
from inbox.auth.identities import good_hashes
from inbox.config import Config
from inbox.db import Database
from inbox.errors import DatabaseUnavailable, InvalidCredentials, MissingCredentials, TooManyRequests, WrongPassword
from inbox.memory.kept import Kept
from inbox.resilience import Breaker
from inbox.web.limits.counters import Counters, Window

log = logging.getLogger(__name__)

#: Attempts to sign in: of one address, and with one name. A success gives its attempt back.
SIGN_IN_ADDRESS, SIGN_IN_NAME = parse("20 per 5 minutes"), parse("10 per 15 minutes")
FAMILIAR = 30 * 86_400  # seconds a name is remembered to have signed in from an address
#: Meta's webhooks are limited by their size and time, and lost if refused; probes have threads of their own.
EXEMPT = frozenset({"webhooks", "health"})
PROVEN = 3600.0  # seconds since a token was last used
_OWN_LIMITS = frozenset({"auth.login"})


def admit(token: str, principal: Principal) -> None:
    """`token` has proved to be `principal`'s: count the request as theirs. Raises TooManyRequests."""
    _limits().admit(token, principal)


@contextmanager
def sign_in(name: str) -> Iterator[Callable[[str], None]]:
    """Around an attempt to sign in as `name`, which fails by WrongPassword; yields what is to be told the new token.

    Raises TooManyRequests before the attempt begins.

    Ten failures lock the name for a quarter of an hour, but not for an address from which it has signed in within
    the last 30 days: that one has ten failures of its own. Nobody can lock a colleague out from elsewhere.
    """
    with _limits().sign_in(name) as welcome:
        yield welcome


def _limits() -> Limits:
    return cast("Limits", current_app.extensions["inbox.limits"])


class Limits:
    """The limits of one application. Thread-safe."""

    def __init__(self, app: Flask, config: Config, db: Database, redis_breaker: Breaker | None) -> None:
        self._secret = config.secret_key.encode()
        self._caller = parse(f"{config.rate_limit}/minute")
        self._stranger = parse(f"{config.rate_limit_anonymous}/minute")
        self._db = db
        #: Hashes of tokens that have lately been good: whether they still are, `Identities` says each time.
        self._proven: Kept[bool] = Kept(PROVEN)
        #: Hashes of all that are good, known without a query for each: for an address that has guessed too often.
        self._good: Kept[frozenset[str]] = Kept(1.0, math.inf, 1, rest=1.0)
        app.after_request(self._tell)  # functions run in reverse: this one after Flask-Limiter's, which counts
        self._limiter = Limiter(
            address,
            app=app,
            application_limits=[self._strangers()],
            request_identifier=lambda: request.endpoint or "nowhere",  # without one, unknown paths have no limit
            strategy="fixed-window",
            storage_uri="inbox://",
            storage_options={"redis_url": config.redis_url, "breaker": redis_breaker},  # type: ignore[dict-item]
        )
        app.extensions["inbox.limits"] = self

    @property
    def counters(self) -> Counters:
        return cast("Counters", self._limiter.storage)

    # --- callers ---------------------------------------------------------------------------------------------------

    def admit(self, token: str, principal: Principal) -> None:
        """See `admit` above."""
        self._prove(token)
        g.limit = self._caller, self._hit(self._caller, principal.kind, principal.id)

    # --- strangers -------------------------------------------------------------------------------------------------

    def _strangers(self) -> ApplicationLimit:
        return ApplicationLimit(
            limit_provider=str(self._stranger),
            scope="strangers",
            exempt_when=self._lets_through,
            deduct_when=self._is_to_be_counted,
            on_breach=self._refuse,
        )

    def _lets_through(self) -> bool:
        """No stranger's limit holds for this request. Asks the database only for an address that is over its limit."""
        if request.method == "OPTIONS" or request.blueprint in EXEMPT or request.endpoint in _OWN_LIMITS:
            return True
        token = _token()
        if token is None:
            return False
        return bool(self._proven.fresh(token_hash(token))) or (self._is_spent() and self._is_good(token))

    def _is_good(self, token: str) -> bool:
        """While the database is away or being asked, as it was known before."""
        try:
            return token_hash(token) in self._good.get("all", lambda: good_hashes(self._db))
        except DatabaseUnavailable:
            return False

    def _prove(self, token: str) -> None:
        self._proven.put(token_hash(token), True)

    def _is_spent(self) -> bool:
        return not self._limiter.limiter.test(self._stranger, address(), "strangers")

    def _is_to_be_counted(self, response: Response) -> bool:
        """Not what a known caller asked, and not what we could not answer."""
        return response.status_code < 500 and "limit" not in g

    def _refuse(self, breached: RequestLimit) -> None:
        window = self.counters.window(breached.key)
        if window.used == breached.limit.amount:  # the first to be refused is counted, so that it is logged alone
            window = self.counters.add(breached.key, breached.limit.get_expiry())
            self._log(breached.limit, "strangers")
        raise self._too_many(breached.limit, window)

    # --- signing in ------------------------------------------------------------------------------------------------

    @contextmanager
    def sign_in(self, name: str) -> Iterator[Callable[[str], None]]:
        """See `sign_in` above."""
        who = self._hashed(known_email(name) or "nobody")
        familiar = f"familiar/{who}/{address()}"
        place = address() if self.counters.look(familiar).used else "anywhere"
        tried = [(SIGN_IN_ADDRESS, ["sign-in", address()]), (SIGN_IN_NAME, ["sign-in", who, place])]
        windows = [self._hit(item, *key) for item, key in tried]
        g.limit = SIGN_IN_ADDRESS, windows[0]
        try:
            yield self._prove
        except WrongPassword:
            raise
        except BaseException:
            self._give_back(tried)
            raise
        self._give_back(tried)
        self.counters.add(familiar, FAMILIAR)

    def _give_back(self, tried: Sequence[tuple[RateLimitItem, Sequence[str]]]) -> None:
        for item, key in tried:
            self.counters.add(item.key_for(*key), item.get_expiry(), -1)

    def _hashed(self, name: str) -> str:
        """Keyed: names can be guessed, so a plain hash of one in Redis would tell it."""
        return hmac.new(self._secret, name.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]

    # --- counting, and telling -------------------------------------------------------------------------------------

    def _hit(self, item: RateLimitItem, *key: str) -> Window:
        within = self._limiter.limiter.hit(item, *key)
        window = self.counters.window(item.key_for(*key))
        if within:
            return window
        if window.used == item.amount + 1:
            self._log(item, key[0])
        raise self._too_many(item, window)

    def _log(self, item: RateLimitItem, of: str) -> None:
        log.warning("over the limit", extra={"of": of, "limit": str(item), "address": address()})

    def _too_many(self, item: RateLimitItem, window: Window) -> TooManyRequests:
        g.limit = item, window
        return TooManyRequests(headers={"Retry-After": str(_seconds(window))})

    def _tell(self, response: Response) -> Response:
        current = self._limiter.current_limit
        if "limit" not in g and current is not None:
            g.limit = current.limit, self.counters.window(current.key)
        if "limit" in g:
            item, window = g.limit
            response.headers["RateLimit-Limit"] = str(item.amount)
            response.headers["RateLimit-Remaining"] = str(max(0, item.amount - window.used))
            response.headers["RateLimit-Reset"] = str(_seconds(window))
        if response.status_code == InvalidCredentials.status and (token := _token()) is not None:
            self._proven.drop(token_hash(token))  # whoever keeps showing it is a stranger from now on
        return response


def _seconds(window: Window) -> int:
    return max(1, math.ceil(window.left))


def _token() -> str | None:
    """What this request shows, from wherever `callers` takes it."""
    from inbox.web.callers import credential  # imported here: it imports this module

    try:
        return credential().token or None
    except MissingCredentials:
        return None


def address() -> str:
    """The client's address; of IPv6 the first 64 bits, since whoever has one address there has all of those."""
    given = request.remote_addr or "unknown"  # of a Unix socket there is none
    try:
        parsed = ipaddress.ip_address(given.partition("%")[0])
    except ValueError:
        return given[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, 64), strict=False))
    return str(parsed)
