"""SIGHUP to a real gunicorn: nobody is left without an answer while the new workers load."""

from __future__ import annotations

import signal
import threading

import psutil
import pytest

from tests.e2e.test_shedding import Server, server  # noqa: F401 (a fixture)
from tests.waiting import wait_until

LOADING = 1.5  # seconds


@pytest.fixture
def environment() -> dict[str, str]:
    return {"WEB_THREADS": "4", "WEB_CONCURRENCY": "2", "LOADING": str(LOADING)}


def test_a_reload_under_load_refuses_nobody(server: Server) -> None:  # noqa: F811
    master = psutil.Process(server.process.child.pid)
    old = {child.pid for child in master.children()}
    over = threading.Event()
    answers: list[tuple[int, float]] = []

    def visit() -> None:
        while not over.is_set():
            answer = server.get("/work")
            answers.append((answer.status, answer.seconds))

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    master.send_signal(signal.SIGHUP)
    wait_until(lambda: not old & {child.pid for child in master.children()}, "the old workers to leave", 40)
    over.set()
    for visitor in visitors:
        visitor.join(20)
    assert len(master.children()) == 2
    assert {status for status, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < LOADING
