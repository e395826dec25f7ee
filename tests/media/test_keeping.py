"""Files are kept before WhatsApp drops them, served without it, and deleted with their messages."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import delete, select, update

from inbox.contacts.merge import merge_contacts
from inbox.media.keeping import SMALL, SWEEP_EVERY, Keeping, Sweep
from inbox.media.store import FileMissing, key_of
from inbox.models import Contact, Job, JobKind, MediaFile, Message
from inbox.outbox import jobs
from inbox.runtime import Runtime, crews_of
from sandbox import Sandbox
from tests.builders import CUSTOMER, T0, all_messages, ingest, text_message, webhook
from tests.media.files import file_message

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
GRAPH = r"/v26\.0/{}\?phone_number_id"


def picture(side: int = 1000) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (side, side), "orange").save(made, "PNG")
    return made.getvalue()


@pytest.fixture
def keep(runtime: Runtime) -> Callable[..., int]:
    """Let the crew do what is due after so many seconds. How many jobs were."""
    keeping = crews_of(runtime).keeping

    def work(later: float = 0.0) -> int:
        with runtime.db.writing() as session:
            due = runtime.db.now(session) + timedelta(seconds=later)
            claims = jobs.claim_jobs(session, JobKind.MEDIA, due, 10)
        for claim in claims:
            keeping.work(claim)
        return len(claims)

    return work


def files(runtime: Runtime) -> list[MediaFile]:
    with runtime.db.reading() as session:
        return list(session.execute(select(MediaFile).order_by(MediaFile.id)).scalars())


def on_disk(runtime: Runtime) -> list[Path]:
    return [path for path in runtime.config.media_path.rglob("*") if path.is_file()]


def waiting(runtime: Runtime) -> int:
    with runtime.db.reading() as session:
        return len(session.execute(select(Job).where(Job.kind == JobKind.MEDIA)).all())


in_both = pytest.mark.parametrize("bucket", [False, True], ids=["folder", "bucket"], indirect=True)


@on_sqlite
@in_both
def test_a_file_is_kept_and_served_when_whatsapp_has_it_no_longer(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, keep: Callable[..., int]
) -> None:
    data = picture()
    message = file_message(runtime, sandbox, data, "image/png", kind="image")
    assert (keep(), keep(), waiting(runtime)) == (1, 0, 0)
    sandbox.graph._media.clear()
    asked = len(sandbox.requests())

    def get(query: str = "", method: str = "GET", **headers: str) -> Any:
        told = {name.replace("_", "-"): text for name, text in headers.items()}
        return client.open(f"/messages/media/{message.id}{query}", method=method, headers=told, buffered=True)

    whole = get()
    assert (whole.status_code, whole.data, whole.headers["Content-Type"]) == (200, data, "image/png")
    assert get(If_None_Match=whole.headers["ETag"]).status_code == 304
    head = get(method="HEAD")
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(data)))
    last = len(data) - 1
    for wanted, first, until in (
        ("1-3", 1, 3),
        (f"{last}-", last, last),
        ("-2", last - 1, last),
        ("0-999999", 0, last),
    ):
        part = get(Range=f"bytes={wanted}", If_Range=whole.headers["ETag"])
        assert (part.status_code, part.data) == (206, data[first : until + 1])
        assert part.headers["Content-Range"] == f"bytes {first}-{until}/{len(data)}"
    assert get(Range=f"bytes={len(data)}-").status_code == 416
    assert get(Range="bytes=0-1", If_Range='"another"').status_code == 200
    small = get("?size=small")
    assert (small.headers["Content-Type"], Image.open(io.BytesIO(small.data)).size) == ("image/webp", (640, 640))
    assert small.headers["ETag"] != whole.headers["ETag"]
    assert get("?size=huge").status_code == 400
    with runtime.db.writing() as session:
        session.execute(delete(Message))
    (file,) = files(runtime)
    crews_of(runtime).keeping.work(Sweep())
    for ending in ("", SMALL):
        with pytest.raises(FileMissing):
            runtime.store.open(key_of(file.account_id, file.id, ending))
    assert len(sandbox.requests()) == asked


@on_sqlite
def test_one_file_that_fails_holds_up_no_other_and_is_tried_again_later(
    runtime: Runtime, sandbox: Sandbox, keep: Callable[..., int]
) -> None:
    broken, gone, good = (file_message(runtime, sandbox, picture(10), kind="image") for _ in range(3))
    sandbox.fault("whatsapp", "status", code=500, match={"path": GRAPH.format(broken.media_id)})
    sandbox.fault("whatsapp", "graph_error", code=100, match={"path": GRAPH.format(gone.media_id)})
    assert keep() == 1

    def state() -> dict[Any, tuple[bool, str | None]]:
        return {file.message_id: (file.kept_at is not None, file.problem) for file in files(runtime)}

    assert state() == {broken.id: (False, None), gone.id: (False, "gone"), good.id: (True, None)}
    assert keep() == 0
    sandbox.clear_faults()
    asked = len(sandbox.requests())
    assert keep(later=40) == 1
    assert state()[broken.id] == (True, None)
    assert (len(sandbox.requests()), waiting(runtime), len(on_disk(runtime))) == (asked + 2, 0, 2)


@on_sqlite
def test_a_file_that_is_not_what_its_sender_says_is_for_saving_only(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, keep: Callable[..., int]
) -> None:
    message = file_message(runtime, sandbox, b"<html><script>alert(1)</script>", "image/png", kind="image")
    assert keep() == 1
    headers = client.get(f"/messages/media/{message.id}?size=small", buffered=True).headers
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"].startswith("attachment")


def test_files_of_deleted_and_of_revoked_messages_are_deleted(
    runtime: Runtime, sandbox: Sandbox, keep: Callable[..., int]
) -> None:
    deleted, revoked, kept = (file_message(runtime, sandbox, picture(), kind="image") for _ in range(3))
    assert keep() == 1
    assert len(on_disk(runtime)) == 6
    with runtime.db.writing() as session:
        session.execute(delete(Message).where(Message.id == deleted.id))
    revoke = {"original_message_id": revoked.wa_message_id}
    notice = {"from": CUSTOMER, "id": "wamid.revoke", "timestamp": str(T0), "type": "revoke", "revoke": revoke}
    ingest(runtime, webhook(messages=[notice]))
    crews_of(runtime).keeping.work(Sweep())
    assert [file.message_id for file in files(runtime)] == [kept.id]
    assert len(on_disk(runtime)) == 2


@on_sqlite
def test_while_the_store_is_away_files_come_from_whatsapp_and_wait_to_be_kept(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, keep: Callable[..., int]
) -> None:
    kept = file_message(runtime, sandbox, picture(20), kind="image")
    assert keep() == 1
    folder = runtime.config.media_path
    folder.rename(folder.with_name("elsewhere"))
    assert client.get(f"/messages/media/{kept.id}").data == picture(20)
    folder.write_bytes(b"not a folder")
    later = file_message(runtime, sandbox, picture(30), kind="image")
    assert (keep(), waiting(runtime)) == (1, 1)
    for message, side in ((kept, 20), (later, 30)):
        assert client.get(f"/messages/media/{message.id}").data == picture(side)
    sandbox.graph._media.clear()
    answer = client.get(f"/messages/media/{kept.id}")
    assert (answer.status_code, answer.json["code"]) == (503, "media_unavailable")


def test_files_of_joined_conversations_are_kept(runtime: Runtime, sandbox: Sandbox, keep: Callable[..., int]) -> None:
    file_message(runtime, sandbox, picture(10), kind="image")
    ingest(runtime, webhook(messages=[text_message(phone="33600000002", wa_id="wamid.2")]))
    with runtime.db.writing() as session:
        contacts = {each.phone: each for each in session.execute(select(Contact)).scalars()}
        assert merge_contacts(session, contacts["33600000002"], contacts["33600000001"], runtime.db.now(session))
    assert keep() == 1
    assert [file.kept_at is not None for file in files(runtime)] == [True]


@on_sqlite
def test_a_file_that_whatsapp_has_dropped_by_now_is_not_asked_for(
    runtime: Runtime, sandbox: Sandbox, keep: Callable[..., int]
) -> None:
    message = file_message(runtime, sandbox, picture(10), kind="image")
    with runtime.db.writing() as session:
        session.execute(update(Message).values(timestamp=message.timestamp - timedelta(days=9)))
    assert (keep(), waiting(runtime), files(runtime)) == (1, 0, [])
    assert [each.media_id for each in all_messages(runtime.db)] == [message.media_id]


@on_sqlite
def test_the_sweep_comes_first_and_every_five_minutes(runtime: Runtime, sandbox: Sandbox) -> None:
    file_message(runtime, sandbox, picture(10), kind="image")
    keeping: Keeping = crews_of(runtime).keeping
    assert keeping.next_due() <= 0
    assert keeping.claims(2) == [Sweep()]
    (claim,) = keeping.claims(2)
    assert isinstance(claim, jobs.JobClaim)
    assert 0 < keeping.next_due() <= SWEEP_EVERY
