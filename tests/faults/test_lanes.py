"""Scenario 33: two workers, one PostgreSQL, a tenth of the sends fails, and every conversation stays in order."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from inbox.config import Config
from sandbox import Sandbox
from sandbox.protocol import Answer, Request
from tests.e2e.processes import Process
from tests.faults.stage import Stage, jobs, queue_to, serving, statuses
from tests.faults.workers import environment, log_lines, working
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

LANES, EACH = 40, 25
SECONDS = 100.0  # alone on two cores it takes about 15


class Watch:
    """Counts how many messages WhatsApp handles at once for one customer."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.overlaps = 0
        self._answer = sandbox.graph.answer
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        sandbox.graph.answer = self._watched  # type: ignore[method-assign]

    def _watched(self, request: Request) -> Answer:
        to = str(request.json().get("to"))
        with self._lock:
            self.overlaps += to in self._busy
            self._busy.add(to)
        threading.Event().wait(0.005)  # a moment in which another one could come
        try:
            return self._answer(request)
        finally:
            with self._lock:
                self._busy.discard(to)


@pytest.fixture
def sandbox(echoing: Sandbox) -> Sandbox:
    return echoing


@pytest.mark.timeout(180)
def test_a_thousand_messages_through_two_workers_never_overlap_and_never_overtake(
    whole: Config, sandbox: Sandbox, tmp_path: Path
) -> None:
    watch = Watch(sandbox)
    sandbox.fault("whatsapp", "graph_error", code=131016, probability=0.05)  # not processed
    sandbox.fault("whatsapp", "close_after", probability=0.03)  # processed, no answer: the echo settles it
    sandbox.fault("whatsapp", "status", code=502, body="html", process=True, probability=0.02)  # the same
    settings = environment(whole, WHATSAPP_BREAKER_OPEN_SECONDS="0.5")
    with serving(whole, sandbox, dispatcher=False) as stage:
        for lane in range(LANES):
            queue_to(stage.runtime, phone(lane), *[f"{lane}/{number}" for number in range(EACH)])
        with working(tmp_path / "1.log", settings) as one, working(tmp_path / "2.log", settings) as two:
            wait_until(lambda: all_sent(stage), "every message to be sent", SECONDS)
            assert (one.stop(), two.stop()) == (0, 0)
            assert min(accepted(one), accepted(two)) > 50  # both took part
        assert jobs(stage.db) == []
    assert watch.overlaps == 0
    wanted = {phone(lane): [f"{lane}/{number}" for number in range(EACH)] for lane in range(LANES)}
    assert received(sandbox) == wanted
    assert inversions(sandbox) == 0
    faulty = [request for request in sandbox.requests("whatsapp") if request.fault]
    assert len(faulty) > 50


def phone(lane: int) -> str:
    return f"336000000{lane:02d}"


def all_sent(stage: Stage) -> bool:
    return set(statuses(stage.db)) == {"sent"}


def accepted(process: Process) -> int:
    return sum(line.get("outcome") == "accepted" for line in log_lines(process))


def received(sandbox: Sandbox) -> dict[str, list[str]]:
    """What each customer got, in order, repetitions included."""
    found: dict[str, list[str]] = defaultdict(list)
    for delivery in sandbox.deliveries():
        found[delivery.phone or ""].append(delivery.text or "")
    return found


def inversions(sandbox: Sandbox) -> int:
    """How often a message of a conversation was tried before one that was written earlier had left."""
    tried: dict[str, list[int]] = defaultdict(list)
    for request in sandbox.requests("whatsapp"):
        if request.method != "POST":
            continue  # a number's templates and its standing are asked too, when their hour comes
        body = json.loads(request.body)
        tried[body["to"]].append(int(body["text"]["body"].partition("/")[2]))
    return sum(second < first for numbers in tried.values() for first, second in pairwise(numbers))
