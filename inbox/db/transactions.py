"""What a failed use of the database means: for its circuit breaker, for the caller, and for a repeat."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

import backoff

from inbox.config import DatabaseLimits, Policy
from inbox.db.faults import Trouble, collided, describe, is_unavailable, original, trouble
from inbox.db.postgres import Frozen
from inbox.db.sqlite import FileLost
from inbox.db.storage import Storage
from inbox.errors import DatabaseUnavailable, UpstreamOpen
from inbox.metrics import meters
from inbox.resilience import Breaker, Verdict

log = logging.getLogger(__name__)

ATTEMPTS = 3  # of one transaction
_PAUSE, _LONGEST_PAUSE = 0.02, 0.08  # seconds: full jitter over _PAUSE * 2**n

P = ParamSpec("P")
R = TypeVar("R")


def database_breaker(
    limits: DatabaseLimits, *, enabled: bool = True, clock: Callable[[], float] = time.monotonic
) -> Breaker:
    """A breaker for one Database."""
    policy = Policy(
        total=limits.watchdog,
        connect=limits.connect,
        read=limits.watchdog,
        breaker_failures=limits.breaker_failures,
        breaker_open=limits.breaker_open,
    )
    breaker = Breaker("database", policy, clock=clock)
    breaker.enabled = enabled
    return breaker


class Use:
    """One use of the database: refused while the circuit is open, reported to it at the end, its errors translated."""

    __slots__ = ("_breaker", "_permit", "_repeats", "_storage", "_writes", "committing")

    def __init__(self, breaker: Breaker, storage: Storage, *, writes: bool, repeats: bool) -> None:
        self._breaker = breaker
        self._storage = storage
        self._writes = writes
        self._permit: int | None = None
        self._repeats = repeats
        self.committing = False  #: set when COMMIT is the next that is sent

    def __enter__(self) -> Self:
        if self._breaker.enabled:
            try:
                self._permit = self._breaker.enter()
            except UpstreamOpen as error:
                raise DatabaseUnavailable(retry_after=max(1, math.ceil(error.retry_after or 0))) from error
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._permit is not None:
            self._breaker.leave(self._permit, _verdict(error), error=original(error))
        if error is None and self._writes:
            self._storage.took()
        if error is not None and is_unavailable(error):
            self._storage.failed(error)
            meters.UNAVAILABLE.inc()
            log.warning("database unavailable: %s", describe(error))
            raise self._unavailable(error) from error

    def _unavailable(self, error: BaseException) -> DatabaseUnavailable:
        broken = bool(getattr(error, "connection_invalidated", False))
        frozen = isinstance(original(error), Frozen)
        return DatabaseUnavailable(
            may_repeat=self._repeats and not frozen and (broken or collided(error)),
            in_doubt=self.committing and (broken or isinstance(error, FileLost)),
        )


def _verdict(error: BaseException | None) -> Verdict:
    """For the breaker. A limit, a lock or a full disk was met at a server that is there."""
    if error is None:
        return Verdict.SUCCESS
    return Verdict.FAILURE if trouble(error) is Trouble.AWAY else Verdict.NEUTRAL


@overload
def whole_transaction(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def whole_transaction(*, idempotent: bool) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def whole_transaction(function: Any = None, /, *, idempotent: bool = False) -> Any:
    """Run a function again, at most twice, when its one transaction failed for a reason that is over.

    That is a deadlock, or a connection that broke before COMMIT was sent. One that broke during COMMIT may have
    stored everything: it is repeated only where the second run finds what the first one did (`idempotent`). Nothing is
    repeated for a timeout, a full pool or an open circuit: a server that is overloaded is not helped by more.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            result: R = _Attempts(function, idempotent).run(*args, **kwargs)
            return result

        return run

    return decorate if function is None else decorate(function)


class _Attempts:
    """The attempts at one call."""

    def __init__(self, function: Callable[..., Any], idempotent: bool) -> None:
        self._function = function
        self._idempotent = idempotent
        self._in_doubt = False
        self.run = backoff.on_exception(
            backoff.expo,
            DatabaseUnavailable,
            max_tries=ATTEMPTS,
            factor=_PAUSE,
            max_value=_LONGEST_PAUSE,
            giveup=self._is_final,
            on_backoff=self._log,
            logger=None,
        )(self._attempt)

    def _attempt(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._function(*args, **kwargs)
        except DatabaseUnavailable as error:
            # "Nothing was changed" is not true any more once an earlier attempt may have been stored.
            if self._in_doubt and not error.in_doubt:
                raise DatabaseUnavailable(may_repeat=error.may_repeat, in_doubt=True) from error
            self._in_doubt = error.in_doubt
            raise

    def _is_final(self, error: Exception) -> bool:
        assert isinstance(error, DatabaseUnavailable)
        return not error.may_repeat or (error.in_doubt and not self._idempotent)

    def _log(self, details: Any) -> None:
        extra = {"function": self._function.__name__, "attempt": details["tries"] + 1}
        log.warning("repeating a transaction", extra=extra)
