"""Scenario 42: somebody sets the machine's clock, an hour back or forth. Nothing that waits goes by it."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from inbox.clock import utc_now
from inbox.config import Config
from inbox.errors import UpstreamError, UpstreamOpen, UpstreamOutcomeUnknown, UpstreamUnavailable
from inbox.gateways.gemini import Gemini
from inbox.outbox.store import LEASE
from inbox.resilience import GEMINI
from sandbox import Sandbox
from tests import caches
from tests.caches import Row
from tests.e2e.processes import Process
from tests.faults.shifted import WallClock, wall_clock
from tests.faults.stage import LONGEST_OPEN, QUICK, Stage, ask, hits, let_pass, numbers, queue_to, reach, statuses
from tests.faults.workers import WORKER, environment, log_lines, working
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

HOUR = 3600.0
ANN, BOB = "33600000001", "33600000002"
jumps = pytest.mark.parametrize("jump", [-HOUR, HOUR], ids=["back", "forth"])


@pytest.fixture
def sandbox(echoing: Sandbox) -> Sandbox:
    return echoing


@pytest.fixture
def wall() -> Iterator[WallClock]:
    """This process's wall clock."""
    with wall_clock() as clock:
        yield clock


@pytest.fixture
def gemini(sandbox: Sandbox) -> Iterator[Gemini]:
    with numbers(GEMINI, dataclasses.replace(QUICK, total=2.0, breaker_open=0.5)):
        yield Gemini(f"{sandbox.url}/v1beta", "key")


@jumps
def test_the_tests_clock_is_wrong_where_it_should_be(wall: WallClock, jump: float) -> None:
    before, steady = utc_now(), time.monotonic()
    wall.seconds = jump
    assert abs((utc_now() - before).total_seconds() - jump) < 60
    assert 0 <= time.monotonic() - steady < 60


# --- deadlines, repeats, circuits --------------------------------------------------------------------------------


@jumps
def test_a_deadline_ends_a_call_when_it_should(gemini: Gemini, sandbox: Sandbox, wall: WallClock, jump: float) -> None:
    def think(_request: object) -> str:
        wall.seconds = jump  # in the middle of the call
        return "too late"

    sandbox.gemini_responder = think
    sandbox.fault("gemini", "late", seconds=60)
    began = time.monotonic()
    with pytest.raises(UpstreamOutcomeUnknown):
        ask(gemini)
    assert wall.seconds == jump
    assert 1.5 <= time.monotonic() - began <= 3.5  # 2 s


@jumps
def test_as_many_attempts_are_made_as_ever(gemini: Gemini, sandbox: Sandbox, wall: WallClock, jump: float) -> None:
    def think(_request: object) -> str:
        wall.seconds += jump  # with every attempt
        return "nobody will read this"

    sandbox.gemini_responder = think
    sandbox.fault("gemini", "status", code=503, process=True)
    with pytest.raises(UpstreamUnavailable):
        ask(gemini)
    assert hits(sandbox, "gemini") == 3


@jumps
def test_an_open_circuit_lets_a_probe_through_neither_sooner_nor_later(
    gemini: Gemini, sandbox: Sandbox, wall: WallClock, jump: float
) -> None:
    sandbox.fault("gemini", "status", code=500, times=5)
    for _ in range(2):
        with pytest.raises(UpstreamError):
            ask(gemini)
    wall.seconds = jump
    with pytest.raises(UpstreamOpen) as refused:
        ask(gemini)
    assert 0 < (refused.value.retry_after or 0) <= 0.5 * LONGEST_OPEN
    wait_until(lambda: GEMINI.breaker.state == "half_open", "the half second to pass", 5)
    ask(gemini)
    ask(gemini)
    assert (GEMINI.breaker.state, hits(sandbox, "gemini")) == ("closed", 7)


# --- the profile cache -------------------------------------------------------------------------------------------


@jumps
def test_a_cached_profile_is_right(wall: WallClock, jump: float) -> None:
    row = Row()
    cache = caches.make()
    caches.look(cache, row)
    wall.seconds = jump
    assert caches.look(cache, row) == "Version 1"
    assert row.loads <= 2  # flask-caching goes by the wall clock: an hour forth costs one load
    row.version = 2
    assert caches.look(cache, row) == "Version 2"
    loads = row.loads
    assert caches.look(cache, row) == "Version 2"
    assert row.loads == loads


# --- leases, by workers whose clocks are wrong -------------------------------------------------------------------


def shifted(jump: float) -> list[str]:
    """The command of a worker whose wall clock is wrong by so many seconds."""
    return ["-m", "tests.faults.shifted", str(jump), *WORKER[1:]]


def test_two_workers_an_hour_behind_and_ahead_send_everything_once(
    idle_stage: Stage, whole: Config, sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = environment(whole)
    sandbox.fault("whatsapp", "slow", seconds=0.1)
    with (
        working(tmp_path / "behind.log", settings, shifted(-HOUR)) as behind,
        working(tmp_path / "ahead.log", settings, shifted(HOUR)) as ahead,
    ):
        for lane in range(20):
            queue_to(idle_stage.runtime, f"336000001{lane:02d}", *[f"{lane}/{number}" for number in range(5)])
        wait_until(lambda: set(statuses(idle_stage.db)) == {"sent"}, "every message to be sent")
        assert (behind.stop(), ahead.stop()) == (0, 0)
    wanted = [f"{lane}/{number}" for lane in range(20) for number in range(5)]
    assert Counter(delivery.text for delivery in sandbox.deliveries()) == Counter(wanted)
    for worker, jump in ((behind, -HOUR), (ahead, HOUR)):
        assert abs(clock_of(worker) - time.time() - jump) < 600
        assert '"outcome": "accepted"' in worker.output()
        assert "lease expired" not in worker.output()
    with idle_stage.db.reading() as session:
        now = idle_stage.db.now(session)
    assert abs((idle_stage.message("0/0").sent_at - now).total_seconds()) < 120  # type: ignore[operator]


def clock_of(worker: Process) -> float:
    """Unix seconds, as the worker's last log line has them."""
    return datetime.fromisoformat(log_lines(worker)[-1]["time"]).timestamp()


@jumps
def test_a_dead_workers_lease_ends_by_the_databases_clock_whoever_looks(
    idle_stage: Stage, whole: Config, sandbox: Sandbox, tmp_path: Path, jump: float
) -> None:
    settings = environment(whole)
    sandbox.fault("whatsapp", "hang", seconds=60, times=1)
    queue_to(idle_stage.runtime, ANN, "hello")
    with working(tmp_path / "1.log", settings, shifted(-jump)) as worker:
        wait_until(lambda: hits(sandbox, "whatsapp"), "the send to be under way")
        worker.kill()
    with working(tmp_path / "2.log", settings, shifted(jump)):
        queue_to(idle_stage.runtime, BOB, "other")
        reach(idle_stage, "other", "sent")  # it works, and has looked at every lane that is due
        assert idle_stage.message("hello").status == "sending"
        let_pass(idle_stage.db, LEASE.total_seconds())
        reach(idle_stage, "hello", "unconfirmed")


@jumps
def test_a_customer_is_answered_and_a_pair_limit_waited_for_by_the_databases_clock(
    idle_stage: Stage, whole: Config, sandbox: Sandbox, tmp_path: Path, jump: float
) -> None:
    sandbox.gemini_responder = lambda _request: "We open at nine."
    sandbox.fault("whatsapp", "graph_error", code=131056, times=1, match={"body": "open at nine"})
    with working(tmp_path / "1.log", environment(whole), shifted(jump)):
        began = time.monotonic()
        sandbox.customer_writes(text="When do you open?")
        wait_until(lambda: [d.text for d in sandbox.deliveries()] == ["We open at nine."], "the answer")
        assert time.monotonic() - began >= 6
