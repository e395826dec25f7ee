"""Files of ours: handed over piece by piece, then to WhatsApp, then sent; what cannot be sent is refused first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from inbox.config import BucketAddress, Config
from inbox.media.schemas import PIECE
from inbox.runtime import crews_of
from sandbox import Sandbox
from tests.api_shop import ApiShop, open_shop

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
