"""Every sample webhook goes in, and what must hold of the whole folder holds (signature, I2, I3, I4, I13)."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox.db import Database
from inbox.models import Annotation, Contact, EventState, Job, ParkedStatus, WebhookEvent
from inbox.runtime import Runtime
from tests.builders import (
    SAMPLES,
    all_conversations,
    all_messages,
    dead_letters,
    ingest,
    sample,
    signed,
    the_conversation,
)
from tests.settings import APP_SECRET

NAMES = sorted(path.stem for path in SAMPLES.glob("*.json"))

#: file: sha256= over the stored bytes, and over the compact escaped form (app secret test_app_secret_0001).
VECTORS = {
    "text": (
        "bf1b7b3e00200e4acc8ab4d3e396cfedc1bd96389b5081c52a6093886e866d1f",
        "957b54a6d94fd0285ee51b68107353518f90d6dbf716857d1a46ff99889e81da",
    ),
    "text_escaped_unicode": (
        "f9a42211f2aa3047f6f5647024bfa22559116a77d24246222ceefb739d3a3279",
        "df0bec993c996fafb571286280a398c7ad28f0f9f47f91c7338f4fe1fc7bd5b2",
    ),
    "status_sent": (
        "ebea54aa4f37afc0ff93a4c8038fe8be7e1cafbcd3a657ad6bf9ef6f0f2dc00e",
        "72dc3d520daf79720c63c2ee7119eea4fa5993dadfb274fad835afaf1880780a",
    ),
    "batch_several_messages": (
        "f982e8334746cfbcf0e624b076d4b48d33cc64d90f5804a27172804068a5e594",
        "b98ace77a847c95c4b1e77e31dcb6c26dc9df78e5c80bd201aa23138691bf171",
    ),
    "text_very_long": (
        "38a5ae4f0f2b8488379c935428a3ee87fbed906448d86df6092bf97f16380157",
        "e70df2f35118920b28317256930f2b701e881375f00a31f54e47e900fbecaceb",
    ),
}


def compact(body: bytes) -> bytes:
    """The form Meta puts on the wire."""
    return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=True).encode()


@pytest.mark.parametrize("name", VECTORS)
def test_the_published_signature_vectors_are_accepted_in_both_forms(stranger: FlaskClient, name: str) -> None:
    for body, digest in zip((sample(name), compact(sample(name))), VECTORS[name], strict=True):
        headers = {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
        assert stranger.post("/webhook/whatsapp", data=body, headers=headers).status_code == 200


def test_every_sample_is_answered_200_and_ingested_whatever_it_holds(
    stranger: FlaskClient, runtime: Runtime, db: Database
) -> None:
    for name in NAMES:
        body = compact(sample(name))
        response = stranger.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))
        assert (name, response.status_code, response.json) == (name, 200, {"status": "received"})
    ingest(runtime)
    with db.reading() as session:
        events = session.execute(select(WebhookEvent)).scalars().all()
    assert len(events) == len(NAMES)
    assert {event.state for event in events} == {EventState.DONE}
    for event in events:
        assert event.items == event.stored + event.duplicates + event.dead
    assert {letter.reason for letter in dead_letters(db)} == {"no_message_id", "unknown_phone_number_id"}


def test_the_folder_in_any_order_twice_ends_the_same(runtime: Runtime, db: Database) -> None:
    ingest(runtime, *(sample(name) for name in NAMES))
    first = {(m.wa_message_id, m.content_text, m.timestamp, m.status) for m in all_messages(db)}
    ingest(runtime, *(sample(name) for name in reversed(NAMES)))
    second = {(m.wa_message_id, m.content_text, m.timestamp, m.status) for m in all_messages(db)}
    assert first == second


@pytest.mark.parametrize("order", [("1", "2"), ("2", "1")])
def test_a_redelivered_message_is_stored_once(runtime: Runtime, db: Database, order: tuple[str, str]) -> None:
    for number in order:
        ingest(runtime, sample(f"duplicate_delivery_{number}"))
    assert [m.content_text for m in all_messages(db)] == ["une seule fois svp", "et un nouveau"]
    assert the_conversation(db).unread_count == 2


def test_a_message_twice_in_one_batch_is_stored_once(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("duplicate_delivery_1"), sample("duplicate_delivery_2"), sample("duplicate_delivery_1"))
    assert len(all_messages(db)) == 2
    assert the_conversation(db).unread_count == 2


@pytest.mark.parametrize(
    "order", [("text_bsuid_only", "text_username_with_phone"), ("text_username_with_phone", "text_bsuid_only")]
)
def test_a_hidden_number_that_shows_later_is_one_customer(
    runtime: Runtime, db: Database, order: tuple[str, str]
) -> None:
    for name in order:
        ingest(runtime, sample(name))
    with db.reading() as session:
        (contact,) = session.execute(select(Contact)).scalars()
    assert (contact.user_id, contact.username) == ("FR.10000000000000000003", "noe.essai")
    assert contact.phone is not None
    the_conversation(db)


@pytest.mark.parametrize(
    "name", ["system_user_changed_number", "system_user_changed_number_2025", "system_legacy_fields"]
)
def test_a_changed_number_keeps_its_thread(runtime: Runtime, db: Database, name: str) -> None:
    ingest(runtime, sample("text"))
    ingest(runtime, sample(name))
    with db.reading() as session:
        (contact,) = session.execute(select(Contact)).scalars()
    assert contact.phone == "33600000011"
    conversation = the_conversation(db)
    assert conversation.unread_count == 1
    assert [m.message_type for m in all_messages(db)] == ["text", "system"]


@pytest.mark.parametrize(
    "name",
    ["history_chunk", "history_declined", "smb_message_echo", "standby_message", "revoke"]
    + ["reaction", "reaction_removed", "request_welcome_legacy", "system_customer_identity_changed"],
)
def test_what_is_no_new_question_asks_for_no_answer(runtime: Runtime, db: Database, name: str) -> None:
    ingest(runtime, sample(name))
    assert [conversation.unread_count for conversation in all_conversations(db)] in ([], [0])
    with db.reading() as session:
        assert session.execute(select(Job)).scalars().all() == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("unsupported_poll", "[unsupported: poll_creation]"),
        ("unsupported_edit", "[unsupported: edit]"),
        ("future_unknown_type", "[hologram]"),
        ("image_no_url", "[image]"),
        ("audio_voice", "[audio]"),
        ("location", "[location] Atelier Essai, 1 rue du Test, 75000 Paris (48.85837, 2.294481)"),
        ("location_pin_bare", "[location] 48.85661, 2.35222"),
        ("order_without_note", "[order, total 6.60 EUR] 3 × BAG-01 at 1.20 EUR, 2 × CRO-02 at 1.50 EUR"),
        ("text_product_inquiry", "Disponible en bleu ?\n[product] SKU-TEST-1"),
        ("text_referral_ad", "Je veux en savoir plus\n[advertisement] Écrivez-nous: Promo rentrée"),
        ("interactive_list_reply", "Livraison express - Demain avant midi"),
        ("button_quick_reply", "Confirmer"),
        ("contacts", "[contact] Dr. Alix Modèle, +33 6 00 00 00 09, +33 1 00 00 00 09, alix@example.test; Sans Numéro"),
        ("document", "Facture"),
    ],
)
def test_every_type_has_readable_text(runtime: Runtime, db: Database, name: str, shown: str) -> None:
    ingest(runtime, sample(name))
    (message,) = all_messages(db)
    assert message.content_text == shown
    assert the_conversation(db).last_message == shown


def test_an_unknown_type_keeps_its_whole_content(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("future_unknown_type"))
    (message,) = all_messages(db)
    assert message.payload["hologram"] == {"depth": 3, "frames": ["a", "b"], "nested": {"x": None}}


def test_a_poisoned_item_does_not_hold_back_its_neighbours(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("batch_poison_item"))
    assert [m.content_text for m in all_messages(db)] == ["bon", "bon aussi"]
    (letter,) = dead_letters(db)
    assert letter.reason == "no_message_id"
    assert json.loads(letter.raw)["entry"][0]["changes"][0]["value"]["messages"] == [
        {"from": None, "id": None, "timestamp": None, "type": "text", "text": None}
    ]


def test_contacts_are_joined_by_id_not_by_position(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("batch_several_messages"))
    with db.reading() as session:
        names = {c.phone: c.display_name for c in session.execute(select(Contact)).scalars()}
    assert names == {"33600000001": "Camille Essai", "33600000002": "Lila"}


def test_a_status_for_an_unknown_id_is_parked_and_shown_nowhere(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("status_unknown_wamid"))
    assert all_messages(db) == []
    with db.reading() as session:
        (parked,) = session.execute(select(ParkedStatus)).scalars()
    assert parked.status == "delivered"


def test_120_statuses_in_one_webhook_are_all_kept(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("batch_120_statuses"))
    with db.reading() as session:
        assert len(session.execute(select(ParkedStatus)).scalars().all()) == 120


@pytest.mark.parametrize("order", [("text", "edit"), ("edit", "text")])
def test_an_edit_reaches_its_message_whichever_comes_first(
    runtime: Runtime, db: Database, order: tuple[str, str]
) -> None:
    for name in order:
        ingest(runtime, sample(name))
    (message,) = all_messages(db)
    assert message.content_text == "Bonjour, avez-vous reçu ma commande 4522 ?"
    assert message.edited_at is not None
    assert the_conversation(db).last_message == message.content_text


def test_a_reaction_and_its_removal_leave_two_annotations_and_no_message(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("reaction"), sample("reaction_removed"))
    assert all_messages(db) == []
    with db.reading() as session:
        assert len(session.execute(select(Annotation)).scalars().all()) == 2


def test_a_group_is_a_thread_of_its_own(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"), sample("group_text"))
    group = next(c for c in all_conversations(db) if c.is_group)
    assert len(all_conversations(db)) == 2
    assert not group.bot_enabled
    (message,) = [m for m in all_messages(db) if m.conversation_id == group.id]
    assert message.author_name == "Camille Essai"


def test_a_colleague_who_answers_from_the_phone_ends_the_wait(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    before = the_conversation(db)
    assert before.unread_count == 1
    ingest(runtime, sample("smb_message_echo"))
    after = the_conversation(db)
    assert (after.unread_count, after.epoch) == (0, before.epoch + 1)
    assert all_messages(db)[-1].author_name == "WhatsApp Business app"
    assert all_messages(db)[-1].status == "sent"


@pytest.mark.parametrize("name", ["\u200b", "\u3164", "\u2800", "\u200e\u202e", "   "])
def test_a_name_that_shows_nothing_is_no_name(runtime: Runtime, db: Database, client: FlaskClient, name: str) -> None:
    body = json.loads(sample("text"))
    body["entry"][0]["changes"][0]["value"]["contacts"][0]["profile"]["name"] = name
    ingest(runtime, json.dumps(body).encode())
    (contact,) = client.get(f"/contacts?account_id={the_conversation(db).account_id}").json
    assert (contact["display_name"], contact["whatsapp_number"]) == (None, "33600000001")


def test_an_invisible_name_stored_before_is_shown_as_none(runtime: Runtime, db: Database, client: FlaskClient) -> None:
    ingest(runtime, sample("text"))
    with db.writing() as session:
        session.execute(select(Contact)).scalar_one().display_name = "\u3164"
    account_id = the_conversation(db).account_id
    (contact,) = client.get(f"/contacts?account_id={account_id}").json
    (conversation,) = client.get(f"/conversations?account_id={account_id}").json
    assert contact["display_name"] is None
    assert conversation["contacts"] == {"display_name": None, "whatsapp_number": "33600000001"}


# --- calls -------------------------------------------------------------------------------------------------------


def call(**fields: object) -> bytes:
    body = json.loads(sample("call_missed"))
    body["entry"][0]["changes"][0]["value"]["calls"][0].update(fields)
    return json.dumps(body).encode()


def test_a_missed_call_is_a_system_line_in_the_callers_thread(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    ingest(runtime, sample("call_missed"), sample("call_missed"))
    line = all_messages(db)[-1]
    assert (line.content_text, line.message_type, line.author_kind) == ("[missed call]", "call", "system")
    assert line.conversation_id == the_conversation(db).id
    assert the_conversation(db).last_message == "[missed call]"
    assert the_conversation(db).last_inbound_at == line.timestamp  # a call opens the reply window
    assert len(all_messages(db)) == 2


def test_a_missed_call_is_unread_and_gets_no_answer_of_the_bot(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("call_missed"), sample("call_missed"))
    conversation = the_conversation(db)
    assert conversation.bot_enabled
    assert (conversation.unread_count, conversation.needs_human) == (1, False)
    with db.reading() as session:
        assert session.execute(select(Job)).scalars().all() == []


def test_a_missed_call_after_a_colleagues_reply_stays_unread(runtime: Runtime, db: Database) -> None:
    ingest(runtime, call(timestamp="1795170000"))
    ingest(runtime, sample("smb_message_echo"))
    assert the_conversation(db).unread_count == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"event": "connect", "session": {"sdp_type": "offer", "sdp": "v=0"}},
        {"direction": "BUSINESS_INITIATED"},
        {"duration": "33", "status": "COMPLETED", "start_time": "1795165300", "end_time": "1795165333"},
    ],
)
def test_a_call_that_was_taken_or_was_ours_leaves_no_line(
    runtime: Runtime, db: Database, fields: dict[str, object]
) -> None:
    ingest(runtime, call(**fields))
    assert all_messages(db) == []
    assert dead_letters(db) == []
