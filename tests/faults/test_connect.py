"""No connection: refused, unknown, unreachable, untrusted. Nothing was sent, so nothing can have happened (1-7)."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from inbox.errors import UpstreamOpen, UpstreamUntrusted
from inbox.gateways.http import sockets
from inbox.gateways.whatsapp.messages import WhatsApp
from inbox.outbox.deliver import attempt
from inbox.outbox.outcomes import RetryLater
from inbox.resilience import GEMINI, WHATSAPP, Upstream
from inbox.runtime import Runtime
from tests.faults.calls import SHORT, SLACK, Outcome, ask, send
from tests.faults.certificates import Authority
from tests.faults.conftest import Journal
from tests.faults.isolated import RESOLVER_SECONDS, inside
from tests.faults.server import REPLY, WAMID, FaultServer, Peer, Serve, answers, black_hole
from tests.outbox.world import World
from tests.waiting import free_port


def not_sent(outcome: Outcome) -> bool:
    return (outcome.kind, outcome.error and outcome.error.phase) == ("not_sent", "connect")


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The addresses that connections were really attempted to."""
    made: list[object] = []

    def connect(sock: sockets.DeadlineSocket, address: object) -> None:
        made.append(address)
        super(sockets.DeadlineSocket, sock).connect(address)

    monkeypatch.setattr(sockets.DeadlineSocket, "connect", connect)
    return made


# --- 1: refused --------------------------------------------------------------------------------------------------


def test_a_refused_connection_is_made_twice_per_attempt_and_nothing_is_sent(connects: list[object]) -> None:
    refusing = f"http://127.0.0.1:{free_port()}"
    assert not_sent(ask(refusing))
    assert len(connects) == 2 * GEMINI.policy.attempts
    connects.clear()
    assert not_sent(send(refusing))
    assert len(connects) == 2


@pytest.mark.parametrize(("call", "upstream"), [(ask, GEMINI), (send, WHATSAPP)], ids=["gemini", "whatsapp"])
def test_refused_often_enough_in_a_row_the_breaker_opens_and_nobody_connects(
    call: Callable[[str], Outcome], upstream: Upstream, connects: list[object]
) -> None:
    refusing = f"http://127.0.0.1:{free_port()}"
    while upstream.breaker.state == "closed":
        assert not_sent(call(refusing))
    assert len(connects) == 2 * upstream.policy.breaker_failures
    connects.clear()
    assert isinstance(call(refusing).error, UpstreamOpen)
    assert connects == []


def test_a_refused_send_stays_in_the_queue(live: Runtime) -> None:
    world = World(live)
    world.queue("hello")
    (claim,) = world.claim()
    outcome = attempt(WhatsApp(f"http://127.0.0.1:{free_port()}/v26.0"), live.cipher, claim)
    assert isinstance(outcome, RetryLater)
    world.record(claim, outcome)
    assert (world.message("hello").status, [job.state for job in world.jobs()]) == ("queued", ["pending"])


# --- 2, 3: names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["nxdomain", "servfail"])
def test_a_name_that_nobody_knows_is_as_good_as_refused(answer: str) -> None:
    found = inside(answer)
    for upstream in ("gemini", "whatsapp"):
        assert (found[upstream]["kind"], found[upstream]["phase"]) == ("not_sent", "connect")
    assert found["lookups"] == {"gemini.test": 2 * SHORT["gemini"].attempts, "graph.test": 2}


def test_a_silent_name_server_ends_no_call_late_and_holds_up_nobody_else() -> None:
    found = inside("silence")
    asked = found["gemini"]
    errors = Counter(outcome["error"] for outcome in asked)
    # The breaker may open, or the time run out, before a caller's last attempt.
    assert set(errors) <= {"UpstreamUnavailable", "UpstreamBusy", "UpstreamOpen", "DeadlineExceeded"}
    assert errors["UpstreamUnavailable"] > 0
    assert 0 < errors["UpstreamBusy"] <= len(asked) - SHORT["gemini"].bulkhead
    # Sent while Gemini had as many callers as it may: at the speed of a healthy upstream.
    assert found["asked_until_all_was_sent"] <= len(asked) - SHORT["gemini"].bulkhead
    assert {outcome["kind"] for outcome in found["whatsapp"]} == {"success"}
    assert sorted(outcome["seconds"] for outcome in found["whatsapp"])[10] < 0.1
    # What still waits for the name server ends by itself.
    assert found["lookups_still_waiting"] <= SHORT["gemini"].bulkhead * SHORT["gemini"].attempts
    assert found["their_seconds"] <= RESOLVER_SECONDS + SLACK


# --- 4, 5: black holes -------------------------------------------------------------------------------------------


def test_four_dead_addresses_share_one_connect_timeout_and_a_living_one_is_found_among_them() -> None:
    found = inside("black_holes")
    assert [outcome["kind"] for outcome in found["dead"]] == ["not_sent", "not_sent"]
    assert max(outcome["seconds"] for outcome in found["dead"]) < found["connect"] + SLACK
    assert [outcome["kind"] for outcome in found["alive"]] == ["success", "success"]


def test_an_address_that_answers_nothing_takes_one_connect_timeout_per_attempt(connects: list[object]) -> None:
    with black_hole() as (host, port):
        outcome = send(f"http://{host}:{port}")
        assert not_sent(outcome)
        assert SHORT["whatsapp"].connect <= outcome.seconds
        assert connects == [(host, port)]
        assert not_sent(ask(f"http://{host}:{port}"))
        assert len(connects) <= 1 + GEMINI.policy.attempts


# --- 6, 7: TLS ---------------------------------------------------------------------------------------------------


def dripped_handshake(context: ssl.SSLContext) -> Serve:
    """Shake hands as TLS wants it, but one byte at a time."""

    def serve(peer: Peer) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while data := peer.sock.recv(1 << 16):
            incoming.write(data)
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            peer.drip(outgoing.read())

    return serve


def test_a_handshake_that_drips_is_cut_at_the_connect_timeout_and_tried_again(
    authority: Authority, trusting: None
) -> None:
    with FaultServer(dripped_handshake(authority.server())) as server:
        assert not_sent(send(f"https://localhost:{server.port}"))
        assert server.connections == 1
        assert not_sent(ask(f"https://localhost:{server.port}"))
        assert server.connections - 1 in (2, 3)  # as many attempts as the deadline has room for
        server.wait_until_left()


def test_a_certificate_of_a_trusted_authority_is_accepted(authority: Authority, trusting: None) -> None:
    with FaultServer(answers, tls=authority.server()) as server:
        asked, sent = ask(server.url), send(server.url)
        assert (asked.text, sent.text, server.connections) == (REPLY, WAMID, 1)


@pytest.fixture(params=["untrusted", "expired", "of another host"])
def badly_certified(
    request: pytest.FixtureRequest, authority: Authority, trusting: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultServer]:
    """A server that would answer rightly, if only its certificate were good."""
    tls = {
        "untrusted": lambda: Authority(tmp_path_factory.mktemp("stranger")).server(),
        "expired": lambda: authority.server(expired=True),
        "of another host": lambda: authority.server("elsewhere.example"),
    }[request.param]()
    with FaultServer(answers, tls=tls) as server:
        yield server


def test_a_bad_certificate_is_not_to_be_trusted_not_tried_again_and_reported(
    badly_certified: FaultServer, journal: Journal
) -> None:
    for call in (ask, send):
        connections = badly_certified.connections
        outcome = call(badly_certified.url)
        assert (outcome.kind, type(outcome.error)) == ("trust", UpstreamUntrusted)
        assert badly_certified.connections == connections + 1
    assert badly_certified.requests == []
    alerts = [record.getMessage() for record in journal.lines(level=logging.ERROR)]
    assert alerts == ["certificate refused", "certificate refused"]


def test_a_server_without_tls_is_not_spoken_to_without_it(trusting: None) -> None:
    with FaultServer(answers) as server:
        for call in (ask, send):
            assert not_sent(call(f"https://localhost:{server.port}"))
        assert server.requests == []
