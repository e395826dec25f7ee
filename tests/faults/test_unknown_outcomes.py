"""Scenarios 31 and 32: WhatsApp took the message, or perhaps not; what comes back later decides."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from inbox.config import Config
from inbox.models import Job, Message, Process
from sandbox import Sandbox
from sandbox.records import WebhookRecord
from tests.faults.stage import Stage, all_is_in, hits, jobs, let_pass, reach, serving
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

ANN, BOB = "33600000001", "33600000002"
WINDOW = 30.0  # seconds: tests let it pass, none waits for it


@pytest.fixture
def sandbox(echoing: Sandbox) -> Sandbox:
    return echoing


@pytest.fixture
def stage(whole: Config, sandbox: Sandbox) -> Iterator[Stage]:
    with serving(dataclasses.replace(whole, confirm_window=WINDOW), sandbox) as running:
        yield running


def received(sandbox: Sandbox, phone: str) -> list[str | None]:
    return [delivery.text for delivery in sandbox.deliveries() if delivery.phone == phone]


def send_of_unknown_outcome(stage: Stage, fault: str = "close_after") -> Message:
    """Ann's message leaves, and neither an answer nor a status comes back."""
    stage.sandbox.fault("whatsapp", fault, times=1, match={"to": f"+{ANN}"})
    stage.sandbox.fault("webhook", "drop", times=1, match={"to": f"+{ANN}"})
    stage.queue("hello", ANN)
    return reach(stage, "hello", "unconfirmed")


def evidence(stage: Stage) -> None:
    """Somebody else's message goes out later, and its status comes back."""
    stage.queue("other", BOB)
    reach(stage, "other", "sent")
    wait_until(lambda: all_is_in(stage), "its status")


def window_passes(stage: Stage) -> None:
    """The confirm window ends after every process has reported: only then silence says something."""
    with stage.db.reading() as session:
        now = stage.db.now(session)

    def reported() -> bool:
        with stage.db.reading() as session:
            return all(row.seen_at > now for row in session.execute(select(Process)).scalars())

    wait_until(reported, "every process to report")
    with stage.db.writing() as session:  # they have run for long: one that has just begun may have missed a status
        session.execute(update(Process).values(started_at=now - timedelta(hours=1)))
        session.execute(update(Job).values(listening_from=None))
    let_pass(stage.db, WINDOW)


def dropped(sandbox: Sandbox) -> WebhookRecord:
    """The status that never came."""
    (record,) = [record for record in sandbox.webhooks() if record.state == "dropped"]
    return record


# --- 31: closed after processing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["close_after", "reset_after", "cut_headers", "cut_body", "empty_200", "no_id_200"])
def test_an_answer_that_is_lost_is_unconfirmed_until_the_echo_proves_that_it_was_sent(
    stage: Stage, sandbox: Sandbox, fault: str
) -> None:
    sandbox.fault("whatsapp", fault, times=1)
    sandbox.fault("webhook", "delay", seconds=1.0)
    stage.queue("hello", ANN)
    reach(stage, "hello", "unconfirmed")
    message = reach(stage, "hello", "sent")
    (delivery,) = sandbox.deliveries()
    assert (message.wa_message_id, message.attempts) == (delivery.wamid, 1)
    assert message.duplicate_wa_message_id is None
    assert (hits(sandbox, "whatsapp"), jobs(stage.db)) == (1, [])


def test_the_next_message_leaves_after_the_echo_and_both_arrive_once_in_order(stage: Stage, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "close_after", times=1)
    for text in ("one", "two", "three"):
        stage.queue(text, ANN)
    reach(stage, "three", "sent")
    assert received(sandbox, ANN) == ["one", "two", "three"]


# --- 32: when the echo comes -------------------------------------------------------------------------------------


def test_an_echo_before_the_answer_settles_the_send_and_the_answer_changes_nothing(
    stage: Stage, sandbox: Sandbox
) -> None:
    sandbox.fault("webhook", "before_answer")
    sandbox.fault("whatsapp", "late", seconds=1.5, times=1)
    stage.queue("hello", ANN)
    message = reach(stage, "hello", "sent")
    (request,) = sandbox.requests("whatsapp")
    assert request.outcome == "pending"
    wait_until(lambda: request.outcome == "answered", "the answer")
    stage.queue("next", ANN)
    reach(stage, "next", "sent")  # the lane is free
    after = stage.message("hello")
    assert (after.wa_message_id, after.sent_at, after.attempts) == (message.wa_message_id, message.sent_at, 1)
    assert after.duplicate_wa_message_id is None
    assert received(sandbox, ANN) == ["hello", "next"]


def test_an_echo_that_comes_four_times_counts_once(stage: Stage, sandbox: Sandbox) -> None:
    sandbox.fault("webhook", "duplicate", copies=3)
    sandbox.fault("whatsapp", "close_after", times=1)
    stage.queue("hello", ANN)
    message = reach(stage, "hello", "sent")
    wait_until(lambda: sum(record.state == "acknowledged" for record in sandbox.webhooks()) == 4, "all four")
    wait_until(lambda: all_is_in(stage), "all four to be ingested")
    after = stage.message("hello")
    assert (after.status, after.sent_at, after.attempts) == ("sent", message.sent_at, 1)
    assert received(sandbox, ANN) == ["hello"]


def test_an_echo_after_the_window_still_settles_what_nothing_else_had_decided(stage: Stage, sandbox: Sandbox) -> None:
    send_of_unknown_outcome(stage)
    let_pass(stage.db, WINDOW)
    wait_until(lambda: looked_at(stage), "the window to be noticed")
    assert stage.message("hello").status == "unconfirmed"
    sandbox.send_webhook(dropped(sandbox).body)
    message = reach(stage, "hello", "sent")
    assert message.attempts == 1
    assert received(sandbox, ANN) == ["hello"]
    assert jobs(stage.db) == []


def looked_at(stage: Stage) -> bool:
    """True when the unknown send was looked at since its window passed, and put off."""
    (job,) = jobs(stage.db)
    with stage.db.reading() as session:
        return job.due_at is not None and job.due_at > stage.db.now(session)


def test_without_any_echo_it_stays_unconfirmed_and_is_never_repeated_blindly(stage: Stage, sandbox: Sandbox) -> None:
    send_of_unknown_outcome(stage)
    for _ in range(3):
        let_pass(stage.db, WINDOW)
        wait_until(lambda: looked_at(stage), "the outbox to look for evidence")
    assert stage.message("hello").status == "unconfirmed"
    assert hits(sandbox, "whatsapp") == 1


def test_what_was_not_accepted_is_sent_again_once_the_evidence_is_there(stage: Stage, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "reset_before", times=1)
    stage.queue("hello", ANN)
    reach(stage, "hello", "unconfirmed")
    evidence(stage)
    window_passes(stage)
    assert reach(stage, "hello", "sent").attempts == 2
    assert received(sandbox, ANN) == ["hello"]


def test_an_echo_after_the_repeat_marks_both_and_raises_the_alarm(
    stage: Stage, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    send_of_unknown_outcome(stage)
    evidence(stage)
    window_passes(stage)
    reach(stage, "hello", "sent")
    with caplog.at_level(logging.ERROR):
        sandbox.send_webhook(dropped(sandbox).body)
        message = wait_until(
            lambda: found if (found := stage.message("hello")).duplicate_wa_message_id else None, "the mark"
        )
    first, second = [delivery.wamid for delivery in sandbox.deliveries() if delivery.phone == ANN]
    assert {message.wa_message_id, message.duplicate_wa_message_id} == {first, second}
    assert message.status == "sent"
    (alarm,) = [record for record in caplog.records if "accepted twice" in record.getMessage()]
    assert alarm.message_id == str(message.id)  # type: ignore[attr-defined]


def test_a_repeat_of_unknown_outcome_is_not_repeated_again(stage: Stage, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "reset_before", match={"to": f"+{ANN}"})
    stage.queue("hello", ANN)
    reach(stage, "hello", "unconfirmed")
    evidence(stage)
    window_passes(stage)
    wait_until(lambda: stage.message("hello").attempts == 2, "the repeat")
    reach(stage, "hello", "unconfirmed")
    stage.queue("one more", BOB)
    reach(stage, "one more", "sent")
    wait_until(lambda: all_is_in(stage), "its status")
    let_pass(stage.db, WINDOW)
    wait_until(lambda: [job.due_at for job in jobs(stage.db)] == [None], "the outbox to leave it to people")
    assert (stage.message("hello").status, stage.message("hello").attempts) == ("unconfirmed", 2)


def test_a_person_may_send_it_again(stage: Stage, sandbox: Sandbox) -> None:
    message = send_of_unknown_outcome(stage, "reset_before")
    response = stage.post(f"/messages/{message.id}/resend")
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    after = reach(stage, "hello", "sent")
    assert (after.id, after.attempts) == (message.id, 2)
    assert received(sandbox, ANN) == ["hello"]
    again = stage.post(f"/messages/{message.id}/resend")
    assert (again.status_code, again.json()["code"]) == (409, "not_resendable")
