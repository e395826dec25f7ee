import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Sandbox
from sandbox.protocol import Answer, chunk, head_of
from tests.sandbox.helpers import connected, message_bytes, read_answer, read_to_end

HEALTH = b"GET /_health HTTP/1.1\r\nHost: x\r\n\r\n"


def ask(sandbox: Sandbox, data: bytes) -> bytes:
    with connected(sandbox) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        return read_to_end(sock)


def test_a_request_may_come_byte_by_byte(sandbox: Sandbox) -> None:
    with connected(sandbox) as sock:
        for number in range(len(HEALTH)):
            sock.sendall(HEALTH[number : number + 1])
        assert read_answer(sock)[0].startswith(b"HTTP/1.1 200 OK\r\nDate: ")


def test_requests_may_come_at_once(sandbox: Sandbox) -> None:
    with connected(sandbox) as sock:
        sock.sendall(message_bytes() * 3)
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock).count(b"HTTP/1.1 200 OK") == 3
    assert len(sandbox.deliveries()) == 3


def test_a_request_that_comes_while_another_waits_is_not_lost(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "late", seconds=0.05, times=1)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes(text="un"))
        sock.sendall(message_bytes(text="deux"))
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 2:
            received += sock.recv(1 << 16)
    assert [delivery.text for delivery in sandbox.deliveries()] == ["un", "deux"]


def test_a_body_may_come_in_chunks(sandbox: Sandbox) -> None:
    head, _, body = message_bytes().partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    chunks = b"".join(chunk(body[start : start + 7]) for start in range(0, len(body), 7)) + chunk(b"")
    request = b"\r\n".join([*lines, b"Transfer-Encoding: chunked"]) + b"\r\n\r\n" + chunks
    assert ask(sandbox, request * 2).count(b"HTTP/1.1 200 OK") == 2


def test_a_client_that_asks_first_is_told_to_go_on(sandbox: Sandbox) -> None:
    head, _, body = message_bytes().partition(b"\r\n\r\n")
    with connected(sandbox) as sock:
        sock.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read_answer(sock)[0].startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_line", "header", "closes"),
    [
        (b"GET /_health HTTP/1.1", b"Host: x", False),
        (b"GET /_health HTTP/1.1", b"Connection: close", True),
        (b"GET /_health HTTP/1.0", b"Host: x", True),
        (b"GET /_health HTTP/1.0", b"Connection: keep-alive", False),
    ],
)
def test_the_connection_stays_open_unless_the_client_wants_it_closed(
    sandbox: Sandbox, request_line: bytes, header: bytes, closes: bool
) -> None:
    with connected(sandbox) as sock:
        sock.sendall(b"%b\r\n%b\r\n\r\n" % (request_line, header))
        head, _ = read_answer(sock)
        assert (b"Connection: close" in head) == closes
        if closes:
            assert sock.recv(1) == b""
        else:
            sock.sendall(HEALTH)
            read_answer(sock)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET http://x/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n", 413),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(sandbox: Sandbox, data: bytes, status: int) -> None:
    received = ask(sandbox, data)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert received.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize("part", [0, 1, 40, 120, -1])
def test_a_request_that_breaks_off_is_no_request(sandbox: Sandbox, part: int) -> None:
    assert ask(sandbox, message_bytes()[:part]) == b""
    assert sandbox.requests() == []


def test_repeated_headers_are_joined(sandbox: Sandbox) -> None:
    request = message_bytes().replace(b"Host: sandbox", b"X-Two: a\r\nX-Two: b")
    ask(sandbox, request)
    assert sandbox.requests()[0].headers["x-two"] == "a, b"


def test_a_path_is_decoded_and_its_query_read(sandbox: Sandbox) -> None:
    ask(sandbox, b"GET /v26.0/2001%2F?fields=id&x=%C3%A9 HTTP/1.1\r\nAuthorization: Bearer t\r\n\r\n")
    [request] = sandbox.requests()
    assert request.path == "/v26.0/2001%2F?fields=id&x=%C3%A9"


def test_an_unknown_status_still_has_a_reason() -> None:
    assert head_of(Answer(599)).startswith(b"HTTP/1.1 599 Unknown\r\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda junk: HEALTH[:-2] + junk + b"\r\n\r\n"))
def test_any_bytes_are_answered_or_the_connection_ends(sandbox: Sandbox, data: bytes) -> None:
    received = ask(sandbox, data)
    assert received == b"" or received.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4"))
