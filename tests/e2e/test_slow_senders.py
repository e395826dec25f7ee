"""Clients that send slowly, or read slowly, to a real gunicorn: none of them holds a thread that others need."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from inbox.server.client_socket import ClientSocket
from inbox.server.shedding import WHOLE
from tests.e2e.test_shedding import Client, Server, environment, gunicorn_conf, server  # noqa: F401 (fixtures)
from tests.waiting import wait_until

HEAD = "POST /work HTTP/1.1\r\nHost: inbox\r\n"


@contextmanager
def trickling(client: Client, text: str) -> Iterator[None]:
    """One byte of `text` every now and then, for the time of the block."""
    over = threading.Event()

    def send() -> None:
        for byte in text:
            if over.wait(0.05):
                return
            try:
                client.send_bytes(byte)
            except OSError:
                return

    thread = threading.Thread(target=send)
    thread.start()
    yield
    over.set()
    thread.join(10)


def assert_served(gunicorn: Server) -> None:
    """Were its threads held, each request would be refused; one may be when this machine stands still."""
    wait_until(lambda: gunicorn.get("/work").status == 200, "an ordinary request to be served")
    assert gunicorn.client().send("POST /webhook/whatsapp").answer().status == 200


@pytest.mark.parametrize(
    "beginning",
    [
        "POST /work HTTP/1.1\r\nHost:",
        HEAD + "Content-Length: 45000\r\n\r\nbody",
        HEAD + "Content-Length: 1000000\r\n\r\nbody",
        "POST /webhook/whatsapp HTTP/1.1\r\nHost: inbox\r\nContent-Length: 45000\r\n\r\nbody",
    ],
)
def test_slow_senders_hold_no_thread(server: Server, beginning: str) -> None:  # noqa: F811
    """Far more of them than threads, each sending a byte every now and then: others are served as ever."""
    with ExitStack() as slow:
        for _ in range(40):
            slow.enter_context(trickling(server.client().send_bytes(beginning), "x" * 10_000))
        for _ in range(20):
            assert_served(server)


@pytest.mark.parametrize(
    "beginning",
    [
        HEAD + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
        HEAD + "Content-Length: 9000000\r\n\r\nbody",
        HEAD + "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        HEAD + "X: " + "x" * 20_000,
    ],
)
def test_nor_do_those_whose_length_cannot_be_waited_for(server: Server, beginning: str) -> None:  # noqa: F811
    for _ in range(40):
        server.client().send_bytes(beginning)
    for _ in range(20):
        assert_served(server)


def test_a_request_that_comes_in_pieces_is_answered(server: Server) -> None:  # noqa: F811
    client = server.client()
    for piece in (HEAD[:9], HEAD[9:], "Content-Length: 5\r\n", "\r", "\n", "he", "llo"):
        client.send_bytes(piece)
    assert client.answer().status == 200
    client.send_bytes(HEAD + "Content-Length: 5\r\n\r\nhello" + HEAD)  # and half of the next one
    assert client.answer().status == 200
    client.send_bytes("Content-Length: 3\r\n\r\nabc")
    assert client.answer().status == 200


def test_a_large_webhook_is_taken_while_strangers_send_large_ones_slowly(server: Server) -> None:  # noqa: F811
    large = "POST /webhook/whatsapp HTTP/1.1\r\nHost: inbox\r\nContent-Length: 60000\r\n\r\n"
    with ExitStack() as slow:
        for _ in range(12):
            slow.enter_context(trickling(server.client().send_bytes(large), "x" * 10_000))
        for _ in range(10):
            assert server.client().send_bytes(large + "x" * 60_000).answer().status == 200


@pytest.mark.parametrize("size", [1000, WHOLE - 200, WHOLE, 60_000, 1_000_000, 4_000_000])
def test_a_body_of_any_size_arrives(server: Server, size: int) -> None:  # noqa: F811
    for _ in range(3):
        client = server.client().send_bytes(HEAD + f"Content-Length: {size}\r\n\r\n" + "x" * size)
        assert client.answer().status == 200


def test_a_chunked_body_arrives(server: Server) -> None:  # noqa: F811
    client = server.client()
    for _ in range(3):
        client.send_bytes(HEAD + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        assert client.answer().status == 200


def test_who_expects_a_word_before_the_body_gets_it(server: Server) -> None:  # noqa: F811
    client = server.client().send_bytes(HEAD + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert client._file.readline() == b"HTTP/1.1 100 Continue\r\n"
    assert client._file.readline() == b"\r\n"
    client.send_bytes("hello")
    assert client.answer().status == 200


def test_who_leaves_in_the_middle_is_forgotten(server: Server) -> None:  # noqa: F811
    for _ in range(40):
        leaves = server.client().send_bytes(HEAD + "Content-Length: 1000\r\n\r\nbody")
        leaves.end_sending()
        leaves.close()
    assert server.get("/work").status == 200


def test_a_body_that_never_comes_ends_the_connection(server: Server) -> None:  # noqa: F811
    """Within ARRIVAL seconds, and a chunked one within READ."""
    waiting = server.client(60).send_bytes(HEAD + "Content-Length: 1000\r\n\r\nbody")
    chunked = server.client(60).send_bytes(HEAD + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel")
    head = server.client(60).send_bytes("GET /work HT")
    for client in (waiting, head):
        with suppress(ConnectionResetError):  # what was sent has not been read
            assert client.is_closed()
    assert chunked._socket.recv(12) == b"HTTP/1.1 200"  # this application does not read bodies
    wait_until(lambda: server.get("/work").status == 200, "the server to be well")


# --- the socket by itself ----------------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[ClientSocket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ClientSocket(ours) as made, theirs:
        yield made, theirs


def test_a_thread_waits_no_longer_than_it_was_told(pair: Any) -> None:
    ours, theirs = pair
    theirs.sendall(b"x")
    ours.read_by = time.monotonic() + 0.05
    assert ours.recv(10) == b"x"
    with pytest.raises(BrokenPipeError):
        ours.recv(10)
    theirs.sendall(b"too late")
    assert ours.recv(10) == b"too late"  # what is there needs no waiting


def test_each_byte_does_not_begin_the_wait_anew(pair: Any) -> None:
    ours, theirs = pair
    ours.read_by = time.monotonic() + 0.3
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.02):
            theirs.sendall(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    began = time.monotonic()
    with pytest.raises(BrokenPipeError):
        while time.monotonic() - began < 30:
            ours.recv(1)
            over.set() if time.monotonic() > ours.read_by else None
    over.set()
    thread.join(10)
    assert time.monotonic() - began < 30


def test_who_reads_nothing_is_left(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.server.client_socket.SEND", 0.05)
    monkeypatch.setattr("inbox.server.client_socket.RATE", 1e9)
    ours, _theirs = pair
    with pytest.raises(BrokenPipeError):
        ours.sendall(b"x" * 10_000_000)


def test_all_is_sent_to_who_reads(pair: Any, tmp_path: Any) -> None:
    ours, theirs = pair
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 4000)
    got = bytearray()

    def read() -> None:
        while len(got) < 2 * 1_024_000 - 1000:
            got.extend(theirs.recv(65_536))

    thread = threading.Thread(target=read)
    thread.start()
    ours.sendall(path.read_bytes())
    with path.open("rb") as file:
        assert ours.sendfile(file, 1000) == 1_023_000
    thread.join(10)
    assert bytes(got) == path.read_bytes() + path.read_bytes()[1000:]


def test_a_socket_that_does_not_block_does_not_wait(pair: Any) -> None:
    ours, _theirs = pair
    ours.setblocking(False)
    with pytest.raises(BlockingIOError):
        ours.recv(1)
