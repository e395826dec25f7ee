"""The outbox, the ingester and the bot under everything at once: I2, I4 to I9, I12, I13; scenarios 32, 33 and 41."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.outbox.machine import OutboxMachine
from tests.outbox.play import Play
from tests.outbox.stage import Stage

PLAY = 80  # steps
PLAYS = {"sqlite": 30, "postgresql": 8}


@pytest.fixture
def stage(database_url: str, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(database_url, tmp_path)
    yield made
    made.close()


@pytest.mark.timeout(600)
def test_no_order_of_events_loses_doubles_or_disorders_a_message(stage: Stage, request: pytest.FixtureRequest) -> None:
    """The same plays at every run; --steps N plays about N steps that nobody has played before."""
    steps: int = request.config.getoption("steps")
    if steps:  # it takes as long as it takes
        request.config.hook.pytest_timeout_cancel_timer(item=request.node)
    plays = steps // PLAY if steps else PLAYS[stage.db.dialect]
    machine = type("Play", (OutboxMachine,), {"stage": stage})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=plays,
            stateful_step_count=PLAY,
            derandomize=not steps,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(f"{machine.steps} steps in {plays} plays or more")


def test_an_answer_that_took_too_long_adds_nothing_to_what_another_process_answered(stage: Stage) -> None:
    play = Play(stage)
    play.time_passes(2.0)
    play.bot_begins(dies=False)
    slow = len(play.thinking)
    play.time_passes(300.0)  # the lease has ended, and so has the time in which an answer is owed
    play.bot_begins(dies=False)
    for _ in range(slow):
        play.bot_has_thought(slow, "answer", dies=False)
    for answer in ("away", "refused", "answer"):
        play.bot_has_thought(0, answer, dies=False)
    assert [row.author for row in stage.outbound()] == ["bot"] * slow
    assert not any(talk.needs_human for talk in stage.talks())
