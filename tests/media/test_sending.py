"""Files of ours: handed over piece by piece, then to WhatsApp, then sent; what cannot be sent is refused first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete

from inbox.config import BucketAddress, Config
from inbox.errors import UpstreamUnavailable
from inbox.media import uploads
from inbox.media.schemas import PIECE
from inbox.models import Upload
from inbox.runtime import crews_of
from inbox.web import access
from sandbox import Sandbox
from tests.api_shop import ApiShop, open_shop
from tests.queries import while_it_goes

PNG = b"\x89PNG\r\n\x1a\n" + bytes(PIECE)  # a piece and a little more
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Shop(ApiShop):
    def begins(self, data: bytes, mime_type: str = "image/png", key: str = "once", **more: Any) -> Any:
        given = {"account_id": self.account, "mime_type": mime_type, "size": len(data), "client_key": key}
        return self.client.post("/uploads", json=given | more)

    def puts(self, upload: dict[str, Any], data: bytes, offset: int) -> Any:
        return self.client.put(
            f"/uploads/{upload['id']}?offset={offset}", data=data[offset : offset + upload["piece_size"]]
        )

    def hands_over(self, data: bytes, mime_type: str = "image/png", key: str = "once", **more: Any) -> dict[str, Any]:
        upload = self.begins(data, mime_type, key, **more).json
        while not upload["done"]:
            upload = self.puts(upload, data, upload["received"]).json
        return dict(upload)

    def sends(self, upload: dict[str, Any], **more: Any) -> Any:
        given = {"conversation_id": self.conversation, "upload_id": upload["id"], **more}
        return self.client.post("/messages/send-media", json=given)

    def pieces(self) -> list[Path]:
        """Those that are kept in the folder."""
        return list(self.runtime.config.media_path.rglob("*.piece*"))

    def file(self, message_id: str) -> bytes:
        with self.client.get(f"/messages/media/{message_id}") as answer:
            return bytes(answer.data)


@pytest.fixture
def shop(live_config: Config, sandbox: Sandbox, bucket: BucketAddress | None) -> Iterator[Shop]:
    with open_shop(dataclasses.replace(live_config, media_s3_url=bucket), sandbox) as made:
        made.customer_writes()
        yield Shop(made.runtime, made.client, sandbox)


@pytest.mark.parametrize(("database_url", "bucket"), [("sqlite", False), ("postgresql", True)], indirect=True)
def test_a_picture_goes_from_its_pieces_to_the_customer(shop: Shop) -> None:
    """It breaks off and goes on; the message waits for its file, in its place; the file can be seen meanwhile."""
    begun = shop.begins(PNG)
    assert (begun.status_code, begun.json["kind"]) == (201, "image")
    assert shop.puts(begun.json, PNG, 0).json["received"] == PIECE
    again = shop.begins(PNG)
    assert (again.status_code, again.json["id"], again.json["received"]) == (200, begun.json["id"], PIECE)
    assert shop.sends(again.json).json["code"] == "upload_incomplete"
    assert shop.puts(again.json, PNG, 0).json["received"] == PIECE
    upload = shop.puts(again.json, PNG, PIECE).json
    assert upload["done"]
    sent = shop.sends(upload, caption="Our cake", client_key="cake")
    assert sent.status_code == 202
    assert shop.sends(upload, caption="Our cake", client_key="cake").json["message_id"] == sent.json["message_id"]
    assert shop.sends(upload, caption="No cake", client_key="cake").json["code"] == "idempotency_key_reused"
    row = shop.thread()[-1]
    assert (row["message_type"], row["content_text"], row["media_mime_type"]) == ("image", "Our cake", "image/png")
    assert shop.file(row["id"]) == PNG
    shop.deliver()
    assert (shop.thread()[-1]["status"], shop.sandbox.deliveries()) == ("queued", [])
    shop.keeps_files()
    shop.deliver()
    (delivery,) = shop.sandbox.deliveries()
    assert (delivery.type, delivery.content["caption"]) == ("image", "Our cake")
    assert delivery.content["id"] == shop.thread()[-1]["media_id"]
    assert shop.file(row["id"]) == PNG


@on_sqlite
def test_a_document_has_its_name_and_a_voice_note_is_one(shop: Shop) -> None:
    paper = shop.hands_over(b"%PDF-1.7 menu", "application/pdf", "menu", filename="Menü.pdf")
    note = shop.hands_over(b"OggS voice", "audio/ogg; codecs=opus", "voice")
    assert shop.sends(paper).status_code == shop.sends(note, voice=True).status_code == 202
    sound = shop.hands_over(b"OggS", "audio/ogg", "x")
    assert shop.sends(sound, caption="Hi").json["errors"][0]["pointer"] == "/caption"
    shop.keeps_files()
    for _ in range(2):
        shop.deliver()
    first, second = shop.sandbox.deliveries()
    assert (first.type, first.content["filename"]) == ("document", "Menü.pdf")
    assert (second.type, second.content["voice"]) == ("audio", True)


@on_sqlite
def test_what_whatsapp_would_not_take_is_refused_with_what_to_change(shop: Shop) -> None:
    large = {"account_id": shop.account, "mime_type": "image/png", "size": 6 * 1024 * 1024, "client_key": "x"}
    (problem,) = shop.client.post("/uploads", json=large).json["errors"]
    assert problem["pointer"] == "/size"
    assert "takes 5 MB" in problem["problem"]
    (problem,) = shop.begins(b"x", "image/gif").json["errors"]
    assert "send pictures as JPEG or PNG" in problem["problem"]
    upload = shop.begins(b"no picture at all").json
    refused = shop.puts(upload, b"no picture at all", 0)
    assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (400, "/mime_type")
    assert shop.puts(upload | {"id": upload["id"]}, b"x" * PIECE, PIECE).status_code == 400
    assert shop.client.delete(f"/uploads/{upload['id']}").status_code == 204
    shop.keeps_files()
    assert shop.puts(upload, b"no picture at all", 0).json["code"] == "upload_not_found"


@on_sqlite
def test_a_file_that_was_given_up_is_gone_at_once_and_its_key_begins_anew(shop: Shop) -> None:
    whole, begun = shop.hands_over(PNG, "image/png", "whole"), shop.begins(PNG, key="begun").json
    for upload in (whole, begun):
        assert shop.client.delete(f"/uploads/{upload['id']}").status_code == 204
        again = shop.client.delete(f"/uploads/{upload['id']}")
        for answer in (again, shop.puts(upload, PNG, 0), shop.sends(upload)):
            assert (answer.status_code, answer.json["code"]) == (404, "upload_not_found")
    anew = shop.hands_over(PNG, "image/png", "whole")
    assert anew["id"] != whole["id"]
    assert shop.sends(anew).status_code == 202
    shop.keeps_files()
    shop.deliver()
    assert [delivery.type for delivery in shop.sandbox.deliveries()] == ["image"]


def test_a_last_piece_is_taken_also_when_the_database_has_to_be_asked_for_the_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That question writes what has changed so far, and takes from the row nothing that is set after it."""
    monkeypatch.setattr(shop.runtime.db._clock, "now", lambda: None)
    upload = shop.hands_over(PNG)
    assert (upload["done"], upload["mime_type"]) == (True, "image/png")


def test_a_last_piece_that_comes_twice_at_once_is_there_for_both(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's line was slow, and the same piece came again: the second is done while the first is being stored."""
    upload = shop.begins(PNG).json
    shop.puts(upload, PNG, 0)
    store = shop.runtime.store
    put, quicker = store.put, []

    def put_by_both(key: str, pieces: Iterable[bytes]) -> int:
        if not quicker:
            quicker.append(key)
            quicker.append(uploads.put_piece(shop.runtime.db, store, access(), UUID(upload["id"]), PIECE, PNG[PIECE:]))
        return put(key, pieces)

    monkeypatch.setattr(store, "put", put_by_both)
    answer = shop.puts(upload, PNG, PIECE)
    assert (answer.status_code, answer.json["done"], quicker[-1].done) == (200, True, True)
    assert shop.pieces() == []
    monkeypatch.undo()
    assert shop.file(shop.sends(upload).json["message_id"]) == PNG


@on_sqlite
def test_a_piece_that_got_lost_is_no_whole_file(shop: Shop) -> None:
    upload = shop.begins(PNG).json
    shop.puts(upload, PNG, 0)
    for path in shop.pieces():
        path.unlink()
    answer = shop.puts(upload, PNG, PIECE)
    assert (answer.status_code, answer.json["code"]) == (503, "media_unavailable")


@on_sqlite
def test_a_file_is_whole_also_while_its_pieces_cannot_be_deleted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_key: str) -> None:
        raise UpstreamUnavailable("media_store", "it is away")

    monkeypatch.setattr(shop.runtime.store, "delete", away)
    assert shop.hands_over(PNG)["done"]


@on_sqlite
def test_a_piece_of_a_file_that_is_given_up_meanwhile_leaves_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = shop.begins(PNG).json
    store = shop.runtime.store
    put = store.put

    def given_up_meanwhile(key: str, pieces: Iterable[bytes]) -> int:
        uploads.drop(shop.runtime.db, access(), UUID(upload["id"]))
        uploads.forget_old(shop.runtime.db, store)
        return put(key, pieces)

    monkeypatch.setattr(store, "put", given_up_meanwhile)
    answer = shop.puts(upload, PNG, 0)
    assert (answer.status_code, answer.json["code"]) == (404, "upload_not_found")
    assert shop.pieces() == []


def test_a_file_that_is_being_forgotten_cannot_be_sent_without_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = shop.hands_over(PNG)
    store, answers = shop.runtime.store, []
    delete = store.delete

    def sent_meanwhile(key: str) -> None:
        answers.append(shop.sends(upload))
        delete(key)

    with shop.runtime.db.writing() as session:
        session.get_one(Upload, UUID(upload["id"])).created_at -= uploads.KEPT
    monkeypatch.setattr(store, "delete", sent_meanwhile)
    uploads.forget_old(shop.runtime.db, store)
    assert {(each.status_code, each.json["code"]) for each in answers} == {(404, "upload_not_found")}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_key_begins_anew_while_the_sweep_takes_what_was_given_up_under_it(shop: Shop) -> None:
    given_up = shop.begins(PNG).json
    shop.client.delete(f"/uploads/{given_up['id']}")
    swept = delete(Upload).where(Upload.id == UUID(given_up["id"]))
    anew = while_it_goes(shop.runtime.db, swept, lambda: shop.begins(PNG))
    assert (anew.status_code, anew.json["id"] != given_up["id"]) == (201, True)


@on_sqlite
def test_a_file_that_whatsapp_refuses_fails_its_message_and_one_that_breaks_off_comes_again(shop: Shop) -> None:
    shop.sends(shop.hands_over(b"%PDF-1.7 a", "application/pdf", "a"))
    shop.sandbox.fault("whatsapp", "status", code=503)
    shop.keeps_files()
    assert shop.thread()[-1]["status"] == "queued"
    shop.sandbox.clear_faults()
    shop.sandbox.fault("whatsapp", "graph_error", code=131053, status=400)
    keeping = crews_of(shop.runtime).keeping
    assert keeping._sending.hand_over(UUID(shop.conversation)) is None
    failed = shop.thread()[-1]
    assert (failed["status"], failed["error"]["title"]) == ("failed", "WhatsApp refused the media file.")
    shop.sandbox.clear_faults()
    assert shop.client.post(f"/messages/{failed['id']}/resend").status_code == 202
