"""Lanes, leases, outcomes: the outbox's rules with a clock the test moves (I5–I8, I12)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from inbox.db import Database
from inbox.models import Account, Conversation, Incident, Job, JobState, Message, Pause
from inbox.outbox import settle, store
from inbox.outbox.outcomes import (
    Accepted,
    Outcome,
    PauseNumber,
    Refused,
    RetryLater,
    Scope,
    SendClaim,
    Unknown,
    callback_data,
    parse_callback,
)
from inbox.outbox.store import GIVE_UP_AFTER, LEASE, UNKNOWN_HOLD, retry_delay
from inbox.runtime import Runtime
from tests.outbox.world import World

WINDOW = 120.0


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


def test_a_message_and_its_job_are_stored_together_or_not_at_all(world: World, db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.writing() as session:
        world.queue_in(session, world.conversation(session), "never")
        _ = 1 / 0
    with db.reading() as session:
        assert session.execute(select(func.count(Message.id))).scalar_one() == 0
        assert session.execute(select(func.count(Job.id))).scalar_one() == 0


def test_replies_leave_in_the_order_they_were_written_one_at_a_time(world: World) -> None:
    for text in ("one", "two", "three"):
        world.queue(text)
    sent = []
    for _ in range(3):
        (claim,) = world.claim(10)
        assert world.claim(10) == []  # one in flight per conversation
        sent.append(claim.text)
        world.record(claim, Accepted(f"wamid.{claim.text}"))
    assert sent == ["one", "two", "three"]
    assert world.jobs() == []


def test_different_conversations_do_not_wait_for_each_other(world: World) -> None:
    for name in "abc":
        world.queue(name, to=name)
    assert sorted(claim.text for claim in world.claim(10)) == ["a", "b", "c"]


def test_a_failing_head_is_retried_before_the_next_leaves(world: World) -> None:
    world.queue("one")
    world.queue("two")
    (claim,) = world.claim()
    world.record(claim, RetryLater("refused"))
    assert world.claim() == []
    assert world.message("one").status == "queued"
    world.advance(2)
    (again,) = world.claim()
    assert (again.text, again.attempt) == ("one", 2)


def test_a_refused_head_lets_the_next_leave_and_says_why(world: World) -> None:
    world.queue("one")
    world.queue("two")
    (claim,) = world.claim()
    world.record(claim, Refused("131026", "The customer cannot be reached", "details"))
    row = world.message("one")
    assert (row.status, row.error_code, row.error_title, row.error_detail) == (
        "failed",
        "131026",
        "The customer cannot be reached",
        "details",
    )
    assert [claim.text for claim in world.claim()] == ["two"]


def test_a_message_is_given_up_when_the_reply_window_has_passed(world: World) -> None:
    world.queue("one")
    world.advance(GIVE_UP_AFTER.total_seconds() + 1)
    (claim,) = world.claim()
    world.record(claim, RetryLater("refused"))
    assert (world.message("one").status, world.message("one").error_code) == ("failed", "gave_up")


def test_an_unknown_head_holds_its_lane_for_15_seconds_at_most(world: World) -> None:
    world.queue("one")
    world.queue("two")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    assert world.message("one").status == "unconfirmed"
    world.advance(UNKNOWN_HOLD.total_seconds() - 1)
    assert world.claim() == []
    world.advance(1)
    assert [claim.text for claim in world.claim()] == ["two"]


def test_a_message_written_during_the_hold_waits_too(world: World) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.queue("two")
    assert world.claim() == []
    world.advance(UNKNOWN_HOLD.total_seconds())
    assert [claim.text for claim in world.claim()] == ["two"]


def test_an_echo_during_the_hold_opens_the_lane_at_once(world: World) -> None:
    world.queue("one")
    world.queue("two")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.echo(claim, "wamid.one")
    assert world.message("one").status == "sent"
    assert [claim.text for claim in world.claim()] == ["two"]


def test_a_crash_during_a_send_is_an_unknown_outcome_not_a_retry(world: World) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.advance(LEASE.total_seconds())
    assert world.claim() == []
    assert world.message("one").status == "unconfirmed"
    assert world.jobs()[0].state == JobState.UNKNOWN
    assert claim.attempt == 1


def test_an_acceptance_recorded_after_the_lease_expired_still_settles(world: World) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.advance(LEASE.total_seconds())
    world.claim()
    world.record(claim, Accepted("wamid.one"))
    assert (world.message("one").status, world.jobs()) == ("sent", [])


def test_an_acceptance_recorded_after_the_lease_expired_opens_the_lane_at_once(world: World) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.advance(LEASE.total_seconds())
    world.claim()
    world.queue("two")
    world.record(claim, Accepted("wamid.one"))
    assert [claim.text for claim in world.claim()] == ["two"]


def test_an_unknown_outcome_recorded_after_the_lease_expired_does_not_hold_the_lane_anew(world: World) -> None:
    world.queue("one")
    world.queue("two")
    (claim,) = world.claim()
    world.advance(LEASE.total_seconds())
    world.claim()
    world.advance(10)
    world.record(claim, Unknown("timeout"))
    world.advance(UNKNOWN_HOLD.total_seconds() - 10)
    assert [claim.text for claim in world.claim()] == ["two"]


def two_unknown(world: World) -> tuple[SendClaim, SendClaim]:
    """ "one" is unknown and was passed over; "two" has just become unknown and holds the lane; "three" waits."""
    for text in ("one", "two", "three"):
        world.queue(text)
    (one,) = world.claim()
    world.record(one, Unknown("reset"))
    world.advance(UNKNOWN_HOLD.total_seconds())
    (two,) = world.claim()
    world.record(two, Unknown("reset"))
    return one, two


def test_an_echo_of_an_earlier_send_does_not_end_the_hold_of_a_later_one(world: World) -> None:
    one, _ = two_unknown(world)
    world.echo(one, "wamid.one")
    assert world.claim() == []
    world.advance(UNKNOWN_HOLD.total_seconds())
    assert [claim.text for claim in world.claim()] == ["three"]


def test_a_resend_of_an_earlier_message_does_not_end_the_hold_of_a_later_one(world: World) -> None:
    one, _ = two_unknown(world)
    world.resend(one.message_id)
    assert world.claim() == []
    world.advance(UNKNOWN_HOLD.total_seconds())
    assert [claim.text for claim in world.claim()] == ["one"]


def test_a_crash_after_an_earlier_message_was_queued_again_does_not_stop_all_claims(world: World) -> None:
    for text in ("one", "two"):
        world.queue(text)
    (one,) = world.claim()
    world.record(one, Unknown("reset"))
    world.advance(UNKNOWN_HOLD.total_seconds())
    assert [claim.text for claim in world.claim()] == ["two"]  # whose dispatcher dies
    world.resend(one.message_id)
    world.advance(LEASE.total_seconds())
    world.queue("elsewhere", to="somebody else")
    assert [claim.text for claim in world.claim()] == ["elsewhere"]
    assert world.message("two").status == "unconfirmed"
    world.advance(UNKNOWN_HOLD.total_seconds())
    assert [claim.text for claim in world.claim()] == ["one"]


def test_without_evidence_an_unknown_send_stays_unconfirmed(world: World) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    for _ in range(10):
        world.advance(300)
        assert world.settle(WINDOW) == 0
    assert world.message("one").status == "unconfirmed"


def test_after_the_database_was_away_the_window_starts_over(world: World, db: Database) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    began = world.now
    world.advance(WINDOW - 10)
    with db.writing() as session:
        session.add(Incident(upstream="database", started_at=began, ended_at=world.now, affected={}))
    world.deliver_other("later")  # its status came after the database was back; that of the first may come again late
    world.advance(20)
    assert world.settle(WINDOW) == 0
    world.echo(claim, "wamid.one")
    assert (world.message("one").status, world.message("one").wa_message_id) == ("sent", "wamid.one")


def test_later_statuses_prove_that_it_was_not_accepted_and_it_is_sent_again_once(world: World) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.advance(30)
    world.deliver_other("later")  # its status has come back
    assert world.settle(WINDOW) == 0  # the window is still open
    world.advance(WINDOW)
    assert world.settle(WINDOW) == 1
    (again,) = world.claim()
    assert (again.text, again.attempt) == ("one", 2)
    world.record(again, Unknown("reset again"))
    world.advance(30)
    world.deliver_other("later still")
    world.advance(WINDOW)
    assert world.settle(WINDOW) == 0
    world.advance(100 * WINDOW)
    assert world.settle(WINDOW) == 0
    assert world.message("one").status == "unconfirmed"


def test_statuses_of_earlier_sends_prove_nothing(world: World) -> None:
    world.deliver_other("earlier")
    world.advance(1)
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.advance(WINDOW * 2)
    assert world.settle(WINDOW) == 0


def test_an_echo_after_the_resend_was_scheduled_cancels_it(world: World) -> None:
    claim = world.unknown_and_requeued("one", WINDOW)
    world.echo(claim, "wamid.first")
    assert world.jobs() == []
    assert world.message("one").status == "sent"


def test_a_late_echo_after_the_resend_shows_both_and_raises_an_alarm(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first = world.unknown_and_requeued("one", WINDOW)
    (second,) = world.claim()
    world.record(second, Accepted("wamid.second"))
    world.echo(first, "wamid.first")
    row = world.message("one")
    assert (row.status, row.wa_message_id, row.duplicate_wa_message_id) == ("sent", "wamid.second", "wamid.first")
    assert "accepted twice" in caplog.text


def test_a_failure_of_an_attempt_that_was_given_up_does_not_fail_the_new_one(world: World) -> None:
    first = world.unknown_and_requeued("one", WINDOW)
    (second,) = world.claim()
    world.record(second, Accepted("wamid.second"))
    world.echo(first, "wamid.first", kind="failed")
    assert world.message("one").status == "sent"


def test_a_resend_by_hand_sends_an_unconfirmed_message_again(world: World, db: Database) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    with db.writing() as session:
        settle.resend(session, session.get_one(Message, claim.message_id), world.now)
    (again,) = world.claim()
    assert (again.text, again.attempt) == ("one", 2)


def test_a_resend_by_hand_sends_a_failed_message_again(world: World, db: Database) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Refused("131047", "window closed"))
    with db.writing() as session:
        settle.resend(session, session.get_one(Message, claim.message_id), world.now)
    assert (world.message("one").status, world.message("one").error_code) == ("queued", None)
    assert [claim.text for claim in world.claim()] == ["one"]


def test_a_pair_limit_delays_one_lane_only(world: World) -> None:
    world.queue("slow", to="a")
    world.queue("quick", to="b")
    claims = {claim.text: claim for claim in world.claim()}
    world.record(claims["slow"], RetryLater("131056", Scope.PAIR, 6.0))
    world.record(claims["quick"], Accepted("wamid.q"))
    world.queue("quick 2", to="b")
    assert [claim.text for claim in world.claim()] == ["quick 2"]
    world.advance(6)
    assert [claim.text for claim in world.claim()] == ["slow"]


def test_a_number_limit_cools_the_whole_number_down(world: World) -> None:
    world.queue("a", to="a")
    world.queue("b", to="b")
    (claim,) = world.claim(1)
    world.record(claim, RetryLater("130429", Scope.NUMBER, 5.0))
    assert world.claim() == []
    world.advance(5)
    assert len(world.claim()) == 2


def test_a_cool_down_is_never_longer_than_15_minutes(world: World) -> None:
    world.queue("a")
    (claim,) = world.claim()
    world.record(claim, RetryLater("130429", Scope.NUMBER, 10.0**9))
    world.advance(15 * 60)
    assert len(world.claim()) == 1


def test_an_expired_token_pauses_the_number_and_keeps_its_messages(world: World, db: Database) -> None:
    world.queue("a")
    (claim,) = world.claim()
    world.record(claim, PauseNumber(Pause.TOKEN_EXPIRED))
    world.advance(3600)
    assert world.claim() == []
    assert world.message("a").status == "queued"
    with db.writing() as session:
        account = session.execute(select(Account)).scalar_one()
        assert account.paused_reason == Pause.TOKEN_EXPIRED
        account.paused_reason = account.paused_at = None
    assert [claim.text for claim in world.claim()] == ["a"]


def test_the_refusal_of_an_old_token_does_not_pause_a_number_that_has_a_new_one(world: World, db: Database) -> None:
    world.queue("a")
    (claim,) = world.claim()
    with db.writing() as session:
        session.execute(select(Account)).scalar_one().access_token_encrypted = "a newer token"
    world.record(claim, PauseNumber(Pause.TOKEN_EXPIRED))
    assert [again.access_token_encrypted for again in world.claim()] == ["a newer token"]


def test_our_own_refusal_to_call_counts_as_no_attempt(world: World) -> None:
    world.queue("a")
    for _ in range(5):
        (claim,) = world.claim()
        world.record(claim, RetryLater("circuit open", Scope.LOCAL, 1.0))
        assert world.jobs()[0].attempts == 0
        world.advance(1)


def test_the_schema_itself_refuses_two_sends_in_flight_in_one_conversation(world: World, db: Database) -> None:
    world.queue("one")
    world.queue("two")
    with pytest.raises(IntegrityError), db.writing() as session:
        for job in session.execute(select(Job)).scalars():
            job.state = JobState.SENDING


def test_messages_of_a_deleted_conversation_are_not_recorded(world: World, db: Database) -> None:
    world.queue("one")
    (claim,) = world.claim()
    with db.writing() as session:
        session.delete(session.execute(select(Conversation)).scalar_one())
    assert world.record(claim, Accepted("wamid.one")) is False


OUTCOMES: list[Outcome] = [
    Accepted("wamid.z"),
    Refused("1", "no"),
    RetryLater("later"),
    RetryLater("pair", Scope.PAIR),
    Unknown("?"),
]


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
def test_recording_twice_is_the_same_as_once(world: World, outcome: Outcome) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, outcome)
    before = (world.message("one").status, len(world.jobs()))
    world.record(claim, outcome)
    assert (world.message("one").status, len(world.jobs())) == before


@given(st.integers(-5, 10**9), st.randoms(use_true_random=False))
def test_a_retry_delay_stays_within_its_bounds(attempts: int, rng: random.Random) -> None:
    assert 0.5 <= retry_delay(attempts, rng) <= 60.0


@given(st.uuids(), st.integers(1, 10**8))
def test_callback_data_comes_back_as_it_was(message_id, attempt: int) -> None:  # type: ignore[no-untyped-def]
    data = callback_data(message_id, attempt)
    assert len(data) <= 512
    assert parse_callback(data) == (message_id, attempt)


@given(st.text())
def test_any_callback_data_is_ours_or_nothing(text: str) -> None:
    parsed = parse_callback(text)
    assert parsed is None or callback_data(*parsed) == text.lower() or text.startswith("inbox:")


def test_claims_of_one_lane_are_exclusive_across_sessions(world: World, db: Database) -> None:
    """On PostgreSQL two transactions at once; on SQLite the second waits for the first."""
    world.queue("one")
    if not db.is_postgres:
        assert len(world.claim()) + len(world.claim()) == 1
        return
    with db.writing() as first:
        mine = store.claim_sends(first, world.now, 5)
        with db.writing() as second:
            theirs = _claim(second, world)
    assert (len(mine), len(theirs)) == (1, 0)


def _claim(session: Session, world: World, limit: int = 5) -> list[SendClaim]:
    return store.claim_sends(session, world.now, limit)


def test_a_claim_locks_no_more_lanes_than_it_takes(world: World, db: Database) -> None:
    for customer in ("a", "b", "c"):
        world.queue(f"to {customer}", to=customer)
    if not db.is_postgres:
        assert [len(world.claim(2)), len(world.claim(2))] == [2, 1]
        return
    with db.writing() as first:
        mine = _claim(first, world, 2)
        with db.writing() as second:
            theirs = _claim(second, world, 2)
    assert [claim.text for claim in (*mine, *theirs)] == ["to a", "to b", "to c"]
