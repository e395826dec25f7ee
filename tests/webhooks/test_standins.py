"""Messages that stand in for content which comes later, or never."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from inbox.clock import utc_now
from inbox.db import Database
from inbox.models import Job, JobKind
from inbox.outbox import jobs
from inbox.runtime import Runtime
from tests.builders import CUSTOMER, all_messages, ingest, text_message, the_conversation, webhook


def seconds_ago(seconds: int) -> int:
    return int(utc_now().timestamp()) - seconds


def placeholder(ago: int = 10) -> dict[str, Any]:
    """What WhatsApp sends when it does not have the content yet."""
    errors = [{"code": 131060, "title": "This message is currently unavailable."}]
    head = {"from": CUSTOMER, "id": "wamid.1", "timestamp": str(seconds_ago(ago))}
    return {**head, "type": "unsupported", "errors": errors}


def content(ago: int = 10) -> dict[str, Any]:
    return text_message("Do you have rye bread?", at=seconds_ago(ago))


def edit(text: str = "other words", ago: int = 5) -> dict[str, Any]:
    inner = {"original_message_id": "wamid.1", "message": {"type": "text", "text": {"body": text}}}
    head = {"from": CUSTOMER, "id": "wamid.edit", "timestamp": str(seconds_ago(ago))}
    return {**head, "type": "edit", "edit": inner}


def bot_works(runtime: Runtime) -> None:
    with runtime.db.writing() as session:
        claims = jobs.claim_jobs(session, JobKind.ANSWER, runtime.db.now(session), 10)
    for claim in claims:
        runtime.answering.run(claim)


def answers_due(db: Database) -> int:
    with db.reading() as session:
        return len(session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).scalars().all())


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("first", ["placeholder", "content"])
def test_a_placeholder_gives_way_to_its_content_whichever_comes_first(
    runtime: Runtime, db: Database, first: str, together: bool
) -> None:
    pair = [placeholder(), content()] if first == "placeholder" else [content(), placeholder()]
    bodies = [webhook(messages=pair)] if together else [webhook(messages=[one]) for one in pair]
    for body in bodies:
        ingest(runtime, body)
    (message,) = all_messages(db)
    assert (message.message_type, message.content_text) == ("text", "Do you have rye bread?")
    assert (the_conversation(db).unread_count, the_conversation(db).last_message) == (1, message.content_text)
    assert answers_due(db) == 1


def test_content_that_comes_after_the_hand_over_of_its_placeholder_is_answered(runtime: Runtime, db: Database) -> None:
    ingest(runtime, webhook(messages=[placeholder()]))
    bot_works(runtime)
    assert the_conversation(db).needs_human_reason == "unsupported_content"
    ingest(runtime, webhook(messages=[content()]))
    assert not the_conversation(db).needs_human
    assert answers_due(db) == 1


def test_an_edit_whose_original_never_came_is_shown_as_the_message(runtime: Runtime, db: Database) -> None:
    ingest(runtime, webhook(messages=[edit("I want 1 croissant")]))
    (message,) = all_messages(db)
    assert (message.wa_message_id, message.content_text) == ("wamid.1", "I want 1 croissant")
    assert (the_conversation(db).unread_count, answers_due(db)) == (1, 1)


def test_an_original_that_comes_after_its_edit_gets_its_own_time_and_keeps_the_edits_words(
    runtime: Runtime, db: Database
) -> None:
    late = edit()
    ingest(runtime, webhook(messages=[late]))
    original = content(60)
    ingest(runtime, webhook(messages=[original]))
    (message,) = all_messages(db)
    assert (message.content_text, int(message.timestamp.timestamp())) == ("other words", int(original["timestamp"]))
    assert message.edited_at is not None
    assert (the_conversation(db).unread_count, the_conversation(db).last_message) == (1, "other words")


def test_an_edit_and_the_revocation_of_an_unseen_message_leave_nothing_to_answer(
    runtime: Runtime, db: Database
) -> None:
    revoke = {"original_message_id": "wamid.1"}
    head = {"from": CUSTOMER, "id": "wamid.gone", "timestamp": str(seconds_ago(1)), "type": "revoke"}
    ingest(runtime, webhook(messages=[edit(), {**head, "revoke": revoke}]))
    (message,) = all_messages(db)
    assert message.content_text == "[deleted]"
    assert answers_due(db) == 0
