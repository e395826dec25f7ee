"""Connections that are kept: how long and by whom; and that only our own settings say where they go (30, 47, 48)."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from inbox.gateways.http import sessions, sockets
from inbox.resilience import WHATSAPP
from sandbox import Sandbox
from tests.faults import forked
from tests.faults.calls import GEMINI_KEY, SHORT, WHATSAPP_TOKEN, ask, both, send
from tests.faults.certificates import Authority
from tests.faults.server import REPLY, WAMID, FaultServer, Peer, answers, right_answer, whole

ROOT = Path(__file__).parents[2]


# --- 30: closed while idle ---------------------------------------------------------------------------------------


def test_no_request_meets_a_connection_that_its_peer_closes_when_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    WHATSAPP.configure(replace(SHORT["whatsapp"], bulkhead=32), retries=True, breaker=True)
    monkeypatch.setattr(sockets, "IDLE_LIMIT", 0.2)

    def closes_when_idle(peer: Peer) -> None:
        peer.connection.close_when_idle_for(0.4)
        answers(peer)

    def calls_after(pauses: list[float]) -> list[tuple[float, str | None, int]]:
        """Call, and call again after each pause; the pause, the answer and how many connections there were so far."""
        with FaultServer(closes_when_idle) as server:
            assert send(server.url).text == WAMID
            found = []
            for pause in pauses:
                threading.Event().wait(pause)
                found.append((pause, send(server.url).text, server.connections))
            return found

    pauses = [0.02 * number for number in range(1, 22)]  # up to just above what the peer allows
    with ThreadPoolExecutor(sessions.HOSTS - 1) as pool:
        series = list(
            pool.map(calls_after, [pauses[number :: sessions.HOSTS - 1] for number in range(sessions.HOSTS - 1)])
        )
    for found in series:
        long_pauses = 0
        for pause, text, connections in found:
            assert text == WAMID
            long_pauses += pause > 0.2
            assert connections >= 1 + long_pauses
    assert any(found[0][2] == 1 for found in series)  # short ones were bridged


def test_a_connection_that_its_peer_has_closed_is_not_used_again() -> None:
    def closes(peer: Peer) -> None:
        if request := peer.request():
            peer.sock.sendall(whole(right_answer(request)))  # and says nothing of closing

    with FaultServer(closes) as server:
        for number in range(1, 6):
            assert send(server.url).text == WAMID
            server.wait_until_left()
            assert server.connections == number


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_request_that_meets_the_closing_is_repeated_for_gemini_and_unknown_for_whatsapp(
    authority: Authority, trusting: None, tls: bool
) -> None:
    def closes_at_the_second_request(peer: Peer) -> None:
        if peer.connection.number % 2 == 0:
            return answers(peer)
        if request := peer.request():
            peer.sock.sendall(whole(right_answer(request)))
            select.select([peer.sock], [], [], 5)  # it is there; close with it unread
        return None

    context = authority.server() if tls else None
    with FaultServer(closes_at_the_second_request, tls=context) as server:
        assert [ask(server.url).text, ask(server.url).text] == [REPLY, REPLY]
        assert (server.connections, len(server.requests)) == (2, 2)
    with FaultServer(closes_at_the_second_request, tls=context) as server:
        assert send(server.url).text == WAMID
        lost = send(server.url)
        assert (lost.kind, lost.error and lost.error.phase) == ("ambiguous", "sent")
        assert (server.connections, len(server.requests)) == (1, 1)
        assert send(server.url).text == WAMID


# --- 47: forked --------------------------------------------------------------------------------------------------


def test_processes_that_fork_after_a_call_never_read_each_others_answers(
    sandbox: Sandbox, url: str, authority: Authority
) -> None:
    sandbox.gemini_responder = lambda request: request.last_user_text
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", forked.__name__, url],
        cwd=ROOT,
        env={**os.environ, "SSL_CERT_FILE": str(authority.file)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout.strip(), done.stderr) == ("0", "")
    by_process: dict[bytes, set[int]] = {b"parent": set(), b"child": set()}
    for request in sandbox.requests("gemini"):
        by_process[b"parent" if b"parent" in request.body else b"child"].add(request.connection)
    assert len(sandbox.requests("gemini")) == forked.CALLS * (1 + forked.CHILDREN) + 2
    assert len(by_process[b"parent"]) == 1  # the children's ends left the parent's connection alone
    assert by_process[b"parent"].isdisjoint(by_process[b"child"])


# --- 48: nothing of the surroundings ------------------------------------------------------------------------------


@pytest.fixture
def trap() -> Iterator[FaultServer]:
    """Where nothing may arrive."""
    with FaultServer(answers) as server:
        yield server
        assert (server.connections, server.requests) == (0, [])


def check_headers(sandbox: Sandbox) -> None:
    """Every request carries our credentials and no others."""
    for request in sandbox.requests():
        credentials = {
            name: value
            for name, value in request.headers.items()
            if name in ("authorization", "cookie", "x-goog-api-key") or name.startswith("proxy")
        }
        ours = {"x-goog-api-key": GEMINI_KEY}
        if request.upstream == "whatsapp":
            ours = {"authorization": f"Bearer {WHATSAPP_TOKEN}"}
        assert credentials == ours


def test_proxies_and_passwords_of_the_surroundings_are_ignored(
    sandbox: Sandbox, url: str, trap: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, trap.url)
        monkeypatch.setenv(name.upper(), trap.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tmp_path / "missing.pem"))
    entries = [f"machine {host} login mallory password mallory" for host in ("127.0.0.1", "localhost")]
    (tmp_path / ".netrc").write_text("\n".join(entries))
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert [outcome.kind for outcome in both(url)] == ["success", "success"]
    check_headers(sandbox)


@pytest.mark.parametrize("cookie", ["s=1; Path=/", "s=1", "s=1; Path=/; Domain=127.0.0.1; Max-Age=3600"])
def test_a_cookie_of_one_call_is_not_sent_with_the_next(sandbox: Sandbox, url: str, cookie: str) -> None:
    sandbox.fault("any", "set_cookie", value=cookie)
    for _ in range(2):
        assert [outcome.kind for outcome in both(url)] == ["success", "success"]
    assert len(sandbox.requests()) == 4
    check_headers(sandbox)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_nowhere(sandbox: Sandbox, url: str, trap: FaultServer, code: int) -> None:
    sandbox.fault("any", "redirect", location=f"{trap.url}/v26.0/elsewhere", code=code)
    asked, sent = both(url)
    assert (asked.kind, sent.kind) == ("server", "ambiguous")
    assert {(request.method, "elsewhere" in request.path) for request in sandbox.requests()} == {("POST", False)}
    check_headers(sandbox)


@pytest.mark.parametrize("location", ["", "/", "//", "http://[", "http://:0", "javascript:x", "http://\\", "\t"])
def test_a_redirect_to_no_address_is_an_error_like_others(sandbox: Sandbox, location: str) -> None:
    sandbox.fault("any", "redirect", location=location.strip(), code=302)
    asked, sent = both(sandbox.url)
    assert (asked.kind, sent.kind) == ("server", "ambiguous")
