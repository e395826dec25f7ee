"""Whose fault is it: a circuit opens for several different things failing, not for one that fails again and again."""

from __future__ import annotations

import random
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.config import Policy
from inbox.errors import UpstreamError, UpstreamOpen, UpstreamOutcomeUnknown, UpstreamRejected, UpstreamUnavailable
from inbox.resilience import About, Breaker
from inbox.resilience.suspects import Suspects
from tests.clocks import Clock

POLICY = Policy(total=2.0, connect=1.0, read=1.0, breaker_failures=3, breaker_open=30.0)
ANSWERED = UpstreamUnavailable("test", "HTTP 500", http_status=500)
CUT = UpstreamOutcomeUnknown("test", "cut", phase="headers")
SILENT = UpstreamOutcomeUnknown("test", "timeout", phase="sent")
REFUSED = UpstreamUnavailable("test", "refused", phase="connect")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("test", POLICY, clock=clock, rng=random.Random(1))


def fails(breaker: Breaker, subject: Hashable, error: UpstreamError = ANSWERED) -> None:
    def call() -> None:
        raise error

    with pytest.raises(type(error)):
        breaker.call_about(subject, call)


def succeeds(breaker: Breaker, subject: Hashable) -> None:
    breaker.call_about(subject, lambda: None)


@pytest.mark.parametrize("error", [ANSWERED, CUT, SILENT])
def test_one_thing_that_fails_after_it_was_sent_counts_once(breaker: Breaker, error: UpstreamError) -> None:
    for _ in range(100):
        fails(breaker, "a", error)
    assert (breaker.state, breaker.snapshot().failure_count) == ("closed", 1)
    assert breaker.snapshot().failures_total == 100


@pytest.mark.parametrize("error", [ANSWERED, CUT, SILENT, REFUSED])
def test_several_different_things_that_fail_open_it(breaker: Breaker, error: UpstreamError) -> None:
    for subject in "abc":
        fails(breaker, subject, error)
    assert breaker.state == "open"


def test_no_connection_counts_each_time_whatever_it_was_for(breaker: Breaker) -> None:
    for _ in range(3):
        fails(breaker, "a", REFUSED)
    assert breaker.state == "open"


def test_one_thing_counts_once_whether_it_is_answered_or_not(breaker: Breaker) -> None:
    for error in [SILENT, ANSWERED, CUT] * 10:
        fails(breaker, "a", error)
    assert (breaker.state, breaker.snapshot().failure_count) == ("closed", 1)


def silent(breaker: Breaker, number: str, recipients: str) -> int:
    """No answer for these recipients of a number; the failures that count."""
    for recipient in recipients:
        fails(breaker, About(number, (number, recipient)), SILENT)
    return breaker.snapshot().failure_count


def test_no_answer_about_one_whole_opens_nothing_while_another_one_is_answered(breaker: Breaker) -> None:
    succeeds(breaker, About("well", ("well", "x")))
    assert silent(breaker, "ill", "abcdefgh") == 1
    assert breaker.state == "closed"
    assert silent(breaker, "well", "x") == 2  # and now nobody is answered any more
    silent(breaker, "ill", "i")
    assert breaker.state == "open"


def test_no_answer_about_the_only_whole_there_is_opens_it(breaker: Breaker) -> None:
    succeeds(breaker, About("only", ("only", "x")))
    silent(breaker, "only", "abc")
    assert breaker.state == "open"


def test_an_answer_may_be_about_a_whole_and_no_answer_about_a_part_of_it(breaker: Breaker) -> None:
    for recipient in "xyz":
        fails(breaker, About("number", ("number", recipient)))
    assert (breaker.state, breaker.snapshot().failure_count) == ("closed", 1)
    for _ in range(5):
        fails(breaker, About("number", ("number", "x")), SILENT)
    assert (breaker.state, breaker.snapshot().failure_count) == ("closed", 2)
    fails(breaker, About("number", ("number", "y")), SILENT)
    assert breaker.state == "open"


def test_where_no_answer_is_about_nothing_in_particular_it_counts_each_time(breaker: Breaker) -> None:
    for _ in range(3):
        fails(breaker, About("token", None), SILENT)
    assert breaker.state == "open"


def test_what_went_well_clears_the_whole_and_its_part(breaker: Breaker) -> None:
    fails(breaker, About("number", "x"), SILENT)
    fails(breaker, About("number", "x"))
    succeeds(breaker, About("number", "x"))
    fails(breaker, About("number", "x"), SILENT)
    fails(breaker, About("number", "x"))
    assert breaker.snapshot().failure_count == 2


def test_a_call_about_nothing_in_particular_counts_each_time(breaker: Breaker) -> None:
    for _ in range(3):
        fails(breaker, None)
    assert breaker.state == "open"


def test_a_thing_that_went_well_counts_again(breaker: Breaker) -> None:
    for subject in "ab":
        fails(breaker, subject)
        succeeds(breaker, subject)
    for subject in "abc":
        fails(breaker, subject)
    assert breaker.state == "open"


def test_one_thing_among_many_that_are_answered_never_opens_it(breaker: Breaker) -> None:
    for _ in range(100):
        fails(breaker, "a")
        succeeds(breaker, "b")
    assert breaker.state == "closed"


def test_what_is_known_to_fail_alone_neither_opens_nor_closes_a_half_open_circuit(
    breaker: Breaker, clock: Clock
) -> None:
    fails(breaker, "a")
    succeeds(breaker, "b")
    fails(breaker, "a")
    for _ in range(3):
        fails(breaker, "c", REFUSED)
    clock.now += 34
    fails(breaker, "a")
    assert breaker.state == "half_open"
    succeeds(breaker, "b")
    succeeds(breaker, "b")
    assert breaker.state == "closed"


def test_what_opened_it_opens_it_again_while_nobody_is_answered(breaker: Breaker, clock: Clock) -> None:
    for subject in "abc":
        fails(breaker, subject)
    clock.now += 34
    fails(breaker, "a")
    assert breaker.state == "open"
    with pytest.raises(UpstreamOpen):
        succeeds(breaker, "b")


@pytest.mark.parametrize("error", [ANSWERED, CUT, SILENT])
def test_blamed_is_who_fails_again_and_again_while_others_are_answered(breaker: Breaker, error: UpstreamError) -> None:
    fails(breaker, "a", error)
    for _ in range(Suspects.GUILTY):
        assert not breaker.blames("a")
        succeeds(breaker, "b")
        fails(breaker, "a", error)
    assert breaker.blames("a")
    assert not breaker.blames("b")
    succeeds(breaker, "a")
    assert not breaker.blames("a")


def test_nobody_is_blamed_while_nobody_is_answered(breaker: Breaker) -> None:
    for _ in range(100):
        fails(breaker, "a")
    assert not breaker.blames("a")
    assert not breaker.blames(None)


def test_a_refusal_is_an_answer(breaker: Breaker) -> None:
    for _ in range(Suspects.GUILTY + 1):
        fails(breaker, "a")
        fails(breaker, "b", UpstreamRejected("test", "no", http_status=400))
    assert breaker.blames("a")


def test_a_reset_clears_everybody(breaker: Breaker) -> None:
    for _ in range(Suspects.GUILTY + 1):
        fails(breaker, "a")
        succeeds(breaker, "b")
    breaker.reset()
    assert not breaker.blames("a")


def test_nothing_of_a_name_is_kept(breaker: Breaker) -> None:
    fails(breaker, "the-secret-token")
    assert "the-secret-token" not in repr(vars(breaker)) + repr(vars(breaker._suspects))


def test_of_many_things_the_oldest_is_forgotten() -> None:
    suspects = Suspects()
    assert all(suspects.failed(number) for number in range(Suspects.MOST + 1))
    assert not suspects.failed(1)
    assert suspects.failed(0)
    assert len(suspects._records) == Suspects.MOST


_SENT = st.sampled_from([ANSWERED, CUT, SILENT])
_CALLS = st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | _SENT), max_size=200)


@given(_CALLS)
def test_an_upstream_is_never_cut_off_for_fewer_things_than_it_takes(
    calls: list[tuple[str, UpstreamError | None]],
) -> None:
    """Only "a" and "b" ever fail: two are fewer than the three that open it, however they fail."""
    breaker = Breaker("test", POLICY, clock=Clock(), rng=random.Random(1))
    for subject, error in calls:
        if error is None or subject not in "ab":
            succeeds(breaker, subject)
        else:
            fails(breaker, subject, error)
        assert breaker.state == "closed"


@given(_CALLS, st.lists(st.tuples(st.sampled_from("uvwxyz"), _SENT), max_size=100))
def test_an_outage_opens_it_as_soon_as_three_things_have_failed_whatever_was_before(
    calls: list[tuple[str, UpstreamError | None]], outage: list[tuple[str, UpstreamError]]
) -> None:
    """Things that were not suspected before: each counts by its first failure, so no order of them delays it."""
    breaker = Breaker("test", POLICY, clock=Clock(), rng=random.Random(1))
    for subject, error in calls:
        if breaker.state == "closed":
            fails(breaker, subject, error) if error else succeeds(breaker, subject)
    breaker.reset()
    failed: set[str] = set()
    for subject, error in outage:
        fails(breaker, subject, error)
        failed.add(subject)
        assert breaker.state == ("open" if len(failed) == POLICY.breaker_failures else "closed")
        if breaker.state == "open":
            return


@given(st.lists(_SENT, min_size=1, max_size=60), st.integers(1, 5))
def test_one_thing_alone_never_opens_it_and_no_connection_opens_it_all_the_same(
    errors: list[UpstreamError], refusals: int
) -> None:
    breaker = Breaker("test", POLICY, clock=Clock(), rng=random.Random(1))
    for error in errors:
        fails(breaker, "a", error)
    assert (breaker.state, breaker.snapshot().failure_count) == ("closed", 1)
    for number in range(refusals):
        if breaker.state == "closed":
            fails(breaker, "a", REFUSED)
            assert breaker.state == ("open" if number + 2 >= POLICY.breaker_failures else "closed")
