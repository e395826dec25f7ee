"""circuitbreaker's class, locked, with the rules that its own state machine lacks.

Nothing here keeps an exception: an exception keeps its frames, and frames keep tokens and customers' texts.
"""

from __future__ import annotations

import itertools
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from circuitbreaker import STATE_CLOSED, STATE_HALF_OPEN, STATE_OPEN, CircuitBreaker

from inbox.clock import utc_now
from inbox.config import Policy
from inbox.errors import UpstreamError, UpstreamOpen, Verdict
from inbox.metrics import meters
from inbox.resilience.suspects import About, Suspects

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

Listener = Callable[[str, str, str], None]  # name, from, to


class Breaker(CircuitBreaker):  # type: ignore[misc]  # the library has no types
    """circuitbreaker's class with a lock and the rules its own state machine lacks (measured on 2.1.3).

    Opens after `failures` in a row, when half of the last 20 failed (at least 10 seen), or when 80 % of the last 20
    were slow. Open, it refuses; then one probe at a time is let through, two successes close it, one failure opens it
    again. A result that began before the last change of state counts for nothing, a neutral one changes nothing.

    Calls may be about something (`about`): a number, a conversation, a file. No connection counts each time; what fails
    after it was sent counts once for each thing, answered or not, so that several different ones have to fail.
    """

    WINDOW, MINIMUM, RATE, SLOW_RATE, SUCCESSES = 20, 10, 0.5, 0.8, 2
    JITTER = 0.1  # of the open time, so that processes do not probe together

    def __init__(
        self,
        name: str,
        policy: Policy,
        *,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(name=name)
        self.enabled = True
        self.listeners: list[Listener] = []
        self.failures_total = self.refused_total = 0  # since the start of the process; a reset leaves them
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 (jitter, no secret)
        self._lock = threading.Lock()
        self._suspects = Suspects()
        self._anything = itertools.count()  # failures that are of nothing in particular, told apart
        self.configure(policy)

    def configure(self, policy: Policy) -> None:
        """Take the numbers of `policy` and start closed."""
        self._failure_threshold = policy.breaker_failures
        self._recovery_timeout = policy.breaker_open
        self._slow_after = 0.8 * policy.read
        self.reset()

    def reset(self) -> None:
        """Close the circuit and forget what was seen."""
        with self._lock:
            self._generation = getattr(self, "_generation", 0) + 1
            was, self._state = getattr(self, "_state", STATE_CLOSED), STATE_CLOSED
            self._failure_count = self._success_count = 0
            self._suspects.clear()
            self._probing = False
            self._seen: deque[tuple[int | None, bool]] = deque(maxlen=self.WINDOW)  # what failed; slow
            self._reopens = 0.0
            self.opened_at: datetime | None = None
            self.last_error: str | None = None
        if was != STATE_CLOSED:
            meters.circuit(self.name, STATE_CLOSED)

    def __enter__(self) -> None:
        raise TypeError("a breaker is worn as a decorator: as a context manager it could not tell calls apart")

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        decorated: Callable[P, R] = super().__call__(function)
        return decorated

    # The library's decorator, with our state machine in the place of its own.
    def _decorate_sync(self, function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            return self.call(function, *args, **kwargs)

        return guarded

    def about(self, subject: Callable[..., Hashable]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """The decorator for calls that are each about something: `subject` names it, given the call's arguments.

        It may be an About.
        """

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            @wraps(function)
            def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
                return self.call_about(subject(*args, **kwargs), function, *args, **kwargs)

            return guarded

        return decorate

    def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make one call. Raises UpstreamOpen without making it while the circuit is open."""
        return self.call_about(None, function, *args, **kwargs)

    def call_about(self, subject: Hashable, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Make one call, about `subject` (None: nothing in particular). Raises UpstreamOpen without making it."""
        if not self.enabled:
            return function(*args, **kwargs)
        generation = self.enter()
        began = self._clock()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            self.leave(generation, verdict_of(error), error=error, subject=subject)
            raise
        self.leave(generation, Verdict.SUCCESS, slow=self._clock() - began > self._slow_after, subject=subject)
        return result

    def blames(self, subject: Hashable) -> bool:
        """True when calls about `subject` keep failing while the upstream answers others: it is not its fault."""
        with self._lock:
            return subject is not None and self._suspects.is_guilty(hash(subject))

    def enter(self) -> int:
        """Ask to make a call; the number to hand to leave(). Raises UpstreamOpen."""
        change = None
        with self._lock:
            if self._state == STATE_OPEN:
                wait = self._reopens - self._clock()
                if wait > 0:
                    raise self._refusal("the circuit is open", wait)
                change = self._become(STATE_HALF_OPEN)
            if self._state == STATE_HALF_OPEN:
                if self._probing:
                    raise self._refusal("the circuit is being probed", 1.0)
                self._probing = True
            generation: int = self._generation
        self._tell(change)
        return generation

    def _refusal(self, reason: str, wait: float) -> UpstreamOpen:
        self.refused_total += 1
        meters.REFUSALS.labels(self.name, "circuit").inc()
        return UpstreamOpen(self.name, reason, retry_after=wait)

    def leave(
        self,
        generation: int,
        result: Verdict,
        *,
        slow: bool = False,
        error: BaseException | None = None,
        subject: Hashable = None,
    ) -> None:
        """Report what became of a call about `subject` that entered with `generation`."""
        change = None
        with self._lock:
            self.failures_total += result is Verdict.FAILURE
            if generation != self._generation:
                return
            self._probing = False
            thing = None
            if result is Verdict.SUCCESS:
                self._suspects.succeeded(_about(subject))
            elif result is Verdict.FAILURE and isinstance(error, UpstreamError) and error.sent:
                thing = self._suspects.blamed(_about(subject), answered=error.answered)
            result = self._weighed(result, thing)
            if error is not None and result is Verdict.FAILURE:
                self.last_error = describe(error)
            if result is not Verdict.NEUTRAL:
                change = (
                    self._half_open(result) if self._state == STATE_HALF_OPEN else self._closed(result, thing, slow)
                )
        self._tell(change)

    def _weighed(self, result: Verdict, thing: int | None) -> Verdict:
        """`result`, or NEUTRAL where it is the failure of one thing that has counted already.

        Half open, it counts as long as nobody else was answered: of a circuit that few things opened they are the
        only probes.
        """
        if result is not Verdict.FAILURE or thing is None or self._suspects.failed(thing):
            return result
        alone = self._state == STATE_CLOSED or self._suspects.fails_alone(thing)
        return Verdict.NEUTRAL if alone else result

    def _closed(self, result: Verdict, thing: int | None, slow: bool) -> tuple[str, str] | None:
        failed = result is Verdict.FAILURE
        self._failure_count = self._failure_count + 1 if failed else 0
        self._success_count = 0 if failed else self._success_count + 1
        self._seen.append(((next(self._anything) if thing is None else thing) if failed else None, slow))
        slowly = len(self._seen) == self.WINDOW and sum(slow for _, slow in self._seen) >= self.SLOW_RATE * self.WINDOW
        if (failed and (self._failure_count >= self._failure_threshold or self._many_failed())) or slowly:
            return self._open()
        return None

    def _many_failed(self) -> bool:
        """True when half of what was seen failed, and not always the same few things."""
        failed = [thing for thing, _ in self._seen if thing is not None]
        enough = len(self._seen) >= self.MINIMUM and len(failed) >= self.RATE * len(self._seen)
        return enough and len(set(failed)) >= min(self._failure_threshold, self.MINIMUM // 2)

    def _half_open(self, result: Verdict) -> tuple[str, str] | None:
        if result is Verdict.FAILURE:
            return self._open()
        self._success_count += 1
        return self._become(STATE_CLOSED) if self._success_count >= self.SUCCESSES else None

    def _open(self) -> tuple[str, str]:
        spread = self._rng.uniform(1 - self.JITTER, 1 + self.JITTER)
        self._reopens = self._clock() + self._recovery_timeout * spread
        return self._become(STATE_OPEN)

    def _become(self, state: str) -> tuple[str, str]:
        change = (self._state, state)
        self._state = state
        self._generation += 1
        self._success_count = 0
        self._probing = False
        if state == STATE_OPEN and change[0] == STATE_CLOSED:
            self.opened_at = utc_now()
        if state == STATE_CLOSED:
            self._failure_count = 0
            self._seen.clear()
            self.opened_at = self.last_error = None
        return change

    def _tell(self, change: tuple[str, str] | None) -> None:
        if change is None:
            return
        level = logging.WARNING if change[1] == STATE_OPEN else logging.INFO
        log.log(level, "Circuit %s: %s → %s", self.name, *change, extra={"error": self.last_error})
        meters.circuit(self.name, change[1])
        for listener in self.listeners:
            listener(self.name, *change)

    @property
    def state(self) -> str:
        """closed, open or half_open; an open circuit whose time is over is half open, as its next call will find."""
        return STATE_HALF_OPEN if self._state == STATE_OPEN and self.retry_in == 0 else str(self._state)

    @property
    def retry_in(self) -> float:
        """Seconds until a call is let through; 0 unless open."""
        return max(0.0, self._reopens - self._clock()) if self._state == STATE_OPEN else 0.0

    @property
    def room(self) -> int | None:
        """How many calls it would let through at the moment; None for any number. For those who claim work ahead."""
        state = self.state
        if state == STATE_CLOSED:
            return None
        return 0 if state == STATE_OPEN or self._probing else 1

    def snapshot(self) -> BreakerState:
        """How it stands, for /health."""
        return BreakerState(
            name=str(self.name),
            state=self.state,
            failure_count=self._failure_count,
            success_count=self._success_count,
            opened_at=self.opened_at,
            retry_in_s=round(self.retry_in, 1),
            last_error=self.last_error,
            failures_total=self.failures_total,
            refused_total=self.refused_total,
        )


@dataclass(frozen=True, slots=True)
class BreakerState:
    name: str
    state: str
    failure_count: int
    success_count: int
    opened_at: datetime | None
    retry_in_s: float
    last_error: str | None
    failures_total: int  #: failed calls since the process started
    refused_total: int  #: calls that were not made because the circuit was open


def _about(subject: Hashable) -> About:
    return subject if isinstance(subject, About) else About(subject, subject)


def verdict_of(error: BaseException) -> Verdict:
    """What an error says about an upstream's health; nothing when it is no failure of a call, but ours."""
    return error.verdict if isinstance(error, UpstreamError) else Verdict.NEUTRAL


def describe(error: BaseException) -> str:
    """Class, status, phase and code of an error; nothing that could hold a token, an address or a text."""
    parts = [type(error).__name__]
    parts += [
        str(value) for name in ("http_status", "code", "phase") if (value := getattr(error, name, None)) is not None
    ]
    return " ".join(parts)
