"""I12: a number whose sends fail slows itself; a customer whose sends fail, their own conversation."""

from __future__ import annotations

import threading
from uuid import UUID, uuid4

import pytest

from inbox.errors import UpstreamOutcomeUnknown, UpstreamUnavailable
from inbox.outbox import store
from inbox.outbox.deliver import outcome_of
from inbox.outbox.outcomes import RetryLater, Unknown
from inbox.outbox.trouble import Trouble
from inbox.runtime import Runtime
from tests.outbox.world import World

ILL, WELL = uuid4(), uuid4()


def fail(
    trouble: Trouble, times: int, *, answered: bool = True, conversation: UUID | None = None
) -> list[float | None]:
    return [trouble.failed(ILL, conversation or uuid4(), answered=answered) for _ in range(times)]


def test_one_customer_whose_sends_fail_slows_no_number() -> None:
    trouble = Trouble()
    assert fail(trouble, 10, conversation=uuid4()) == [None] * 10
    assert trouble.places([ILL, WELL]) == {ILL: None, WELL: None}


def test_a_number_whose_sends_fail_rests_for_longer_and_longer() -> None:
    assert fail(Trouble(), 8) == [None, 2, 4, 8, 16, 32, 60, 60]


def test_a_number_whose_sends_fail_has_one_place_and_others_come_first() -> None:
    trouble = Trouble()
    fail(trouble, 2)
    assert list(trouble.places([ILL, WELL]).items()) == [(WELL, None), (ILL, 1)]
    trouble.begin(ILL)
    assert trouble.places([ILL]) == {ILL: 0}
    trouble.end(ILL)
    assert trouble.places([ILL]) == {ILL: 1}


def test_without_an_answer_it_is_the_circuit_that_pauses_but_the_number_has_one_place() -> None:
    trouble = Trouble()
    assert fail(trouble, 3, answered=False) == [None] * 3
    assert trouble.places([ILL]) == {ILL: 1}


def test_a_send_that_succeeds_ends_the_trouble() -> None:
    trouble = Trouble()
    fail(trouble, 5)
    trouble.succeeded(ILL)
    assert trouble.places([ILL]) == {ILL: None}
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
        assert len(store.claim_sends(session, world.now, 10, trouble.places)) == 1
