"""SIGHUP and SIGTERM to a real gunicorn: whoever got in gets an answer."""

from __future__ import annotations

import signal
import socket
import threading

import psutil
import pytest

from tests.e2e.test_shedding import Server, server  # noqa: F401 (a fixture)
from tests.waiting import wait_until

LOADING = 3.0  # seconds


@pytest.fixture
def gunicorn_conf() -> str:
    """Whoever waits is served in the end: how long it took tells whether workers were there."""
    return "tests/e2e/patient_conf.py"


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
            over.wait(0.01)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    master.send_signal(signal.SIGHUP)
    wait_until(lambda: not old & {child.pid for child in master.children()}, "the old workers to leave")
    over.set()
    for visitor in visitors:
        visitor.join(20)
    assert len(master.children()) == 2
    assert {status for status, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < LOADING


def test_a_stopping_server_lets_nobody_in_whom_it_will_not_serve(server: Server) -> None:  # noqa: F811
    """Or a proxy in front would wait at a door that nobody opens, in the place of trying another server."""
    inside = server.client().send("GET /work?name=inside")
    wait_until(lambda: "inside" in server.gate.started, "a request to be worked on")
    server.process.child.terminate()

    def is_closed() -> bool:
        try:
            socket.create_connection(("127.0.0.1", server.port), 5).close()
        except ConnectionRefusedError:
            return True
        return False

    wait_until(is_closed, "the door to be closed")
    server.gate.release()
    assert inside.answer().status == 200
    assert server.process.child.wait(20) == 0
