"""Profiles as the bot reads them: an edit is seen by the next message everywhere, an older one serves in need."""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from inbox import create_app
from inbox.auth.access import OPERATOR, Access, Permission
from inbox.bot import profiles
from inbox.bot.schemas import ProfileContent
from inbox.config import Config
from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.models import BotProfile, JobKind
from inbox.outbox import jobs
from inbox.runtime import Runtime, runtime_of
from inbox.webhooks.ingest import stop_leading
from sandbox import Sandbox
from tests.builders import ingest, text_message, the_account, webhook
from tests.waiting import free_port

SETTINGS = Access(OPERATOR, Permission.SETTINGS_MANAGE)


def save(runtime: Runtime, **content: Any) -> None:
    account_id = the_account(runtime.db).id
    profiles.put_profile(runtime.db, SETTINGS, account_id, ProfileContent.model_validate(content))


def name_seen_by(runtime: Runtime, db: Database | None = None) -> str | None:
    """The business's name as the bot of this process reads it for a message; `db` is where profiles are loaded from."""
    account_id = the_account(runtime.db).id
    with runtime.db.reading() as session:
        stored = select(BotProfile.version).where(BotProfile.account_id == account_id)
        version = session.scalar(stored) or profiles.NO_PROFILE
    return profiles.cached_profile(db or runtime.db, runtime.profiles, account_id, version).business_name


@pytest.fixture(params=["simple", "redis"])
def redis_url(request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("redis") if request.param == "redis" else None


@pytest.fixture
def two_processes(live_config: Config, redis_url: str | None) -> Iterator[list[Runtime]]:
    """Two apps over one database, and over one Redis or none."""
    apps = [create_app(dataclasses.replace(live_config, redis_url=redis_url)) for _ in range(2)]
    made = [runtime_of(app) for app in apps]
    made[0].prepare_database()
    yield made
    made[0].profiles.clear()
    for runtime in made:
        assert runtime.close(5)


def test_an_edit_is_seen_by_the_next_message_in_every_process(two_processes: list[Runtime], sandbox: Sandbox) -> None:
    customers = iter(range(100))
    for number in range(1, 4):
        save(two_processes[number % 2], business_name=f"Bakery {number}")
        for runtime in two_processes:
            customer = next(customers)
            message = text_message(
                "Hello", wa_id=f"wamid.{customer}", phone=f"3360000{customer:04}", at=int(time.time())
            )
            ingest(runtime, webhook(messages=[message]))
            stop_leading(runtime.db)  # the next one may be ingested by the other process
            answer_everything(runtime)
            assert f"Bakery {number}" in system_text_of(sandbox)


def answer_everything(runtime: Runtime) -> None:
    with runtime.db.writing() as session:
        claims = jobs.claim_jobs(session, JobKind.ANSWER, runtime.db.now(session), 10)
    assert claims
    for claim in claims:
        runtime.answering.run(claim)


def system_text_of(sandbox: Sandbox) -> str:
    """What the model was last told about the business."""
    body = json.loads(sandbox.requests("gemini")[-1].body)
    text: str = body["systemInstruction"]["parts"][0]["text"]
    return text


def test_an_account_without_a_profile_is_known_to_have_none(runtime: Runtime) -> None:
    assert [name_seen_by(runtime) for _ in range(2)] == [None, None]
    assert runtime.profiles.stats().loads == 1
    save(runtime, business_name="Bakery")
    assert name_seen_by(runtime) == "Bakery"


def test_a_database_that_goes_away_between_the_version_and_the_profile_leaves_the_job_for_later(
    runtime: Runtime,
) -> None:
    away = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    save(runtime, business_name="Old")
    name_seen_by(runtime)
    save(runtime, business_name="New")
    with pytest.raises(DatabaseUnavailable):
        name_seen_by(runtime, away)
    assert name_seen_by(runtime) == "New"
    away.close()


def test_a_row_changed_by_hand_is_seen_after_a_clear(runtime: Runtime) -> None:
    save(runtime, business_name="Before")
    assert name_seen_by(runtime) == "Before"
    with runtime.db.writing() as session:
        session.query(BotProfile).update({"content": {"business_name": "After"}})
    assert name_seen_by(runtime) == "Before"
    runtime.profiles.clear()
    assert name_seen_by(runtime) == "After"


def test_a_profile_is_kept_for_its_account_only(runtime: Runtime) -> None:
    save(runtime, business_name="Bakery")
    name_seen_by(runtime)
    stranger = uuid.uuid4()
    assert profiles.cached_profile(runtime.db, runtime.profiles, stranger, 0).business_name is None
