"""Fetching files: where the token may go, what counts as the file, and that nothing is left behind."""

from __future__ import annotations

import gc
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from inbox.config import WHATSAPP_MEDIA
from inbox.errors import UpstreamError, UpstreamOutcomeUnknown, UpstreamUnavailable, UpstreamUntrusted
from inbox.gateways import http
from inbox.gateways.http import sessions
from inbox.gateways.whatsapp.media import (
    HOST,
    MediaGone,
    MediaTooLarge,
    Medium,
    Part,
    RangeBeyond,
    WhatsAppMedia,
    is_metas,
    origin_of,
)
from inbox.resilience import Upstream, remaining
from sandbox.protocol import Answer, chunk, head_of, json_answer
from tests.faults.server import FaultServer, Peer, whole
from tests.waiting import wait_until

TOKEN = "the-token-for-files-0123456789"
MEDIUM = Medium("300000000000001", "200000000000001", TOKEN)
DATA = bytes(range(256)) * 2000  # 512 000
PATH = "/whatsapp_business/attachments/?mid=3&hash=se~cret"


def an_upstream(**changes: Any) -> Upstream:
    policy = {"total": 10.0, "connect": 1.0, "read": 0.5, "minimum": 0.05, "bulkhead": 2} | changes
    return Upstream(HOST, replace(WHATSAPP_MEDIA, **policy))


class Meta:
    """Graph, which tells `told` of a file, and in the same place the host of files, which does what it is given."""

    def __init__(self, give: Callable[[Peer, Any], None], **told: Any) -> None:
        self._give = give
        self.told = told
        self.server = FaultServer(self._serve)

    def __enter__(self) -> Meta:
        self.server.__enter__()
        self.told = {"url": self.server.url + PATH, "mime_type": "image/png", "file_size": len(DATA)} | self.told
        return self

    def __exit__(self, *exception: object) -> None:
        sessions.session.close()
        self.server.__exit__(*exception)

    def _serve(self, peer: Peer) -> None:
        while request := peer.request():
            if request.path == f"/v26.0/{MEDIUM.id}":
                peer.sock.sendall(whole(json_answer(200, self.told)))
            else:
                self._give(peer, request)

    def fetches(self, **changes: Any) -> WhatsAppMedia:
        """A gateway to it."""
        return WhatsAppMedia(f"{self.server.url}/v26.0", an_upstream(**changes))

    @property
    def downloads(self) -> list[Any]:
        return [request for request in self.server.requests if not request.path.startswith("/v26.0")]


def gives(answer: Answer, framing: str = "content_length") -> Callable[[Peer, Any], None]:
    return lambda peer, _request: peer.sock.sendall(whole(answer, framing))


def gives_data(peer: Peer, _request: Any) -> None:
    peer.sock.sendall(whole(Answer(200, DATA, "image/png")))


def sends(*pieces: bytes) -> Callable[[Peer, Any], None]:
    """Send these bytes and close."""

    def give(peer: Peer, _request: Any) -> None:
        for piece in pieces:
            peer.sock.sendall(piece)
        raise ConnectionAbortedError

    return give


# --- where the token may go --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=2&hash=A-_b",
        "https://lookaside.fbsbx.com:443/a",
        "https://scontent-cdg4-1.xx.fbcdn.net/v/t61.1?stp=x%2Fy",
        "https://mmg.whatsapp.net/a",
    ],
)
def test_metas_hosts_of_files_are_trusted(url: str) -> None:
    assert is_metas(origin_of(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com:8443/a",
        "https://lookaside.fbsbx.com",
        "https://evil.example/lookaside.fbsbx.com/",
        "https://lookaside.fbsbx.com.evil.example/a",
        "https://evil-lookaside.fbsbx.com/a",
        "https://evilfbcdn.net/a",
        "https://fbcdn.net/a",
        "https://.fbcdn.net/a",
        "https://x.fbcdn.net./a",
        "https://lookaside.fbsbx.com@evil.example/a",
        "https://evil.example\\@lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com\\@evil.example/a",
        "https://user:password@lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com/a#@evil.example/",
        "https://evil.example#@lookaside.fbsbx.com/",
        "https://lookaside.fbsbx.com/a b",
        "https://lookaside.fbsbx.com/a\r\nHost: evil.example",
        "https://lookaside.fbsbx.com\t/a",
        "https://lookaside.fbsbx.com/é",
        "https://lookaside。fbsbx。com/a",
        "https://169.254.169.254/latest/meta-data/",
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://2130706433/a",
        "https://localhost/a",
        "file:///etc/passwd",
        "ftp://lookaside.fbsbx.com/a",
        "//lookaside.fbsbx.com/a",
        "lookaside.fbsbx.com/a",
        "https://lookaside.fbsbx.com:99999/a",
        "",
    ],
)
def test_no_other_host_gets_the_token(url: str) -> None:
    assert not is_metas(origin_of(url))
    with Meta(gives_data, url=url) as meta, pytest.raises(UpstreamUntrusted):
        meta.fetches().fetch(MEDIUM)
    assert len(meta.server.requests) == 1


def test_another_port_of_the_simulators_host_does_not_get_the_token() -> None:
    with FaultServer(lambda peer: None) as trap, Meta(gives_data, url=f"{trap.url}/a") as meta:
        with pytest.raises(UpstreamUntrusted):
            meta.fetches().fetch(MEDIUM)
        assert trap.connections == 0


def test_a_redirect_is_not_followed() -> None:
    with FaultServer(lambda peer: None) as trap:
        away = Answer(302, b"", "text/html", (("Location", f"{trap.url}/a"),))
        with Meta(gives(away)) as meta, pytest.raises(UpstreamUnavailable):
            meta.fetches().fetch(MEDIUM)
        assert trap.connections == 0


def test_a_name_that_leads_into_our_own_network_is_not_called() -> None:
    with FaultServer(lambda peer: None) as inside:
        for name in ("localhost", "127.0.0.1"):
            with pytest.raises(UpstreamUnavailable) as caught:
                http.stream(an_upstream(), f"http://{name}:{inside.port}/a", headers={}, public_only=True)
            assert caught.value.phase == "connect"
        assert inside.connections == 0


@pytest.mark.parametrize("media_id", ["", "..", "../200000000000001", "a/b", "1?x=y", "1#", "é", "1\n"])
def test_an_id_that_would_lead_elsewhere_is_not_asked_for(media_id: str) -> None:
    with Meta(gives_data) as meta, pytest.raises(MediaGone):
        meta.fetches().fetch(replace(MEDIUM, id=media_id))
    assert meta.server.requests == []


def test_the_token_and_the_address_stand_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "inbox")
    cut = sends(head_of(Answer(200, DATA, "image/png")), DATA[:1000])
    with Meta(cut) as meta, pytest.raises(UpstreamError) as caught:
        meta.fetches().fetch(MEDIUM)
    shown = [repr(vars(record)) for record in caplog.records] + [repr(vars(caught.value)), repr(MEDIUM)]
    assert [text for text in shown if TOKEN in text or "se~cret" in text] == []
    calls = [record for record in caplog.records if record.message == "upstream call"]
    assert [vars(record)["upstream"] for record in calls] == ["whatsapp", HOST]


# --- what counts as the file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [len(DATA), str(len(DATA)), 0, "0", -1, True, None, "many", 1.5, "9" * 400, []])
def test_the_size_graph_tells_may_be_anything_when_the_host_says_it(size: Any) -> None:
    with Meta(gives_data, file_size=size) as meta:
        file = meta.fetches().fetch(MEDIUM)
        assert (file.size, b"".join(file), file.mime_type) == (len(DATA), DATA, "image/png")
        file.close()


def test_a_file_that_is_too_large_is_not_begun() -> None:
    with Meta(gives_data, file_size=str(WHATSAPP_MEDIA.max_bytes + 1)) as meta, pytest.raises(MediaTooLarge):
        meta.fetches().fetch(MEDIUM)
    assert meta.downloads == []


def test_a_file_that_turns_out_to_be_too_large_is_not_read() -> None:
    with Meta(gives_data, file_size=None) as meta, pytest.raises(MediaTooLarge):
        meta.fetches(max_bytes=len(DATA) - 1).fetch(MEDIUM)


def test_a_file_of_unknown_length_is_refused() -> None:
    chunked = gives(Answer(200, DATA, "image/png"), "chunked")
    with Meta(chunked, file_size=None) as meta, pytest.raises(UpstreamOutcomeUnknown):
        meta.fetches().fetch(MEDIUM)


@pytest.mark.parametrize("told", [len(DATA) - 1, len(DATA) + 1, 2 * len(DATA), 300_000])
@pytest.mark.parametrize("framing", ["chunked", "no_length"])
def test_what_is_longer_or_shorter_than_promised_never_looks_whole(told: int, framing: str) -> None:
    with Meta(sends(whole(Answer(200, DATA, "image/png"), framing)), file_size=told) as meta:
        file = meta.fetches().fetch(MEDIUM)
        got = bytearray()
        with pytest.raises(UpstreamOutcomeUnknown):
            for piece in file:
                got += piece
        assert len(got) < file.size == told
        file.close()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>not your file</html>", "text/html; charset=UTF-8"),
        Answer(200, DATA, "image/png", (("Content-Encoding", "gzip"),)),
        Answer(206, DATA[:2], "image/png", (("Content-Range", f"bytes 0-1/{len(DATA)}"),)),  # nobody asked for a part
        Answer(204, b"", "image/png"),
    ],
    ids=["page", "packed", "part", "nothing"],
)
def test_what_cannot_be_the_file_is_refused(answer: Answer) -> None:
    with Meta(gives(answer)) as meta, pytest.raises(UpstreamError):
        meta.fetches().fetch(MEDIUM)


def test_what_is_much_longer_than_promised_is_not_even_begun() -> None:
    chunked = gives(Answer(200, DATA, "image/png"), "chunked")
    with Meta(chunked, file_size=1000) as meta, pytest.raises(UpstreamOutcomeUnknown):
        meta.fetches().fetch(MEDIUM)


def test_a_part_is_passed_on_where_the_host_gives_parts() -> None:
    part = Answer(206, DATA[10:20], "image/png", (("Content-Range", f"bytes 10-19/{len(DATA)}"),))
    with Meta(gives(part)) as meta:
        file = meta.fetches().fetch(MEDIUM, "bytes=10-19")
        assert (file.part, file.size, b"".join(file)) == (Part(10, 19, len(DATA)), 10, DATA[10:20])
        file.close()
        assert meta.downloads[0].headers["range"] == "bytes=10-19"


@pytest.mark.parametrize(
    "told", ["", "bytes 10-19", "bytes 19-10/20", "bytes 0-19/10", "bytes 0-5/512000", "bytes */9"]
)
def test_a_part_that_does_not_say_which_it_is_is_refused(told: str) -> None:
    part = Answer(206, DATA[10:20], "image/png", (("Content-Range", told),))
    with Meta(gives(part)) as meta, pytest.raises(UpstreamOutcomeUnknown):
        meta.fetches().fetch(MEDIUM, "bytes=10-19")


def test_a_part_behind_the_end_is_told_as_such() -> None:
    with Meta(gives(Answer(416, b"", "text/plain"))) as meta, pytest.raises(RangeBeyond):
        meta.fetches().fetch(MEDIUM, "bytes=999999-")


# --- in time, and nothing left behind ----------------------------------------------------------------------------


def sockets() -> set[object]:
    return {(each.fd, each.laddr, each.raddr) for each in psutil.Process().net_connections("tcp")}


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No socket outlives the test but those that were there before."""
    before = sockets()
    yield
    sessions.session.close()
    wait_until(lambda: sockets() <= before, "the sockets to be closed")


def test_a_host_that_drips_is_left_at_the_deadline(nothing_left: None) -> None:
    def drips(peer: Peer, _request: Any) -> None:
        peer.sock.sendall(head_of(Answer(200, DATA, "image/png")) + DATA[:200_000])
        peer.drip(DATA[200_000:], 0.01)

    with Meta(drips) as meta:
        file = meta.fetches(total=1.0).fetch(MEDIUM)
        with pytest.raises(UpstreamOutcomeUnknown):
            list(file)
        file.close()
        assert remaining() is None
        meta.server.wait_until_left()


def test_the_deadline_is_that_of_the_whole_however_late_its_reader_reads(nothing_left: None) -> None:
    with Meta(gives_data) as meta:
        file = meta.fetches(total=0.5).fetch(MEDIUM)
        threading.Event().wait(max(0.0, file.ends_at - file._stream._started) + 0.1)
        with pytest.raises(UpstreamOutcomeUnknown):
            list(file)
        file.close()


def test_fifty_files_use_one_connection(nothing_left: None) -> None:
    with Meta(gives_data) as meta:
        gateway = meta.fetches()
        for _ in range(50):
            file = gateway.fetch(MEDIUM)
            assert sum(map(len, file)) == len(DATA)
            file.close()
            file.close()
        assert meta.server.connections == 1


def test_fifty_files_that_break_off_leave_nothing(nothing_left: None) -> None:
    def breaks_off(peer: Peer, _request: Any) -> None:
        peer.sock.sendall(head_of(Answer(200, DATA, "image/png")) + DATA[:300_000])
        raise ConnectionAbortedError

    with Meta(breaks_off) as meta:
        gateway = meta.fetches()
        for _ in range(50):
            file = gateway.fetch(MEDIUM)
            with pytest.raises(UpstreamOutcomeUnknown):
                list(file)
            file.close()
        meta.server.wait_until_left()


def test_fifty_files_whose_reader_leaves_are_not_read_on(nothing_left: None) -> None:
    sent = []

    def pours(peer: Peer, _request: Any) -> None:
        peer.sock.sendall(head_of(Answer(200, b"", "image/png"), length=90_000_000))
        sent.append(peer.pour([b"x" * 1_000_000] * 90))
        raise ConnectionAbortedError

    with Meta(pours) as meta:
        gateway = meta.fetches()
        for _ in range(50):
            file = gateway.fetch(MEDIUM)
            next(file)
            file.close()
        meta.server.wait_until_left()
    assert len(sent) == 50
    assert max(sent) < 90_000_000


def test_a_file_that_is_forgotten_gives_back_its_place(nothing_left: None) -> None:
    with Meta(gives_data) as meta:
        gateway = meta.fetches(bulkhead=1)
        for _ in range(3):
            file = gateway.fetch(MEDIUM)
            assert next(file)
            del file
            gc.collect()


@pytest.mark.parametrize("told", [{"url": None}, {"url": 5}, {"url": "http://evil.example/"}, {"file_size": 10**9}])
def test_a_file_that_is_not_fetched_gives_back_its_place(told: dict[str, Any]) -> None:
    with Meta(gives_data, **told) as meta:
        gateway = meta.fetches(bulkhead=1)
        for _ in range(3):
            with pytest.raises(UpstreamError) as caught:
                gateway.fetch(MEDIUM)
            assert type(caught.value) in (UpstreamOutcomeUnknown, UpstreamUntrusted, MediaTooLarge)


def test_what_graph_answers_is_only_read_so_far() -> None:
    big = chunk(json.dumps({"url": "x" * 300_000}).encode()) + chunk(b"")

    def serve(peer: Peer) -> None:
        peer.request()
        peer.sock.sendall(head_of(Answer(200, b"", "application/json"), framing="chunked") + big)

    with FaultServer(serve) as server, pytest.raises(UpstreamOutcomeUnknown):
        WhatsAppMedia(f"{server.url}/v26.0", an_upstream()).describe(MEDIUM)
