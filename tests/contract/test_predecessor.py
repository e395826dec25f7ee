"""What the predecessor's front end and its load script call and read: their paths, bodies and field names are fixed."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from inbox.clock import rfc3339, utc_now
from inbox.db import Database
from inbox.models import Conversation
from inbox.runtime import Runtime
from tests.builders import all_messages, ingest, signed, text_message, the_account, the_conversation, webhook
from tests.settings import APP_SECRET
from tests.users.people import assign

CONVERSATION = {
    *("id", "account_id", "contact_id", "client_number", "status", "is_favorite", "is_group", "unread_count"),
    *("bot_enabled", "bot_last_reply_at", "updated_at", "last_message", "contacts"),
}
MESSAGE = {
    *("id", "conversation_id", "direction", "content_text", "timestamp", "wa_message_id", "message_type", "status"),
    *("media_id", "media_mime_type", "media_filename"),
}
PROFILE = {"id", "account_id", "custom_fields", "updated_at", "template_config"}  # texts are there once they are set
TEMPLATE = {
    "system_rules": {"language", "tone", "role", "mission", "style", "priority", "response_policy", "security"},
    "company": {"name", "address", "hours_block", "zone", "rendezvous", "activity"},
    "conditions": {"zone", "payment", "engagement", "restrictions", "documents"},
    "links": {"site", "products", "form", "other"},
    "escalation": {"procedure", "contact", "hours"},
}
LISTS = {
    "offers": {"category", "content"},
    "procedures": {"name", "steps"},
    "faq": {"question", "answer"},
    "special_cases": {"case", "response"},
}
PERMISSIONS = {
    *("accounts.view", "accounts.manage", "accounts.assign", "conversations.view", "messages.view", "messages.send"),
    *("contacts.view", "users.manage", "roles.manage", "settings.manage"),
}


@pytest.fixture
def talk(runtime: Runtime, db: Database) -> Conversation:
    """A conversation whose customer has just written."""
    now = int(utc_now().timestamp())
    ingest(
        runtime,
        webhook(
            contacts=[{"wa_id": "33600000001", "profile": {"name": "Camille"}}],
            messages=[text_message("Bonjour", wa_id="wamid.in", at=now)],
        ),
    )
    return the_conversation(db)


def test_meta_finds_the_webhook_where_it_was(stranger: FlaskClient) -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": "verify-me", "hub.challenge": "1158201444"}
    verified = stranger.get("/webhook/whatsapp", query_string=asked)
    assert (verified.status_code, verified.text, verified.mimetype) == (200, "1158201444", "text/plain")
    assert stranger.get("/webhook/whatsapp", query_string={**asked, "hub.verify_token": "no"}).status_code == 403
    body = webhook(messages=[text_message()])
    received = stranger.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))
    assert (received.status_code, received.get_json()) == (200, {"status": "received"})


def test_the_list_of_conversations(client: FlaskClient, talk: Conversation) -> None:
    asked = {"account_id": str(talk.account_id), "limit": 50}
    first = client.get("/conversations", query_string=asked)
    assert first.status_code == 200
    (row,) = first.get_json()
    assert row.keys() >= CONVERSATION
    assert row["contacts"] == {"display_name": "Camille", "whatsapp_number": "33600000001"}
    assert client.get("/conversations", query_string={**asked, "updated_since": row["updated_at"]}).get_json() == [row]
    later = rfc3339(utc_now()).replace("Z", "+00:00")  # as Python's isoformat() writes it
    assert client.get("/conversations", query_string={**asked, "updated_since": later}).status_code == 200


def test_what_is_done_to_a_conversation(client: FlaskClient, talk: Conversation) -> None:
    read = client.post(f"/conversations/{talk.id}/read")
    assert (read.status_code, read.get_json()["status"]) == (200, "ok")
    favorite = client.post(f"/conversations/{talk.id}/favorite", json={"favorite": True})
    assert (favorite.status_code, favorite.get_json()["status"]) == (200, "ok")
    bot = client.post(f"/conversations/{talk.id}/bot", json={"enabled": False})
    assert (bot.status_code, bot.get_json()["status"]) == (200, "ok")
    assert bot.get_json()["conversation"].keys() >= CONVERSATION
    assert (bot.get_json()["conversation"]["bot_enabled"], bot.get_json()["conversation"]["is_favorite"]) == (
        False,
        True,
    )
    assert client.post(f"/conversations/{talk.id}/bot", json={"enabled": "false"}).status_code == 400


def test_messages_are_read_oldest_first_and_sent(client: FlaskClient, db: Database, talk: Conversation) -> None:
    sent = client.post("/messages/send", json={"conversation_id": str(talk.id), "content": "On est ouvert."})
    assert (sent.status_code, sent.get_json()["status"]) == (202, "queued")
    assert sent.get_json()["message"].keys() >= MESSAGE
    assert sent.get_json()["message_id"] == sent.get_json()["message"]["id"]
    thread = client.get(f"/messages/{talk.id}", query_string={"limit": 100})
    assert [row["content_text"] for row in thread.get_json()] == ["Bonjour", "On est ouvert."]
    assert all(row.keys() >= MESSAGE for row in thread.get_json())
    assert [row["direction"] for row in thread.get_json()] == ["inbound", "outbound"]
    before = thread.get_json()[1]["timestamp"]
    older = client.get(f"/messages/{talk.id}", query_string={"limit": 100, "before": before})
    assert [row["content_text"] for row in older.get_json()] == ["Bonjour"]
    media = client.get(f"/messages/media/{all_messages(db)[0].id}")
    assert (media.status_code, media.get_json()["detail"]) == (404, "media_not_found")


def test_the_profile_of_the_bot(client: FlaskClient, db: Database) -> None:
    path = f"/bot/profile/{the_account(db).id}"
    empty = client.get(path).get_json()
    assert empty.keys() >= PROFILE
    template: dict[str, Any] = {section: dict.fromkeys(names, "x") for section, names in TEMPLATE.items()}
    template |= {section: [dict.fromkeys(names, "x")] for section, names in LISTS.items()}
    template["special_rules"] = "x"
    texts = ("business_name", "description", "address", "hours", "knowledge_base")
    body = {
        **dict.fromkeys(texts, "x"),
        "custom_fields": [{"id": "f1", "label": "Parking", "value": "Derrière"}],
        "template_config": template,
    }
    put = client.put(path, json=body)
    assert put.status_code == 200, put.get_json()
    stored = client.get(path).get_json()
    assert {name: stored[name] for name in body} == body
    assert stored["updated_at"].endswith("Z")


def test_accounts_and_contacts(client: FlaskClient, talk: Conversation) -> None:
    rows = client.get("/accounts").get_json()
    assert [row["id"] for row in rows] == [str(talk.account_id)]
    made = client.post(
        "/accounts", json={"name": "Deuxième", "phone_number_id": "200000000000002", "access_token": "token-of-two"}
    )
    assert made.status_code in (200, 201), made.get_json()
    gone = client.delete(f"/accounts/{made.get_json()['id']}")
    assert gone.status_code == 200, gone.get_json()
    contacts = client.get("/contacts", query_string={"account_id": str(talk.account_id)}).get_json()
    assert [row["display_name"] for row in contacts] == ["Camille"]


def test_who_am_i(client: FlaskClient) -> None:
    me = client.get("/auth/me")
    assert me.status_code == 200
    assert {*me.get_json()["permissions"]["global"]} == PERMISSIONS


def test_users_their_roles_and_overrides(client: FlaskClient, db: Database) -> None:
    assert {row["code"] for row in client.get("/admin/permissions").get_json()} == PERMISSIONS
    assert {row["slug"] for row in client.get("/admin/roles").get_json()} == {"admin", "manager", "viewer"}
    user = client.post("/admin/users", json={"email": "camille@example.com"}).get_json()["user_id"]
    assert user in [row["user_id"] for row in client.get("/admin/users").get_json()]
    roles = client.put(f"/admin/users/{user}/roles", json={"assignments": [assign("manager")]})
    assert roles.status_code == 200, roles.get_json()
    override = {"permission_code": "messages.send", "is_allowed": False}
    overrides = client.put(f"/admin/users/{user}/overrides", json={"overrides": [override]})
    assert overrides.status_code == 200, overrides.get_json()
    status = client.post(f"/admin/users/{user}/status", json={"is_active": False})
    assert (status.status_code, status.get_json()["is_active"]) == (200, False)


def test_circuit_breakers_and_the_cache(client: FlaskClient) -> None:
    names = {row["name"] for row in client.get("/admin/circuit-breakers").get_json()}
    assert names >= {"gemini", "whatsapp", "supabase"}
    assert client.post("/admin/circuit-breakers/gemini/reset").get_json()["status"] == "ok"
    assert client.get("/admin/cache/stats").get_json().keys() >= {"hits", "misses", "size"}
    assert client.post("/admin/cache/clear").get_json()["status"] == "ok"


def test_health(stranger: FlaskClient) -> None:
    assert stranger.get("/health/live").get_json() == {"status": "alive"}
    ready = stranger.get("/health/ready")
    assert (ready.status_code, ready.get_json()) == (200, {"status": "ready"})
    health = stranger.get("/health").get_json()
    assert health["status"] in ("ok", "degraded")
    assert health.keys() >= {"timestamp", "version", "dependencies", "circuit_breakers"}
    for name in ("gemini", "whatsapp"):
        assert health["circuit_breakers"][name].keys() >= {"name", "state", "failure_count", "opened_at"}


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/conversations?account_id={unknown}", 404, "account_not_found"),
        ("/messages/{unknown}", 404, "conversation_not_found"),
        ("/messages/media/{unknown}", 404, "message_not_found"),
        ("/bot/profile/{unknown}", 404, "account_not_found"),
    ],
)
def test_the_words_errors_are_told_apart_by(client: FlaskClient, path: str, status: int, detail: str) -> None:
    answer = client.get(path.format(unknown=UUID(int=1)))
    assert (answer.status_code, answer.get_json()["detail"]) == (status, detail)


def test_the_words_for_credentials(stranger: FlaskClient) -> None:
    assert stranger.get("/accounts").get_json()["detail"] == "missing_token"
    wrong = stranger.get("/accounts", headers={"Authorization": "Bearer wrong"})
    assert (wrong.status_code, wrong.get_json()["detail"]) == (401, "invalid_token")
