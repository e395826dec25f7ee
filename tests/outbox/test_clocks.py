"""A clock that was ahead and is set back: nothing it has set holds anything up (I11)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from inbox.models import Account, Conversation, Job, JobKind, Lane
from inbox.outbox import clocks, jobs
from inbox.runtime import Runtime
from tests.outbox.world import World

HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


def bring_back(world: World) -> int:
    with world.db.writing() as session:
        return clocks.bring_back(session, world.now, HALF_AN_HOUR)


def test_a_reply_of_the_hour_that_was_taken_back_leaves_at_once(world: World) -> None:
    world.advance(3600)
    world.queue("hello")
    world.advance(-3600)
    assert world.claim() == []
    assert bring_back(world) > 0
    assert [claim.text for claim in world.claim()] == ["hello"]


def test_a_question_of_that_hour_is_answered_at_once(world: World) -> None:
    with world.db.writing() as session:
        talk = world.conversation(session)
        owed = jobs.Owed(talk.account_id, talk.id, world.now + timedelta(hours=1))
        jobs.request_answers(session, [owed], world.now + timedelta(hours=1), 2.0)
    bring_back(world)
    with world.db.writing() as session:
        (claim,) = jobs.claim_jobs(session, JobKind.ANSWER, world.now, 10)
    assert claim.created_at == world.now


def test_waits_that_we_do_set_are_left_alone(world: World) -> None:
    with world.db.writing() as session:
        talk = world.conversation(session)
        owed = jobs.Owed(talk.account_id, talk.id, world.now + HALF_AN_HOUR)
        jobs.request_answers(session, [owed], world.now, 2.0)
        session.execute(select(Account)).scalars().one().send_not_before = world.now + timedelta(minutes=15)
    assert bring_back(world) == 0
    with world.db.reading() as session:
        assert session.execute(select(Job.due_at)).scalar_one() == world.now + HALF_AN_HOUR
        assert session.execute(select(Lane)).first() is None
        assert session.execute(select(Conversation.id)).first() is not None


def test_an_answer_at_a_pauses_end_does_not_count_as_late(world: World) -> None:
    with world.db.writing() as session:
        talk = world.conversation(session)
        jobs.request_answers(session, [jobs.Owed(talk.account_id, talk.id, world.now + HALF_AN_HOUR)], world.now, 2.0)
        assert jobs.depth(session, world.now).oldest_s == 0
