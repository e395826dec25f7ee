"""Files through the real web process: large ones, slow readers, and readers who leave."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from sqlalchemy import select

from inbox.db import Database
from inbox.models import Message
from inbox.webhooks.applying.placed import IngestSettings
from inbox.webhooks.ingest import ingest_batch
from sandbox import Sandbox
from tests.builders import NUMBER_ID, store_events, webhook
from tests.e2e.processes import Process, gunicorn
from tests.waiting import wait_until

MB = 1024 * 1024
LARGE = 60 * MB
MEDIA = "whatsapp_business/attachments"


class Web:
    """A web process with one place for files, and how a client uses it. Nobody keeps them: each comes from WhatsApp."""

    def __init__(self, process: Process, url: str, key: str, sandbox: Sandbox, db: Database) -> None:
        self.process, self.url, self.sandbox, self.db = process, url, sandbox, db
        self.headers = {"Authorization": f"Bearer {key}"}

    def file(self, size: int) -> str:
        """The path of a customer's file of so many bytes."""
        medium = self.sandbox.graph._media.add(b"x" * size, "application/pdf", NUMBER_ID)
        wa_id = f"wamid.{uuid.uuid4().hex}"
        document = {"id": medium.id, "mime_type": "application/pdf", "filename": "plan.pdf"}
        message = {"from": "33600000001", "id": wa_id, "timestamp": str(int(time.time())), "type": "document"}
        store_events(self.db, webhook(messages=[message | {"document": document}]))
        ingest_batch(self.db, settings=IngestSettings(0, timedelta(minutes=30)))
        with self.db.reading() as session:
            found = session.execute(select(Message.id).where(Message.wa_message_id == wa_id)).scalar_one()
        return f"/messages/media/{found}"

    def get(self, path: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", headers=self.headers, timeout=60, stream=True)

    def opened(self, path: str) -> socket.socket:
        """A connection on which the file was asked for, and nothing read."""
        host, _, port = urlsplit(self.url).netloc.partition(":")
        sock = socket.create_connection((host, int(port)), timeout=30)
        sock.sendall(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {self.headers['Authorization']}\r\n\r\n".encode()
        )
        return sock

    def worker(self) -> psutil.Process:
        (worker,) = psutil.Process(self.process.child.pid).children()
        return worker

    def to_upstreams(self) -> int:
        """Connections of the worker to the simulator that are open."""
        port = urlsplit(self.sandbox.url).port
        connections = self.worker().net_connections("tcp")
        return sum(
            each.raddr != () and each.raddr.port == port and each.status == "ESTABLISHED" for each in connections
        )


@pytest.fixture
def web(installation: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> Iterator[Web]:
    environment = {
        **installation,
        "WEB_CONCURRENCY": "1",
        "WEB_THREADS": "2",
        "WHATSAPP_MEDIA_SECONDS": "8",
        "DISPATCHER": "off",
    }
    key = environment.pop("INBOX_TEST_KEY")
    db = Database(environment["DATABASE_URL"])
    with gunicorn(tmp_path / "web.log", environment) as (process, url):
        yield Web(process, url, key, sandbox, db)
    db.close()


def test_a_large_file_passes_through_without_being_held_in_memory(web: Web) -> None:
    small, large = web.file(1000), web.file(LARGE)
    assert web.get(small).content == b"x" * 1000
    worker = web.worker()
    before = most = worker.memory_info().rss
    length = 0
    with web.get(large) as response:
        assert response.headers["Content-Length"] == str(LARGE)
        for piece in response.iter_content(MB):
            length += len(piece)
            most = max(most, worker.memory_info().rss)
    assert length == LARGE
    assert most - before < LARGE / 4


def test_files_follow_each_other_on_one_connection(web: Web) -> None:
    path = web.file(MB)
    with requests.Session() as session:
        session.headers.update(web.headers)
        head = session.head(f"{web.url}{path}", timeout=10)
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(MB))
        assert [request for request in web.sandbox.requests("whatsapp") if MEDIA in request.path] == []
        for _ in range(3):
            whole = session.get(f"{web.url}{path}", timeout=10)
            assert (whole.content, whole.headers["Content-Type"]) == (b"x" * MB, "application/pdf")
            known = session.get(f"{web.url}{path}", headers={"If-None-Match": whole.headers["ETag"]}, timeout=10)
            assert (known.status_code, known.content) == (304, b"")
        (pool,) = session.adapters["http://"].poolmanager.pools._container.values()
        assert pool.num_connections == 1


def test_a_file_that_breaks_off_is_seen_to_be_incomplete_and_logged(web: Web) -> None:
    path = web.file(5 * MB)
    web.sandbox.fault("whatsapp", "cut_body", match={"path": MEDIA})
    with web.get(path) as response:
        assert (response.status_code, response.headers["Content-Length"]) == (200, str(5 * MB))
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = response.content
    wait_until(lambda: "a file was cut short" in web.process.output(), "the log line")
    assert "Traceback" not in web.process.output()
    web.sandbox.clear_faults()
    assert len(web.get(path).content) == 5 * MB


def test_readers_who_leave_and_files_that_break_off_leave_nothing_behind(web: Web) -> None:
    large, small = web.file(20 * MB), web.file(3 * MB)
    for _ in range(50):
        with web.opened(large) as sock:
            assert sock.recv(9) == b"HTTP/1.1 "
        wait_until(lambda: web.get(small).status_code == 200, "the place to be given back")
    web.sandbox.fault("whatsapp", "cut_body", match={"path": MEDIA})
    for _ in range(50):
        with web.get(small) as response, pytest.raises(requests.exceptions.ChunkedEncodingError):
            _ = response.content
    web.sandbox.clear_faults()
    assert len(web.get(large).content) == 20 * MB
    wait_until(lambda: web.to_upstreams() <= 4, "the connections to the upstreams to be closed")
    assert "Traceback" not in web.process.output()


@pytest.mark.parametrize("pause", [None, 0.02], ids=["nothing", "slowly"])
def test_a_reader_who_is_too_slow_is_left_at_the_deadline(web: Web, pause: float | None) -> None:
    large, small = web.file(LARGE), web.file(1000)
    with web.opened(large) as sock:
        got = len(sock.recv(9))
        assert web.get(small).json()["code"] == "media_unavailable"  # the only place is taken
        if pause is None:
            wait_until(lambda: web.get(small).status_code == 200, "the place to be given back")
        while piece := sock.recv(16 * 1024):
            got += len(piece)
            threading.Event().wait(pause or 0.0)
        assert got < LARGE
    assert len(web.get(small).content) == 1000
    output = web.process.output()
    assert "not read to its end" in output or "a file was cut short" in output
    assert "Traceback" not in output
