"""The rules of load shedding, without a server."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from inbox.schemas import Problem
from inbox.server import shedding
from inbox.server.shedding import Kind, Line, Tally, Ticket
from tests.waiting import wait_until


class Visitor:
    """A client that may leave, and remembers whether it was refused."""

    def __init__(self, *, left: bool = False) -> None:
        self.left = left
        self.refused = False

    def has_left(self) -> bool:
        return self.left

    def refuse(self) -> None:
        self.refused = True


# --- kinds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("POST /webhook/whatsapp HTTP/1.1\r\nHost: x\r\n\r\n{}", Kind.WEBHOOK),
        ("POST /webhook/", Kind.WEBHOOK),
        ("POST /webhooks/x HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("GET /webhook/whatsapp HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("POST /web", Kind.ORDINARY),
        ("GET /messages/media/0192?x HTTP/1.1\r\n\r\n", Kind.FILE),
        ("HEAD /messages/media/0192 HTTP/1.1\r\n\r\n", Kind.FILE),
        ("GET /assets/0192/inbox/main.js HTTP/1.1\r\n\r\n", Kind.ASSET),
        ("POST /assets/0192/inbox/main.js HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("POST /auth/login HTTP/1.1\r\n\r\n", Kind.SIGN_IN),
        ("POST /auth/logout HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("GET /auth/login HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("POST /messages/media/0192 HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("GET /health HTTP/1.1\r\n\r\n", Kind.HEALTH),
        ("HEAD /health HTTP/1.1\r\n\r\n", Kind.HEALTH),
        ("GET /health?verbose=1 HTTP/1.1\r\nHost: x\r\n\r\n", Kind.HEALTH),
        ("GET /health/live HTTP/1.1\r\n\r\n", Kind.LIVE),
        ("GET /health/ready HTTP/1.1\r\n\r\n", Kind.READY),
        ("GET /metrics HTTP/1.1\r\n\r\n", Kind.HEALTH),
        ("GET /metrics/live HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("GET /health/other HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("GET /healthy HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("POST /health HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("GET /health HTTP/1.1\r\nHost: x\r\n", Kind.ORDINARY),
        ("GET /conversations HTTP/1.1\r\nX: GET /health HTTP/1.1\r\n\r\n", Kind.ORDINARY),
        ("\r\n", Kind.ORDINARY),
        ("\x00\xff", Kind.ORDINARY),
    ],
)
def test_the_first_bytes_tell_the_kind(head: str, kind: Kind) -> None:
    assert shedding.kind_of(head.encode("latin-1")) is kind


HEAD = "POST /webhook/x HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("head", "length"),
    [
        ("POST /web", 10),
        (HEAD, len(HEAD) + 1),
        (f"{HEAD}\r\n", len(HEAD) + 2),
        (f"{HEAD}content-LENGTH: 7\r\n\r\n", len(HEAD) + 28),
        (f"{HEAD}X: Content-Length: 7\r\n\r\n", len(HEAD) + 24),
        (f"{HEAD}Content-Length: 7\r\n\r\nContent-Length: 9000000\r\n", len(HEAD) + 28),
        (f"{HEAD}Content-Length: {shedding.WHOLE}\r\n\r\n", len(HEAD) + 25 + shedding.WHOLE),
        (f"{HEAD}Content-Length: {shedding.LARGEST}\r\n\r\n", None),
        (f"{HEAD}Transfer-Encoding: chunked\r\n\r\n", None),
        (f"{HEAD}Expect: 100-continue\r\nContent-Length: 7\r\n\r\n", None),
        (HEAD + "X: " + "x" * shedding.HEAD, None),
    ],
)
def test_how_long_a_request_is(head: str, length: int | None) -> None:
    assert shedding.length(head.encode()) == length


@pytest.mark.parametrize("more", ["Transfer-Encoding: chunked", "Content-Length: 5000000", "Expect: 100-continue"])
def test_what_cannot_be_waited_for_is_a_kind_of_its_own(more: str) -> None:
    assert shedding.kind_of(f"{HEAD}{more}\r\n\r\n".encode()) is Kind.STREAMED


def test_who_may_wait_for_seconds() -> None:
    assert {kind: kind.patience for kind in Kind if kind.patience > 0.5} == {
        Kind.WEBHOOK: 4.0,
        Kind.FILE: 5.0,
        Kind.ASSET: 5.0,
        Kind.SIGN_IN: 5.0,
    }


# --- the refusal ---------------------------------------------------------------------------------------------------


def taken_apart(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


def test_a_refusal_has_the_shape_of_our_errors() -> None:
    status, headers, body = taken_apart(shedding.refusal(b"GET /caf%C3%A9?q=1 HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert headers["Content-Length"] == str(len(body))
    assert headers["Retry-After"] == "1"
    problem = Problem.model_validate_json(body)
    assert (problem.status, problem.code, problem.detail) == (503, "overloaded", "overloaded")
    assert problem.instance == "/café"
    assert problem.request_id == headers["X-Request-Id"]


@pytest.mark.parametrize("head", [b"", b"GET", b"GET /half", b"\xff\x00 \xfe\r\n", b"GET  HTTP/1.1\r\n\r\n"])
def test_a_refusal_can_be_made_of_whatever_has_come(head: bytes) -> None:
    _status, headers, body = taken_apart(shedding.refusal(head))
    assert json.loads(body)["code"] == "overloaded"
    assert len(headers["X-Request-Id"]) == 32


def test_a_refusal_carries_the_request_id_it_was_given() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nx-request-ID: 0123456789abcdefghij\r\n\r\n"
    _status, headers, body = taken_apart(shedding.refusal(head))
    assert headers["X-Request-Id"] == json.loads(body)["request_id"] == "0123456789abcdefghij"


@pytest.mark.parametrize("given", [b"short", b"0123456789abcdefghij\x00", b"0123456789abcdefghij klm"])
def test_a_request_id_that_could_do_harm_is_replaced(given: bytes) -> None:
    _status, headers, _body = taken_apart(shedding.refusal(b"GET / HTTP/1.1\r\nX-Request-Id: " + given + b"\r\n\r\n"))
    assert "0123456789" not in headers["X-Request-Id"] or len(headers["X-Request-Id"]) == 32
    assert headers["X-Request-Id"].isalnum()


def test_the_refusal_of_a_head_request_has_no_body() -> None:
    _status, headers, body = taken_apart(shedding.refusal(b"HEAD /x HTTP/1.1\r\n\r\n"))
    assert body == b""
    assert int(headers["Content-Length"]) > 0


# --- lines ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def release() -> threading.Event:
    return threading.Event()


@pytest.fixture
def pool(release: threading.Event) -> Iterator[ThreadPoolExecutor]:
    """One thread, which is busy until `release`."""
    with ThreadPoolExecutor(1) as made:
        made.submit(release.wait, 30)
        yield made
        release.set()


def entered(line: Line, since: float, begun: list[Ticket]) -> Ticket:
    ticket = Ticket(line.kind, Visitor(), since, begun.append)
    line.enter(ticket)
    return ticket


def test_a_line_gives_up_who_has_waited_too_long_and_nobody_else(
    pool: ThreadPoolExecutor, release: threading.Event
) -> None:
    line, begun = Line(Kind.ORDINARY, pool, 10, 10), []
    old, young = entered(line, 100.0, begun), entered(line, 100.4, begun)
    assert line.next_deadline() == 100.5
    assert list(line.give_up(100.5)) == []
    assert list(line.give_up(100.6)) == [old]
    assert line.next_deadline() == 100.9
    release.set()
    wait_until(lambda: begun == [young], "the thread to begin")
    assert list(line.give_up(200.0)) == []
    assert line.next_deadline() == math.inf


def test_webhooks_wait_on_behind_the_same_threads(pool: ThreadPoolExecutor) -> None:
    line = Line(Kind.WEBHOOK, pool, 10, 10)
    webhook = entered(line, 100.0, [])
    assert list(line.give_up(104.0)) == []
    assert list(line.give_up(104.1)) == [webhook]


def test_a_line_is_full_until_a_thread_takes_one(pool: ThreadPoolExecutor, release: threading.Event) -> None:
    line, begun = Line(Kind.ORDINARY, pool, 2, 10), []
    entered(line, 100.0, begun)
    assert not line.is_full()
    entered(line, 100.0, begun)
    assert line.is_full()
    release.set()
    wait_until(lambda: len(begun) == 2, "the thread to begin")
    assert not line.is_full()


def test_a_webhook_goes_before_ordinary_requests_that_came_earlier(
    pool: ThreadPoolExecutor, release: threading.Event
) -> None:
    ordinary, webhooks = Line(Kind.ORDINARY, pool, 10, 1), Line(Kind.WEBHOOK, pool, 10, 10)
    begun: list[Ticket] = []
    first, second = entered(ordinary, 100.0, begun), entered(ordinary, 100.1, begun)
    webhook = entered(webhooks, 100.2, begun)
    release.set()
    wait_until(lambda: begun == [first, webhook], "two to be taken")
    ordinary.leave(first)
    wait_until(lambda: len(begun) == 3, "the other one")
    assert begun == [first, webhook, second]


def test_who_is_given_up_leaves_no_gap(pool: ThreadPoolExecutor, release: threading.Event) -> None:
    line, begun = Line(Kind.ORDINARY, pool, 10, 1), []
    with_the_pool, behind, young = (entered(line, since, begun) for since in (100.0, 100.1, 100.9))
    for ticket in list(line.give_up(101.0)):
        line.leave(ticket)
    assert with_the_pool.future.cancelled()
    assert behind.future.cancelled()
    release.set()
    wait_until(lambda: begun == [young], "the one that is not too late")


def test_work_that_fails_ends_its_ticket(pool: ThreadPoolExecutor, release: threading.Event) -> None:
    def fail(_ticket: Ticket) -> None:
        raise KeyError("ours")

    ticket = Ticket(Kind.ORDINARY, Visitor(), 100.0, fail)
    Line(Kind.ORDINARY, pool, 10, 10).enter(ticket)
    release.set()
    with pytest.raises(KeyError):
        ticket.future.result(10)


# --- tickets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "waited", "left", "too_late"),
    [
        (Kind.ORDINARY, 0.05, True, False),  # not worth asking
        (Kind.ORDINARY, 0.2, True, True),
        (Kind.ORDINARY, 0.2, False, False),
        (Kind.ORDINARY, 0.6, False, True),
        (Kind.HEALTH, 0.6, False, True),
        (Kind.WEBHOOK, 3.9, False, False),
        (Kind.WEBHOOK, 3.9, True, True),
        (Kind.WEBHOOK, 4.1, False, True),
    ],
)
def test_when_it_is_too_late_to_begin(kind: Kind, waited: float, left: bool, too_late: bool) -> None:
    assert Ticket(kind, Visitor(left=left), 100.0, print).is_too_late(100.0 + waited) is too_late


def test_a_refused_ticket_is_answered_and_counted() -> None:
    before, visitor = shedding.shed(), Visitor()
    Ticket(Kind.ORDINARY, visitor, 0.0, print).refuse()
    assert visitor.refused
    assert shedding.shed() == before + 1


# --- the log -------------------------------------------------------------------------------------------------------


def test_a_thousand_refusals_are_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally()
    with caplog.at_level(logging.WARNING, "inbox.server.shedding"):
        for number in range(1000):
            tally.add(Kind.ORDINARY, 0.5)
            tally.report(100.0 + number / 500)  # two seconds
        tally.add(Kind.WEBHOOK, 4.2)
        tally.add(Kind.WEBHOOK, 1.0, left=True)
        tally.report(103.0)
        tally.report(110.0)  # nothing new
    lines = [record.__dict__ for record in caplog.records]
    assert [line["shed"] for line in lines] == [
        {"requests": 1},
        {"requests": 500},
        {"requests": 499, "webhooks": 1, "left": 1},
    ]
    assert lines[-1]["oldest_s"] == 4.2
    assert lines[-1]["shed_total"] == tally.total == 1002
