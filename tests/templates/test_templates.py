"""Templates through the real parts: asked for from WhatsApp, listed, filled in, sent, and refused with the reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select, update

from inbox.clock import rfc3339, utc_now
from inbox.config import Config
from inbox.errors import UpstreamUnavailable
from inbox.gateways.whatsapp.templates import Told
from inbox.models import Account, Contact, TemplateSync
from inbox.resilience import WHATSAPP_TEMPLATES
from inbox.runtime import crews_of
from inbox.templates import sync
from inbox.templates.sync import SyncClaim
from sandbox import Sandbox
from tests.api_shop import ApiShop, open_shop
from tests.builders import CUSTOMER, NUMBER_ID, ingest, the_account, webhook

PNG = b"\x89PNG\r\n\x1a\n cake"


class Shop(ApiShop):
    def templates(self) -> dict[str, Any]:
        """By name and language."""
        answer = self.client.get(f"/accounts/{self.account}/templates")
        assert answer.status_code == 200
        return {f"{each['name']} {each['language']}": each for each in answer.json["templates"]}

    def sync(self) -> None:
        with self.runtime.db.writing() as session:
            session.execute(update(TemplateSync).values(due_at=self.runtime.db.now(session)))
        self.keeps_house()

    def hands_over(self, data: bytes, mime_type: str, **more: Any) -> str:
        """The id of an upload."""
        told = {"account_id": self.account, "mime_type": mime_type, "size": len(data), "client_key": mime_type}
        upload = self.client.post("/uploads", json=told | more).json
        assert self.client.put(f"/uploads/{upload['id']}?offset=0", data=data).json["done"]
        return str(upload["id"])

    def send(self, template: str, parameters: dict[str, str], **more: Any) -> Any:
        body = {"conversation_id": self.conversation, "template_id": self.templates()[template]["id"], **more}
        return self.client.post("/messages/send-template", json={**body, "parameters": parameters})


@pytest.fixture
def shop(live_config: Config, sandbox: Sandbox) -> Iterator[Shop]:
    """Its only customer wrote so long ago that WhatsApp takes templates alone."""
    with open_shop(live_config, sandbox) as made:
        made.customer_writes(ago=timedelta(hours=30))
        db = made.runtime.db
        with db.writing() as session:
            sync.plan(session, db.now(session))
        yield Shop(made.runtime, made.client, sandbox)


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_templates_are_asked_for_page_by_page_and_sent_when_the_window_is_closed(shop: Shop) -> None:
    """The whole way: nothing is known, WhatsApp is asked, one is chosen, filled in, queued and delivered."""
    assert shop.templates() == {}
    shop.sync()
    found = shop.templates()
    assert len(found) == 10
    parcel = found["parcel_sent en"]
    assert (parcel["category"], parcel["status"], parcel["refusal"]) == ("utility", "approved", None)
    assert [each["name"] for each in parcel["parameters"]] == ["header.1", "body.1", "body.2", "button.0"]
    conversation = shop.conversation
    text = shop.client.post("/messages/send", json={"conversation_id": conversation, "content": "Hello"})
    assert (text.status_code, text.json["code"]) == (409, "reply_window_closed")
    values = {"header.1": "77", "body.1": "Léa", "body.2": "Friday", "button.0": "77"}
    sent = shop.send("parcel_sent en", values, client_key="once")
    assert sent.status_code == 202
    row = sent.json["message"]
    assert (row["message_type"], row["status"]) == ("template", "queued")
    assert row["content_text"] == "Parcel 77\nDear Léa, your parcel comes on Friday.\nSent by the bakery"
    assert shop.send("parcel_sent en", values, client_key="once").json["message_id"] == sent.json["message_id"]
    other = shop.send("parcel_sent en", values | {"body.1": "Anna"}, client_key="once")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    shop.deliver()
    (delivery,) = shop.sandbox.deliveries()
    assert (delivery.phone, delivery.type) == (CUSTOMER, "template")
    assert delivery.text == "Dear Léa, your parcel comes on Friday."
    assert delivery.content["components"][2]["sub_type"] == "url"
    (message,) = [
        each for each in shop.client.get(f"/messages/{conversation}").json if each["message_type"] == "template"
    ]
    assert message["status"] == "sent"
    assert shop.client.get(f"/conversations/{conversation}").json["last_message"] == row["content_text"]


@on_sqlite
@pytest.mark.parametrize(
    ("template", "refusal"),
    [("autumn_offer fr", "paused"), ("winter_offer fr", "rejected"), ("summer_offer fr", "disabled")],
)
def test_a_template_that_whatsapp_would_refuse_is_refused_with_the_reason(
    shop: Shop, template: str, refusal: str
) -> None:
    shop.sync()
    answer = shop.send(template, {"body.1": "Léa"})
    assert (answer.status_code, answer.json["code"], answer.json["refusal"]) == (409, "template_not_sendable", refusal)
    assert "WhatsApp has" in answer.json["title"]


@on_sqlite
def test_bad_values_are_named_and_nothing_is_queued(shop: Shop) -> None:
    shop.sync()
    answer = shop.send("order_update en", {"body.1": "Léa", "body.3": "?"})
    assert answer.status_code == 400
    assert [each["pointer"] for each in answer.json["errors"]] == ["/parameters/body.2", "/parameters/body.3"]
    with shop.runtime.db.writing() as session:
        session.execute(update(Contact).values(marketing_stopped_at=shop.runtime.db.now(session)))
    stopped = shop.send("spring_offer fr", {"body.1": "Léa"})
    assert (stopped.status_code, stopped.json["code"]) == (409, "marketing_stopped")
    gone = {"conversation_id": shop.conversation, "template_id": shop.account}
    assert shop.client.post("/messages/send-template", json=gone).json["code"] == "template_not_found"
    assert crews_of(shop.runtime).sends(4) == []


def test_a_webhook_changes_the_state_at_once_and_has_the_rest_asked_for(shop: Shop) -> None:
    shop.sync()
    before = shop.templates()["spring_offer fr"]
    assert before["refusal"] is None
    shop.sandbox.set_template_status("spring_offer", "fr", "PAUSED", "customers blocked it")
    shop.hears()
    paused = shop.templates()["spring_offer fr"]
    assert (paused["id"], paused["status"], paused["reason"]) == (before["id"], "paused", "customers blocked it")
    with shop.runtime.db.reading() as session:
        (row,) = session.execute(select(TemplateSync)).scalars()
    assert row.due_at <= row.synced_at + sync.AT_MOST
    ingest(shop.runtime, webhook(field=sync.STATUS_FIELD, event="REINSTATED", message_template_id=400000000000005))
    back = shop.templates()["spring_offer fr"]
    assert (back["status"], back["reason"], back["refusal"]) == ("approved", None, None)
    ingest(shop.runtime, webhook(field=sync.STATUS_FIELD, event="DELETED", message_template_id=400000000000005))
    assert "spring_offer fr" not in shop.templates()


@on_sqlite
@pytest.mark.parametrize(
    "fault",
    [{"fault": "status", "code": 503}, {"fault": "reset_after"}, {"fault": "graph_error", "code": 190, "status": 401}],
)
def test_a_sync_that_fails_says_why_keeps_what_there_was_and_comes_back(shop: Shop, fault: dict[str, Any]) -> None:
    """Whatever WhatsApp does to the question, sends go on: it has a circuit of its own."""
    shop.sync()
    shop.sandbox.fault("whatsapp", **fault)
    shop.sync()
    answer = shop.client.get(f"/accounts/{shop.account}/templates").json
    assert (len(answer["templates"]), bool(answer["error"])) == (10, True)
    assert answer["synced_at"] is not None
    shop.sandbox.clear_faults()
    WHATSAPP_TEMPLATES.breaker.reset()
    shop.sync()
    assert shop.client.get(f"/accounts/{shop.account}/templates").json["error"] is None


def test_two_that_ask_at_once_keep_the_same(shop: Shop) -> None:
    """A webhook makes a number due again while it is being asked for the first time."""
    told = [Told(str(number), f"name{number}", "en", "APPROVED", "UTILITY", False, []) for number in range(300)]
    both = threading.Barrier(2)
    gateway = SimpleNamespace(all_of=lambda *_: told if both.wait(30) >= 0 else [])
    runtime, token = shop.runtime, shop.runtime.cipher.encrypt("token")
    asked = SyncClaim(the_account(runtime.db).id, utc_now(), "1", token)
    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(sync.run, runtime.db, gateway, runtime.cipher, asked) for _ in range(2)]:
            done.result(60)
    assert len(shop.templates()) == len(told)


@on_sqlite
def test_one_that_fails_late_says_nothing_against_one_that_came_through_meanwhile(shop: Shop) -> None:
    runtime = shop.runtime
    asked = SyncClaim(the_account(runtime.db).id, utc_now(), "1", runtime.cipher.encrypt("token"))

    def hangs(*_: Any) -> None:
        shop.sync()
        raise UpstreamUnavailable("whatsapp", reason="ReadTimeout", phase="sent")

    sync.run(runtime.db, SimpleNamespace(all_of=hangs), runtime.cipher, asked)
    answer = shop.client.get(f"/accounts/{shop.account}/templates").json
    assert (len(answer["templates"]), answer["error"]) == (10, None)


@on_sqlite
def test_how_the_number_stands_is_asked_every_hour_beside_them(shop: Shop) -> None:
    def stands() -> Any:
        return shop.client.get(f"/accounts/{shop.account}").json["reputation"]

    def ages() -> None:
        with shop.runtime.db.writing() as session:
            account = the_account(shop.runtime.db)
            told = {**(account.reputation or {}), "told_at": rfc3339(shop.runtime.db.now(session) - timedelta(hours=1))}
            session.execute(update(Account).values(reputation=told))

    assert stands() is None
    shop.sync()
    first = stands()
    assert (first["quality"], first["limit"], first["troubles"]) == ("GREEN", "2000", [])
    shop.sync()
    assert stands() == first
    ages()
    shop.sandbox.fault("whatsapp", "graph_error", code=131000, match={"path": NUMBER_ID})
    shop.sync()
    assert stands()["quality"] == "GREEN"
    shop.sandbox.clear_faults()
    WHATSAPP_TEMPLATES.breaker.reset()
    shop.sync()
    assert stands()["told_at"] >= first["told_at"]


@on_sqlite
def test_asking_again_is_bounded_and_needs_a_business_account(shop: Shop) -> None:
    shop.sync()
    asked = len(shop.sandbox.requests("whatsapp"))
    for _ in range(3):
        assert shop.client.post(f"/accounts/{shop.account}/templates/sync").status_code == 202
        assert crews_of(shop.runtime).housekeeping.receipts(1) == []
    assert len(shop.sandbox.requests("whatsapp")) == asked
    with shop.runtime.db.writing() as session:
        session.execute(update(Account).values(waba_id=None))
    refused = shop.client.post(f"/accounts/{shop.account}/templates/sync")
    assert (refused.status_code, refused.json["code"]) == (409, "business_account_unknown")


@on_sqlite
def test_a_template_that_failed_can_be_sent_again_when_the_window_is_closed(shop: Shop) -> None:
    shop.sync()
    sent = shop.send("hello_world en_US", {}).json["message_id"]
    shop.sandbox.fault("whatsapp", "graph_error", code=132015, status=400)
    shop.deliver()
    conversation = shop.conversation
    (row,) = [each for each in shop.client.get(f"/messages/{conversation}").json if each["id"] == sent]
    assert (row["status"], row["error"]["title"], row["error"]["can_retry"]) == (
        "failed",
        "The template is paused.",
        True,
    )
    shop.sandbox.clear_faults()
    assert shop.client.post(f"/messages/{sent}/resend").status_code == 202
    shop.deliver()
    assert len(shop.sandbox.deliveries()) == 1


@on_sqlite
def test_the_file_of_a_header_goes_to_whatsapp_before_its_template(shop: Shop) -> None:
    """It is checked before anything is queued, waits in the template's place, and can be seen in the thread."""
    shop.sync()
    picture, paper = shop.hands_over(PNG, "image/png"), shop.hands_over(b"%PDF-1.7 menu", "application/pdf")
    cake, values = "cake_of_the_week en", {"body.1": "Léa"}
    for template, upload, words in (
        (cake, paper, "of kind image: hand over image/jpeg, image/png"),
        ("order_update en", picture, "is no file. Leave it out"),
    ):
        given = {"body.1": "Léa"} | ({} if template == cake else {"body.2": "12"})
        (problem,) = shop.send(template, given, upload_id=upload).json["errors"]
        assert problem["pointer"] == "/upload_id"
        assert words in problem["problem"]
    (missing,) = shop.send(cake, values).json["errors"]
    assert missing["pointer"] == "/parameters/header.image"
    both = values | {"header.image": "https://example.com/cake.png"}
    (one,) = shop.send(cake, both, upload_id=picture).json["errors"]
    assert one["pointer"] == "/parameters/header.image"
    assert shop.send(cake, values, upload_id=shop.account).json["code"] == "upload_not_found"
    sent = shop.send(cake, values, upload_id=picture, client_key="cake")
    assert sent.status_code == 202
    again = shop.send(cake, values, upload_id=picture, client_key="cake")
    assert again.json["message_id"] == sent.json["message_id"]
    assert shop.send(cake, both, client_key="cake").json["code"] == "idempotency_key_reused"
    with shop.client.get(f"/messages/media/{sent.json['message_id']}") as answer:
        assert answer.data == PNG
    shop.deliver()
    assert shop.sandbox.deliveries() == []  # the file is still on its way
    shop.keeps_files()
    shop.deliver()
    (delivery,) = shop.sandbox.deliveries()
    (header,) = delivery.content["components"][0]["parameters"]
    assert header == {"type": "image", "image": {"id": shop.thread()[-1]["media_id"]}}
    assert delivery.text == "Good morning Léa, this is our cake of the week."
