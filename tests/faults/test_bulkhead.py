"""One upstream that takes every caller it gets, and the others, which notice nothing of it (44)."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from inbox.errors import UpstreamBusy
from inbox.gateways import http
from inbox.resilience import GEMINI, SUPABASE
from sandbox import Sandbox
from tests.faults.calls import SHORT, Outcome, ask, observed, send
from tests.faults.server import FaultServer, black_hole, silent
from tests.waiting import wait_until

CALLERS = 12  # three times as many as Gemini may have


@SUPABASE.deadline
@SUPABASE.bulkhead
@SUPABASE.retry
@SUPABASE.breaker
def keys_of_supabase(url: str) -> str:
    return str(http.exchange(SUPABASE, "GET", f"{url}/auth/v1/.well-known/jwks.json", headers={}).data["keys"])


def seconds_of(call: Callable[[], Outcome]) -> list[float]:
    """How long each of some calls took, all of which succeeded."""
    outcomes = [call() for _ in range(40)]
    assert {outcome.kind for outcome in outcomes} == {"success"}
    return [outcome.seconds for outcome in outcomes]


@pytest.fixture(params=["no connection", "no answer"])
def dead_gemini(request: pytest.FixtureRequest) -> Iterator[str]:
    """Gemini's address, where callers are held as long as they let themselves be held."""
    if request.param == "no connection":
        with black_hole() as (host, port):
            yield f"http://{host}:{port}"
    else:
        with FaultServer(silent) as server:
            yield server.url


class Crowd:
    """Callers of Gemini who call again as soon as they may. Counts those that are inside at once."""

    def __init__(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outcomes: list[Outcome] = []
        self.inside = self.most_inside = 0
        self._url = url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(CALLERS)
        exchange = http.exchange

        def counted(upstream: object, *arguments: object, **more: object) -> http.Answer:
            if upstream is not GEMINI:
                return exchange(upstream, *arguments, **more)
            with self._lock:
                self.inside += 1
                self.most_inside = max(self.most_inside, self.inside)
            try:
                return exchange(upstream, *arguments, **more)
            finally:
                with self._lock:
                    self.inside -= 1

        monkeypatch.setattr(http, "exchange", counted)

    def __enter__(self) -> Crowd:
        self._calls = [self._pool.submit(self._call) for _ in range(CALLERS)]
        try:
            wait_until(lambda: self.inside == GEMINI.policy.bulkhead, "Gemini to hold as many callers as it may", 5)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        for call in self._calls:
            call.result()
        self._pool.shutdown()

    def _call(self) -> None:
        while not self._stop.is_set():
            self.outcomes.append(ask(self._url))


def test_while_gemini_holds_its_callers_the_other_upstreams_are_as_quick_as_ever(
    sandbox: Sandbox, dead_gemini: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    GEMINI.configure(SHORT["gemini"], retries=True, breaker=False)  # an open circuit would hold nobody
    others = [lambda: send(sandbox.url), lambda: observed(SUPABASE, lambda: keys_of_supabase(sandbox.url))]
    before = [statistics.median(seconds_of(call)) for call in others]
    with Crowd(dead_gemini, monkeypatch) as crowd:
        until = time.monotonic() + 0.8
        during: list[list[float]] = [[], []]
        while time.monotonic() < until:
            for seconds, call in zip(during, others, strict=True):
                seconds += seconds_of(call)
    for quick, seconds in zip(before, during, strict=True):
        assert statistics.median(seconds) < max(10 * quick, 0.1)
        assert max(seconds) < SHORT["gemini"].connect
    assert crowd.most_inside == GEMINI.policy.bulkhead
    refused = [outcome for outcome in crowd.outcomes if isinstance(outcome.error, UpstreamBusy)]
    held = [outcome for outcome in crowd.outcomes if outcome not in refused]
    assert {outcome.kind for outcome in held} <= {"not_sent", "ambiguous"}
    assert len(refused) >= CALLERS - GEMINI.policy.bulkhead


def test_a_caller_too_many_is_refused_at_once_and_says_nothing_about_gemini() -> None:
    GEMINI.configure(replace(SHORT["gemini"], breaker_failures=100), retries=True, breaker=True)
    with FaultServer(silent) as server, ThreadPoolExecutor(CALLERS) as pool:
        outcomes = list(pool.map(ask, [server.url] * CALLERS))
        refused = [outcome for outcome in outcomes if isinstance(outcome.error, UpstreamBusy)]
        assert len(refused) == CALLERS - GEMINI.policy.bulkhead
        assert max(outcome.seconds for outcome in refused) < SHORT["gemini"].read
        assert {outcome.kind for outcome in outcomes if outcome not in refused} == {"ambiguous"}
        attempts = GEMINI.policy.bulkhead * GEMINI.policy.attempts
        assert 0 < GEMINI.breaker.snapshot().failure_count <= attempts
        assert len(server.requests) <= attempts
