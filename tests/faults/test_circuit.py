"""Scenarios 25 to 29: the circuit breaker in front of a real server, by the requests that reach it."""

from __future__ import annotations

import dataclasses
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from inbox import config as defaults
from inbox.config import Config
from inbox.errors import UpstreamError, UpstreamOpen, UpstreamUnavailable
from inbox.gateways import gemini as reading
from inbox.gateways.gemini import Gemini
from inbox.resilience import GEMINI, WHATSAPP, RetryBudget
from sandbox import Sandbox
from tests.clocks import Clock
from tests.faults.stage import LONGEST_OPEN, QUICK, ask, hits, numbers, queue_to, serving, statuses
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]


@pytest.fixture
def gemini(sandbox: Sandbox) -> Iterator[Gemini]:
    with numbers(GEMINI, QUICK):
        yield Gemini(f"{sandbox.url}/v1beta", "key")


@pytest.fixture
def clock(gemini: Gemini, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The breaker's time, standing still."""
    made = Clock()
    monkeypatch.setattr(GEMINI.breaker, "_clock", made)
    return made


def open_circuit(gemini: Gemini, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "status", code=500, times=5)
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            ask(gemini)
    assert GEMINI.breaker.state == "open"
    assert hits(sandbox, "gemini") == 5


# --- 25: a burst of errors ---------------------------------------------------------------------------------------


def test_a_burst_of_500s_costs_five_requests_then_one_probe_a_minute_and_two_good_ones_close_it(
    gemini: Gemini, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.fault("gemini", "status", code=500, times=10)
    seen: list[int] = []
    while not seen or hits(sandbox, "gemini") < 12:
        for _ in range(20):  # callers do not stop calling
            try:
                ask(gemini)
            except UpstreamError:
                seen.append(hits(sandbox, "gemini"))
            if GEMINI.breaker.state == "closed" and hits(sandbox, "gemini") >= 12:
                break
        clock.now += defaults.GEMINI.breaker_open * LONGEST_OPEN
    # 3 and 2 attempts until it opens; each probe that fails is one more, and whoever comes in between costs nothing
    assert sorted(set(seen)) == [3, 5, 6, 7, 8, 9, 10]
    assert GEMINI.breaker.state == "closed"
    assert hits(sandbox, "gemini") == 12


def test_no_probe_leaves_before_nine_tenths_of_the_minute(gemini: Gemini, sandbox: Sandbox, clock: Clock) -> None:
    open_circuit(gemini, sandbox)
    clock.now += 0.89 * defaults.GEMINI.breaker_open
    with pytest.raises(UpstreamOpen) as refused:
        ask(gemini)
    assert 0 < (refused.value.retry_after or 0) <= 0.21 * defaults.GEMINI.breaker_open
    assert hits(sandbox, "gemini") == 5


def test_sends_wait_in_the_outbox_while_the_circuit_is_open_and_each_leaves_once(
    whole: Config, sandbox: Sandbox
) -> None:
    policy = dataclasses.replace(whole.whatsapp, breaker_open=0.3, breaker_failures=1)  # there is one number only
    sandbox.fault("whatsapp", "graph_error", code=131016, times=3)  # "not processed, try again"; the number cools, too
    with serving(dataclasses.replace(whole, whatsapp=policy), sandbox, dispatcher=False) as stage:
        changes: list[tuple[str, str]] = []
        for number in range(20):
            queue_to(stage.runtime, f"336000001{number:02d}", f"message {number}")
        WHATSAPP.breaker.listeners.append(lambda _name, old, new: changes.append((old, new)))
        stage.runtime.start_dispatcher()
        wait_until(lambda: set(statuses(stage.db)) == {"read"}, "every message to be read")
    assert sorted(d.text or "" for d in sandbox.deliveries()) == sorted(f"message {n}" for n in range(20))
    assert hits(sandbox, "whatsapp") == 20 + 3
    assert changes[0] == ("closed", "open")
    assert changes[-1] == ("half_open", "closed")


# --- 26: every other call fails ----------------------------------------------------------------------------------


def test_flapping_opens_it_within_about_twenty_requests(gemini: Gemini, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "status", code=503, probability=0.5)
    counts = []
    for _ in range(21):
        GEMINI.breaker.reset()
        before = hits(sandbox, "gemini")
        while GEMINI.breaker.state == "closed" and hits(sandbox, "gemini") - before < 100:
            attempt_to(gemini)
        assert GEMINI.breaker.state == "open"
        counts.append(hits(sandbox, "gemini") - before)
    assert statistics.median(counts) <= 20


def attempt_to(gemini: Gemini) -> bool:
    try:
        return bool(ask(gemini))
    except UpstreamError:
        return False


@pytest.mark.parametrize("probability", [0.5, 1.0])
def test_repeats_stop_when_the_budget_is_spent(sandbox: Sandbox, probability: float) -> None:
    """The breaker is off, so that nothing but the budget holds the repeats back."""
    calls = 200
    with numbers(GEMINI, QUICK, breaker=False):
        gemini = Gemini(f"{sandbox.url}/v1beta", "key")
        sandbox.fault("gemini", "status", code=503, probability=probability)
        for _ in range(calls):
            attempt_to(gemini)
    first_tokens = RetryBudget.TOKENS - RetryBudget.FLOOR
    assert calls < hits(sandbox, "gemini") <= 1.1 * calls + first_tokens


# --- 27: many callers when it is half open -----------------------------------------------------------------------


class Gate:
    """A model that thinks about texts that hold "slow" until it may go on."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.thinking = threading.Event()
        self.may_answer = threading.Event()
        sandbox.gemini_responder = lambda request: self._think(request.last_user_text)

    def _think(self, text: str) -> str:
        if "slow" in text:
            self.thinking.set()
            self.may_answer.wait(10)
        return "A baguette is 1.30."


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_of_fifty_callers_one_probes_and_the_others_are_refused_at_once(
    gemini: Gemini, sandbox: Sandbox, clock: Clock
) -> None:
    open_circuit(gemini, sandbox)
    gate = Gate(sandbox)
    clock.now += defaults.GEMINI.breaker_open * LONGEST_OPEN
    start = threading.Barrier(50)
    refused: list[UpstreamError] = []
    answered: list[str] = []

    def call() -> None:
        start.wait()
        try:
            answered.append(ask(gemini, "slow"))
        except UpstreamOpen as error:
            refused.append(error)

    threads = [in_thread(call) for _ in range(50)]
    assert gate.thinking.wait(10)
    wait_until(lambda: len(refused) == 49, "all others to be refused while the probe is under way", 2)
    assert (hits(sandbox, "gemini"), answered) == (6, [])
    began = time.perf_counter()
    for _ in range(100):
        with pytest.raises(UpstreamOpen):
            ask(gemini)
    assert (time.perf_counter() - began) / 100 < 0.001
    gate.may_answer.set()
    for thread in threads:
        thread.join(10)
    assert answered == ["A baguette is 1.30."]
    assert (hits(sandbox, "gemini"), GEMINI.breaker.state) == (6, "half_open")


# --- 28, 29: results that say nothing ----------------------------------------------------------------------------


def test_a_slow_success_from_before_it_opened_does_not_close_it(gemini: Gemini, sandbox: Sandbox, clock: Clock) -> None:
    gate = Gate(sandbox)
    answers: list[str] = []
    early = in_thread(lambda: answers.append(ask(gemini, "slow")))
    assert gate.thinking.wait(10)
    sandbox.fault("gemini", "status", code=500, times=5)
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable):
            ask(gemini, "quick")
    assert GEMINI.breaker.state == "open"
    gate.may_answer.set()
    early.join(10)
    assert answers == ["A baguette is 1.30."]
    assert GEMINI.breaker.state == "open"
    with pytest.raises(UpstreamOpen):
        ask(gemini, "quick")


def test_a_bug_of_ours_in_half_open_changes_nothing(
    gemini: Gemini, sandbox: Sandbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_circuit(gemini, sandbox)
    clock.now += defaults.GEMINI.breaker_open * LONGEST_OPEN
    with monkeypatch.context() as broken:
        broken.setattr(reading, "_read", lambda _answer: len(None))  # type: ignore[arg-type]
        for _ in range(5):
            with pytest.raises(TypeError):
                ask(gemini)
            assert GEMINI.breaker.state == "half_open"
    assert hits(sandbox, "gemini") == 5 + 5  # the permit came back each time
    ask(gemini)
    ask(gemini)
    assert GEMINI.breaker.state == "closed"
