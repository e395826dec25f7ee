"""Which model is asked, and which are left alone until their quota is back (resilience 4.2, scenarios 21 and 22)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from inbox.bot.model import Models, next_reset
from inbox.errors import UpstreamMisconfigured, UpstreamRejected, UpstreamThrottled
from inbox.gateways.gemini import ModelGone, Turn
from inbox.models import CoolDown
from inbox.runtime import Runtime
from sandbox import Sandbox
from tests.outbox.world import World

HELLO = [Turn("user", "hello")]
MAIN, SPARE = "gemini-3.5-flash-lite", "gemini-3.1-flash-lite"


@pytest.fixture
def world(live: Runtime) -> World:
    return World(live)


@pytest.fixture
def models(live: Runtime, world: World) -> Models:
    return Models(live.db, live.models.gemini, MAIN, SPARE)


def asked(sandbox: Sandbox) -> list[str]:
    """The models that were asked, in order."""
    return [request.path.split("/models/")[1].split(":")[0] for request in sandbox.requests("gemini")]


def cool_downs(runtime: Runtime) -> dict[str, CoolDown]:
    with runtime.db.reading() as session:
        return {row.key: row for row in session.execute(select(CoolDown)).scalars()}


def quota_of_the_day(sandbox: Sandbox, model: str = MAIN) -> None:
    sandbox.fault("gemini", "shape", name="rate_limit_day", match={"path": model})


def test_the_profiles_own_model_comes_first(models: Models, sandbox: Sandbox) -> None:
    models.generate("gemini-2.5-flash", "You help.", HELLO)
    assert asked(sandbox) == ["gemini-2.5-flash"]


def test_over_its_daily_quota_a_model_rests_until_midnight_in_california(
    models: Models, sandbox: Sandbox, live: Runtime, world: World
) -> None:
    quota_of_the_day(sandbox)
    for _ in range(3):
        models.generate(None, "You help.", HELLO)
    assert asked(sandbox) == [MAIN, SPARE, SPARE, SPARE]
    assert world.now == datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert cool_downs(live)[f"gemini:{MAIN}"].until == datetime(2026, 11, 21, 8, tzinfo=UTC)


def test_after_the_reset_it_is_asked_again(models: Models, sandbox: Sandbox, world: World) -> None:
    quota_of_the_day(sandbox)
    models.generate(None, "You help.", HELLO)
    sandbox.clear_faults()
    world.advance(24 * 3600)
    models.generate(None, "You help.", HELLO)
    assert asked(sandbox) == [MAIN, SPARE, MAIN]


def test_without_a_fallback_the_daily_quota_is_the_answer_and_is_not_asked_for_again(
    live: Runtime, sandbox: Sandbox, world: World
) -> None:
    models = Models(live.db, live.models.gemini, MAIN, None)
    quota_of_the_day(sandbox)
    for _ in range(3):
        with pytest.raises(ModelGone) as refused:
            models.generate(None, "You help.", HELLO)
        assert refused.value.code == "daily_quota"
    assert asked(sandbox) == [MAIN]


def test_a_retired_model_leads_to_the_fallback(models: Models, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="retired", match={"path": MAIN})
    for _ in range(2):
        models.generate(None, "You help.", HELLO)
    assert asked(sandbox) == [MAIN, SPARE, SPARE]


def test_no_model_at_all_is_a_matter_of_set_up_and_not_of_the_question(models: Models, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="retired")
    for _ in range(2):
        with pytest.raises(UpstreamMisconfigured, match="GEMINI_MODEL"):
            models.generate(None, "You help.", HELLO)
    assert asked(sandbox) == [MAIN, SPARE]


def test_a_minutes_quota_is_waited_for_by_every_process_and_no_call_is_made_meanwhile(
    models: Models, sandbox: Sandbox, live: Runtime, world: World
) -> None:
    sandbox.fault("gemini", "shape", name="rate_limit_minute", seconds=45.8)
    with pytest.raises(UpstreamThrottled):
        models.generate(None, "You help.", HELLO)
    other_process = Models(live.db, live.models.gemini, MAIN, None)
    world.advance(40)
    with pytest.raises(UpstreamThrottled) as waits:
        other_process.generate(None, "You help.", HELLO)
    assert 5 <= (waits.value.retry_after or 0) <= 6
    assert asked(sandbox) == [MAIN]
    sandbox.clear_faults()
    world.advance(6)
    assert other_process.generate(None, "You help.", HELLO).text


def test_a_refused_question_is_not_taken_to_another_model(models: Models, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="prompt_blocked")
    with pytest.raises(UpstreamRejected):
        models.generate(None, "You help.", HELLO)
    assert asked(sandbox) == [MAIN]


@given(st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))
def test_the_reset_is_the_next_midnight_and_at_most_a_day_and_an_hour_away(now: datetime) -> None:
    reset = next_reset(now)
    assert timedelta(0) < reset - now <= timedelta(hours=25)
    assert reset.hour in (7, 8)
    assert (reset.minute, reset.second) == (0, 0)
