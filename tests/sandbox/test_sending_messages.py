import pytest
import requests

from sandbox import Sandbox
from tests.clocks import Clock
from tests.sandbox.helpers import CAMILLE, NUMBER_ID, OUR_NUMBER, graph, send

BUTTONS = {
    "type": "button",
    "header": {"type": "text", "text": "Créneau"},
    "body": {"text": "Quand ?"},
    "footer": {"text": "Au choix"},
    "action": {"buttons": [{"type": "reply", "reply": {"id": "am", "title": "Matin"}}]},
}
LIST = {
    "type": "list",
    "body": {"text": "Que faut-il ?"},
    "action": {"button": "Choisir", "sections": [{"rows": [{"id": "a", "title": "A", "description": "Le premier"}]}]},
}
TEMPLATE = {
    "name": "order_update",
    "language": {"code": "fr"},
    "components": [
        {"type": "body", "parameters": [{"type": "text", "text": "Camille"}, {"type": "text", "text": "4521"}]},
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "Y"}],
        },
    ],
}
LINK = "https://example.com/a.jpg"


def refusal_of(response: requests.Response) -> tuple[int, int]:
    """HTTP status and Meta's code, once the shape is Meta's."""
    error = response.json()["error"]
    assert error["type"] == "OAuthException"
    assert error["fbtrace_id"]
    assert error["error_data"]["messaging_product"] == "whatsapp"
    assert error["error_data"]["details"]
    return response.status_code, error["code"]


def test_a_text_is_accepted_with_the_documented_answer(sandbox: Sandbox) -> None:
    response = send(sandbox, biz_opaque_callback_data="row-1")

    answer = response.json()
    wamid = answer["messages"][0]["id"]
    assert response.status_code == 200
    assert wamid.startswith("wamid.")
    assert answer == {
        "messaging_product": "whatsapp",
        "contacts": [{"input": f"+{CAMILLE}", "wa_id": CAMILLE}],
        "messages": [{"id": wamid}],
    }
    [delivery] = sandbox.deliveries()
    assert (delivery.wamid, delivery.phone, delivery.type, delivery.text) == (wamid, CAMILLE, "text", "Bonjour")
    assert (delivery.callback_data, delivery.phone_number_id) == ("row-1", NUMBER_ID)


@pytest.mark.parametrize("version", ["v20.0", "v26.0", "v31.0"])
def test_every_version_is_taken(sandbox: Sandbox, version: str) -> None:
    url = f"{sandbox.url}/{version}/{NUMBER_ID}/messages"
    body = {"messaging_product": "whatsapp", "to": "+33600000002", "text": {"body": "x"}}
    assert requests.post(url, json=body, headers={"Authorization": "Bearer t"}, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image", {"link": LINK, "caption": "Le colis"}),
        ("video", {"link": LINK}),
        ("audio", {"link": LINK, "voice": True}),
        ("sticker", {"link": LINK}),
        ("document", {"link": LINK, "filename": "facture é.pdf", "caption": "Facture"}),
        ("location", {"latitude": 48.85, "longitude": "2.29", "name": "Atelier", "address": "1 rue du Test"}),
        ("contacts", [{"name": {"formatted_name": "Alix"}, "phones": [{"phone": "+33600000009"}]}]),
        ("interactive", BUTTONS),
        ("interactive", LIST),
        ("template", TEMPLATE),
        ("template", {"name": "hello_world", "language": {"code": "en_US"}}),
    ],
)
def test_every_type_is_delivered_as_it_was_sent(sandbox: Sandbox, kind: str, content: object) -> None:
    assert send(sandbox, type=kind, text=None, **{kind: content}).status_code == 200
    [delivery] = sandbox.deliveries()
    assert (delivery.type, delivery.content) == (kind, content)


def test_a_template_says_that_it_was_accepted(sandbox: Sandbox) -> None:
    answer = send(sandbox, type="template", text=None, template=TEMPLATE).json()
    assert answer["messages"][0]["message_status"] == "accepted"


def test_a_reaction_to_a_message_that_exists_is_delivered(sandbox: Sandbox) -> None:
    wamid = sandbox.customer_writes(text="Bonjour")
    send(sandbox, type="reaction", text=None, reaction={"message_id": wamid, "emoji": "👍"})
    send(sandbox, type="reaction", text=None, reaction={"message_id": wamid, "emoji": ""})
    assert [delivery.content["emoji"] for delivery in sandbox.deliveries()] == ["👍", ""]


def test_the_message_it_answers_is_kept(sandbox: Sandbox) -> None:
    send(sandbox, context={"message_id": "wamid.QUOTED"})
    assert sandbox.deliveries()[0].context == "wamid.QUOTED"


@pytest.mark.parametrize("written", ["+33 6 00 00 00 01", "+33-600-000001", "+(33)600000001", " +33600000001 "])
def test_a_number_with_plus_is_taken_however_it_is_written(sandbox: Sandbox, written: str) -> None:
    answer = send(sandbox, written).json()
    assert answer["contacts"] == [{"input": written, "wa_id": CAMILLE}]


def test_without_plus_the_business_numbers_country_code_is_put_in_front(sandbox: Sandbox) -> None:
    assert send(sandbox, "33600000001").json()["contacts"][0]["wa_id"] == "3333600000001"


def test_the_country_code_can_be_left_alone(make_sandbox) -> None:
    lenient = make_sandbox(country_code_prefix=False)
    assert send(lenient, "33600000001").json()["contacts"][0]["wa_id"] == CAMILLE


def test_a_message_to_a_user_id_names_no_number(sandbox: Sandbox) -> None:
    answer = send(sandbox, to=None, recipient="FR.10000000000000000003").json()
    assert answer["contacts"] == [{"input": "FR.10000000000000000003", "user_id": "FR.10000000000000000003"}]
    assert sandbox.deliveries()[0].phone is None


def test_a_number_wins_over_a_user_id(sandbox: Sandbox) -> None:
    answer = send(sandbox, recipient="FR.10000000000000000003").json()
    assert answer["contacts"] == [{"input": f"+{CAMILLE}", "wa_id": CAMILLE}]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"messaging_product": None}, 131008),
        ({"messaging_product": "sms"}, 100),
        ({"type": "fax"}, 100),
        ({"type": ["text"]}, 100),
        ({"biz_opaque_callbackdata": "x"}, 100),
        ({"recipient_type": "group"}, 100),
        ({"to": None}, 131008),
        ({"to": 33600000001}, 131009),
        ({"to": "nobody"}, 131009),
        ({"to": "+336 call me"}, 131009),
        ({"to": None, "recipient": "10000"}, 131009),
        ({"text": None}, 131008),
        ({"text": "Bonjour"}, 131009),
        ({"text": {}}, 131008),
        ({"text": {"body": ""}}, 131009),
        ({"text": {"body": "x" * 4097}}, 131009),
        ({"text": {"body": 7}}, 131009),
        ({"text": {"body": "x", "preview_url": "yes"}}, 131009),
        ({"text": {"body": "x", "preview": True}}, 100),
        ({"biz_opaque_callback_data": "x" * 513}, 131009),
        ({"context": "wamid.X"}, 131009),
        ({"context": {}}, 131008),
        ({"type": "image", "image": {}}, 131008),
        ({"type": "image", "image": {"id": "1", "link": LINK}}, 131008),
        ({"type": "image", "image": {"id": "999"}}, 100),
        ({"type": "image", "image": {"link": "file:///etc/passwd"}}, 131009),
        ({"type": "image", "image": {"link": LINK, "caption": "x" * 1025}}, 131009),
        ({"type": "audio", "audio": {"link": LINK, "caption": "no"}}, 100),
        ({"type": "location", "location": {"latitude": 48}}, 131008),
        ({"type": "location", "location": {"latitude": 91, "longitude": 2}}, 131009),
        ({"type": "location", "location": {"latitude": "north", "longitude": 2}}, 131009),
        ({"type": "contacts", "contacts": []}, 131009),
        ({"type": "contacts", "contacts": [{"phones": []}]}, 131008),
        ({"type": "reaction", "reaction": {"emoji": "👍"}}, 131008),
        ({"type": "reaction", "reaction": {"message_id": "wamid.X"}}, 131008),
        ({"type": "reaction", "reaction": {"message_id": "x", "emoji": "x"}, "context": {"message_id": "y"}}, 131009),
    ],
)
def test_what_meta_refuses_is_refused_with_its_code(sandbox: Sandbox, change: dict, code: int) -> None:
    no_text = {"text": None} if "type" in change else {}
    assert refusal_of(send(sandbox, **no_text, **change)) == (400, code)
    assert sandbox.deliveries() == []


@pytest.mark.parametrize(
    ("interactive", "code"),
    [
        ({"type": "carousel"}, 131009),
        ({**BUTTONS, "body": None}, 131008),
        ({**BUTTONS, "body": {"text": "x" * 1025}}, 131009),
        ({**BUTTONS, "footer": {"text": "x" * 61}}, 131009),
        ({**BUTTONS, "header": {"type": "poem"}}, 131009),
        ({**BUTTONS, "header": {"type": "image"}}, 131008),
        ({**BUTTONS, "header": {"type": "image", "image": {}}}, 131008),
        ({**BUTTONS, "action": {"buttons": []}}, 131009),
        ({**BUTTONS, "action": {"buttons": BUTTONS["action"]["buttons"] * 2}}, 131009),
        ({**BUTTONS, "action": {"buttons": [{"type": "reply", "reply": {"id": "a", "title": "x" * 21}}]}}, 131009),
        ({**BUTTONS, "action": {"buttons": [{"type": "url", "reply": {"id": "a", "title": "x"}}]}}, 131009),
        ({**BUTTONS, "action": {"buttons": [{"type": "reply"}]}}, 131008),
        ({**LIST, "header": {"type": "image", "image": {"link": LINK}}}, 100),
        ({**LIST, "action": {"sections": LIST["action"]["sections"]}}, 131008),
        ({**LIST, "action": {"button": "x", "sections": LIST["action"]["sections"] * 2}}, 131008),
        ({**LIST, "action": {"button": "x", "sections": [{"rows": [{"id": "a", "title": "x" * 25}]}]}}, 131009),
        ({**LIST, "action": {"button": "x", "sections": [{"rows": [{"id": "a", "title": "A"}] * 2}]}}, 131009),
    ],
)
def test_interactive_messages_are_held_to_their_limits(sandbox: Sandbox, interactive: dict, code: int) -> None:
    assert refusal_of(send(sandbox, type="interactive", text=None, interactive=interactive)) == (400, code)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"name": "unknown"}, 404, 132001),
        ({"language": {"code": "de"}}, 404, 132001),
        ({"language": "fr"}, 400, 131009),
        ({"name": "winter_offer"}, 404, 132001),
        ({"name": "autumn_offer"}, 400, 132015),
        ({"name": "summer_offer"}, 400, 132016),
        ({"components": []}, 400, 132000),
        ({"components": [{"type": "tail"}]}, 400, 131009),
        ({"components": [{"type": "body", "parameters": [{"type": "song"}]}]}, 400, 132012),
        ({"components": [{"type": "body", "parameters": [{"type": "text"}]}]}, 400, 131008),
        ({"components": [{"type": "body", "parameters": [{"type": "text", "text": "a\nb"}]}]}, 400, 132012),
        (
            {
                "name": "appointment_reminder",
                "components": [{"type": "body", "parameters": [{"type": "text", "text": "a"}]}],
            },
            400,
            132012,
        ),
    ],
)
def test_templates_must_exist_be_approved_and_get_their_parameters(
    sandbox: Sandbox, change: dict, status: int, code: int
) -> None:
    assert refusal_of(send(sandbox, type="template", text=None, template={**TEMPLATE, **change})) == (status, code)


def test_a_named_template_takes_named_parameters(sandbox: Sandbox) -> None:
    named = [{"type": "text", "parameter_name": name, "text": "x"} for name in ("name", "time")]
    template = {"name": "appointment_reminder", "language": {"code": "fr"}}
    body = {"type": "body", "parameters": named}
    assert send(sandbox, type="template", text=None, template={**template, "components": [body]}).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b'"text"'])
def test_a_body_that_is_no_json_object_is_a_bad_request(sandbox: Sandbox, body: bytes) -> None:
    assert refusal_of(graph(sandbox, "POST", f"{NUMBER_ID}/messages", data=body)) == (400, 100)


def test_a_message_to_our_own_number_is_refused(sandbox: Sandbox) -> None:
    assert refusal_of(send(sandbox, f"+{OUR_NUMBER}")) == (400, 131021)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer other", "Basic dTpw", "token"])
def test_only_the_configured_tokens_are_taken(make_sandbox, authorization: str) -> None:
    strict = make_sandbox(access_tokens=["good"])
    response = graph(strict, "POST", f"{NUMBER_ID}/messages", headers={"Authorization": authorization})
    assert refusal_of(response) == (401, 190)
    assert graph(strict, "GET", NUMBER_ID, headers={"Authorization": "Bearer good"}).status_code == 200


def test_only_the_configured_numbers_exist(make_sandbox) -> None:
    strict = make_sandbox(numbers={"2001": "447000000000"})
    assert refusal_of(send(strict, number_id="2002")) == (400, 33)
    assert send(strict, "7911 000001", number_id="2001").json()["contacts"][0]["wa_id"] == "447911000001"


def test_a_closed_window_refuses_all_but_templates(make_sandbox) -> None:
    clock = Clock()
    strict = make_sandbox(enforce_window=True, clock=clock)
    assert refusal_of(send(strict)) == (400, 131047)
    assert send(strict, type="template", text=None, template=TEMPLATE).status_code == 200

    strict.customer_writes(CAMILLE, "Bonjour")
    clock.now += 24 * 3600 - 1
    assert send(strict).status_code == 200
    assert refusal_of(send(strict, number_id="200000000000002")) == (400, 131047)
    clock.now += 2
    assert refusal_of(send(strict)) == (400, 131047)


def test_a_pair_gets_a_burst_and_then_has_to_wait_for_all_of_it(make_sandbox) -> None:
    clock = Clock()
    strict = make_sandbox(enforce_limits=True, clock=clock)
    assert {send(strict).status_code for _ in range(45)} == {200}
    assert refusal_of(send(strict)) == (400, 131056)
    assert send(strict, "+33600000002").status_code == 200
    clock.now += 45 * 6 - 1
    assert refusal_of(send(strict)) == (400, 131056)
    clock.now += 1
    assert send(strict).status_code == 200


def test_a_pair_may_have_a_message_every_six_seconds(make_sandbox) -> None:
    clock = Clock()
    strict = make_sandbox(enforce_limits=True, clock=clock)
    for _ in range(10):
        assert send(strict).status_code == 200
        clock.now += 6


def test_a_number_sends_at_most_eighty_messages_a_second(make_sandbox) -> None:
    clock = Clock()
    strict = make_sandbox(enforce_limits=True, clock=clock)
    codes = [send(strict, f"+3361{number:07d}").status_code for number in range(81)]
    assert codes == [200] * 80 + [400]
    assert refusal_of(send(strict, "+33620000000")) == (400, 130429)
    clock.now += 0.5
    assert send(strict, "+33630000000").status_code == 200


def test_a_read_receipt_is_recorded(sandbox: Sandbox) -> None:
    wamid = sandbox.customer_writes(text="Bonjour")
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    assert graph(sandbox, "POST", f"{NUMBER_ID}/messages", json=body).json() == {"success": True}
    typing = {**body, "typing_indicator": {"type": "text"}}
    assert graph(sandbox, "POST", f"{NUMBER_ID}/messages", json=typing).json() == {"success": True}
    assert [(read.wamid, read.typing) for read in sandbox.reads()] == [(wamid, False), (wamid, True)]
    assert sandbox.deliveries() == []


@pytest.mark.parametrize(
    "change",
    [
        {"message_id": "wamid.UNKNOWN"},
        {"status": "unread"},
        {"typing_indicator": {"type": "voice"}},
    ],
)
def test_a_read_receipt_for_nothing_is_refused(sandbox: Sandbox, change: dict) -> None:
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": sandbox.customer_writes(text="x")}
    assert refusal_of(graph(sandbox, "POST", f"{NUMBER_ID}/messages", json=body | change)) == (400, 131009)
    assert sandbox.reads() == []


def test_our_own_message_cannot_be_marked_as_read(sandbox: Sandbox) -> None:
    wamid = send(sandbox).json()["messages"][0]["id"]
    body = {"messaging_product": "whatsapp", "status": "read", "message_id": wamid}
    assert refusal_of(graph(sandbox, "POST", f"{NUMBER_ID}/messages", json=body)) == (400, 131009)
