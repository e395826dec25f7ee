"""One conversation that Gemini fails at is that conversation's trouble: it goes to a person, the others go on (I12)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from inbox import create_app
from inbox.clock import utc_now
from inbox.config import Config
from inbox.errors import UpstreamUnavailable, Verdict
from inbox.models import Contact, Conversation, Job, JobKind
from inbox.outbox import jobs
from inbox.resilience import GEMINI
from inbox.resilience.suspects import Suspects
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import all_messages, ingest, text_message, webhook

UNLUCKY, OTHER = "33600000001", "33600000002"


@pytest.fixture
def live(live_config: Config) -> Iterator[Runtime]:
    """One attempt for each run of a job, and a short wait for its answer: the test does not wait for repeats."""
    gemini = dataclasses.replace(live_config.gemini, attempts=1, read=0.3)
    runtime = runtime_of(create_app(dataclasses.replace(live_config, gemini=gemini)))
    runtime.prepare_database()
    yield runtime
    assert runtime.close(5)


def writes(runtime: Runtime, phone: str, text: str) -> None:
    wa_id = f"wamid.{len(all_messages(runtime.db))}"
    ingest(runtime, webhook(messages=[text_message(text, wa_id=wa_id, phone=phone, at=int(utc_now().timestamp()))]))


def think(runtime: Runtime) -> None:
    with runtime.db.writing() as session:
        claims = jobs.claim_jobs(session, JobKind.ANSWER, runtime.db.now(session) + timedelta(hours=1), 10)
    for claim in claims:
        runtime.answering.run(claim)


def reason(runtime: Runtime, phone: str) -> str | None:
    query = select(Conversation.needs_human_reason).join(Contact, Contact.id == Conversation.contact_id)
    with runtime.db.reading() as session:
        return session.execute(query.where(Contact.phone == phone)).scalar_one()


def answers(runtime: Runtime) -> int:
    return sum(message.author_kind == "bot" for message in all_messages(runtime.db))


#: What Gemini does with a request it fails at: it answers so, or takes it and never answers.
FAILURES: dict[str, tuple[str, dict[str, Any]]] = {
    "500": ("shape", {"name": "internal"}),
    "closed without a byte": ("close_after", {}),
    "reset": ("reset_after", {}),
    "read timeout": ("hang", {"seconds": 30}),
}


def fail_at(sandbox: Sandbox, failure: str, **settings: Any) -> None:
    fault, more = FAILURES[failure]
    sandbox.fault("gemini", fault, **more, **settings)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_conversation_that_gemini_fails_at_while_it_answers_others_goes_to_a_person(
    live: Runtime, sandbox: Sandbox, failure: str
) -> None:
    fail_at(sandbox, failure, match={"body": "poison"})
    writes(live, UNLUCKY, "poison")
    rounds = 0
    while reason(live, UNLUCKY) is None and rounds < 20:
        think(live)
        writes(live, OTHER, f"question {rounds}")
        rounds += 1
    assert reason(live, UNLUCKY) == "ai_failed"
    asked = sum(b"poison" in request.body for request in sandbox.requests("gemini"))
    assert asked <= Suspects.GUILTY + 2  # rounds do not count: in some the question rests between two attempts
    think(live)
    assert (answers(live), reason(live, OTHER)) == (rounds, None)
    assert (GEMINI.breaker.state, GEMINI.breaker.snapshot().failure_count) == ("closed", 0)


@pytest.mark.parametrize("failure", ["500", "closed without a byte"])
def test_a_conversation_is_not_blamed_for_an_outage(live: Runtime, sandbox: Sandbox, failure: str) -> None:
    fail_at(sandbox, failure)
    writes(live, UNLUCKY, "hello")
    for _ in range(3 * Suspects.GUILTY):
        think(live)
    assert reason(live, UNLUCKY) is None
    sandbox.clear_faults()
    think(live)
    assert answers(live) == 1


@pytest.mark.parametrize("failure", ["500", "closed without a byte"])
def test_several_conversations_that_fail_open_the_circuit(live: Runtime, sandbox: Sandbox, failure: str) -> None:
    fail_at(sandbox, failure)
    for number in range(live.config.gemini.breaker_failures):
        assert GEMINI.breaker.state == "closed"
        writes(live, f"3360000010{number}", "hello")
        think(live)
    assert GEMINI.breaker.state == "open"


def waiting_for(runtime: Runtime, waited: timedelta) -> None:
    """Let the only customer have waited for so long."""
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        job = session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).scalar_one()
        job.created_at = now - waited
        conversation = session.execute(select(Conversation)).scalar_one()
        conversation.last_inbound_at = now - waited


def next_try(runtime: Runtime) -> float | None:
    """Seconds until the only customer's question is asked again; None when it is not."""
    with runtime.db.reading() as session:
        due = session.execute(select(Job.due_at).where(Job.kind == JobKind.ANSWER)).scalar_one_or_none()
        return None if due is None else (due - runtime.db.now(session)).total_seconds()


def test_in_a_quiet_inbox_it_is_asked_ever_more_seldom_and_ends_with_the_reply_window(
    live: Runtime, sandbox: Sandbox
) -> None:
    fail_at(sandbox, "closed without a byte")
    writes(live, UNLUCKY, "poison")
    for minutes, least, most in [(6, 40, 90), (20, 140, 300), (40, 290, 600), (600, 440, 900)]:
        waiting_for(live, timedelta(minutes=minutes))
        think(live)
        assert reason(live, UNLUCKY) == "ai_unavailable"
        assert least <= (next_try(live) or 0) <= most
    assert GEMINI.breaker.state == "closed"
    waiting_for(live, timedelta(hours=24))
    think(live)
    assert (reason(live, UNLUCKY), next_try(live)) == ("reply_window_closed", None)


def test_where_gemini_cannot_be_reached_a_question_is_asked_again_within_half_a_minute(
    live: Runtime, sandbox: Sandbox
) -> None:
    """Nobody's fault but the upstream's: however long it was away, the bot comes back soon after it."""
    writes(live, UNLUCKY, "hello")
    waiting_for(live, timedelta(hours=2))
    for _ in range(live.config.gemini.breaker_failures):
        GEMINI.breaker.leave(GEMINI.breaker.enter(), Verdict.FAILURE, error=UpstreamUnavailable("gemini", "refused"))
    GEMINI.breaker._reopens -= 50
    think(live)
    assert reason(live, UNLUCKY) == "ai_unavailable"
    assert 0 < (next_try(live) or 0) <= 30
