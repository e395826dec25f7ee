"""Answers that are there at the same time are queued together, and none holds up another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DataError

from inbox.bot import answer
from inbox.clock import utc_now
from inbox.conversations.state import switch_bot
from inbox.db import gathering
from inbox.errors import DatabaseUnavailable
from inbox.models import Contact, Conversation, Job, JobKind, Message
from inbox.outbox import jobs
from inbox.runtime import Runtime
from tests.builders import ingest, text_message, webhook
from tests.queries import asked
from tests.waiting import wait_until

ANN, BOB, CLEO = CUSTOMERS = ("33610000001", "33610000002", "33610000003")


def write(runtime: Runtime, name: str, *customers: str) -> None:
    at = int(utc_now().timestamp())
    messages = [text_message(name, wa_id=f"wamid.{name}.{each}", phone=each, at=at) for each in customers]
    ingest(runtime, webhook(messages=messages))


def claims(live: Runtime) -> list[jobs.JobClaim]:
    """Every customer asks."""
    write(live, "first", *CUSTOMERS)
    with live.db.writing() as session:
        return jobs.claim_jobs(session, JobKind.ANSWER, live.db.now(session) + timedelta(hours=1), 10)


@contextmanager
def all_answered(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Exception | None]]:
    """During the block all answers are there, and they go on when it ends: what each thread got."""
    monkeypatch.setattr(gathering, "GATHER", 60.0)
    all_begun = live.answering.begun(claims(live))

    def run(begun: answer.Begun) -> Exception | None:
        try:
            live.answering.run(*begun)
        except Exception as error:
            return error
        return None

    answers, results = live.answering.answers, list[Exception | None]()
    with ThreadPoolExecutor(len(all_begun)) as threads:
        with answers.under_way():  # the first waits for this one
            running = [threads.submit(run, begun) for begun in all_begun]
            wait_until(lambda: len(answers._waiting) == len(CUSTOMERS), "all threads to wait")
            yield results
        results += [each.result() for each in running]


def answered(live: Runtime) -> list[str]:
    """Whom the bot has answered."""
    query = select(Contact.phone).join(Conversation, Conversation.contact_id == Contact.id)
    query = query.join(Message, Message.conversation_id == Conversation.id).where(Message.author_kind == "bot")
    with live.db.reading() as session:
        return sorted(str(phone) for phone in session.execute(query).scalars())


def test_their_conversations_are_looked_at_together(live: Runtime) -> None:
    claimed = claims(live)
    write(live, "second", BOB)
    with asked(live.db) as statements:
        begun = live.answering.begun(claimed)
    assert [each.claim for each in begun] == claimed
    seen = [each.scene for each in begun if each.scene is not None]
    assert [scene.conversation.id for scene in seen] == [claim.conversation_id for claim in claimed]
    assert sorted(scene.said for scene in seen) == ["first", "first", "first\nsecond"]
    if live.db.is_postgres:
        assert len(statements) == 2  # however many they are


def test_when_they_cannot_be_looked_at_together_each_is_by_itself(
    live: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed = claims(live)

    def fails(*_: object) -> None:
        raise DataError("SELECT", {}, ValueError("a strange value"))

    with monkeypatch.context() as patch:
        patch.setattr(answer, "scenes_of", fails)
        begun = live.answering.begun(claimed)
    assert begun == [answer.Begun(claim) for claim in claimed]
    for each in begun:
        live.answering.run(*each)
    assert answered(live) == [ANN, BOB, CLEO]


def test_they_are_queued_in_one_transaction(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    with asked(live.db) as statements, all_answered(live, monkeypatch) as results:
        statements.clear()
    assert results == [None, None, None]
    assert answered(live) == [ANN, BOB, CLEO]
    assert sum(statement.startswith("BEGIN") for statement in statements) == 1
    if live.db.is_postgres:
        assert len(statements) <= 4  # beside COMMIT, however many they are


def test_each_heeds_what_has_happened_in_its_own_conversation(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    with all_answered(live, monkeypatch) as results:
        write(live, "second", BOB)
        with live.db.writing() as session:
            of_cleo = select(Conversation).join(Contact, Conversation.contact_id == Contact.id)
            switch_bot(session.execute(of_cleo.where(Contact.phone == CLEO)).scalar_one(), enabled=False)
    assert results == [None, None, None]
    assert answered(live) == [ANN]
    with live.db.reading() as session:
        (left,) = session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).scalars()
        asking = session.get_one(Contact, session.get_one(Conversation, left.conversation_id).contact_id)
    assert (asking.phone, left.lease) == (BOB, None)  # who wrote on gets one answer to all


def test_one_that_cannot_be_stored_holds_up_no_other(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake, real = DataError("INSERT", {}, ValueError("a strange value")), answer._spoken

    def strange(conversation: Conversation, *more: object, **options: object) -> object:
        if conversation.id == refused[0]:
            raise mistake
        return real(conversation, *more, **options)  # type: ignore[arg-type]

    refused: list[object] = []
    monkeypatch.setattr(answer, "_spoken", strange)
    with all_answered(live, monkeypatch) as results, live.db.reading() as session:
        of_bob = select(Conversation.id).join(Contact, Conversation.contact_id == Contact.id)
        refused.append(session.execute(of_bob.where(Contact.phone == BOB)).scalar_one())
    assert [error for error in results if error] == [mistake]
    assert answered(live) == [ANN, CLEO]


def test_all_hear_that_the_database_is_away(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise DatabaseUnavailable

    with all_answered(live, monkeypatch) as results:
        monkeypatch.setattr(jobs, "held_with_conversations", away)
    assert [type(error) for error in results] == [DatabaseUnavailable] * 3
