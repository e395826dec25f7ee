"""Each fault, seen with a bare socket or with requests: what is on the wire, and whether the message was accepted."""

import json
import select
import socket
import time

import pytest
import requests

from sandbox import Sandbox
from sandbox.fault_kinds import AT_ACCEPTANCE, AT_ATTEMPT, BEFORE_SENDING, KINDS
from sandbox.wire import ACTIONS
from tests.sandbox.helpers import (
    CAMILLE,
    auth,
    connected,
    generate,
    message_bytes,
    read_answer,
    read_to_end,
    send,
    wait_for,
)

FRAMINGS = ("content_length", "chunked", "no_length")


def exchange(sandbox: Sandbox) -> bytes:
    """Everything that comes back for one message, until the other side closes."""
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        return read_to_end(sock)


def nothing_comes(sock: socket.socket) -> bool:
    """Whether there is nothing to be read on this connection for a moment."""
    return not select.select([sock], [], [], 0.02)[0]


def accepted(sandbox: Sandbox) -> int:
    return len(sandbox.deliveries())


def outcome(sandbox: Sandbox) -> tuple[str, int | None, str | None, bool]:
    [request] = wait_for(lambda: [each for each in sandbox.requests() if each.outcome not in ("pending", "answered")])
    return request.outcome, request.status, request.fault, request.processed


def test_every_fault_is_carried_out_somewhere() -> None:
    assert set(ACTIONS) | BEFORE_SENDING | AT_ATTEMPT | AT_ACCEPTANCE == set(KINDS)


def test_hang_sends_nothing_and_closes(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "hang", seconds=0.05)
    started = time.monotonic()
    assert exchange(sandbox) == b""
    assert time.monotonic() - started >= 0.05
    assert accepted(sandbox) == 0
    assert outcome(sandbox) == ("no answer", None, "hang", False)


def test_a_hang_ends_when_the_client_leaves(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "hang", seconds=600)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        wait_for(sandbox.requests)
    assert outcome(sandbox) == ("no answer", None, "hang", False)


def test_a_hang_ends_when_the_sandbox_closes(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "hang", seconds=600)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        wait_for(sandbox.requests)
        sandbox.close()
        assert sock.recv(1) == b""


def test_slow_accepts_only_after_the_wait(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "slow", seconds=600, times=1)
    sandbox.fault("whatsapp", "slow", seconds=0.05)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        wait_for(sandbox.requests)
        assert nothing_comes(sock)
        assert accepted(sandbox) == 0
    started = time.monotonic()
    assert send(sandbox).status_code == 200
    assert time.monotonic() - started >= 0.05


def test_late_accepts_at_once_and_answers_later(connected_sandbox: Sandbox, application) -> None:
    connected_sandbox.fault("whatsapp", "late", seconds=600, times=1)
    connected_sandbox.fault("whatsapp", "late", seconds=0.05)
    with connected(connected_sandbox) as sock:
        sock.sendall(message_bytes())
        wait_for(lambda: len(application.statuses()) == 3)
        assert nothing_comes(sock)
        assert accepted(connected_sandbox) == 1
    started = time.monotonic()
    assert send(connected_sandbox).status_code == 200
    assert time.monotonic() - started >= 0.05


def test_late_for_a_client_that_gave_up_is_accepted_all_the_same(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "late", seconds=600)
    with pytest.raises(requests.ReadTimeout):
        requests.post(
            f"{sandbox.url}/v26.0/1/messages",
            json={"messaging_product": "whatsapp", "to": "+33600000001", "text": {"body": "x"}},
            headers={"Authorization": "Bearer t"},
            timeout=0.1,
        )
    assert accepted(sandbox) == 1
    assert outcome(sandbox) == ("client left", None, "late", True)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_dripped_headers_come_byte_by_byte(sandbox: Sandbox, framing: str) -> None:
    sandbox.fault("whatsapp", "drip_headers", interval=600, framing=framing, times=1)
    sandbox.fault("whatsapp", "drip_headers", interval=0.0005, framing=framing)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        assert sock.recv(1 << 16) == b"H"
        assert nothing_comes(sock)
    started = time.monotonic()
    assert send(sandbox).json()["messages"]
    assert time.monotonic() - started >= len(b"HTTP/1.1 200 OK\r\n") * 0.0005
    assert accepted(sandbox) == 2


@pytest.mark.parametrize(
    ("framing", "first"), [("content_length", b"{"), ("chunked", b"1\r\n{\r\n"), ("no_length", b"{")]
)
def test_a_dripped_body_comes_byte_by_byte_after_the_headers(sandbox: Sandbox, framing: str, first: bytes) -> None:
    sandbox.fault("whatsapp", "drip_body", interval=600, framing=framing, times=1)
    sandbox.fault("whatsapp", "drip_body", interval=0.0005, framing=framing)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        received = b""
        while not received.endswith(b"\r\n\r\n" + first):
            received += sock.recv(1)
        assert nothing_comes(sock)
    assert (b"Content-Length" in received) == (framing == "content_length")
    assert (b"chunked" in received) == (framing == "chunked")
    assert (b"Connection: close" in received) == (framing == "no_length")
    started = time.monotonic()
    response = send(sandbox)
    assert response.json()["messages"]
    assert time.monotonic() - started >= len(response.content) * 0.0005


def test_a_drip_ends_when_the_client_leaves(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "drip_headers", interval=600)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        assert sock.recv(1) == b"H"
    assert outcome(sandbox) == ("client left", None, "drip_headers", True)


@pytest.mark.parametrize("code", [400, 429, 500, 502, 503, 504])
def test_a_status_comes_in_the_shape_of_each_upstream(sandbox: Sandbox, code: int) -> None:
    sandbox.fault("any", "status", code=code)
    whatsapp, gemini, supabase = send(sandbox), generate(sandbox, "Bonjour"), auth(sandbox, "token")
    assert [response.status_code for response in (whatsapp, gemini, supabase)] == [code] * 3
    assert whatsapp.json()["error"]["type"] == "OAuthException"
    assert gemini.json()["error"]["code"] == code
    assert supabase.json()["error_code"] == supabase.headers["x-sb-error-code"]
    assert accepted(sandbox) == 0


def test_a_status_can_come_as_html_or_empty_and_after_processing(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "status", code=502, body="html", times=1)
    sandbox.fault("whatsapp", "status", code=500, body="empty", process=True)
    html, empty = send(sandbox), send(sandbox)
    assert (html.status_code, html.text[:9], html.headers["Content-Type"][:9]) == (502, "<!DOCTYPE", "text/html")
    assert (empty.status_code, empty.content) == (500, b"")
    assert accepted(sandbox) == 1


@pytest.mark.parametrize("value", ["1", "0", "-5", "1.5", "abc", "", "1000000000", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_can_be_any_string(sandbox: Sandbox, value: str) -> None:
    sandbox.fault("gemini", "retry_after", value=value)
    response = generate(sandbox, "Bonjour")
    assert (response.status_code, response.headers["Retry-After"]) == (429, value)


def test_a_graph_error_has_its_documented_status_or_another(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "graph_error", code=130429, times=1)
    sandbox.fault("whatsapp", "graph_error", code=131056, status=429, times=1)
    sandbox.fault("whatsapp", "graph_error", code=987654, process=True)
    found = [(response.status_code, response.json()["error"]["code"]) for response in (send(sandbox) for _ in range(3))]
    assert found == [(400, 130429), (429, 131056), (400, 987654)]
    assert accepted(sandbox) == 1


def test_a_reset_before_processing_is_a_rst_and_accepts_nothing(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "reset_before")
    with pytest.raises(ConnectionResetError):
        exchange(sandbox)
    assert accepted(sandbox) == 0
    assert outcome(sandbox) == ("reset", None, "reset_before", False)


def test_a_reset_after_processing_is_a_rst_and_accepts(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "reset_after")
    with pytest.raises(ConnectionResetError):
        exchange(sandbox)
    assert accepted(sandbox) == 1
    assert outcome(sandbox) == ("reset", None, "reset_after", True)


def test_a_close_after_processing_is_an_end_without_an_answer(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "close_after")
    assert exchange(sandbox) == b""
    assert accepted(sandbox) == 1


def test_cut_headers_end_inside_the_headers(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "cut_headers")
    received = exchange(sandbox)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\n\r\n" not in received
    assert accepted(sandbox) == 1
    assert outcome(sandbox) == ("cut", None, "cut_headers", True)


def test_cut_headers_look_like_an_empty_200_to_requests(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "cut_headers")
    response = send(sandbox)
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_cut_body_ends_in_the_middle(sandbox: Sandbox, framing: str) -> None:
    sandbox.fault("whatsapp", "cut_body", framing=framing)
    head, _, body = exchange(sandbox).partition(b"\r\n\r\n")
    assert b'{"messaging_product"' in body
    assert b"}]}" not in body
    assert not body.endswith(b"0\r\n\r\n")
    if framing == "content_length":
        assert int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]) > len(body)
    assert accepted(sandbox) == 1
    assert outcome(sandbox) == ("cut", 200, "cut_body", True)


@pytest.mark.parametrize("framing", ["content_length", "chunked"])
def test_requests_notices_a_cut_body_whose_length_it_knows(sandbox: Sandbox, framing: str) -> None:
    sandbox.fault("whatsapp", "cut_body", framing=framing)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        send(sandbox)


def test_requests_takes_a_cut_body_without_length_for_a_whole_one(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "cut_body", framing="no_length")
    response = send(sandbox)
    assert response.status_code == 200
    with pytest.raises(ValueError, match=r"\w"):
        response.json()


def test_an_answer_can_be_200_and_empty(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "empty_200")
    assert (send(sandbox).status_code, send(sandbox).content) == (200, b"")
    assert accepted(sandbox) == 2


def test_an_answer_can_be_200_and_html_without_processing(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "html_200", process=False)
    response = send(sandbox)
    assert (response.status_code, response.text[:9]) == (200, "<!DOCTYPE")
    assert accepted(sandbox) == 0


def test_an_answer_can_be_200_and_half_of_the_json(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "wrong_json")
    response = send(sandbox)
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert response.text.startswith('{"messaging_product"')
    with pytest.raises(ValueError, match=r"\w"):
        response.json()
    assert accepted(sandbox) == 1


@pytest.mark.parametrize(
    ("shape", "content"), [("list", []), ("object", {"ok": True}), ("string", "OK"), ("null", None)]
)
def test_an_answer_can_be_200_and_another_shape(sandbox: Sandbox, shape: str, content: object) -> None:
    sandbox.fault("any", "wrong_shape", shape=shape)
    assert send(sandbox).json() == generate(sandbox, "x").json() == auth(sandbox).json() == content


def test_an_answer_can_be_200_without_the_message_id(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "no_id_200", times=1)
    sandbox.fault("whatsapp", "no_id_200", process=False)
    contacts = [{"input": f"+{CAMILLE}", "wa_id": CAMILLE}]
    assert send(sandbox).json() == {"messaging_product": "whatsapp", "contacts": contacts, "messages": [{}]}
    assert send(sandbox).json() == {"messaging_product": "whatsapp", "messages": [{}]}
    assert accepted(sandbox) == 1


def test_a_big_body_is_as_big_as_it_says_and_still_json(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "big_body", bytes=3_000_000)
    response = send(sandbox)
    assert len(response.content) == int(response.headers["Content-Length"]) == 3_000_000
    assert response.json()["messages"]


def test_a_big_body_may_be_left_half_read(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "big_body", bytes=200_000_000)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        assert sock.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert outcome(sandbox) == ("client left", None, "big_body", True)


def test_a_gzip_bomb_is_small_on_the_wire(sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "gzip_bomb", bytes=5_000_000)
    response = generate(sandbox, "Bonjour")
    assert response.headers["Content-Encoding"] == "gzip"
    assert int(response.headers["Content-Length"]) < 50_000
    assert len(response.content) == 5_000_000
    assert json.loads(response.content)["candidates"]


def test_a_redirect_does_not_process(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "redirect", location=f"{sandbox.url}/elsewhere", code=307)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        head, _ = read_answer(sock)
    assert head.startswith(b"HTTP/1.1 307")
    assert f"Location: {sandbox.url}/elsewhere".encode() in head
    assert accepted(sandbox) == 0


def test_a_cookie_comes_with_the_right_answer(sandbox: Sandbox) -> None:
    sandbox.fault("supabase", "set_cookie", value="session=somebody; Path=/")
    user = sandbox.supabase.save_user(email="a@example.com")
    response = auth(sandbox, sandbox.supabase.mint(user))
    assert (response.status_code, response.cookies["session"]) == (200, "somebody")


def test_a_kept_alive_connection_is_closed_when_idle(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "close_idle", ms=40, times=1)
    with connected(sandbox) as sock:
        sock.sendall(message_bytes())
        assert read_answer(sock)[0].startswith(b"HTTP/1.1 200 OK")
        started = time.monotonic()
        assert sock.recv(1) == b""
        assert 0.02 < time.monotonic() - started < 2
    assert accepted(sandbox) == 1


def test_a_kept_alive_connection_in_use_is_not_idle(sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "close_idle", ms=5000)
    with connected(sandbox) as sock:
        for _ in range(3):
            sock.sendall(message_bytes())
            read_answer(sock)
    assert {request.connection for request in sandbox.requests()} == {1}


def test_without_a_fault_a_connection_stays_open(sandbox: Sandbox) -> None:
    with connected(sandbox) as sock:
        for _ in range(3):
            sock.sendall(message_bytes())
            read_answer(sock)
    assert [request.connection for request in sandbox.requests()] == [1, 1, 1]
    assert sandbox.requests()[0].outcome == "answered"


def test_an_auth_error_comes_with_its_code_and_status(sandbox: Sandbox) -> None:
    sandbox.fault("supabase", "auth_error", error_code="session_not_found")
    response = auth(sandbox, "token")
    assert (response.status_code, response.json()["error_code"]) == (403, "session_not_found")


def test_no_answer_waits_for_an_acknowledgement(sandbox: Sandbox) -> None:
    """With Nagle's algorithm and delayed acknowledgements every exchange would take 40 ms."""
    seconds = []
    with connected(sandbox) as sock:
        for _ in range(20):
            started = time.monotonic()
            sock.sendall(message_bytes())
            read_answer(sock)
            seconds.append(time.monotonic() - started)
    assert min(seconds) < 0.03
