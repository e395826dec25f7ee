"""What the worker asks of gunicorn and of sockets. How it sheds is in e2e/test_shedding.py."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser

from inbox.server.gunicorn_worker import Connection, SheddingWorker, missing_from_gunicorn


def test_the_installed_gunicorn_has_what_we_build_on() -> None:
    assert missing_from_gunicorn() == []


def test_a_gunicorn_without_them_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def enqueue_req(self, conn, lane): ...  # type: ignore[no-untyped-def]

    wanted: dict[type, tuple[str, ...]] = {Other: ("enqueue_req(self, conn)", "accept(self, listener)")}
    lacking = ["Other.enqueue_req(self, conn)", "Other.accept(self, listener)"]
    assert missing_from_gunicorn(wanted) == lacking
    monkeypatch.setattr("inbox.server.gunicorn_worker.missing_from_gunicorn", lambda: lacking)
    with pytest.raises(RuntimeError, match=r"lacks what .* builds on: Other\.enqueue_req\(self, conn\), Other\.accept"):
        SheddingWorker.check_config(Config(), logging.getLogger())


@pytest.mark.parametrize(
    ("setting", "value"), [("certfile", __file__), ("http2_cleartext", "upgrade"), ("proxy_protocol", True)]
)
def test_what_would_hide_the_request_line_is_refused(setting: str, value: Any) -> None:
    settings = Config()
    SheddingWorker.check_config(settings, logging.getLogger())
    settings.set(setting, value)
    with pytest.raises(RuntimeError, match="plain HTTP"):
        SheddingWorker.check_config(settings, logging.getLogger())


class Pair:
    """A connection as the worker has it, and its client's end."""

    def __init__(self) -> None:
        ours, self.client = socket.socketpair()
        worker: Any = SimpleNamespace(cfg=Config(), linger=self._linger)
        self.connection = Connection(worker, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
        self.lingering: list[Connection] = []

    def _linger(self, connection: Connection) -> None:
        self.lingering.append(connection)


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.client.close()
    made.connection.close()


@pytest.mark.parametrize("blocking", [True, False])
def test_a_peek_takes_nothing_and_waits_for_nothing(pair: Pair, blocking: bool) -> None:
    pair.connection.sock.setblocking(blocking)
    assert pair.connection.peek() is None
    pair.client.sendall(b"GET /x")
    assert pair.connection.peek() == pair.connection.peek() == b"GET /x"
    assert pair.connection.sock.recv(100) == b"GET /x"
    pair.client.close()
    assert pair.connection.peek() == b""


def test_a_peek_sees_first_what_was_read_ahead(pair: Pair) -> None:
    connection = pair.connection
    connection.parser = get_parser(connection.cfg, connection.sock, connection.client)
    connection.parser.unreader.unread(b"POST /web")
    assert connection.peek() == b"POST /web"
    pair.client.sendall(b"hook/")
    assert connection.peek() == b"POST /webhook/"
    connection.sock.recv(100)
    pair.client.close()
    assert connection.peek() == b"POST /web"


def test_who_has_sent_everything_and_closed_has_left(pair: Pair) -> None:
    pair.client.sendall(b"GET /x HTTP/1.1\r\n\r\n")
    assert not pair.connection.has_left()
    pair.client.close()
    assert pair.connection.has_left()
    assert pair.connection.peek() == b"GET /x HTTP/1.1\r\n\r\n"


def test_a_refusal_does_not_wait_for_a_client_that_reads_nothing(pair: Pair) -> None:
    pair.connection.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            pair.connection.sock.send(b"x" * 65_536)
    pair.connection.sock.setblocking(True)
    pair.connection.refuse()
    pair.client.close()
    pair.connection.refuse()
    assert pair.connection.has_left()


def test_a_graceful_close_is_left_to_the_worker(pair: Pair) -> None:
    pair.connection.close(graceful=True)
    assert pair.lingering == [pair.connection]
    assert pair.connection.sock.fileno() >= 0
