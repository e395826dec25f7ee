"""What is no request, and bodies that are not framed: refused in our shape, and not repeated in the log."""

from __future__ import annotations

import pytest

from tests.e2e.test_shedding import Server, environment, gunicorn_conf, server  # noqa: F401 (fixtures)

CHUNKED = " HTTP/1.1\r\nHost: inbox\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN = ["zz\r\n{}\r\n0\r\n\r\n", "2\r\n{}XX0\r\n\r\n", "-2\r\n{}\r\n0\r\n\r\n", "2\r\n{}\r\n0\r\nno trailer\r\n\r\n"]
HEAD = "GET / HTTP/1.1\r\nHost: inbox\r\n"
NO_REQUESTS = {
    "\x01" * 4000 + " / HTTP/1.1\r\n\r\n": 400,
    "GET / HTTP/9.9\r\n\r\n": 400,
    "GET / HTTP/1.1\r\nBad Header \u00ff: " + "\x01" * 4000 + "\r\n\r\n": 400,
    "GET /" + "a" * 9000 + " HTTP/1.1\r\nHost: inbox\r\n\r\n": 414,
    HEAD + "X: " + "b" * 9000 + "\r\n\r\n": 431,
    HEAD + "".join(f"X{number}: c\r\n" for number in range(100)) + "\r\n": 431,
    HEAD + "Transfer-Encoding: invented, chunked\r\n\r\n": 501,
    HEAD + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx": 400,
}


@pytest.mark.parametrize("body", BROKEN)
def test_a_body_that_is_not_framed_is_400_and_ends_the_connection(server: Server, body: str) -> None:  # noqa: F811
    client = server.client().send_bytes("POST /read" + CHUNKED + body)
    answer = client.answer()
    assert (answer.status, answer.json()["code"]) == (400, "bad_request")
    assert client.is_closed()
    unread = server.client().send_bytes("POST /any" + CHUNKED + body)
    assert unread.answer().status == 200
    assert unread.is_closed()  # without a second answer


def test_no_broken_request_costs_more_log_than_a_line_of_its_kind(server: Server) -> None:  # noqa: F811
    before = len(server.process.output())
    for _ in range(20):
        for text, status in NO_REQUESTS.items():
            answer = server.client().send_bytes(text).answer()
            assert (answer.status, answer.json()["status"]) == (status, status)
            assert len(answer.body) < 500
        for body in BROKEN:
            assert server.client().send_bytes("POST /read" + CHUNKED + body).answer().status == 400
    said = server.process.output()[before:]
    assert "Traceback" not in said
    assert len(said) < 4000
    assert "aaa" not in said
    assert "bbb" not in said
