"""A web process with more requests than threads: gunicorn with our worker, and an application that a test holds up."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.processes import Process, running
from tests.waiting import free_port, wait_until

THREADS = 4
ORDINARY = 3  # of them, ordinary requests may hold so many


class Gate:
    """Where handlers wait. `started` says when each began, by the name it gave; monotonic seconds."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self._inside: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._thread = threading.Thread(target=self._let_in)
        self._thread.start()

    def _let_in(self) -> None:
        while True:
            visitor, _ = self._listener.accept()
            with visitor.makefile("r") as lines:
                name = lines.readline().strip()
            if not name:
                visitor.close()
                return
            self._inside.append(visitor)
            self.started[name] = time.monotonic()

    def release(self) -> None:
        """Let every handler end that is inside now."""
        while self._inside:
            self._inside.pop().close()

    def close(self) -> None:
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join(10)
        self._listener.close()
        self.release()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    seconds: float  #: since the last send

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection."""

    def __init__(self, port: int, patience: float | None = 30) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._file: io.BufferedReader = self._socket.makefile("rb")
        self._sent = 0.0

    def send(self, *requests: str, headers: str = "") -> Client:
        """Requests such as "GET /x", in one piece."""
        return self.send_bytes("".join(f"{line} HTTP/1.1\r\nHost: inbox\r\n{headers}\r\n" for line in requests))

    def send_bytes(self, text: str) -> Client:
        self._sent = time.monotonic()
        self._socket.sendall(text.encode())
        return self

    def end_sending(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> Answer:
        """The next one. Raises TimeoutError, ConnectionError."""
        status = self._file.readline()
        if not status:
            raise ConnectionError("closed without an answer")
        headers = http.client.parse_headers(self._file)
        body = self._file.read(int(headers["Content-Length"] or 0))
        return Answer(int(status.split()[1]), headers, body, time.monotonic() - self._sent)

    def has_answer(self) -> bool:
        """Whether something of the next answer is there."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def is_closed(self) -> bool:
        """Whether the server ends the connection, and says nothing more."""
        return self._file.read() == b""

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@dataclass
class Server:
    process: Process
    port: int
    gate: Gate
    clients: contextlib.ExitStack

    def client(self, patience: float | None = 30) -> Client:
        client = Client(self.port, patience)
        self.clients.callback(client.close)
        return client

    def get(self, path: str) -> Answer:
        """One request on a connection of its own."""
        with contextlib.closing(Client(self.port)) as client:
            return client.send(f"GET {path}").answer()

    def stick_all_threads(self) -> list[Client]:
        """One request for each thread, all held at the gate."""
        stuck = self.stick_all_ordinary_threads()
        stuck.append(self.client().send("POST /webhook/work?name=stuck-webhook"))
        wait_until(lambda: "stuck-webhook" in self.gate.started, "the last thread to be stuck")
        return stuck

    def stick_all_ordinary_threads(self) -> list[Client]:
        """As many ordinary requests as may be handled at once, all held at the gate."""
        names = [f"stuck-{number}" for number in range(ORDINARY)]
        stuck = [self.client().send(f"GET /work?name={name}") for name in names]
        wait_until(lambda: set(names) <= self.gate.started.keys(), "every thread to be stuck")
        return stuck

    def shed(self) -> int:
        return int(self.get("/health").json()["shed"])


@pytest.fixture
def environment() -> dict[str, str]:
    return {"WEB_THREADS": str(THREADS)}


@pytest.fixture
def gunicorn_conf() -> str:
    """Ours, without the hooks that only our application has."""
    return "tests/benchmarks/floor_conf.py"


@pytest.fixture
def server(tmp_path: Path, environment: dict[str, str], gunicorn_conf: str) -> Iterator[Server]:
    port = free_port()
    command = ["-m", "gunicorn", "-c", gunicorn_conf, "--bind", f"127.0.0.1:{port}", "tests.e2e.gated_app:create()"]
    gate = Gate()
    with contextlib.ExitStack() as clients:
        clients.callback(gate.close)
        log = tmp_path / "web.log"
        process = clients.enter_context(running(command, log, {"GATE": gate.address, **environment}))

        def lives() -> bool:
            assert process.child.poll() is None, process.output()
            with contextlib.suppress(OSError), contextlib.closing(Client(port, 5)) as client:
                return client.send("GET /health/live").answer().status == 200
            return False

        wait_until(lives, "gunicorn")
        yield Server(process, port, gate, clients)


def assert_refused(answer: Answer, path: str) -> None:
    assert answer.status == 503
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Retry-After"] == "1"
    problem = answer.json()
    assert problem.pop("request_id") == answer.headers["X-Request-Id"]
    assert problem == {
        "type": "urn:inbox:error:overloaded",
        "title": "Too many requests are waiting. Try again in a second.",
        "status": 503,
        "detail": "overloaded",
        "instance": path,
        "code": "overloaded",
    }


# --- nobody works for those who have left --------------------------------------------------------------------------


def test_forty_clients_with_a_second_of_patience_on_four_threads(server: Server) -> None:
    left: dict[str, float] = {}
    answers: list[Answer] = []

    def visit(number: int) -> None:
        client = Client(server.port, patience=1.0)
        try:
            answers.append(client.send(f"GET /work?name=visit-{number}&seconds=2").answer())
        except TimeoutError:
            left[f"visit-{number}"] = time.monotonic()
        finally:
            client.close()

    slowest = 0.0
    with ThreadPoolExecutor(40) as crowd:
        visits = [crowd.submit(visit, number) for number in range(40)]
        while wait(visits, timeout=0.05).not_done:
            slowest = max(slowest, server.get("/health").seconds)
    wait_until(lambda: server.get("/work").status == 200, "a thread to be free, and whatever waited before")

    late = {name for name, at in server.gate.started.items() if at > left.get(name, float("inf"))}
    assert late == set()
    assert len(left) == ORDINARY  # those whose work had begun
    assert [answer.status for answer in answers] == [503] * (40 - ORDINARY)
    assert slowest < 0.5


def test_a_request_is_not_run_when_its_client_left_in_the_meantime(server: Server) -> None:
    server.stick_all_threads()
    server.client().send("POST /webhook/whatsapp?name=impatient").close()
    stays = server.client().send("POST /webhook/whatsapp?name=patient")
    wait_for_age(0.3)
    server.gate.release()
    wait_until(lambda: "patient" in server.gate.started, "the one who stayed")
    server.gate.release()
    assert stays.answer().body == b"patient"
    assert "impatient" not in server.gate.started
    assert server.shed() == 1


def test_who_has_only_closed_the_sending_side_is_told(server: Server) -> None:
    server.stick_all_threads()
    half = server.client().send("POST /webhook/whatsapp?name=half")
    half.end_sending()
    wait_for_age(0.3)
    server.gate.release()
    assert_refused(half.answer(), "/webhook/whatsapp")
    assert half.is_closed()


def wait_for_age(seconds: float) -> None:
    """Let what waits in a line grow older."""
    until = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > until, "time to pass")


# --- who is shed, and when -----------------------------------------------------------------------------------------


def test_an_agent_is_refused_after_half_a_second_while_every_thread_is_stuck(server: Server) -> None:
    server.stick_all_threads()
    client = server.client().send("POST /messages/send?name=agent")
    assert server.get("/assets/0192/inbox/main.js").status == 200  # a page loads, whatever its data waits for
    answer = client.answer()
    assert_refused(answer, "/messages/send")
    assert 0.5 <= answer.seconds < 2
    assert answer.headers["Connection"] == "close"
    assert client.is_closed()
    assert "agent" not in server.gate.started


def test_a_webhook_is_still_served_while_agents_are_refused(server: Server) -> None:
    server.stick_all_threads()
    webhooks = [server.client().send("POST /webhook/whatsapp") for _ in range(64)]
    agents = [server.client().send("GET /conversations") for _ in range(64)]
    assert [agent.answer().status for agent in agents] == [503] * 64
    server.gate.release()
    assert [webhook.answer().status for webhook in webhooks] == [200] * 64
    assert server.shed() == 64


def test_an_agent_is_served_while_webhooks_wait_for_the_database(server: Server) -> None:
    for number in range(THREADS * 2):
        server.client().send(f"POST /webhook/work?name=webhook-{number}")
    wait_until(lambda: len(server.gate.started) == ORDINARY, "webhooks to hold all the threads they may")
    assert server.get("/work").status == 200
    server.gate.release()


def test_a_webhook_finds_a_thread_while_agents_wait_for_the_database(server: Server) -> None:
    server.stick_all_ordinary_threads()
    agents = [server.client().send("GET /conversations") for _ in range(20)]
    answers = [server.client().send("POST /webhook/whatsapp").answer() for _ in range(20)]
    assert [answer.status for answer in answers] == [200] * 20
    assert [agent.answer().status for agent in agents] == [503] * 20
    assert server.shed() == 20


def test_a_webhook_is_refused_in_time_for_meta_to_repeat_it(server: Server) -> None:
    server.stick_all_threads()
    answer = server.client().send("POST /webhook/whatsapp?name=late").answer()
    assert_refused(answer, "/webhook/whatsapp")
    assert 4 <= answer.seconds < 6
    server.gate.release()
    assert server.get("/work").status == 200
    assert "late" not in server.gate.started


def test_a_line_has_an_end(server: Server) -> None:
    server.stick_all_threads()
    line = [server.client().send("GET /conversations") for _ in range(THREADS * 32)]
    server.get("/health/live")  # by now they are all in it
    late = [server.client().send("GET /conversations").answer() for _ in range(10)]
    assert [answer.status for answer in late] == [503] * 10
    assert min(answer.seconds for answer in late) < 0.1  # refused without waiting
    assert all(client.answer().seconds >= 0.5 for client in line)


def test_refusals_are_counted_and_logged_in_a_few_lines(server: Server) -> None:
    server.stick_all_threads()
    began = time.monotonic()
    agents = [server.client().send("GET /conversations", "GET /never-read") for _ in range(100)]
    assert {agent.answer().status for agent in agents} == {503}
    assert server.shed() == 100

    def lines() -> list[dict[str, Any]]:
        logged = [json.loads(line) for line in server.process.output().splitlines() if line.startswith("{")]
        return [line for line in logged if line["message"] == "shedding load"]

    wait_until(lambda: sum(line["shed"]["requests"] for line in lines()) == 100, "the log")
    assert len(lines()) <= time.monotonic() - began + 2
    assert lines()[0]["level"] == "WARNING"
    assert 0.5 <= lines()[-1]["oldest_s"] < 5
    assert lines()[-1]["shed_total"] == 100


# --- probes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/health?verbose=1"])
def test_a_probe_is_answered_while_every_thread_is_stuck(server: Server, path: str) -> None:
    server.stick_all_threads()
    waiting = [server.client().send("POST /webhook/whatsapp") for _ in range(100)]
    for _ in range(20):
        answer = server.get(path)
        assert answer.status == 200
        assert answer.seconds < 0.5
    server.gate.release()
    assert {client.answer().status for client in waiting} == {200}


def test_a_probe_that_is_stuck_in_the_database_stops_no_other(server: Server) -> None:
    server.stick_all_threads()
    frozen = server.client().send("GET /health/ready?name=frozen")
    wait_until(lambda: "frozen" in server.gate.started, "the probe to be stuck")
    assert server.get("/health/live").status == 200
    assert server.get("/health").status == 200
    assert_refused(server.get("/health/ready"), "/health/ready")  # which is the truth
    server.gate.release()
    assert frozen.answer().status == 200


def test_a_slow_sender_does_not_hold_a_probes_thread(server: Server) -> None:
    slow = server.client().send_bytes("GET /health/live HTTP/1.1\r\nHost: in")
    assert server.get("/health/live").status == 200
    slow.send_bytes("box\r\n\r\n")
    assert slow.answer().status == 200


# --- connections ---------------------------------------------------------------------------------------------------


def test_every_request_of_a_kept_connection_waits_in_its_own_line(server: Server) -> None:
    kept = server.client()
    for request in ("GET /work", "POST /webhook/whatsapp", "GET /health", "GET /work", "GET /health/live"):
        assert kept.send(request).answer().status == 200
    server.stick_all_threads()
    assert kept.send("GET /health").answer().status == 200
    answer = kept.send("GET /work").answer()
    assert_refused(answer, "/work")
    assert answer.seconds >= 0.5
    assert kept.is_closed()


def test_requests_sent_in_one_piece_are_answered_in_order(server: Server) -> None:
    client = server.client().send("GET /work", "POST /webhook/whatsapp", "GET /health", "GET /work")
    answers = [client.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [200] * 4
    assert "shed" in answers[2].json()


@pytest.mark.parametrize("request_line", ["GET /health", "POST /webhook/whatsapp", "GET /work"])
def test_a_request_that_comes_in_pieces_is_answered(server: Server, request_line: str) -> None:
    client = server.client()
    whole = f"{request_line} HTTP/1.1\r\nHost: inbox\r\n\r\n"
    for cut in range(1, len(whole), 5):
        client.send_bytes(whole[:cut])
        server.get("/health/live")  # by now the first piece has been looked at
        assert client.send_bytes(whole[cut:]).answer().status == 200


def test_a_body_is_not_touched_by_the_peek(server: Server) -> None:
    client = server.client()
    body = "GET /health HTTP/1.1\r\n\r\n" * 400
    head = f"POST /work HTTP/1.1\r\nHost: inbox\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(3):
        assert client.send_bytes(head + body).answer().body == b"at once"


def test_a_refused_upload_can_still_read_its_answer(server: Server) -> None:
    server.stick_all_threads()
    client = server.client()
    client.send_bytes("POST /messages/send HTTP/1.1\r\nHost: inbox\r\nContent-Length: 40000\r\n\r\n" + "x" * 40_000)
    assert_refused(client.answer(), "/messages/send")


def test_connections_that_send_nothing_hold_no_thread(server: Server) -> None:
    for _ in range(2 * THREADS):
        server.client()
    assert server.get("/work").seconds < 2


def test_a_client_that_does_not_close_holds_up_nobody(server: Server) -> None:
    for _ in range(3):
        dawdler = server.client().send("GET /work", headers="Connection: close\r\n")
        assert dawdler.answer().status == 200
    assert server.get("/work").seconds < 1
    assert dawdler.is_closed()


class TestWithoutFileDescriptors:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "OPEN_FILES": "64"}

    def test_the_worker_lives_on(self, server: Server) -> None:
        process = server.get("/health").json()["process"]
        crowd = [server.client() for _ in range(100)]
        wait_until(lambda: "no file descriptor is left" in server.process.output(), "the limit")
        for client in crowd:
            client.close()
        assert server.get("/health").json()["process"] == process
        assert server.process.output().count("no file descriptor is left") < 20


class TestWithFewPlaces:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "GUNICORN_CMD_ARGS": "--worker-connections 40"}

    def test_idle_connections_make_room_for_new_ones(self, server: Server) -> None:
        silent = [server.client() for _ in range(60)]
        kept = []
        for _ in range(60):
            kept.append(server.client())
            assert kept[-1].send("GET /work").answer().status == 200
        assert server.get("/health/live").seconds < 1
        assert silent[0].is_closed()
        assert kept[0].is_closed()
        assert kept[-1].send("GET /work").answer().status == 200

    def test_waiting_requests_leave_room_for_a_probe(self, server: Server) -> None:
        server.stick_all_threads()
        for request in ["GET /conversations", "POST /webhook/whatsapp"] * 60:
            server.client().send(request)
        assert server.get("/health/live").seconds < 1


# --- the end -------------------------------------------------------------------------------------------------------


def test_sigterm_lets_the_work_in_hand_finish(server: Server) -> None:
    idle, stuck = server.client(), server.stick_all_threads()
    kept = server.client()
    assert kept.send("GET /health").answer().status == 200
    server.process.child.send_signal(signal.SIGTERM)
    wait_until(lambda: "Handling signal: term" in server.process.output(), "the signal")
    server.gate.release()
    assert [client.answer().body for client in stuck] == [b"stuck-0", b"stuck-1", b"stuck-2", b"stuck-webhook"]
    assert server.process.child.wait(15) == 0  # long before graceful_timeout, although `idle` and `kept` are open
    assert idle.is_closed()
    assert kept.is_closed()
    assert "Traceback" not in server.process.output()


def test_a_worker_whose_master_was_killed_serves_nobody_on(server: Server) -> None:
    kept = server.client()
    worker = kept.send("GET /health").answer().json()["process"]
    server.process.child.kill()

    def is_left() -> bool:
        with contextlib.suppress(OSError):
            return kept.send("GET /health").answer().status != 200
        return True

    wait_until(is_left, "the open connection to end", seconds=12)  # long before graceful_timeout
    wait_until(lambda: not psutil.pid_exists(worker), "the worker to end", seconds=12)
