"""One conversation that Gemini fails at is that conversation's trouble: it goes to a person, the others go on (I12)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from inbox import create_app
from inbox.clock import utc_now
from inbox.config import Config
from inbox.models import Contact, Conversation, JobKind
from inbox.outbox import jobs
from inbox.resilience import GEMINI
from inbox.resilience.suspects import Suspects
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import all_messages, ingest, text_message, webhook

UNLUCKY, OTHER = "33600000001", "33600000002"


@pytest.fixture
def live(live_config: Config) -> Iterator[Runtime]:
    """One attempt for each run of a job: the test does not wait for repeats."""
    gemini = dataclasses.replace(live_config.gemini, attempts=1)
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


def test_a_conversation_that_gemini_fails_at_while_it_answers_others_goes_to_a_person(
    live: Runtime, sandbox: Sandbox
) -> None:
    sandbox.fault("gemini", "shape", name="internal", match={"body": "poison"})
    writes(live, UNLUCKY, "poison")
    rounds = 0
    while reason(live, UNLUCKY) is None and rounds < 20:
        think(live)
        writes(live, OTHER, f"question {rounds}")
        rounds += 1
    assert reason(live, UNLUCKY) == "ai_failed"
    assert rounds <= Suspects.GUILTY + 2
    think(live)
    assert (answers(live), reason(live, OTHER)) == (rounds, None)
    assert (GEMINI.breaker.state, GEMINI.breaker.snapshot().failure_count) == ("closed", 0)


def test_a_conversation_is_not_blamed_for_an_outage(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="internal")
    writes(live, UNLUCKY, "hello")
    for _ in range(3 * Suspects.GUILTY):
        think(live)
    assert reason(live, UNLUCKY) is None
    sandbox.clear_faults()
    think(live)
    assert answers(live) == 1


def test_several_conversations_that_fail_open_the_circuit(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="internal")
    for number in range(live.config.gemini.breaker_failures):
        assert GEMINI.breaker.state == "closed"
        writes(live, f"3360000010{number}", "hello")
        think(live)
    assert GEMINI.breaker.state == "open"
