"""Answers that are late, never end, are too long, cut or nonsense: only a whole and right one is a success (8-17).

Whatever is sent before it breaks off, WhatsApp may have acted: `ambiguous`, never `sent`, and asked once.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from inbox.gateways.whatsapp.messages import WhatsApp
from inbox.outbox.deliver import attempt
from inbox.resilience import GEMINI, UPSTREAMS, WHATSAPP, Upstream
from inbox.runtime import Runtime
from sandbox import Sandbox
from sandbox.protocol import Request, chunk, head_of
from tests.faults.calls import SHORT, WORDS, Outcome, ask, both, send
from tests.faults.certificates import Authority
from tests.faults.conftest import Journal
from tests.faults.server import EVER, FaultServer, Peer, Serve, right_answer, whole
from tests.outbox.world import World
from tests.waiting import wait_until

FRAMINGS = ["content_length", "no_length", "chunked"]
MB = 1_000_000


def ambiguous(outcome: Outcome, phase: str | None = None) -> bool:
    """Whether the upstream may have acted; with the phase it got to, if one is given."""
    return outcome.kind == "ambiguous" and outcome.error is not None and phase in (None, outcome.error.phase)


def left(sandbox: Sandbox) -> bool:
    """Whether we closed the connection of every request that was not answered."""
    return all(request.outcome in ("client left", "no answer", "cut") for request in sandbox.requests())


# --- 8, 9: late --------------------------------------------------------------------------------------------------


def test_an_answer_that_is_only_slow_is_a_success_and_counts_as_slow(sandbox: Sandbox) -> None:
    GEMINI.configure(
        replace(SHORT["gemini"], total=8.0, connect=2.0, read=2.0, bulkhead=20), retries=True, breaker=True
    )
    for share_of_the_limit, state in ((0.1, "closed"), (0.85, "open")):
        sandbox.clear_faults()
        sandbox.fault("gemini", "slow", seconds=share_of_the_limit * GEMINI.policy.read)
        with ThreadPoolExecutor(20) as pool:
            assert {outcome.kind for outcome in pool.map(ask, [sandbox.url] * 20)} == {"success"}
        assert GEMINI.breaker.state == state
    assert GEMINI.breaker.snapshot().last_error is None


def test_headers_that_never_come_are_waited_for_as_long_as_the_read_timeout(sandbox: Sandbox, url: str) -> None:
    WHATSAPP.configure(replace(SHORT["whatsapp"], total=60.0), retries=True, breaker=True)
    sandbox.fault("any", "hang")
    asked, sent = both(url)
    assert ambiguous(asked, "sent")
    assert ambiguous(sent, "sent")
    assert SHORT["whatsapp"].read <= sent.seconds < 60.0
    assert len(sandbox.requests("whatsapp")) == 1
    assert len(sandbox.requests("gemini")) in (1, 2)  # whether a pause and an attempt still fit
    wait_until(lambda: left(sandbox), "the connections to be closed")


def test_headers_that_never_come_are_not_waited_for_beyond_the_deadline(sandbox: Sandbox) -> None:
    for name, upstream in UPSTREAMS.items():
        upstream.configure(replace(SHORT[name], total=0.5, read=EVER), retries=True, breaker=True)
    sandbox.fault("any", "hang")
    assert all(ambiguous(outcome, "sent") for outcome in both(sandbox.url))


@pytest.mark.parametrize("fault", ["hang", "cut_headers"])
def test_a_send_that_may_have_arrived_is_unknown_in_the_outbox(live: Runtime, sandbox: Sandbox, fault: str) -> None:
    world = World(live)
    world.queue("hello")
    (claim,) = world.claim()
    sandbox.fault("whatsapp", fault)
    world.record(claim, attempt(WhatsApp(f"{sandbox.url}/v26.0"), live.cipher, claim))
    assert world.message("hello").status == "unconfirmed"
    assert [job.state for job in world.jobs()] == ["unknown"]


# --- 10, 11: dripped ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("fault", "phase"), [("drip_headers", "sent"), ("drip_body", "headers")])
def test_an_answer_that_drips_is_cut_at_the_deadline(
    sandbox: Sandbox, url: str, fault: str, phase: str, framing: str
) -> None:
    for name, upstream in UPSTREAMS.items():
        upstream.configure(replace(SHORT[name], total=1.0, read=0.7), retries=True, breaker=True)
    sandbox.fault("any", fault, interval=0.05, framing=framing)
    for outcome in both(url):
        assert ambiguous(outcome, phase)
        assert outcome.seconds > 0.8  # no wait for a byte was as long as the read timeout
    assert len(sandbox.requests()) == 2
    wait_until(lambda: left(sandbox), "the connections to be closed")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_request_that_is_read_drop_by_drop_is_cut_at_the_deadline(
    authority: Authority, trusting: None, tls: bool
) -> None:
    def sips(peer: Peer) -> None:
        while peer.sock.recv(16_384):
            peer.stopping.wait(0.02)

    with FaultServer(sips, tls=authority.server() if tls else None) as server:
        assert ambiguous(ask(server.url, WORDS * 300_000), "sent")


# --- 12, 13: too long --------------------------------------------------------------------------------------------


def growth(call: Callable[[], None]) -> int:
    """Bytes by which the most memory this process held in `call` exceeds what it held before."""
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM (proc(5))
    call()
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    return peak - before


def blanks(size: int) -> Iterator[bytes]:
    piece = b" " * 65_536
    return (piece for _ in range(size // len(piece)))


def too_long(framing: str, status: int, poured: list[int]) -> Serve:
    """The right answer, and 200 MB of blanks, which JSON allows; `poured` is what went, connection by connection."""

    def serve(peer: Peer) -> None:
        while request := peer.request():
            answer = replace(right_answer(request), status=status, headers=(("Location", "/elsewhere"),))
            length = len(answer.body) + 200 * MB if framing == "content_length" else None
            peer.sock.sendall(head_of(answer, framing=framing, length=length))
            pieces = [answer.body, *blanks(200 * MB)]
            poured.append(peer.pour(map(chunk, pieces) if framing == "chunked" else pieces))
            return

    return serve


@pytest.mark.parametrize(
    ("framing", "status"),
    [*((framing, 200) for framing in FRAMINGS), ("no_length", 302), ("chunked", 302), ("content_length", 500)],
)
def test_a_body_of_200_mb_is_left_unread_at_the_cap(framing: str, status: int) -> None:
    poured: list[int] = []
    with FaultServer(too_long(framing, status, poured)) as server:

        def calls() -> None:
            assert ambiguous(send(server.url))
            assert ambiguous(ask(server.url))

        assert growth(calls) < 10 * MB
        server.wait_until_left()
        assert len(server.requests) == len(poured) == 1 + 3
        assert max(poured) < 40 * MB  # the cap, and what the buffers of the system take


def bombs(encoding: str, body: Callable[[Request], bytes]) -> Serve:
    def serve(peer: Peer) -> None:
        while request := peer.request():
            answer = replace(right_answer(request), body=body(request), headers=(("Content-Encoding", encoding),))
            peer.sock.sendall(whole(answer))

    return serve


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip"])
def test_a_gzip_bomb_is_not_unpacked_beyond_the_cap(encoding: str) -> None:
    bomb = gzip.compress(b" " * (200 * MB), 1)
    for _ in range(encoding.count(",")):
        bomb = gzip.compress(bomb)
    with FaultServer(bombs(encoding, lambda _request: bomb)) as server:

        def calls() -> None:
            assert ambiguous(send(server.url))
            assert ambiguous(ask(server.url))

        assert growth(calls) < 10 * MB
        if len(bomb) > WHATSAPP.policy.max_bytes:  # else all of it was read, and the connection may be used again
            server.wait_until_left()


@pytest.mark.parametrize("line", [b"X-More: and more\r\n", b"x" * 1000, b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_headers_without_end_are_cut(line: bytes) -> None:
    def serve(peer: Peer) -> None:
        if peer.request():
            peer.sock.sendall(b"HTTP/1.1 200 OK\r\n" if line.startswith(b"X-") else b"")
            peer.pour(line * 100 for _ in range(1000_000))

    with FaultServer(serve) as server:

        def calls() -> None:
            assert ambiguous(send(server.url), "sent")
            assert ambiguous(ask(server.url), "sent")

        assert growth(calls) < 10 * MB
        server.wait_until_left()


# --- 14, 15, 16: cut ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "settings"),
    [("cut_headers", {}), *(("cut_body", {"framing": framing}) for framing in FRAMINGS)],
    ids=["headers", *FRAMINGS],
)
def test_an_answer_that_is_cut_is_no_success(sandbox: Sandbox, url: str, fault: str, settings: dict[str, str]) -> None:
    sandbox.fault("any", fault, **settings)
    asked, sent = both(url)
    assert ambiguous(asked)
    assert ambiguous(sent)
    assert len(sandbox.requests("whatsapp")) == len(sandbox.deliveries()) == 1


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("call", [ask, send], ids=["gemini", "whatsapp"])
def test_wherever_a_right_answer_is_cut_it_is_no_success(call: Callable[[str], Outcome], framing: str) -> None:
    for name, upstream in UPSTREAMS.items():
        upstream.configure(SHORT[name], retries=False, breaker=False)
    wholes: list[bytes] = []

    def serve(peer: Peer) -> None:
        """Answer the first request with nothing, the second one with one byte, and so on."""
        if request := peer.request():
            raw = whole(right_answer(request), framing)
            wholes.append(raw)
            peer.sock.sendall(raw[: len(wholes) - 1])

    with FaultServer(serve) as server:
        assert ambiguous(call(server.url))
        for _ in range(wholes[0].rindex(b"}")):  # the rest is framing, which may be missing when all is there
            assert ambiguous(call(server.url))
        while len(wholes) < len(wholes[0]):
            call(server.url)
        assert call(server.url).kind == "success"


# --- 17: nonsense ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "settings"),
    [("html_200", {}), ("empty_200", {}), ("wrong_json", {})]
    + [("wrong_shape", {"shape": shape}) for shape in ("list", "object", "string", "null")],
    ids=lambda value: str(value),
)
def test_a_200_that_says_something_else_is_no_success_and_one_line_in_the_log(
    sandbox: Sandbox, journal: Journal, fault: str, settings: dict[str, str]
) -> None:
    sandbox.fault("any", fault, **settings)
    asked, sent = both(sandbox.url)
    assert ambiguous(asked)
    assert ambiguous(sent)
    assert len(sandbox.requests("whatsapp")) == 1
    check_log(journal, sandbox)


def test_a_200_without_the_id_of_the_message_is_no_success(sandbox: Sandbox, journal: Journal) -> None:
    sandbox.fault("whatsapp", "no_id_200")
    assert ambiguous(send(sandbox.url))
    check_log(journal, sandbox)


def check_log(journal: Journal, sandbox: Sandbox) -> None:
    """One line for each request, which says the status and nothing of the body."""
    calls = [record for record in journal.lines() if record.getMessage() == "upstream call"]
    assert len(calls) == len(sandbox.requests())
    for record in calls:
        assert (record.outcome, record.phase) == ("200", "headers")  # type: ignore[attr-defined]
        assert not any(part in repr(vars(record)) for part in ("<h1>", "messaging_product", "candidates"))


# --- all together ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shapes",
    [
        ["stop_empty", "unavailable", "unavailable", "unavailable"],
        ["unavailable", "unavailable", "stop_empty", "unavailable"],
        ["thinking_level", "unavailable", "thinking_level", "stop_empty", "unavailable"],
        ["unavailable", "unavailable", "thinking_level"],
    ],
    ids=lambda shapes: "+".join(shapes),
)
def test_gemini_is_asked_three_times_at_most_whatever_it_answers(sandbox: Sandbox, shapes: list[str]) -> None:
    GEMINI.configure(replace(SHORT["gemini"], total=8.0), retries=True, breaker=True)
    for shape in shapes:
        sandbox.fault("gemini", "shape", name=shape, times=1)
    ask(sandbox.url)
    assert len(sandbox.requests("gemini")) == 3


def test_a_call_that_runs_out_of_time_ends_with_what_the_upstream_said(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses that would take all there is to spare are drawn from what leaves the next attempt its time."""
    monkeypatch.setattr(Upstream, "BASE", 8.0)
    monkeypatch.setattr(GEMINI, "rng", random.Random(1))
    GEMINI.configure(replace(SHORT["gemini"], minimum=0.3), retries=True, breaker=True)
    sandbox.fault("gemini", "status", code=503)
    assert ask(sandbox.url).kind == "server"
    assert len(sandbox.requests("gemini")) == 3


def test_a_hint_that_no_calendar_knows_is_no_hint(sandbox: Sandbox) -> None:
    sandbox.fault("any", "retry_after", value="Wed, 21 Oct 2026 07:28:00 +99999999999999999999")
    asked, sent = both(sandbox.url)
    assert (asked.kind, sent.kind) == ("throttled", "throttled")
    assert asked.error is not None
    assert asked.error.retry_after is None
