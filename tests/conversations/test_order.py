"""Events that come late: whatever the order of arrival, the end is that of arrival in order (I3, I17)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from inbox.auth.access import Access, Permission, Principal
from inbox.clock import utc_now
from inbox.conversations import reading, service
from inbox.conversations.order import CLOCKS_DIFFER, comes_too_late, person_replied
from inbox.db import Database
from inbox.models import Contact, Conversation, Job, JobKind, Message, WebhookEvent
from inbox.runtime import Runtime
from tests.builders import CUSTOMER, all_messages, ingest, text_message, the_conversation, webhook

SEND = Access(Principal("agent", "Agent", frozenset(Permission), kind="key"), Permission.MESSAGES_SEND)
HALF_AN_HOUR = timedelta(minutes=30)
HOUR = 3600
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def written(ago: float, wa_id: str, text: str = "hello", **message: Any) -> bytes:
    """A customer's message of `ago` seconds ago."""
    at = int(utc_now().timestamp() - ago)
    return webhook(messages=[text_message(text, wa_id=wa_id, at=at) | message])


def echo(ago: float, wa_id: str = "wamid.echo") -> bytes:
    """What a colleague typed in the phone app `ago` seconds ago."""
    at = str(int(utc_now().timestamp() - ago))
    typed = {"from": "33700000000", "to": CUSTOMER, "id": wa_id, "timestamp": at, "type": "text"}
    return webhook(field="smb_message_echoes", message_echoes=[typed | {"text": {"body": "We open at nine"}}])


def answers(db: Database) -> list[Job]:
    with db.reading() as session:
        return list(session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).scalars())


def waiting(db: Database) -> set[str | None]:
    """WhatsApp's ids of what awaits an answer."""
    with db.reading() as session:
        query = select(Message.wa_message_id).join(Conversation, Message.conversation_id == Conversation.id)
        return set(
            session.execute(query.where(Message.awaits_answer, Message.position > Conversation.answered_through))
            .scalars()
            .all()
        )


# --- a person's reply that comes late ----------------------------------------------------------------------------


def test_an_old_echo_leaves_alone_what_the_customer_wrote_since(runtime: Runtime, db: Database) -> None:
    ingest(runtime, written(0, "wamid.now"))
    before, (job,) = the_conversation(db), answers(db)
    ingest(runtime, echo(HOUR))
    after = the_conversation(db)
    assert (after.unread_count, after.epoch) == (1, before.epoch)
    assert after.bot_paused_until is not None
    assert after.bot_paused_until < utc_now() - timedelta(minutes=29)
    assert [(one.revision, one.due_at) for one in answers(db)] == [(job.revision, job.due_at)]
    assert waiting(db) == {"wamid.now"}


def test_an_old_echo_does_not_end_a_hand_over_of_what_was_written_since(runtime: Runtime, db: Database) -> None:
    ingest(runtime, written(0, "wamid.now", type="audio", audio={"id": "1"}))
    for claim in claims(runtime):
        runtime.answering.run(claim)
    ingest(runtime, echo(HOUR))
    conversation = the_conversation(db)
    assert (conversation.needs_human, conversation.needs_human_reason) == (True, "unsupported_content")
    assert conversation.unread_count == 1


def test_an_echo_ends_the_hand_over_of_what_it_answered_although_the_customer_wrote_on(
    runtime: Runtime, db: Database
) -> None:
    ingest(runtime, written(HOUR, "wamid.audio", type="audio", audio={"id": "1"}))
    for claim in claims(runtime):
        runtime.answering.run(claim)
    ingest(runtime, written(60, "wamid.text"))
    assert answers(db) == []
    ingest(runtime, echo(2 * HALF_AN_HOUR.seconds - 60))
    assert not the_conversation(db).needs_human
    assert waiting(db) == {"wamid.text"}
    assert len(answers(db)) == 1


def test_an_echo_settles_what_is_older_and_keeps_the_bot_out_from_its_own_time_on(
    runtime: Runtime, db: Database
) -> None:
    ingest(runtime, written(900, "wamid.old"), written(300, "wamid.new"))
    ingest(runtime, echo(600))
    conversation = the_conversation(db)
    assert waiting(db) == {"wamid.new"}
    assert conversation.unread_count == 1
    assert conversation.bot_paused_until is not None
    left = conversation.bot_paused_until - utc_now()
    assert timedelta(minutes=19) < left < timedelta(minutes=21)
    (job,) = answers(db)
    assert job.due_at is not None
    assert abs(job.due_at - conversation.bot_paused_until) < timedelta(seconds=3)


# --- a customer's message that comes late ------------------------------------------------------------------------


def test_an_old_message_that_a_persons_reply_has_overtaken_is_unread_and_left_alone(
    runtime: Runtime, db: Database
) -> None:
    ingest(runtime, written(HOUR, "wamid.later"))
    draft = service.Draft(the_conversation(db).id, "It is ready")
    service.send_message(db, SEND, draft, bot_stays_out=timedelta(0))
    reading.mark_read(db, SEND, draft.conversation_id)
    ingest(runtime, written(3 * HOUR, "wamid.old", "Is my order ready?"))
    assert the_conversation(db).unread_count == 1
    assert (waiting(db), answers(db)) == (set(), [])


def test_a_message_of_more_than_an_hour_ago_is_answered_when_nothing_newer_was_said(
    runtime: Runtime, db: Database
) -> None:
    ingest(runtime, written(2 * HOUR, "wamid.late"))
    assert waiting(db) == {"wamid.late"}
    assert len(answers(db)) == 1


def test_a_message_of_more_than_an_hour_ago_is_left_alone_when_the_bot_has_answered_a_newer_one(
    runtime: Runtime, db: Database
) -> None:
    ingest(runtime, written(0, "wamid.new"))
    answered(runtime)
    ingest(runtime, written(2 * HOUR, "wamid.late"))
    assert (waiting(db), the_conversation(db).unread_count) == (set(), 2)


def test_a_question_that_crosses_a_reply_is_nobodys_only_until_the_pause_ends(runtime: Runtime, db: Database) -> None:
    ingest(runtime, written(30, "wamid.1"))
    draft = service.Draft(the_conversation(db).id, "Hello")
    service.send_message(db, SEND, draft, bot_stays_out=HALF_AN_HOUR)
    ingest(runtime, written(20, "wamid.2"))
    (job,) = answers(db)
    assert job.due_at is not None
    assert timedelta(minutes=29) < job.due_at - utc_now() <= HALF_AN_HOUR


def test_a_clock_that_was_ahead_makes_no_question_come_too_late(runtime: Runtime, db: Database) -> None:
    ingest(runtime, written(60, "wamid.1"))
    draft = service.Draft(the_conversation(db).id, "Hello")
    service.send_message(db, SEND, draft, bot_stays_out=HALF_AN_HOUR)
    ahead = utc_now() + timedelta(hours=1)
    with db.writing() as session:  # as if the clock had been an hour ahead just then
        times = {"person_replied_at": ahead - CLOCKS_DIFFER, "bot_paused_until": ahead + HALF_AN_HOUR}
        session.execute(update(Conversation).values(times))
    ingest(runtime, written(0, "wamid.2"))
    assert waiting(db) == {"wamid.2"}
    (job,) = answers(db)
    assert job.due_at is not None
    assert job.due_at < utc_now() + timedelta(minutes=1)


@given(
    at=st.timedeltas(timedelta(hours=-3), timedelta(0)),
    replied=st.timedeltas(timedelta(hours=-3), timedelta(hours=3)),
    seen=st.timedeltas(timedelta(hours=-3), timedelta(0)) | st.none(),
)
def test_a_reply_and_a_message_end_the_same_whichever_comes_first(
    at: timedelta, replied: timedelta, seen: timedelta | None
) -> None:
    """The rule alone: the message is settled by the reply, or comes too late for it, at the same times."""
    newest = max(filter(None, [NOW + at, seen and NOW + seen]))
    first = Conversation(epoch=0, last_position=2, asked_through=2, answered_through=0, last_inbound_at=newest)
    settled = person_replied(first, NOW + replied, HALF_AN_HOUR) or at <= replied
    second = Conversation(epoch=0, last_position=0, asked_through=0, answered_through=0)
    second.last_inbound_at = NOW + seen if seen is not None else None
    person_replied(second, NOW + replied, HALF_AN_HOUR)
    late = comes_too_late(second, NOW + at, NOW)
    if replied <= CLOCKS_DIFFER and at != replied:
        assert late == (settled and at < replied)


# --- any order ---------------------------------------------------------------------------------------------------

events = st.lists(st.booleans(), min_size=2, max_size=6)  #: True: the customer wrote; False: a colleague did


@pytest.mark.parametrize("ago", [120, 2 * HOUR])
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data(), kinds=events)
def test_the_end_is_that_of_arrival_in_order(
    runtime: Runtime, db: Database, ago: int, data: st.DataObject, kinds: list[bool]
) -> None:
    bodies = [
        written(ago - 10 * n, f"wamid.{n}", f"text {n}") if customer else echo(ago - 10 * n, f"wamid.{n}")
        for n, customer in enumerate(kinds)
    ]
    order = data.draw(st.permutations(range(len(bodies))))
    cuts = data.draw(st.lists(st.booleans(), min_size=len(bodies), max_size=len(bodies)))
    wanted = _end(runtime, db, [[body] for body in bodies])
    assert _end(runtime, db, _batches([bodies[n] for n in order], cuts)) == wanted


def _batches(bodies: Sequence[bytes], cuts: Sequence[bool]) -> list[list[bytes]]:
    batches: list[list[bytes]] = [[]]
    for body, cut in zip(bodies, cuts, strict=True):
        batches[-1].append(body)
        if cut:
            batches.append([])
    return [batch for batch in batches if batch]


def _end(runtime: Runtime, db: Database, batches: Sequence[Sequence[bytes]]) -> object:
    """What a conversation comes to when these webhooks are all it ever gets."""
    with db.writing() as session:
        session.execute(delete(Contact))
        session.execute(delete(WebhookEvent))
    for batch in batches:
        ingest(runtime, *batch)
    conversation = the_conversation(db)
    pause = conversation.bot_paused_until
    messages = all_messages(db)
    thread = [message.wa_message_id for message in messages]
    unanswered = [message.timestamp for message in messages if message.wa_message_id in waiting(db)]
    assert conversation.waiting_since == min(unanswered, default=None)
    assert conversation.last_message_id == messages[-1].id
    return thread, waiting(db), len(answers(db)), pause, conversation.last_message, conversation.needs_human


def claims(runtime: Runtime) -> Sequence[Any]:
    from inbox.outbox import jobs

    with runtime.db.writing() as session:
        return jobs.claim_jobs(session, JobKind.ANSWER, runtime.db.now(session) + timedelta(hours=1), 10)


def answered(runtime: Runtime) -> None:
    """The bot has answered everything so far."""
    now = utc_now()
    with runtime.db.writing() as session:
        session.execute(update(Conversation).values(answered_through=Conversation.last_position, bot_last_reply_at=now))
        session.execute(delete(Job))
