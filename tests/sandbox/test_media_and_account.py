import base64
import hashlib

import pytest
import requests

from sandbox import Sandbox
from tests.clocks import Clock
from tests.sandbox.helpers import NUMBER_ID, graph, send, wait_for
from tests.sandbox.test_sending_messages import refusal_of

WABA_ID = "100000000000001"
PDF = b"%PDF-1.4\r\n--not-a-boundary\r\n\x00\xff" * 100


def upload(sandbox: Sandbox, data: bytes = PDF, mime_type: str = "application/pdf", **form: str) -> requests.Response:
    fields = {"messaging_product": "whatsapp", "type": mime_type} | form
    return graph(sandbox, "POST", f"{NUMBER_ID}/media", data=fields, files={"file": ("facture é.pdf", data, mime_type)})


def test_an_uploaded_file_comes_back_byte_for_byte(sandbox: Sandbox) -> None:
    medium_id = upload(sandbox).json()["id"]
    info = graph(sandbox, "GET", medium_id, params={"phone_number_id": NUMBER_ID}).json()
    assert info == {
        "messaging_product": "whatsapp",
        "url": info["url"],
        "mime_type": "application/pdf",
        "sha256": hashlib.sha256(PDF).hexdigest(),
        "file_size": len(PDF),
        "id": medium_id,
    }
    download = requests.get(info["url"], headers={"Authorization": "Bearer token"}, timeout=5)
    assert (download.content, download.headers["Content-Type"]) == (PDF, "application/pdf")


def test_an_uploaded_file_can_be_sent(sandbox: Sandbox) -> None:
    medium_id = upload(sandbox).json()["id"]
    assert send(sandbox, type="document", text=None, document={"id": medium_id}).status_code == 200


def test_a_file_belongs_to_the_number_it_was_uploaded_for(sandbox: Sandbox) -> None:
    medium_id = upload(sandbox).json()["id"]
    message = {"type": "document", "text": None, "document": {"id": medium_id}}
    assert refusal_of(send(sandbox, number_id="200000000000002", **message)) == (400, 100)
    other = graph(sandbox, "DELETE", medium_id, params={"phone_number_id": "200000000000002"})
    assert refusal_of(other) == (400, 33)


def test_an_address_needs_the_token(sandbox: Sandbox) -> None:
    url = graph(sandbox, "GET", upload(sandbox).json()["id"]).json()["url"]
    assert refusal_of(requests.get(url, timeout=5)) == (401, 190)


def test_an_address_works_for_five_minutes(make_sandbox) -> None:
    clock = Clock()
    sandbox = make_sandbox(clock=clock)
    medium_id = upload(sandbox).json()["id"]
    url = graph(sandbox, "GET", medium_id).json()["url"]
    headers = {"Authorization": "Bearer token"}
    clock.now += 300
    assert requests.get(url, headers=headers, timeout=5).status_code == 200
    clock.now += 1
    assert requests.get(url, headers=headers, timeout=5).status_code == 404
    fresh = graph(sandbox, "GET", medium_id).json()["url"]
    assert requests.get(fresh, headers=headers, timeout=5).status_code == 200


@pytest.mark.parametrize("change", [("ext=", "ext=9"), ("hash=", "hash=é"), ("mid=", "mid=1")])
def test_an_address_cannot_be_made_up(sandbox: Sandbox, change: tuple[str, str]) -> None:
    url = graph(sandbox, "GET", upload(sandbox).json()["id"]).json()["url"].replace(*change)
    assert requests.get(url, headers={"Authorization": "Bearer token"}, timeout=5).status_code == 404


def test_a_deleted_file_is_gone(sandbox: Sandbox) -> None:
    medium_id = upload(sandbox).json()["id"]
    url = graph(sandbox, "GET", medium_id).json()["url"]
    assert graph(sandbox, "DELETE", medium_id).json() == {"success": True}
    assert requests.get(url, headers={"Authorization": "Bearer token"}, timeout=5).status_code == 404
    assert refusal_of(graph(sandbox, "DELETE", medium_id)) == (400, 33)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"messaging_product": "sms"}, 100),
        ({"mime_type": "application/x-msdownload"}, 100),
        ({"data": b"x" * (5 * 1024 * 1024 + 1), "mime_type": "image/png"}, 131053),
    ],
)
def test_an_upload_that_meta_refuses_is_refused(sandbox: Sandbox, form: dict, code: int) -> None:
    assert refusal_of(upload(sandbox, **form)) == (400, code)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nno head\r\n--b--"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="messaging_product"\r\n\r\nwhatsapp\r\n--b--\r\n',
        ),
    ],
)
def test_an_upload_that_is_no_form_with_a_file_is_refused(sandbox: Sandbox, content_type: str, body: bytes) -> None:
    response = graph(sandbox, "POST", f"{NUMBER_ID}/media", data=body, headers={"Content-Type": content_type})
    assert refusal_of(response) == (400, 100)


def test_the_type_of_the_part_counts_where_no_field_tells_it(sandbox: Sandbox) -> None:
    files = {"file": ("a.png", b"\x89PNG", "image/png"), "messaging_product": (None, "whatsapp")}
    medium_id = graph(sandbox, "POST", f"{NUMBER_ID}/media", files=files).json()["id"]
    assert graph(sandbox, "GET", medium_id).json()["mime_type"] == "image/png"


def test_the_oldest_files_go_when_there_are_too_many(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.graph_media.MAX_STORED_BYTES", 2 * len(PDF))
    first, *others = [upload(sandbox).json()["id"] for _ in range(3)]
    assert refusal_of(graph(sandbox, "DELETE", first)) == (400, 33)
    assert [graph(sandbox, "DELETE", medium_id).status_code for medium_id in others] == [200, 200]


def test_a_customers_file_can_be_fetched_from_its_webhook_and_by_its_id(connected_sandbox, application) -> None:
    data = b"\x89PNG photo"
    connected_sandbox.customer_writes(type="image", media=data, text="Le colis", content={"mime_type": "image/png"})
    [image] = [message["image"] for message in wait_for(application.messages)]
    assert image["caption"] == "Le colis"
    assert base64.b64decode(image["sha256"]) == hashlib.sha256(data).digest()
    for url in (image["url"], graph(connected_sandbox, "GET", image["id"]).json()["url"]):
        assert requests.get(url, headers={"Authorization": "Bearer token"}, timeout=5).content == data


def test_a_number_tells_the_fields_asked_for(sandbox: Sandbox) -> None:
    answer = graph(sandbox, "GET", NUMBER_ID, params={"fields": "display_phone_number,throughput,unheard_of"})
    assert answer.json() == {
        "display_phone_number": "+33700000000",
        "throughput": {"level": "STANDARD"},
        "id": NUMBER_ID,
    }


def test_another_number_has_other_digits(sandbox: Sandbox) -> None:
    one, other = (graph(sandbox, "GET", node).json()["display_phone_number"] for node in ("2001", "2002"))
    assert one != other


def test_an_id_that_is_nothing_is_refused(sandbox: Sandbox) -> None:
    assert refusal_of(graph(sandbox, "GET", "nothing")) == (400, 33)


def test_the_account_lists_its_numbers(make_sandbox) -> None:
    sandbox = make_sandbox(numbers={"2001": "33700000001", "2002": "33700000002"})
    rows = graph(sandbox, "GET", f"{WABA_ID}/phone_numbers").json()["data"]
    assert [(row["id"], row["display_phone_number"]) for row in rows] == [
        ("2001", "+33700000001"),
        ("2002", "+33700000002"),
    ]
    assert graph(sandbox, "GET", WABA_ID).json()["id"] == WABA_ID
    assert refusal_of(graph(sandbox, "GET", "1/phone_numbers")) == (400, 33)


def test_the_apps_subscription_can_be_made_seen_and_ended(connected_sandbox, application) -> None:
    path = f"{WABA_ID}/subscribed_apps"
    assert len(graph(connected_sandbox, "GET", path).json()["data"]) == 1
    assert graph(connected_sandbox, "DELETE", path).json() == {"success": True}
    assert graph(connected_sandbox, "GET", path).json() == {"data": []}
    connected_sandbox.customer_writes(text="nobody listens")
    wait_for(lambda: [webhook.state for webhook in connected_sandbox.webhooks()] == ["not subscribed"])
    assert graph(connected_sandbox, "POST", path).json() == {"success": True}
    connected_sandbox.customer_writes(text="somebody does")
    assert [message["text"]["body"] for message in wait_for(application.messages)] == ["somebody does"]


def test_templates_are_paged_with_cursors(sandbox: Sandbox) -> None:
    path = f"{WABA_ID}/message_templates"
    first = graph(sandbox, "GET", path, params={"limit": 5, "fields": "name,status"}).json()
    assert set(first["data"][0]) == {"id", "name", "status"}
    rest = requests.get(first["paging"]["next"], headers={"Authorization": "Bearer t"}, timeout=5).json()
    assert "next" not in rest["paging"]
    whole = graph(sandbox, "GET", path).json()["data"]
    assert [row["id"] for row in first["data"] + rest["data"]] == [row["id"] for row in whole]
    assert whole[1]["components"][1]["buttons"] == [{"type": "QUICK_REPLY", "text": "Confirmer"}]


def test_templates_can_be_filtered(sandbox: Sandbox) -> None:
    path = f"{WABA_ID}/message_templates"
    paused = graph(sandbox, "GET", path, params={"status": "PAUSED"}).json()["data"]
    assert [row["name"] for row in paused] == ["autumn_offer"]
    assert graph(sandbox, "GET", path, params={"name": "nothing"}).json() == {"data": []}
    assert refusal_of(graph(sandbox, "GET", path, params={"limit": "many"})) == (400, 100)


@pytest.mark.parametrize("path", ["x/unknown_edge", "2001/messages/more"])
def test_an_unknown_edge_is_refused(sandbox: Sandbox, path: str) -> None:
    assert refusal_of(graph(sandbox, "POST", path)) == (400, 2500)
