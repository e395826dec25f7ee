import base64
import threading

import pytest
import requests

from sandbox import Sandbox
from sandbox.fault_kinds import KINDS
from sandbox.records import Log
from tests.sandbox.helpers import CAMILLE, NUMBER_ID, auth, generate, graph, send, wait_for
from tests.sandbox.test_customer_messages import sample


def call(sandbox: Sandbox, method: str, path: str, body: object = None, **query: object) -> requests.Response:
    return requests.request(method, f"{sandbox.url}/{path}", json=body, params=query, timeout=5)


def test_the_health_route_tells_where_it_is(connected_sandbox, application) -> None:
    health = call(connected_sandbox, "GET", "_health")
    assert health.json() == {"status": "ok", "url": connected_sandbox.url, "webhook_url": application.url}


def test_a_fault_is_switched_on_seen_and_switched_off(sandbox: Sandbox) -> None:
    wanted = {"upstream": "whatsapp", "fault": "status", "code": 503, "times": 5, "match": {"to": CAMILLE}}
    fault_id = call(sandbox, "POST", "_faults", wanted).json()["id"]
    assert send(sandbox).status_code == 503
    listed = call(sandbox, "GET", "_faults").json()
    [fault] = listed["faults"]
    assert (fault["id"], fault["hits"], fault["times"]) == (fault_id, 1, 5)
    assert fault["params"] == {"code": 503, "body": "json", "retry_after": None, "process": False}
    assert set(listed["kinds"]) == set(KINDS)
    assert listed["kinds"]["redirect"]["params"]["location"] == {"type": "header", "required": True}
    assert call(sandbox, "DELETE", f"_faults/{fault_id}").json() == {"removed": 1}
    call(sandbox, "POST", "_faults", wanted)
    call(sandbox, "POST", "_faults", wanted)
    assert call(sandbox, "DELETE", "_faults").json() == {"removed": 2}
    assert send(sandbox).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"upstream": "whatsapp", "fault": "explode"},
        {"upstream": "telegram", "fault": "hang"},
        {"upstream": "whatsapp", "fault": "hang", "minutes": 1},
        {"upstream": "whatsapp"},
        [],
    ],
)
def test_a_fault_that_does_not_exist_is_answered_with_the_ones_that_do(sandbox: Sandbox, body: object) -> None:
    response = call(sandbox, "POST", "_faults", body)
    assert response.status_code == 400
    assert response.json()["error"]
    assert set(response.json()["faults"]) == set(KINDS)


def test_deliveries_are_listed_counted_and_filtered(sandbox: Sandbox) -> None:
    for to in (f"+{CAMILLE}", "+33600000002", f"+{CAMILLE}"):
        send(sandbox, to, biz_opaque_callback_data="row-1")
    send(sandbox, to=None, recipient="FR.3")
    found = call(sandbox, "GET", "_deliveries").json()
    assert found["count"] == 4
    assert found["by_customer"] == {CAMILLE: 2, "33600000002": 1, "FR.3": 1}
    assert found["deliveries"][0] | {"wamid": "", "bsuid": "", "at": 0} == {
        "wamid": "", "phone": CAMILLE, "bsuid": "", "type": "text", "text": "Bonjour", "content": {"body": "Bonjour"},
        "callback_data": "row-1", "phone_number_id": NUMBER_ID, "context": None, "at": 0,
    }  # fmt: skip
    assert call(sandbox, "GET", "_deliveries", to="+33 600 000 002").json()["count"] == 1
    assert len(call(sandbox, "GET", "_deliveries", to=CAMILLE, limit=1).json()["deliveries"]) == 1
    assert call(sandbox, "GET", "_deliveries", to="FR.3").json()["by_customer"] == {"FR.3": 1}
    assert call(sandbox, "GET", "_deliveries", limit=0).status_code == 400


def test_a_customer_writes(connected_sandbox, application) -> None:
    body = {
        "phone": "+33 6 00 00 00 01",
        "type": "image",
        "text": "Le colis",
        "media_base64": base64.b64encode(b"photo").decode(),
        "content": {"mime_type": "image/jpeg"},
    }
    wamid = call(connected_sandbox, "POST", "_customers/messages", body).json()["wamid"]
    [message] = wait_for(application.messages)
    assert (message["id"], message["from"], message["image"]["caption"]) == (wamid, CAMILLE, "Le colis")


@pytest.mark.parametrize(
    "body", [{}, [], {"phone": CAMILLE, "mood": "good"}, {"phone": CAMILLE, "media_base64": "%"}, {"phone": 7}]
)
def test_a_message_no_customer_can_write_is_a_bad_request(sandbox: Sandbox, body: object) -> None:
    response = call(sandbox, "POST", "_customers/messages", body)
    assert response.status_code == 400
    assert response.json()["error"]


def test_a_customer_is_set_up(sandbox: Sandbox) -> None:
    customer = call(sandbox, "POST", f"_customers/+{CAMILLE}", {"fails_with": 131026, "name": "Camille"}).json()
    assert (customer["phone"], customer["fails_with"], customer["name"]) == (CAMILLE, 131026, "Camille")
    assert call(sandbox, "GET", "_customers").json()["customers"] == [customer]
    assert call(sandbox, "POST", f"_customers/{CAMILLE}", {"fails_with": None}).json()["fails_with"] is None
    assert call(sandbox, "POST", f"_customers/{customer['bsuid']}", {}).json()["phone"] == CAMILLE
    assert call(sandbox, "POST", f"_customers/{CAMILLE}", {"mood": "good"}).status_code == 400
    assert call(sandbox, "POST", f"_customers/{CAMILLE}", {"reads": "no"}).status_code == 400
    assert call(sandbox, "POST", f"_customers/{CAMILLE}", [1]).status_code == 400
    assert call(sandbox, "POST", "_customers", {}).status_code == 404


def test_a_user_id_can_be_given_to_a_customer(sandbox: Sandbox) -> None:
    call(sandbox, "POST", f"_customers/{CAMILLE}", {"bsuid": "FR.1"})
    assert sandbox.customer("FR.1").phone == CAMILLE
    assert len(list(sandbox.graph.customers)) == 1


def test_requests_are_listed_by_upstream(sandbox: Sandbox) -> None:
    send(sandbox)
    generate(sandbox, "Bonjour")
    auth(sandbox)
    graph(sandbox, "POST", f"{NUMBER_ID}/media", data=b"\xff\xfe")
    assert call(sandbox, "GET", "_requests").json()["count"] == 4
    [found] = call(sandbox, "GET", "_requests", upstream="gemini").json()["requests"]
    assert (found["upstream"], found["method"], found["status"], found["processed"]) == ("gemini", "POST", 200, True)
    assert '"Bonjour"' in found["body"]
    last = call(sandbox, "GET", "_requests", upstream="whatsapp").json()["requests"][-1]
    assert base64.b64decode(last["body_base64"]) == b"\xff\xfe"


def test_webhooks_are_listed_with_their_attempts(connected_sandbox, application) -> None:
    application.answers = [500]
    wamid = connected_sandbox.customer_writes(text="Bonjour")
    wait_for(lambda: connected_sandbox.webhooks() and connected_sandbox.webhooks()[0].state == "acknowledged")
    [webhook] = call(connected_sandbox, "GET", "_webhooks").json()["webhooks"]
    assert webhook["updates"] == [f"text {wamid}"]
    assert (webhook["state"], webhook["last_status"]) == ("acknowledged", 200)
    assert [attempt["status"] for attempt in webhook["attempts"]] == [500, 200]
    assert webhook["last_seconds"] > 0


def test_a_webhook_of_ones_own_is_delivered_as_it_is(connected_sandbox, application) -> None:
    body = b'{"object": "whatsapp_business_account",  "entry": []}'
    assert requests.post(f"{connected_sandbox.url}/_webhooks", data=body, timeout=5).status_code == 200
    assert wait_for(lambda: application.received)[0].body == body
    connected_sandbox.send_webhook(sample("empty_entry"))
    wait_for(lambda: len(application.received) == 2)


def test_reads_are_listed(sandbox: Sandbox) -> None:
    wamid = sandbox.customer_writes(text="Bonjour")
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    graph(sandbox, "POST", f"{NUMBER_ID}/messages", json=body)
    [read] = call(sandbox, "GET", "_reads").json()["reads"]
    assert (read["wamid"], read["typing"], read["phone_number_id"]) == (wamid, False, NUMBER_ID)


def test_users_and_keys_are_managed(sandbox: Sandbox) -> None:
    user = call(sandbox, "POST", "_supabase/users", {"email": "a@example.com", "password": "x"}).json()
    assert call(sandbox, "GET", "_supabase/users").json()["users"] == [user]
    token = call(sandbox, "POST", "_supabase/mint", {"user": "a@example.com"}).json()["access_token"]
    assert auth(sandbox, token).json()["id"] == user["id"]
    assert call(sandbox, "POST", "_supabase/rotate", {"remove_old": True}).json()["kid"]
    assert auth(sandbox, token).status_code == 403
    assert call(sandbox, "POST", "_supabase/mode", {"signing": "hs256"}).json() == {"signing": "hs256"}
    token = call(sandbox, "POST", "_supabase/mint", {"user": user["id"], "expires_in": -1}).json()["access_token"]
    assert auth(sandbox, token).status_code == 403
    assert call(sandbox, "DELETE", f"_supabase/users/{user['id']}").status_code == 200
    assert call(sandbox, "DELETE", f"_supabase/users/{user['id']}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("_supabase/users", {"mood": "good"}, 400),
        ("_supabase/mode", {"signing": "rs256"}, 400),
        ("_supabase/mint", {}, 400),
        ("_supabase/mint", {"user": "nobody"}, 400),
        ("_supabase/other", {}, 404),
    ],
)
def test_what_is_wrong_with_a_users_request_is_said(sandbox: Sandbox, path: str, body: object, status: int) -> None:
    response = call(sandbox, "POST", path, body)
    assert response.status_code == status
    assert response.json()["error"]


def test_a_reset_forgets_everything_but_the_addresses(connected_sandbox, application) -> None:
    connected_sandbox.supabase.save_user(email="a@example.com")
    connected_sandbox.fault("any", "set_cookie")
    connected_sandbox.customer_writes(text="Bonjour")
    send(connected_sandbox)
    wait_for(lambda: len(application.received) == 4)
    assert call(connected_sandbox, "POST", "_reset").json() == {}
    for path in ("_deliveries", "_requests", "_webhooks", "_reads"):
        assert call(connected_sandbox, "GET", path).json()["count"] == 0
    assert call(connected_sandbox, "GET", "_faults").json()["faults"] == []
    assert call(connected_sandbox, "GET", "_customers").json()["customers"] == []
    assert call(connected_sandbox, "GET", "_supabase/users").json()["users"] == []
    connected_sandbox.customer_writes(text="encore")
    wait_for(lambda: len(application.received) == 5)


def test_an_unknown_route_is_answered_with_the_ones_there_are(sandbox: Sandbox) -> None:
    response = call(sandbox, "PUT", "_faults")
    assert response.status_code == 404
    assert "POST /_faults" in response.json()["there_is"]
    assert call(sandbox, "GET", "_supabase").status_code == 404
    assert call(sandbox, "GET", "elsewhere").status_code == call(sandbox, "GET", "").status_code == 404


def test_control_requests_are_neither_recorded_nor_disturbed(sandbox: Sandbox) -> None:
    sandbox.fault("any", "status", code=503)
    assert call(sandbox, "GET", "_health").status_code == 200
    assert sandbox.requests() == []


def test_a_malformed_body_is_a_bad_request(sandbox: Sandbox) -> None:
    assert requests.post(f"{sandbox.url}/_faults", data=b"{", timeout=5).status_code == 400


def test_only_the_last_records_are_kept(make_sandbox) -> None:
    sandbox = make_sandbox(record_limit=3)
    for number in range(5):
        send(sandbox, text={"body": str(number)})
    assert [delivery.text for delivery in sandbox.deliveries()] == ["2", "3", "4"]
    assert len(sandbox.requests()) == 3
    assert (sandbox.records.deliveries.total, sandbox.records.requests.total) == (5, 5)


def test_records_hold_no_more_bytes_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.records.MAX_LOG_BYTES", 10)
    log: Log[bytes] = Log(100, len)
    for entry in (b"1234", b"5678", b"90ab"):
        log.add(entry)
    assert list(log) == [b"5678", b"90ab"]
    log.clear()
    log.add(b"0123456789")
    assert (list(log), log.total) == ([b"0123456789"], 1)


def test_records_can_be_read_while_they_are_written() -> None:
    log: Log[int] = Log(100)
    writers = [threading.Thread(target=lambda: [log.add(n) for n in range(2000)]) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert len(list(log)) <= 100
    for writer in writers:
        writer.join()
    assert log.total == 8000
