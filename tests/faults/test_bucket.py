"""A bucket that is away, slow or cut: no file is lost or kept twice, no message waits for it, the page answers."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.config import Config
from inbox.config.values import bucket_address
from inbox.models import JobKind, MediaFile, Message
from inbox.operations.doctor import upstreams
from inbox.outbox import jobs
from inbox.resilience import MEDIA_STORE
from inbox.runtime import Runtime, crews_of, runtime_of
from sandbox import Sandbox
from sandbox.protocol import Answer, Request
from tests.builders import NUMBER_ID
from tests.faults.calls import SHORT, SLACK
from tests.faults.server import FaultServer, Peer, whole
from tests.media.files import PNG, file_message
from tests.settings import APP_SECRET

LARGE = PNG * 40  # more than a socket holds


class Bucket:
    """Objects in memory, and what is to go wrong: it answers in the place of us, and tells whether it hangs up."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.puts = 0
        self.fault: Callable[[Peer, Request], bool] | None = None

    def serve(self, peer: Peer) -> None:
        while request := peer.request():
            if self.fault is None:
                peer.sock.sendall(whole(self.answer(request)))
            elif self.fault(peer, request):
                return

    def answer(self, request: Request) -> Answer:
        if request.method == "PUT":
            self.objects[request.path] = request.body
            self.puts += 1
            return Answer(200)
        if request.method == "DELETE":
            self.objects.pop(request.path, None)
            return Answer(204)
        data = self.objects.get(request.path)
        if data is None:
            return _refused(404, "NoSuchKey")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if wanted is None:
            return Answer(200, data)
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        return Answer(206, data[first : last + 1], headers=(("Content-Range", f"bytes {first}-{last}/{len(data)}"),))


def _refused(status: int, code: str) -> Answer:
    return Answer(status, f"<Error><Code>{code}</Code></Error>".encode(), "application/xml")


def hangs(peer: Peer, _request: Request) -> bool:
    peer.wait_for_the_end()
    return True


def cuts(peer: Peer, _request: Request) -> bool:
    return True


def fails(peer: Peer, _request: Request) -> bool:
    peer.sock.sendall(whole(_refused(503, "SlowDown")))
    return False


def refuses(peer: Peer, _request: Request) -> bool:
    peer.sock.sendall(whole(_refused(403, "SignatureDoesNotMatch")))
    return False


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(app_secret=APP_SECRET, status_delays=(0.0, None, None), numbers={NUMBER_ID: "33700000000"}) as running:
        yield running


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def server(bucket: Bucket) -> Iterator[FaultServer]:
    with FaultServer(bucket.serve) as running:
        yield running


@pytest.fixture
def web(live_config: Config, server: FaultServer) -> Iterator[Flask]:
    address = bucket_address(f"http://key:the-secret@127.0.0.1:{server.port}/files/here")
    made = create_app(
        dataclasses.replace(
            live_config, media_s3_url=address, media_store=SHORT["media_store"], whatsapp_media_seconds=20.0
        )
    )
    made.testing = True
    runtime_of(made).prepare_database()
    yield made
    assert runtime_of(made).close(5)


@pytest.fixture
def runtime(web: Flask) -> Runtime:
    return runtime_of(web)


def keep(runtime: Runtime, later: float = 0.0) -> int:
    """Do what is due after so many seconds. How many jobs were."""
    with runtime.db.writing() as session:
        claims = jobs.claim_jobs(session, JobKind.MEDIA, runtime.db.now(session) + timedelta(seconds=later), 10)
    for claim in claims:
        crews_of(runtime).keeping.work(claim)
    return len(claims)


def is_kept(runtime: Runtime) -> bool:
    with runtime.db.reading() as session:
        return session.query(MediaFile).filter(MediaFile.kept_at.is_not(None)).count() == 1


def get(web: Flask, message: Message, **headers: str) -> tuple[int, bytes]:
    client = web.test_client()
    secret = keys.create(runtime_of(web).db, name="Admin", role=Role.ADMIN).secret
    told = {"Authorization": f"Bearer {secret}", **headers}
    answer = client.get(f"/messages/media/{message.id}", headers=told, buffered=True)
    return answer.status_code, answer.data


@pytest.mark.parametrize("fault", [hangs, cuts, fails, refuses])
def test_a_file_waits_for_its_bucket_and_is_kept_once(
    web: Flask, runtime: Runtime, sandbox: Sandbox, bucket: Bucket, fault: Callable[[Peer, Request], bool]
) -> None:
    bucket.fault = fault
    message = file_message(runtime, sandbox, LARGE)  # it is stored and shown all the same
    began = time.monotonic()
    assert keep(runtime) == 1
    assert time.monotonic() - began < SHORT["media_store"].total + 2 * SLACK
    assert (is_kept(runtime), bucket.objects) == (False, {})
    assert get(web, message) == (200, LARGE)  # from WhatsApp
    assert keep(runtime) == 0  # not before a while
    bucket.fault = None
    MEDIA_STORE.breaker.reset()
    assert keep(runtime, later=40) == 1
    assert (is_kept(runtime), [*bucket.objects.values()], bucket.puts) == (True, [LARGE], 1)
    sandbox.graph._media.clear()
    assert get(web, message) == (200, LARGE)
    assert get(web, message, Range="bytes=5-9") == (206, LARGE[5:10])


def test_a_kept_file_whose_bucket_is_away_is_never_told_to_be_gone(
    web: Flask, runtime: Runtime, sandbox: Sandbox, bucket: Bucket
) -> None:
    message = file_message(runtime, sandbox, LARGE)
    assert keep(runtime) == 1
    sandbox.graph._media.clear()
    for fault in (hangs, cuts, fails, refuses):
        bucket.fault = fault
        MEDIA_STORE.breaker.reset()
        assert get(web, message)[0] == 503

    def cut_in_the_middle(peer: Peer, request: Request) -> bool:
        peer.sock.sendall(whole(bucket.answer(request))[: len(LARGE) // 2])
        return True

    bucket.fault = cut_in_the_middle
    MEDIA_STORE.breaker.reset()
    with pytest.raises(ConnectionResetError):  # the client sees that it is not whole
        get(web, message)
    bucket.fault = None
    MEDIA_STORE.breaker.reset()
    assert get(web, message) == (200, LARGE)


def test_the_circuit_opens_and_the_doctor_says_what_is_wrong(
    web: Flask, runtime: Runtime, sandbox: Sandbox, bucket: Bucket
) -> None:
    assert [finding.level.value for finding in upstreams.bucket(runtime.config)] == ["ok"]
    assert bucket.objects == {}
    bucket.fault = fails
    for _ in range(2 * SHORT["media_store"].breaker_failures):
        file_message(runtime, sandbox, PNG)
    keep(runtime)
    assert MEDIA_STORE.breaker.state == "open"
    health = web.test_client().get("/health").json
    assert health is not None
    assert health["circuit_breakers"]["media_store"]["state"] == "open"
    assert health["dependencies"]["media_store"]["status"] == "ok"  # it answers, if nothing good
    for fault, words in ((refuses, "the secret is wrong"), (fails, "")):
        bucket.fault = fault
        (finding,) = upstreams.bucket(runtime.config)
        assert (finding.level.value, words in finding.what + finding.found) == ("problem", True)
