"""I12: a number whose sends fail slows itself; a customer whose sends fail, their own conversation."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest

from inbox.errors import UpstreamOutcomeUnknown, UpstreamUnavailable
from inbox.outbox import store
from inbox.outbox.deliver import outcome_of
from inbox.outbox.outcomes import RetryLater, Unknown
from inbox.outbox.trouble import HANGS, Trouble
from inbox.runtime import Runtime
from tests.clocks import Clock
from tests.outbox.world import World

ILL, WELL, OTHER = uuid4(), uuid4(), uuid4()


def fail(
    trouble: Trouble, times: int, *, answered: bool = True, conversation: UUID | None = None
) -> list[float | None]:
    return [trouble.failed(ILL, conversation or uuid4(), answered=answered) for _ in range(times)]


def test_one_customer_whose_sends_fail_slows_no_number() -> None:
    trouble = Trouble()
    assert fail(trouble, 10, conversation=uuid4()) == [None] * 10
    assert trouble.most() == {}


def test_a_number_whose_sends_fail_rests_for_longer_and_longer() -> None:
    assert fail(Trouble(), 8) == [None, 2, 4, 8, 16, 32, 60, 60]


def test_a_number_whose_sends_fail_has_one_place() -> None:
    trouble = Trouble()
    fail(trouble, 2)
    assert trouble.most() == {ILL: 1}
    trouble.begin(ILL)
    assert trouble.most() == {ILL: 0}
    trouble.end(ILL)
    assert trouble.most() == {ILL: 1}


def test_a_number_at_which_whatsapp_says_nothing_rests_no_longer_than_until_its_circuit_closes() -> None:
    trouble = Trouble()
    assert fail(trouble, 6, answered=False) == [None, 2, 4, 8, 10, 10]
    assert trouble.most() == {ILL: 1}


def test_when_every_place_is_held_for_too_long_the_spare_one_is_for_numbers_that_hold_none() -> None:
    clock = Clock()
    trouble = Trouble(clock)
    fail(trouble, 2)
    for _ in range(3):
        trouble.begin(WELL)
    assert (trouble.hangs_in(3), trouble.hangs_in(4)) == (HANGS, None)
    clock.now += HANGS
    assert trouble.hangs_in(3) == 0.0
    assert trouble.others() == {WELL: 0, ILL: 0}
    trouble.begin(OTHER, spare=True)
    assert (trouble.hangs_in(3), trouble.hangs_in(4)) == (0.0, None)
    trouble.end(OTHER, spare=True)
    trouble.end(WELL)
    assert trouble.hangs_in(3) is None
    trouble.begin(WELL)  # they are quick enough, after all
    assert trouble.hangs_in(3) == HANGS


def test_a_send_that_succeeds_ends_the_trouble() -> None:
    trouble = Trouble()
    fail(trouble, 5)
    trouble.succeeded(ILL)
    assert trouble.most() == {}
    assert fail(trouble, 2) == [None, 2]


def test_any_thread_may_tell_and_nothing_is_left_of_what_is_over() -> None:
    trouble = Trouble()

    def work() -> None:
        for _ in range(200):
            trouble.begin(ILL)
            trouble.end(ILL)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble._under_way


def test_an_error_with_a_status_is_an_answer() -> None:
    unclear = UpstreamOutcomeUnknown("whatsapp", "something went wrong", http_status=500, code=131000)
    assert outcome_of(unclear) == Unknown("something went wrong", answered=True)
    assert outcome_of(UpstreamOutcomeUnknown("whatsapp", "reset", phase="sent")) == Unknown("reset")
    later = UpstreamUnavailable("whatsapp", "maintenance", http_status=500, code=131057)
    assert outcome_of(later) == RetryLater("maintenance", answered=True)


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


def test_a_failure_that_is_the_numbers_lets_the_number_rest(world: World) -> None:
    world.queue("one", to="a")
    world.queue("two", to="b")
    first, _ = world.claim()
    with world.db.writing() as session:
        store.record(session, first, Unknown("500", answered=True), world.now, world._rng, rest=8.0)
    world.queue("three", to="c")
    assert world.claim() == []
    world.advance(8)
    assert [claim.text for claim in world.claim()] == ["three"]


def test_a_number_in_trouble_begins_one_send_at_a_time(world: World) -> None:
    for customer in ("a", "b", "c"):
        world.queue(f"to {customer}", to=customer)
    account_id = world.message("to a").account_id
    trouble = Trouble()
    for _ in range(2):
        trouble.failed(account_id, uuid4(), answered=False)
    with world.db.writing() as session:
        assert len(store.claim_sends(session, world.now, 10, trouble.most())) == 1
    trouble.begin(account_id)
    with world.db.writing() as session:
        assert store.claim_sends(session, world.now, 10, trouble.most()) == []
