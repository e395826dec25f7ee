"""How much anybody may ask of us: callers by who they are, strangers by their address, guesses at passwords by both.

A caller is known after authentication only, so theirs is counted there (`admit`). What a stranger asks counts by its
outcome, whatever the route: all but a success of a probe, a webhook or a sign-in, and what we could not answer. Who has
asked too often is refused before anything is read, without the database or Supabase being asked, unless they show a
token that is known to be good: a guesser does not lock out those who share their address. Bad forms of the sign-in
count apart for the same reason, and a webhook is refused only when its signature is wrong: Meta's would be lost.

429 says when to come back, and every limited answer says what is left (the RateLimit headers of
draft-ietf-httpapi-ratelimit-headers-07, whose Reset is in seconds).
"""

from __future__ import annotations

import ipaddress
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, cast

from flask import Flask, Response, current_app, g, request

from inbox.auth.access import Principal
from inbox.auth.addresses import known_email
from inbox.auth.hashing import token_hash
from inbox.auth.identities import good_hashes
from inbox.config import Config
from inbox.db import Database
from inbox.errors import (
    DatabaseUnavailable,
    EmailNotConfirmed,
    InvalidCredentials,
    MissingCredentials,
    NotAMember,
    TooManyRequests,
    UserDisabled,
    WrongPassword,
)
from inbox.memory.kept import Kept
from inbox.memory.redis import SharedRedis
from inbox.web.limits.counters import Counters, Window

log = logging.getLogger(__name__)


class Rate(NamedTuple):
    """How many requests are allowed within how many seconds."""

    amount: int
    seconds: int


#: Attempts to sign in, whatever comes of them: from one address, and of IPv6 from one /48, which many customers of
#: providers have to themselves.
SIGN_IN_ADDRESS, SIGN_IN_NETWORK = Rate(20, 300), Rate(60, 300)
SIGN_IN_NAME = Rate(10, 900)  #: failures with one name
#: Their password was right, so a colleague is not locked out by them, and the attempt counts all the same.
KNOWN_BUT_REFUSED = (UserDisabled, NotAMember, EmailNotConfirmed)
FAMILIAR = 30 * 86_400  # seconds a name is remembered to have signed in from an address
#: Blueprints whose successes are nobody's use of us: of platforms' probes, and of Meta.
FREE = frozenset({"webhooks", "health"})
PROVEN = 3600.0  # seconds since a token was last used
#: Files of the page: the same for everybody, out of memory. A page loads dozens of them before its reader is known.
_UNCOUNTED = "page.get_asset"
_JUDGED_LATER = "webhooks.receive_webhook"
_SIGN_IN = frozenset({"auth.login", "sign_in.send_sign_in"})


def admit(token: str, principal: Principal) -> None:
    """`token` has proved to be `principal`'s: count the request as theirs. Raises TooManyRequests."""
    _limits().admit(token, principal)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to sign in that may be made."""

    familiar: bool  #: the name has signed in from this address before
    welcome: Callable[[str], None]  #: to be told the new session's token


@contextmanager
def sign_in(name: str, locked_out: Callable[[], None]) -> Iterator[Attempt]:
    """Around an attempt to sign in as `name`, which fails by WrongPassword or one of KNOWN_BUT_REFUSED.

    Raises TooManyRequests before the attempt begins. Every attempt counts for the address, right or wrong: each takes
    a password's hash. Ten failures lock the name for a quarter of an hour, and `locked_out` is called once.

    Where a name has signed in within the last 30 days, none of that holds: its attempts from there are counted apart.
    So nobody can lock a colleague out from elsewhere, nor from the next house of the same network.
    """
    with _limits().sign_in(name, locked_out) as attempt:
        yield attempt


def refuse_spent() -> None:
    """For a route that is not refused before it begins. Raises TooManyRequests if this address has asked too often."""
    _limits().refuse_spent()


def _limits() -> Limits:
    return cast("Limits", current_app.extensions["inbox.limits"])


class Limits:
    """The limits of one application. Thread-safe."""

    def __init__(self, app: Flask, config: Config, db: Database, redis: SharedRedis | None) -> None:
        self._caller = Rate(config.rate_limit, 60)
        self._stranger = Rate(config.rate_limit_anonymous, 60)
        self._counters = Counters(redis, secret=config.secret_key)
        self._db = db
        #: Hashes of tokens that have lately been good: whether they still are, `Identities` says each time.
        self._proven: Kept[bool] = Kept(PROVEN)
        #: Hashes of all that are good, known without a query for each: for an address that has guessed too often.
        self._good: Kept[frozenset[str]] = Kept(1.0, math.inf, 1, pause=1.0, name="good_tokens")
        app.before_request(self._begin)
        app.after_request(self._end)
        app.extensions["inbox.limits"] = self

    # --- callers ---------------------------------------------------------------------------------------------------

    def admit(self, token: str, principal: Principal) -> None:
        """See `admit` above."""
        self._prove(token)
        g.limit = self._caller, self._hit(self._caller, principal.kind, principal.id)

    # --- strangers -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Refuse a stranger whose address is spent. The database is asked only for a token shown from such a one."""
        if request.endpoint == _UNCOUNTED:
            g.stranger = False
            return
        token = _token()
        g.stranger = request.method != "OPTIONS" and not self._is_proven(token)
        if g.stranger and request.blueprint != "health" and request.endpoint != _JUDGED_LATER:
            self.refuse_spent(token)

    def refuse_spent(self, token: str | None = None) -> None:
        """See `refuse_spent` above; a good token passes."""
        key = _stranger()
        window = self._counters.look(key)
        if window.used < self._stranger.amount:
            return
        if token is not None and self._is_good(token):
            g.stranger = False
            return
        if window.used == self._stranger.amount:  # the first to be refused is counted, so that it is logged alone
            window = self._counters.add(key, self._stranger.seconds)
            self._log(self._stranger, key.partition("/")[0])
        raise self._too_many(self._stranger, window)

    def _is_proven(self, token: str | None) -> bool:
        return token is not None and bool(self._proven.fresh(token_hash(token)))

    def _is_good(self, token: str) -> bool:
        """While the database is away or being asked, as it was known before."""
        try:
            return token_hash(token) in self._good.get("all", lambda: good_hashes(self._db))
        except DatabaseUnavailable:
            return False

    def _prove(self, token: str) -> None:
        self._proven.put(token_hash(token), True)

    # --- signing in ------------------------------------------------------------------------------------------------

    @contextmanager
    def sign_in(self, name: str, locked_out: Callable[[], None]) -> Iterator[Attempt]:
        """See `sign_in` above."""
        who, here = known_email(name) or "nobody", address()
        known = f"familiar/{who}/{here}"
        familiar = bool(self._counters.look(known).used)
        attempts = [(SIGN_IN_ADDRESS, ("sign-in", who, here, "attempts"))] if familiar else _attempts(here)
        failures = SIGN_IN_NAME, ("sign-in", who, here if familiar else "anywhere")
        windows = [self._hit(rate, *key) for rate, key in (*attempts, failures)]
        g.limit = SIGN_IN_ADDRESS, windows[0]
        try:
            yield Attempt(familiar, self._prove)
        except WrongPassword:
            if windows[-1].used == SIGN_IN_NAME.amount and not familiar:
                locked_out()
            raise
        except KNOWN_BUT_REFUSED:
            raise
        except BaseException:  # we could not tell
            self._give_back(*attempts, failures)
            raise
        self._give_back(failures)
        self._counters.add(known, FAMILIAR)

    def _give_back(self, *tried: tuple[Rate, Sequence[str]]) -> None:
        for rate, key in tried:
            self._counters.add("/".join(key), rate.seconds, -1)

    # --- counting, and telling -------------------------------------------------------------------------------------

    def _hit(self, rate: Rate, *key: str) -> Window:
        window = self._counters.add("/".join(key), rate.seconds)
        if window.used <= rate.amount:
            return window
        if window.used == rate.amount + 1:
            self._log(rate, key[0])
        raise self._too_many(rate, window)

    def _log(self, rate: Rate, of: str) -> None:
        limit = f"{rate.amount} in {rate.seconds} s"
        log.warning("over the limit", extra={"of": of, "limit": limit, "address": address()})

    def _too_many(self, rate: Rate, window: Window) -> TooManyRequests:
        g.limit = rate, window
        return TooManyRequests(headers={"Retry-After": str(_seconds(window))})

    def _end(self, response: Response) -> Response:
        if "limit" not in g and g.get("stranger") and _counts(response):
            g.limit = self._stranger, self._counters.add(_stranger(), self._stranger.seconds)
        if "limit" in g:
            rate, window = g.limit
            left = max(0, rate.amount - window.used)
            told = {"Limit": rate.amount, "Remaining": left, "Reset": _seconds(window)}
            response.headers.extend((f"RateLimit-{name}", str(number)) for name, number in told.items())
        if response.status_code == InvalidCredentials.status and (token := _token()) is not None:
            self._proven.drop(token_hash(token))  # shown again, it is a guess
        return response


def _counts(response: Response) -> bool:
    """Whether this outcome is a stranger's use of us. What we could not answer is not their fault."""
    free = request.blueprint in FREE and response.status_code < 400
    return response.status_code < 500 and not free


def _stranger() -> str:
    """The key of the caller."""
    return f"{'sign-in form' if request.endpoint in _SIGN_IN else 'strangers'}/{address()}"


def _seconds(window: Window) -> int:
    return max(1, math.ceil(window.left))


def _token() -> str | None:
    """What this request shows, from wherever `callers` takes it."""
    from inbox.web.callers import credential  # imported here: it imports this module

    try:
        return credential().token or None
    except MissingCredentials:
        return None


def _attempts(here: str) -> list[tuple[Rate, tuple[str, str]]]:
    """What an attempt from a place counts for where its name is not familiar."""
    wider = network()
    return [(SIGN_IN_ADDRESS, ("sign-in", here)), *([(SIGN_IN_NETWORK, ("sign-in", wider))] if wider != here else [])]


def address() -> str:
    """The client's address; of IPv6 the first 64 bits, since one owner has all of those."""
    return _place(64)


def network() -> str:
    """The client's address; of IPv6 the first 48 bits."""
    return _place(48)


def _place(bits: int) -> str:
    given = request.remote_addr or "unknown"  # of a Unix socket there is none
    try:
        parsed = ipaddress.ip_address(given.partition("%")[0])
    except ValueError:
        return given[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((parsed, bits), strict=False))
    return str(parsed)
