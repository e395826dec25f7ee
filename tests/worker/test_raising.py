"""A mistake of ours ends a job with its reason, for people to see: none comes back for ever (I10)."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from inbox.clock import utc_now
from inbox.db.wake import Wakeups, Work
from inbox.errors import DatabaseUnavailable
from inbox.models import JobKind
from inbox.outbox import jobs, store
from inbox.outbox.deliver import Delivery
from inbox.outbox.jobs import JobClaim
from inbox.outbox.outcomes import Outcome, SendClaim, Unknown
from inbox.runtime import Runtime
from inbox.worker.dispatcher import Crew, Dispatcher
from tests.builders import ingest, text_message, the_conversation, webhook
from tests.outbox.world import World


class Mistake(Exception):
    """Our own."""


@pytest.fixture
def broken(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> Runtime:
    """The bot's code raises at every question; a customer has asked one."""

    def raises(*_: object) -> None:
        raise Mistake

    monkeypatch.setattr("inbox.bot.answer.turns", raises)
    ingest(live, webhook(messages=[text_message("hello", at=int(utc_now().timestamp()))]))
    return live


def claim(runtime: Runtime) -> list[JobClaim]:
    """What is due within the hour."""
    with runtime.db.writing() as session:
        return jobs.claim_jobs(session, JobKind.ANSWER, runtime.db.now(session) + timedelta(hours=1), 10)


def work(runtime: Runtime) -> int:
    """Do as a crew does; how many jobs there were."""
    claims = claim(runtime)
    for each in claims:
        with pytest.raises(Mistake):
            runtime.answering.run(each)
        runtime.answering.raised(each)
    return len(claims)


def test_a_question_at_which_our_code_raises_asks_for_a_person_after_three_times(broken: Runtime) -> None:
    assert [work(broken) for _ in range(5)] == [1, 1, 1, 0, 0]
    conversation = the_conversation(broken.db)
    assert (conversation.needs_human, conversation.needs_human_reason) == (True, "bot_failed")


def test_health_counts_what_the_bot_failed_at(broken: Runtime) -> None:
    for _ in range(3):
        work(broken)
    broken.health.refresh().join(10)
    outbox = broken.health.snapshot().outbox
    assert outbox is not None
    assert outbox.bot_failed == 1


def test_nobody_is_called_where_a_person_has_taken_over(broken: Runtime) -> None:
    for _ in range(2):
        work(broken)
    (last,) = claim(broken)
    with broken.db.writing() as session:
        session.merge(the_conversation(broken.db)).bot_enabled = False
    broken.answering.raised(last)
    assert not the_conversation(broken.db).needs_human


def test_a_crew_tells_of_claims_that_raised_and_goes_on(live: Runtime) -> None:
    told: list[str] = []
    done = threading.Event()
    tasks = iter([["bad"], ["away"], ["good"]])

    def claim_some(_count: int) -> Sequence[str]:
        return next(tasks, [])

    def handle(task: str) -> None:
        if task == "bad":
            raise Mistake
        if task == "away":
            raise DatabaseUnavailable
        done.set()

    wakeups = Wakeups(live.db)
    crew = Crew(Work.ANSWER, 1, claim_some, handle, wakeups, raised=told.append, poll=0.01)
    dispatcher = Dispatcher([crew], wakeups)
    dispatcher.start()
    assert done.wait(10)
    assert dispatcher.stop(10)
    assert told == ["bad"]


@pytest.fixture
def world(live: Runtime) -> World:
    return World(live)


def send(world: World) -> Outcome:
    (claimed,) = world.claim()
    live = world.runtime
    stopping = threading.Event()
    delivery = Delivery(live.db, live.whatsapp, live.cipher, random.Random(0), stopping, lambda _name, _id: None)
    return delivery.send(claimed)


def test_a_send_that_raises_is_unknown_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> Outcome:
        raise Mistake

    monkeypatch.setattr("inbox.outbox.deliver.attempt", raises)
    world.queue("one")
    assert isinstance(send(world), Unknown)
    assert world.message("one").status == "unconfirmed"


def test_an_outcome_that_cannot_be_stored_is_unknown_and_its_status_settles_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.record
    claims: list[SendClaim] = []

    def refuses(session: Session, claimed: SendClaim, outcome: Outcome, *more: object, **options: object) -> bool:
        claims.append(claimed)
        if not isinstance(outcome, Unknown):
            raise DataError("INSERT", {}, ValueError("a strange value"))
        return real(session, claimed, outcome, *more, **options)  # type: ignore[arg-type]

    def refuses_all(*_: object) -> None:
        raise DataError("INSERT", {}, ValueError("a strange value"))

    monkeypatch.setattr(store, "record", refuses)
    monkeypatch.setattr(store, "record_accepted", refuses_all)
    world.queue("one")
    send(world)
    assert world.message("one").status == "unconfirmed"
    world.echo(claims[0], "wamid.one")
    assert world.message("one").status == "sent"


def test_housekeeping_that_raises_does_not_hold_up_receipts(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    from inbox.runtime import crews_of

    def raises(*_: object) -> None:
        raise Mistake

    monkeypatch.setattr("inbox.worker.housekeeping.adopt", raises)
    ingest(live, webhook(messages=[text_message("hello", at=int(utc_now().timestamp()))]))
    conversation = the_conversation(live.db)
    with live.db.writing() as session:
        now = live.db.now(session)
        jobs.request_receipt(session, conversation.account_id, conversation.id, "wamid.1", now)
    assert len(crews_of(live).housekeeping.receipts(1)) == 1
