import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.sandbox.helpers import CAMILLE, OUR_NUMBER, keys_of, send, wait_for

SAMPLES = Path(__file__).parents[1] / "data" / "webhooks"


def sample(name: str) -> dict[str, Any]:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def message_in(payload: dict[str, Any]) -> dict[str, Any]:
    return payload["entry"][0]["changes"][0]["value"]["messages"][0]


CASES = [
    ("text", {"text": "Bonjour"}),
    ("text_bsuid_only", {"text": "x", "phone": None, "bsuid": "FR.10000000000000000003", "username": "noe.essai"}),
    ("text_username_with_phone", {"text": "x", "phone": "33600000003", "username": "@noe.essai"}),
    ("text_reply_context", {"text": "Oui", "context": "wamid.OURS"}),
    ("text_forwarded", {"text": "Info", "forwarded": True}),
    ("image_caption", {"type": "image", "text": "Photo du colis"}),
    ("audio_voice", {"type": "audio"}),
    ("audio_file", {"type": "audio", "content": {"mime_type": "audio/mpeg"}}),
    ("video", {"type": "video", "text": "Le défaut"}),
    ("document", {"type": "document", "content": {"caption": "Facture", "filename": "facture é.pdf"}}),
    ("sticker_static", {"type": "sticker"}),
    ("location", {"type": "location", "content": {"name": "Atelier", "address": "1 rue", "url": "https://a.test"}}),
    ("contacts", {"type": "contacts", "content": message_in(sample("contacts"))["contacts"]}),
    ("reaction", {"type": "reaction", "content": {"message_id": "wamid.OURS", "emoji": "👍🏽"}}),
    ("reaction_removed", {"type": "reaction", "content": {"message_id": "wamid.OURS", "emoji": None}}),
    ("button_quick_reply", {"type": "button", "context": "wamid.OURS"}),
    ("interactive_button_reply", {"type": "button_reply", "context": "wamid.OURS"}),
    ("interactive_list_reply", {"type": "list_reply", "content": {"description": "x"}, "context": "wamid.OURS"}),
    ("interactive_list_reply_no_description", {"type": "list_reply", "context": "wamid.OURS"}),
    ("unsupported_poll", {"type": "unsupported"}),
    ("unsupported_131060", {"type": "unsupported", "content": {"code": 131060, "type": "unknown"}}),
]


@pytest.mark.parametrize(("file", "writing"), CASES, ids=[name for name, _ in CASES])
def test_a_customers_message_has_the_documented_structure(connected_sandbox, application, file, writing) -> None:
    wamid = connected_sandbox.customer_writes(**writing)
    [payload] = wait_for(application.payloads)
    assert keys_of(payload) == keys_of(sample(file))
    assert message_in(payload)["id"] == wamid
    assert message_in(payload)["type"] == message_in(sample(file))["type"]


def test_the_fields_say_who_wrote_what_when_to_whom(connected_sandbox, application) -> None:
    connected_sandbox.customer_writes(CAMILLE, "Où est ma commande ?", name="Camille Essai", timestamp=1795165201)
    [value] = wait_for(application.values)
    [message] = value["messages"]
    [contact] = value["contacts"]
    assert value["metadata"] == {"display_phone_number": OUR_NUMBER, "phone_number_id": "200000000000001"}
    assert contact == {"profile": {"name": "Camille Essai"}, "wa_id": CAMILLE, "user_id": contact["user_id"]}
    assert (message["from"], message["timestamp"]) == (CAMILLE, "1795165201")
    assert message["from_user_id"] == contact["user_id"]
    assert message["text"] == {"body": "Où est ma commande ?"}


def test_a_hidden_number_is_left_out_and_the_user_id_stays(connected_sandbox, application) -> None:
    connected_sandbox.customer_writes(CAMILLE, "un")
    connected_sandbox.customer_writes(CAMILLE, "deux", username="camille", hides_phone=True)
    first, second = wait_for(lambda: len(application.messages()) == 2 and sorted(application.messages(), key=str))
    assert first["from_user_id"] == second["from_user_id"]
    assert sorted("from" in message for message in (first, second)) == [False, True]


def test_a_number_and_a_user_id_given_together_are_one_person(sandbox: Sandbox) -> None:
    sandbox.customer_writes(None, "x", bsuid="FR.10000000000000000003")
    sandbox.customer_writes("33600000003", "x", bsuid="FR.10000000000000000003")
    [customer] = sandbox.graph.customers
    assert (customer.phone, customer.bsuid) == ("33600000003", "FR.10000000000000000003")
    assert sandbox.customer("33600000003") is sandbox.customer("FR.10000000000000000003") is customer


def test_a_quoted_message_names_its_author(connected_sandbox, application) -> None:
    own = connected_sandbox.customer_writes(text="Bonjour")
    connected_sandbox.customer_writes(text="je veux dire", context=own)
    ours = send(connected_sandbox).json()["messages"][0]["id"]
    connected_sandbox.customer_writes(text="merci", context=ours)
    wait_for(lambda: len(application.messages()) == 3)
    authors = {m["context"]["id"]: m["context"]["from"] for m in application.messages() if "context" in m}
    assert authors == {own: CAMILLE, ours: OUR_NUMBER}


def test_the_same_message_can_come_again(connected_sandbox, application) -> None:
    wamid = connected_sandbox.customer_writes(text="une seule fois svp")
    assert connected_sandbox.customer_writes(text="une seule fois svp", wamid=wamid) == wamid
    wait_for(lambda: [message["id"] for message in application.messages()] == [wamid, wamid])


def test_a_message_can_go_to_another_of_our_numbers(make_sandbox, application) -> None:
    numbers = {"2001": "33700000001", "2002": "33700000002"}
    sandbox = make_sandbox(webhook_url=application.url, numbers=numbers)
    sandbox.customer_writes(text="à la première")
    sandbox.customer_writes(text="à la seconde", phone_number_id="2002")
    wait_for(lambda: len(application.values()) == 2)
    assert {value["metadata"]["phone_number_id"] for value in application.values()} == set(numbers)


@pytest.mark.parametrize(
    "writing",
    [
        {"type": "telepathy"},
        {"phone": None},
        {"type": "reaction"},
        {"phone_number_id": "nothing"},
    ],
)
def test_what_no_customer_can_write_is_a_value_error(sandbox: Sandbox, writing: dict) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        sandbox.customer_writes(**writing)


def test_ids_are_never_the_same_in_two_runs_with_the_same_seed(make_sandbox) -> None:
    assert make_sandbox(seed=1).customer_writes(text="x") != make_sandbox(seed=1).customer_writes(text="x")
