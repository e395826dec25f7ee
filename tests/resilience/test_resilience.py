"""The layers by themselves: classes of outcomes, breaker, bulkhead, retry budget, deadline. Time is an argument."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.config import GEMINI, MOST_AT_ONCE, WHATSAPP, Policy
from inbox.errors import (
    DeadlineExceeded,
    UpstreamBusy,
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamOpen,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
    UpstreamUntrusted,
)
from inbox.gateways.gemini import ModelGone
from inbox.gateways.http.sessions import POOL_SIZE
from inbox.outbox.deliver import outcome_of
from inbox.outbox.outcomes import Outcome, PauseNumber, Refused, RetryLater, Scope, Unknown
from inbox.resilience import Breaker, RetryBudget, Upstream, Verdict, remaining
from inbox.resilience.breaker import verdict_of
from tests.clocks import Clock

POLICY = Policy(total=2.0, connect=1.0, read=1.0, attempts=3, minimum=0.1, breaker_failures=5, breaker_open=30.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("test", POLICY, clock=clock, rng=random.Random(1))


def down(*, phase: str = "connect") -> UpstreamError:
    return UpstreamUnavailable("test", "refused", phase=phase)


def fails(breaker: Breaker, error: BaseException | None = None) -> None:
    def call() -> None:
        raise error or down()

    with pytest.raises(type(error or down())):
        breaker.call(call)


def succeeds(breaker: Breaker) -> None:
    assert breaker.call(lambda: "ok") == "ok"


def opened(breaker: Breaker) -> Breaker:
    for _ in range(5):
        fails(breaker)
    assert breaker.state == "open"
    return breaker


def half_open(breaker: Breaker, clock: Clock) -> Breaker:
    opened(breaker)
    clock.now += 34  # 30 s and the most jitter there is
    return breaker


# --- the table (resilience 4.2) ----------------------------------------------------------------------------------

TABLE = [
    # error, repeat at once, verdict, what the outbox makes of it
    (UpstreamUnavailable("w", "refused", phase="connect"), True, "failure", RetryLater),
    (UpstreamUntrusted("w", "bad certificate"), False, "failure", RetryLater),
    (UpstreamThrottled("w", "429", scope="number", retry_after=3.0), True, "neutral", RetryLater),
    (UpstreamThrottled("w", "131056", scope="pair", code=131056), True, "neutral", RetryLater),
    (UpstreamRejected("w", "400", http_status=400, code=131026), False, "success", Refused),
    (ModelGone("g", "daily quota", code="daily_quota"), False, "success", Refused),
    (UpstreamMisconfigured("w", "190", code=190), False, "success", PauseNumber),
    (UpstreamUnavailable("w", "503", http_status=503, code=131016), True, "failure", RetryLater),
    (UpstreamOutcomeUnknown("w", "reset", phase="sent"), True, "failure", Unknown),
    (UpstreamOutcomeUnknown("w", "no id", http_status=200), True, "failure", Unknown),
    (UpstreamBusy("w", "busy", retry_after=1.0), False, "neutral", RetryLater),
    (UpstreamOpen("w", "open", retry_after=20.0), False, "neutral", RetryLater),
    (DeadlineExceeded("w", "no time"), False, "neutral", RetryLater),
]


@pytest.mark.parametrize(("error", "repeat", "verdict", "outcome"), TABLE)
def test_each_failure_says_what_may_be_repeated_and_what_it_says_about_the_upstream(
    error: UpstreamError, repeat: bool, verdict: str, outcome: type[Outcome]
) -> None:
    assert (error.may_repeat, error.verdict.value) == (repeat, verdict)
    assert isinstance(outcome_of(error), outcome)


def test_an_error_of_our_own_says_nothing_about_the_upstream() -> None:
    assert verdict_of(TypeError("ours")) is Verdict.NEUTRAL


def test_a_send_that_was_not_made_counts_as_no_attempt() -> None:
    assert outcome_of(UpstreamOpen("w", "open", retry_after=20.0)) == RetryLater("open", Scope.LOCAL, 1.0)


# --- breaker -----------------------------------------------------------------------------------------------------


def test_it_opens_after_five_failures_in_a_row_and_then_refuses_without_calling(breaker: Breaker) -> None:
    called = []
    opened(breaker)
    with pytest.raises(UpstreamOpen) as refused:
        breaker.call(lambda: called.append(1))
    assert called == []
    assert 27.0 <= (refused.value.retry_after or 0) <= 33.0


def test_it_opens_when_half_of_the_last_twenty_failed_although_never_five_in_a_row(breaker: Breaker) -> None:
    calls = 0
    while breaker.state == "closed" and calls < 40:
        calls += 1
        if calls % 2:
            fails(breaker)
        else:
            succeeds(breaker)
    assert breaker.state == "open"
    assert calls <= 20


def test_it_stays_closed_when_one_in_ten_fails(breaker: Breaker) -> None:
    for number in range(500):
        if number % 10 == 0:
            fails(breaker)
        else:
            succeeds(breaker)
    assert breaker.state == "closed"


def test_half_open_lets_one_of_fifty_callers_through(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    probing, finish = threading.Event(), threading.Event()
    results: list[str] = []

    def probe() -> None:
        probing.set()
        assert finish.wait(10)

    thread = threading.Thread(target=lambda: breaker.call(probe))
    thread.start()
    assert probing.wait(10)
    for _ in range(49):
        with pytest.raises(UpstreamOpen):
            breaker.call(lambda: results.append("called"))
    finish.set()
    thread.join(10)
    assert results == []
    assert breaker.state == "half_open"


def test_two_successes_close_it_and_one_failure_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    half_open(breaker, clock)
    succeeds(breaker)
    assert breaker.state == "half_open"
    fails(breaker)
    assert breaker.state == "open"
    clock.now += 34
    succeeds(breaker)
    succeeds(breaker)
    assert breaker.state == "closed"


def test_a_success_that_began_before_it_opened_does_not_close_it(breaker: Breaker) -> None:
    generation = breaker.enter()
    opened(breaker)
    breaker.leave(generation, Verdict.SUCCESS)
    assert breaker.state == "open"


def test_a_failure_that_began_before_it_closed_does_not_open_it(breaker: Breaker, clock: Clock) -> None:
    generations = [breaker.enter() for _ in range(10)]
    half_open(breaker, clock)
    succeeds(breaker)
    succeeds(breaker)
    for generation in generations:
        breaker.leave(generation, Verdict.FAILURE, error=down())
    assert breaker.state == "closed"


@pytest.mark.parametrize(
    "error", [TypeError("ours"), UpstreamThrottled("t", "429", scope="project"), KeyboardInterrupt()]
)
def test_our_own_bug_or_a_429_changes_nothing_in_half_open(
    breaker: Breaker, clock: Clock, error: BaseException
) -> None:
    half_open(breaker, clock)
    fails(breaker, error)
    assert breaker.state == "half_open"
    succeeds(breaker)  # the permit was given back


def test_a_refusal_counts_as_health(breaker: Breaker) -> None:
    for _ in range(4):
        fails(breaker)
    fails(breaker, UpstreamRejected("t", "no", http_status=400))
    for _ in range(4):
        fails(breaker)
    assert breaker.state == "closed"


def test_it_opens_when_sixteen_of_the_last_twenty_answers_were_slow(breaker: Breaker, clock: Clock) -> None:
    def slow() -> None:
        clock.now += 0.9  # of a read timeout of 1 s

    for number in range(19):
        breaker.call(slow if number < 16 else lambda: None)
    assert breaker.state == "closed"
    breaker.call(slow)
    assert breaker.state == "open"


def test_processes_do_not_probe_together() -> None:
    waits = set()
    for seed in range(20):
        clock = Clock()
        breaker = opened(Breaker("test", POLICY, clock=clock, rng=random.Random(seed)))
        waits.add(round(breaker.retry_in, 3))
        assert 27.0 <= breaker.retry_in <= 33.0
    assert len(waits) > 15


def test_it_tells_its_changes_in_one_line_each(
    breaker: Breaker, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[tuple[str, str, str]] = []
    breaker.listeners.append(lambda *change: heard.append(change))
    with caplog.at_level(logging.INFO):
        half_open(breaker, clock)
        succeeds(breaker)
        succeeds(breaker)
    changes = [("test", "closed", "open"), ("test", "open", "half_open"), ("test", "half_open", "closed")]
    assert heard == changes
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [f"Circuit {name}: {old} → {new}" for name, old, new in changes]


def test_it_keeps_class_status_phase_and_code_of_an_error_and_nothing_else(breaker: Breaker) -> None:
    fails(breaker, UpstreamOutcomeUnknown("t", "https://x/?key=secret", http_status=502, code="E1", phase="headers"))
    assert breaker.snapshot().last_error == "UpstreamOutcomeUnknown 502 E1 headers"
    assert "secret" not in repr(vars(breaker))


def test_switched_off_it_lets_everything_through(breaker: Breaker) -> None:
    breaker.enabled = False
    for _ in range(20):
        fails(breaker)
    succeeds(breaker)
    assert breaker.state == "closed"


def test_the_librarys_own_way_to_wear_it_is_refused(breaker: Breaker) -> None:
    with pytest.raises(TypeError, match="decorator"), breaker:
        pass


_CALLS = st.lists(st.tuples(st.sampled_from([*Verdict]), st.floats(0, 40)), max_size=120)


@given(_CALLS)
def test_whatever_happens_it_is_in_one_of_three_states_and_finds_its_way_back(
    calls: list[tuple[Verdict, float]],
) -> None:
    clock = Clock()
    breaker = Breaker("test", POLICY, clock=clock, rng=random.Random(0))
    waits: list[float] = []
    for verdict, pause in calls:
        clock.now += pause
        try:
            generation = breaker.enter()
        except UpstreamOpen as refused:
            waits.append(refused.retry_after or 0)
            continue
        breaker.leave(generation, verdict, error=down() if verdict is Verdict.FAILURE else None)
        assert breaker.state in ("closed", "open", "half_open")
    assert all(0 < wait <= 33 for wait in waits)
    clock.now += 34
    for _ in range(2):
        succeeds(breaker)
    assert breaker.state == "closed"


# --- deadline, retry ------- -----------------------------------------------------------------------------------


def test_an_inner_deadline_never_outlives_an_outer_one() -> None:
    outer, inner = Upstream("outer", replace(POLICY, total=0.5)), Upstream("inner", replace(POLICY, total=60.0))
    assert (outer.deadline(inner.deadline(remaining))() or 99) <= 0.5
    assert remaining() is None


def calls_of(upstream: Upstream, *errors: UpstreamError) -> tuple[Callable[[], str], list[float]]:
    """A call that raises the errors in turn and then succeeds, under the retry of `upstream`; when it was made."""
    made: list[float] = []

    @upstream.deadline
    @upstream.retry
    @upstream.breaker
    def call() -> str:
        made.append(time.monotonic())
        if len(made) <= len(errors):
            raise errors[len(made) - 1]
        return "ok"

    return call, made


def test_what_may_be_repeated_is_repeated_up_to_the_attempts(caplog: pytest.LogCaptureFixture) -> None:
    call, made = calls_of(Upstream("test", POLICY), down(), UpstreamUnavailable("test", "503", http_status=503))
    with caplog.at_level(logging.INFO, "inbox.resilience"):
        assert call() == "ok"
    assert len(made) == 3
    assert [record.getMessage() for record in caplog.records] == [
        "Retrying test … attempt 2/3",
        "Retrying test … attempt 3/3",
    ]


def test_after_the_last_attempt_the_upstreams_own_error_is_raised() -> None:
    call, made = calls_of(Upstream("test", POLICY), *[down()] * 5)
    with pytest.raises(UpstreamUnavailable, match="refused"):
        call()
    assert len(made) == 3


@pytest.mark.parametrize(
    "error",
    [
        UpstreamRejected("test", "no", http_status=400),
        UpstreamMisconfigured("test", "key"),
        UpstreamUntrusted("test", "certificate"),
        UpstreamBusy("test", "busy"),
        UpstreamThrottled("test", "429", scope="project", retry_after=3600.0),
    ],
)
def test_what_must_not_be_repeated_is_not(error: UpstreamError) -> None:
    call, made = calls_of(Upstream("test", POLICY), error)
    began = time.monotonic()
    with pytest.raises(type(error)):
        call()
    assert len(made) == 1
    assert time.monotonic() - began < 1.0


def test_a_short_wait_that_the_upstream_asks_for_is_kept() -> None:
    call, made = calls_of(Upstream("test", POLICY), UpstreamThrottled("test", "429", scope="project", retry_after=0.2))
    assert call() == "ok"
    assert made[1] - made[0] >= 0.2


def test_no_attempt_begins_that_could_not_end_in_time() -> None:
    upstream = Upstream("test", replace(POLICY, total=0.2, minimum=0.19))
    call, made = calls_of(upstream, *[UpstreamThrottled("test", "429", scope="project", retry_after=0.05)] * 3)
    with pytest.raises(UpstreamThrottled):
        call()
    assert len(made) == 1


def test_an_open_circuit_is_not_tried_again() -> None:
    call, made = calls_of(Upstream("test", replace(POLICY, breaker_failures=2)), *[down()] * 9)
    with pytest.raises(UpstreamUnavailable):
        call()
    assert len(made) == 2
    with pytest.raises(UpstreamOpen):
        call()
    assert len(made) == 2


def test_switched_off_nothing_is_repeated() -> None:
    upstream = Upstream("test", POLICY)
    upstream.configure(POLICY, retries=False, breaker=True)
    call, made = calls_of(upstream, down())
    with pytest.raises(UpstreamUnavailable):
        call()
    assert len(made) == 1


@given(st.lists(st.booleans(), min_size=200, max_size=600))
def test_an_ill_upstream_gets_at_most_a_tenth_more_once_the_first_tokens_are_spent(oks: list[bool]) -> None:
    budget = RetryBudget()
    repeats = 0
    for ok in oks:
        if ok:
            budget.succeeded()
        else:
            repeats += budget.failed()
    assert repeats <= 5 + 0.1 * len(oks)


@given(attempt=st.integers(0, 200), seed=st.integers(), hint=st.none() | st.floats(0, 1e9), spare=st.floats(0.2, 1000))
def test_a_pause_is_never_negative_and_never_longer_than_can_be_spared(
    attempt: int, seed: int, hint: float | None, spare: float
) -> None:
    upstream = Upstream("test", replace(POLICY, total=spare, minimum=0.1))
    upstream.rng = random.Random(seed)
    waits = upstream._waits()
    next(waits)
    error = UpstreamThrottled("test", "429", scope="project", retry_after=hint)
    for _ in range(min(attempt, 5) + 1):
        assert 0 <= waits.send(error) <= spare


# --- the numbers themselves --------------------------------------------------------------------------------------


def test_the_seeds_numbers_hold() -> None:
    assert (GEMINI.total, GEMINI.attempts, GEMINI.breaker_failures, GEMINI.breaker_open) == (15.0, 3, 5, 60.0)
    assert (WHATSAPP.total, WHATSAPP.attempts, WHATSAPP.breaker_failures, WHATSAPP.breaker_open) == (10.0, 1, 3, 30.0)


def test_the_pool_is_larger_than_any_bulkhead() -> None:
    assert POOL_SIZE >= MOST_AT_ONCE
