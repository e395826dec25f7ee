"""How upstreams are called: deadline, bulkhead, retry, breaker, each a decorator, worn in this order (outside in).

    GEMINI = Upstream("gemini", config.GEMINI)

    @GEMINI.deadline        # one absolute end for everything below
    @GEMINI.bulkhead        # so many at once
    @GEMINI.retry           # backoff: only what may be repeated, only while there is time
    @GEMINI.breaker         # circuitbreaker: sees every attempt
    def post(…): one plain request

The breaker is inside the retry, because retries outside would hide failures from it. State is per process, on
purpose: four breakers cost four times the attempts and converge within one; a shared store would be one more thing to
fail.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import backoff
from circuitbreaker import STATE_OPEN

from inbox import config as defaults
from inbox.config import Config, Policy
from inbox.errors import DeadlineExceeded, UpstreamError, Verdict
from inbox.metrics import meters
from inbox.resilience.breaker import Breaker, describe
from inbox.resilience.bulkhead import Bulkhead
from inbox.resilience.deadline import remaining, restore, shorten

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class RetryBudget:
    """Retries stop when too much fails anyway: 10 tokens, one per failure, a tenth back per success, none below 5.

    gRPC's retry throttle, which bounds the extra load on a failing upstream to a tenth.
    """

    TOKENS, BACK, FLOOR = 10.0, 0.1, 5.0

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.refill()

    def refill(self) -> None:
        with self._lock:
            self._tokens = self.TOKENS

    def failed(self) -> bool:
        """Count a failure. True when a retry may follow."""
        with self._lock:
            self._tokens = max(0.0, self._tokens - 1)
            return self._tokens > self.FLOOR

    def succeeded(self) -> None:
        with self._lock:
            self._tokens = min(self.TOKENS, self._tokens + self.BACK)


class Upstream:
    """One upstream of this process: its numbers, its state, and the decorators that apply them."""

    BASE, CAP = 0.5, 4.0  # seconds: full jitter over BASE * 2**n up to CAP
    LATE = 0.05  # seconds: what a wait may end late by on a busy machine

    def __init__(self, name: str, policy: Policy) -> None:
        self.name = name
        self.policy = policy
        self.retries = True
        self.bulkhead = Bulkhead(name, policy.bulkhead, line=policy.line, patience=policy.patience)
        self.breaker = Breaker(name, policy)
        self.rng = random.Random()  # noqa: S311 (jitter, no secret)
        self._budget = RetryBudget()

    def configure(self, policy: Policy, *, retries: bool, breaker: bool) -> None:
        """Take these numbers and switches, and forget everything that was seen."""
        self.policy = policy
        self.retries = retries
        self.bulkhead.resize(policy.bulkhead, line=policy.line, patience=policy.patience)
        self.breaker.listeners.clear()  # they belonged to what was configured before
        self.breaker.enabled = breaker
        self.breaker.configure(policy)
        self._budget.refill()

    def deadline(self, function: Callable[P, R]) -> Callable[P, R]:
        """Everything inside ends within the policy's total, or within an earlier deadline of the caller."""

        @wraps(function)
        def bounded(*args: P.args, **kwargs: P.kwargs) -> R:
            outer = shorten(self.policy.total)
            try:
                with self._counted():
                    return function(*args, **kwargs)
            finally:
                restore(outer)

        return bounded

    @contextmanager
    def _counted(self) -> Iterator[None]:
        began, outcome = time.monotonic(), "ok"
        try:
            yield
        except UpstreamError as error:
            outcome = meters.outcome_of(error)
            raise
        finally:
            meters.CALLS.labels(self.name, outcome).inc()
            meters.CALL_SECONDS.labels(self.name).observe(time.monotonic() - began)

    def retry(self, function: Callable[P, R]) -> Callable[P, R]:
        """Repeat what may be repeated, by backoff; its own clocks are not used, because they overrun a deadline."""
        repeated: Callable[P, R] = backoff.on_exception(
            self._waits,  # type: ignore[arg-type]  # the stubs forget that it is sent the exception
            UpstreamError,
            max_tries=lambda: self.policy.attempts,
            giveup=self._give_up,  # type: ignore[arg-type]  # it is given what the line above names
            on_backoff=self._log_retry,
            on_success=lambda _details: self._budget.succeeded(),
            jitter=None,
            logger=None,
        )(function)
        return repeated

    def _give_up(self, error: UpstreamError) -> bool:
        if error.verdict is Verdict.FAILURE and not self._budget.failed():
            return True
        if not self.retries or not error.may_repeat or self.breaker.state == STATE_OPEN:
            return True
        left = self._spare()
        return left <= 0 or (error.retry_after is not None and error.retry_after > left)

    def _spare(self) -> float:
        """Seconds that may be waited so that the next attempt still has its minimum, even if the wait ends late."""
        left = remaining()
        return (self.policy.total if left is None else left) - self.policy.minimum - self.LATE

    def _waits(self) -> Generator[float, UpstreamError, None]:
        """Seconds before each repeat: the upstream's hint, else full jitter; never more than can be spared."""
        error = yield 0.0
        attempt = 0
        while True:
            spare = max(0.0, self._spare())
            # Over what can be spared: cut off at it instead, most pauses would end too late for the next attempt.
            jittered = self.rng.uniform(0, min(self.CAP, self.BASE * 2.0**attempt, spare))
            error = yield jittered if error.retry_after is None else min(max(0.0, error.retry_after), spare)
            attempt += 1

    def _log_retry(self, details: Any) -> None:
        error = details.get("exception")
        meters.RETRIES.labels(self.name).inc()
        log.warning(
            "Retrying %s … attempt %d/%d",
            self.name,
            details["tries"] + 1,
            self.policy.attempts,
            extra={"upstream": self.name, "wait_s": round(details["wait"], 2), "error": describe(error)},
        )

    def check_time(self) -> None:
        """Raises DeadlineExceeded when less than the minimum is left: an attempt could not end well."""
        left = remaining()
        if left is not None and left < self.policy.minimum:
            meters.REFUSALS.labels(self.name, "deadline").inc()
            raise DeadlineExceeded(self.name, "not enough time left for an attempt")


# --- this process's upstreams ------------------------------------------------------------------------------------


def _for_lists(policy: Policy) -> Policy:
    """For several pages, each of them larger than the answer to a send; one number at a time."""
    return replace(policy, total=3 * policy.total, bulkhead=1, max_bytes=4 * 1024 * 1024)


# One for each kind of call: what happens to files or receipts must not stop a reply (I12). Questions about a number
# (`gateways.whatsapp.numbers`) are an operator's, and have neither circuit nor places.
GEMINI = Upstream("gemini", defaults.GEMINI)
WHATSAPP = Upstream("whatsapp", defaults.WHATSAPP)  #: sends
WHATSAPP_RECEIPTS = Upstream("whatsapp_receipts", defaults.WHATSAPP)
WHATSAPP_MEDIA = Upstream("whatsapp_media", defaults.WHATSAPP_MEDIA)
WHATSAPP_TEMPLATES = Upstream("whatsapp_templates", _for_lists(defaults.WHATSAPP))
SUPABASE = Upstream("supabase", defaults.SUPABASE)
MEDIA_STORE = Upstream("media_store", defaults.MEDIA_STORE)  #: a bucket, where one is set up
UPSTREAMS = {
    each.name: each
    for each in (GEMINI, WHATSAPP, WHATSAPP_RECEIPTS, WHATSAPP_MEDIA, WHATSAPP_TEMPLATES, SUPABASE, MEDIA_STORE)
}


def policies(config: Config) -> dict[str, Policy]:
    """How each of UPSTREAMS is called, by its name."""
    return {
        GEMINI.name: config.gemini,
        WHATSAPP.name: config.whatsapp,
        WHATSAPP_RECEIPTS.name: config.whatsapp,
        WHATSAPP_MEDIA.name: config.whatsapp_media,
        WHATSAPP_TEMPLATES.name: _for_lists(config.whatsapp),
        SUPABASE.name: config.supabase,
        MEDIA_STORE.name: config.media_store,
    }


def configure(config: Config) -> None:
    """Give this process's upstreams the numbers and switches of `config`, and a clean slate."""
    for name, policy in policies(config).items():
        UPSTREAMS[name].configure(policy, retries=config.resilience_retry, breaker=config.resilience_breaker)
