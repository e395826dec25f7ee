"""Scenarios 39 to 41: a worker is asked to stop, or killed, at the worst moment."""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from inbox.config import Config
from inbox.models import Author, Conversation, Lane, Message
from inbox.outbox.jobs import LEASES
from inbox.outbox.store import LEASE
from inbox.webhooks.ingest import ingest_batch
from sandbox import Sandbox
from tests.faults.stage import Stage, all_is_in, hits, jobs, let_pass, queue_to, reach, statuses
from tests.faults.workers import environment, working
from tests.queries import waits_for_a_lock
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

ANN, BOB = "33600000001", "33600000002"
#: Seconds: tests let it pass, none waits for it. Longer than any of them takes: who looks only when it is over, and has
#: heard of nobody yet, begins a longer one.
WINDOW = 600.0
PATIENCE = 25.0  # seconds from SIGTERM to the end; platforms kill after 30


@pytest.fixture
def sandbox(echoing: Sandbox) -> Sandbox:
    return echoing


@pytest.fixture
def stage(idle_stage: Stage) -> Stage:
    """The web server; who works, the test decides."""
    return idle_stage


@pytest.fixture
def settings(whole: Config) -> dict[str, str]:
    return environment(whole, CONFIRM_WINDOW_SECONDS=str(WINDOW))


def received(sandbox: Sandbox, phone: str = ANN) -> list[str | None]:
    return [delivery.text for delivery in sandbox.deliveries() if delivery.phone == phone]


def bots_answers(stage: Stage) -> int:
    with stage.db.reading() as session:
        return session.execute(select(func.count()).where(Message.author_kind == Author.BOT)).scalar_one()


# --- 39: SIGTERM while Gemini thinks -----------------------------------------------------------------------------


def test_an_answer_that_is_being_written_is_finished(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    sandbox.gemini_responder = lambda _request: "We open at nine."
    sandbox.fault("gemini", "slow", seconds=3, times=1)
    with working(tmp_path / "1.log", settings) as worker:
        sandbox.customer_writes(text="When do you open?")
        wait_until(lambda: hits(sandbox, "gemini"), "the bot to think")
        assert worker.stop(PATIENCE) == 0
    assert [request.outcome for request in sandbox.requests("gemini")] == ["answered"]
    assert bots_answers(stage) == 1
    with working(tmp_path / "2.log", settings):
        wait_until(lambda: received(sandbox) == ["We open at nine."], "the answer to be delivered")
    assert hits(sandbox, "gemini") == 1


def test_a_gemini_that_never_answers_holds_nobody_up_and_the_question_is_answered_later(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    fault = sandbox.fault("gemini", "hang", seconds=100)
    with working(tmp_path / "1.log", settings) as worker:
        sandbox.customer_writes(text="When do you open?")
        wait_until(lambda: hits(sandbox, "gemini"), "the bot to think")
        began = time.monotonic()
        assert worker.stop(PATIENCE) == 0
        assert time.monotonic() - began < 12  # Gemini's deadline are 15 s
        assert "given back" in worker.output()
    assert bots_answers(stage) == 0
    sandbox.faults.remove(fault)
    with working(tmp_path / "2.log", settings):
        wait_until(lambda: len(received(sandbox)) == 1, "the answer to be delivered")


# --- 40: SIGTERM while messages are being sent -------------------------------------------------------------------


def test_sends_under_way_are_recorded_and_no_other_one_is_claimed(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    fault = sandbox.fault("whatsapp", "slow", seconds=2)
    for number in range(20):
        queue_to(stage.runtime, f"336000001{number:02d}", f"message {number}")
    with working(tmp_path / "1.log", settings | {"DELIVER_THREADS": "4"}) as worker:
        wait_until(lambda: hits(sandbox, "whatsapp") == 4, "four sends to be under way")
        assert worker.stop(PATIENCE) == 0
    assert hits(sandbox, "whatsapp") == 4
    assert Counter(statuses(stage.db)) == {"sent": 4, "queued": 16}
    with stage.db.reading() as session:
        leased = session.execute(select(func.count()).where(Lane.lease.is_not(None))).scalar_one()
        tried = session.execute(select(func.count()).where(Message.attempts > 0)).scalar_one()
    assert (leased, tried) == (0, 4)
    sandbox.faults.remove(fault)
    with working(tmp_path / "2.log", settings):
        wait_until(lambda: set(statuses(stage.db)) == {"sent"}, "the others to be sent")
    assert sorted(d.text or "" for d in sandbox.deliveries()) == sorted(f"message {n}" for n in range(20))


# --- 41: SIGKILL -------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """An address where connecting takes for ever: nobody accepts, and the queue of the system is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def sent_after_all(stage: Stage) -> Message:
    """What becomes of ANN's message: time passes, and other messages prove that statuses do come back."""
    let_pass(stage.db, LEASE.total_seconds())
    reach(stage, "hello", "unconfirmed")
    queue_to(stage.runtime, BOB, "other")
    reach(stage, "other", "sent")
    wait_until(lambda: all_is_in(stage), "the evidence to be ingested")
    let_pass(stage.db, WINDOW)
    return reach(stage, "hello", "sent")


def test_killed_before_the_request_left_it_is_unknown_and_then_sent_once(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    queue_to(stage.runtime, ANN, "hello")
    with black_hole() as nowhere, working(tmp_path / "1.log", settings | {"WHATSAPP_API_URL": nowhere}) as worker:
        reach(stage, "hello", "sending")
        worker.kill()
    assert stage.message("hello").status == "sending"
    with working(tmp_path / "2.log", settings):
        message = sent_after_all(stage)
    assert message.attempts == 2
    assert received(sandbox) == ["hello"]
    assert jobs(stage.db) == []


def test_killed_while_it_waits_for_the_answer_the_echo_settles_it_and_nothing_is_repeated(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    sandbox.fault("whatsapp", "late", seconds=60, times=1)  # processed, the answer is on its way
    queue_to(stage.runtime, ANN, "hello")
    with working(tmp_path / "1.log", settings) as worker:
        wait_until(lambda: received(sandbox) == ["hello"], "WhatsApp to have it")
        worker.kill()
    with working(tmp_path / "2.log", settings):
        assert reach(stage, "hello", "sent").attempts == 1
        queue_to(stage.runtime, ANN, "next")
        let_pass(stage.db, LEASE.total_seconds())  # the dead worker's hold on the lane
        reach(stage, "next", "sent")
        let_pass(stage.db, WINDOW)
        queue_to(stage.runtime, BOB, "other")
        reach(stage, "other", "sent")
    assert received(sandbox) == ["hello", "next"]


def test_killed_between_the_answer_and_its_commit_the_echo_settles_it(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    queue_to(stage.runtime, ANN, "hello")
    sandbox.fault("whatsapp", "late", seconds=1, times=1)
    sandbox.fault("webhook", "delay", seconds=4)  # else its echo would wait for the row as well
    with working(tmp_path / "1.log", settings) as worker:
        wait_until(lambda: received(sandbox) == ["hello"], "WhatsApp to have it")
        with stage.db.writing() as session:  # whoever records the outcome waits for this row
            session.execute(select(Conversation.id).with_for_update()).all()
            wait_until(lambda: waits_for_a_lock(stage.db), "the worker to record the outcome")
            worker.kill()
    assert [request.outcome for request in sandbox.requests("whatsapp")] == ["answered"]
    assert stage.message("hello").wa_message_id is None
    with working(tmp_path / "2.log", settings):
        assert reach(stage, "hello", "sent").attempts == 1
    assert received(sandbox) == ["hello"]


def test_killed_while_gemini_thinks_the_customer_gets_one_answer(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    sandbox.fault("gemini", "hang", seconds=60, times=1)
    with working(tmp_path / "1.log", settings) as worker:
        sandbox.customer_writes(text="When do you open?")
        wait_until(lambda: hits(sandbox, "gemini"), "the bot to think")
        worker.kill()
    with working(tmp_path / "2.log", settings):
        let_pass(stage.db, max(lease.total_seconds() for lease in LEASES.values()))
        wait_until(lambda: len(received(sandbox)) == 1, "the answer to be delivered")
        wait_until(lambda: jobs(stage.db) == [], "the outbox to be empty")
    assert (len(received(sandbox)), bots_answers(stage)) == (1, 1)


@pytest.mark.timeout(300)  # five workers begin, one after the other
def test_four_kills_at_random_moments_lose_nothing_and_double_nothing(
    stage: Stage, sandbox: Sandbox, settings: dict[str, str], tmp_path: Path
) -> None:
    rng = random.Random(41)
    wanted = Counter(f"{lane}/{number}" for lane in range(20) for number in range(10))
    for lane in range(20):
        queue_to(stage.runtime, f"336000001{lane:02d}", *[f"{lane}/{number}" for number in range(10)])
    sandbox.fault("whatsapp", "close_after", probability=0.03)
    for kill in range(4):
        enough = len(sandbox.deliveries()) + rng.randint(5, 25)
        with working(tmp_path / f"{kill}.log", settings) as worker:
            wait_until(lambda: len(sandbox.deliveries()) >= enough or emptied(stage), "deliveries")  # noqa: B023
            worker.kill()
        wait_until(lambda: ingested(stage), "what came back to be ingested")
        let_pass(stage.db, LEASE.total_seconds())  # not the window: nobody has been heard of in it
    with working(tmp_path / "last.log", settings):
        wait_until(lambda: emptied(stage), "the queue to be empty")
        queue_to(stage.runtime, BOB, "evidence")
        reach(stage, "evidence", "sent")
        wait_until(lambda: all_is_in(stage), "the evidence to be ingested")
        let_pass(stage.db, WINDOW)
        wait_until(lambda: set(statuses(stage.db)) == {"sent"}, "every message to be sent")
    assert Counter(delivery.text for delivery in sandbox.deliveries()) == wanted + Counter(["evidence"])
    assert jobs(stage.db) == []


def emptied(stage: Stage) -> bool:
    """True when nothing is left but what was sent, or perhaps was."""
    return not {"queued", "sending"} & set(statuses(stage.db))


def ingested(stage: Stage) -> bool:
    """Take in what has come, as no worker is there to do it. True when that was all."""
    ingest_batch(stage.db, settings=stage.runtime.ingest_settings)
    return all_is_in(stage)
