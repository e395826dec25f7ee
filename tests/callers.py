"""Somebody of each kind, a row of each kind, and a good request for every route."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from inbox.accounts.service import all_accounts
from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import (
    Account,
    BotProfile,
    BotProfileVersion,
    BotQuestion,
    CannedReply,
    ContactField,
    Conversation,
    DeadLetter,
    KnowledgePassage,
    KnowledgeSource,
    Label,
    Message,
    MessageStatus,
    MessageTemplate,
    Note,
    RoleDefinition,
    Upload,
    User,
    WebhookDelivery,
    WebhookEndpoint,
)
from inbox.runtime import Runtime, runtime_of
from tests.auth.people import PASSWORD, local_user, session_of
from tests.builders import NUMBER_ID, ingest, signed, text_message, webhook
from tests.settings import APP_SECRET, METRICS_TOKEN
from tests.users.people import role_id

#: Who calls: nobody; a viewer of another number; a viewer, a manager and an administrator of all.
CALLERS = ("anonymous", "stranger", "viewer", "manager", "admin")

OTHER_NUMBER = "200000000000002"
NOWHERE = UUID(int=404)


@dataclass(frozen=True)
class Case:
    """A request, and the status it is answered for each of CALLERS."""

    request: str
    expected: tuple[int, int, int, int, int]
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes | None = None

    @property
    def names_rows(self) -> bool:
        return bool(re.search(r"\{\w+\}", f"{self.request}{self.body}"))


OPEN = (200, 200, 200, 200, 200)
KNOWN = (401, 200, 200, 200, 200)
ROWS = (401, 404, 200, 200, 200)  # rows of another number are as good as missing
OF_ACCOUNT = (401, 403, 200, 200, 200)  # the number itself is refused
SENDS = (401, 403, 403, 200, 200)
ADMIN = (401, 403, 403, 403, 200)
MADE = (401, 403, 403, 403, 201)
HANDSHAKE = "hub.mode=subscribe&hub.challenge=7&hub.verify_token=verify-me"
WEBHOOK = webhook(messages=[text_message(wa_id="wamid.matrix")])

ROLE = {"slug": "desk", "name": "Front desk", "permissions": ["messages.view"]}

#: Where each row has an outcome of its own, which says the same of one of another number and of none (tests/team).
BY_ROW = {"team.change_many"}

CASES: dict[str, Case] = {
    "webhooks.verify_webhook": Case(
        "GET /webhook/whatsapp?hub.mode=subscribe&hub.challenge=7&hub.verify_token=verify-me", OPEN
    ),
    "webhooks.receive_webhook": Case("POST /webhook/whatsapp", OPEN, headers=signed(WEBHOOK, APP_SECRET), data=WEBHOOK),
    "health.get_health": Case("GET /health", OPEN),
    "health.get_liveness": Case("GET /health/live", OPEN),
    "health.get_readiness": Case("GET /health/ready", OPEN),
    "metrics.get_metrics": Case("GET /metrics", OPEN, headers={"Authorization": f"Bearer {METRICS_TOKEN}"}),
    "docs.get_openapi": Case("GET /openapi.json", OPEN),
    "docs.get_docs": Case("GET /docs", OPEN),
    "page.get_root": Case("GET /", OPEN),
    "page.get_manifest": Case("GET /manifest.webmanifest", OPEN),
    "page.get_notifier": Case("GET /notifier.js", OPEN),
    "sign_in.get_sign_in": Case("GET /sign-in", OPEN),
    "sign_in.send_sign_in": Case("POST /sign-in", (400,) * 5),  # without what a browser keeps
    "workshop.get_page_parts": Case("GET /page-parts", OPEN),
    "page.get_status": Case("GET /status", KNOWN),
    "status.get_history": Case("GET /status/history", KNOWN),
    "page.get_inbox": Case("GET /inbox", KNOWN),
    "page.get_settings": Case("GET /settings", KNOWN),
    "page.get_settings_section": Case("GET /settings/people", KNOWN),
    "page.get_profile_editor": Case("GET /bot/{account}/edit", ADMIN),
    "page.get_inbox_conversation": Case("GET /inbox/{conversation}", ROWS),
    "auth.login": Case("POST /auth/login", OPEN, {"email": "admin@example.com", "password": PASSWORD}),
    "auth.who_am_i": Case("GET /auth/me", KNOWN),
    "auth.change_me": Case("PATCH /auth/me", KNOWN, {"preferences": {"theme": "dark"}}),
    "auth.change_password": Case(
        "PUT /auth/password",
        (401, 409, 409, 409, 400),  # the first three sign in elsewhere, the last mistypes
        {"current": "not this one", "password": "two loaves, well baked"},
    ),
    "auth.logout": Case("POST /auth/logout", KNOWN),
    "auth.begin_session": Case("POST /auth/session", (401, 409, 409, 409, 409)),
    "live.list_changes": Case("GET /changes?account_id={account}", OF_ACCOUNT),
    "conversations.list_conversations": Case("GET /conversations?account_id={account}", OF_ACCOUNT),
    "conversations.count_conversations": Case("GET /conversations/counts?account_id={account}", OF_ACCOUNT),
    "conversations.get_conversation": Case("GET /conversations/{conversation}", ROWS),
    "conversations.read_conversation": Case("POST /conversations/{conversation}/read", ROWS, {}),
    "conversations.find": Case("GET /search?account_id={account}&q=hello", OF_ACCOUNT),
    "conversations.unread_conversation": Case("POST /conversations/{conversation}/unread", ROWS),
    "conversations.set_status": Case("POST /conversations/{conversation}/status", SENDS, {"status": "pending"}),
    "conversations.set_favorite": Case("POST /conversations/{conversation}/favorite", ROWS, {"favorite": True}),
    "conversations.set_bot": Case("POST /conversations/{conversation}/bot", SENDS, {"enabled": False}),
    "conversations.assign_conversation": Case("POST /conversations/{conversation}/assign", SENDS, {"user_id": None}),
    "conversations.list_messages": Case("GET /messages/{conversation}", ROWS),
    "conversations.send_message": Case(
        "POST /messages/send", (401, 403, 403, 202, 202), {"conversation_id": "{conversation}", "content": "Hello"}
    ),
    "conversations.send_content": Case(
        "POST /messages/send-content",
        (401, 403, 403, 202, 202),
        {
            "conversation_id": "{conversation}",
            "content": {"type": "location", "latitude": 48.85, "longitude": 2.35, "name": "Bakery"},
        },
    ),
    "conversations.react": Case("POST /messages/{received}/reaction", (401, 403, 403, 202, 202), {"emoji": "👍"}),
    "conversations.resend_message": Case("POST /messages/{failed}/resend", (401, 403, 403, 202, 409)),  # once
    "templates.list_templates": Case("GET /accounts/{account}/templates", OF_ACCOUNT),
    "templates.sync_templates": Case("POST /accounts/{account}/templates/sync", (401, 403, 403, 202, 202)),
    "templates.send_template": Case(
        "POST /messages/send-template",
        (401, 403, 403, 202, 202),
        {"conversation_id": "{conversation}", "template_id": "{template}", "parameters": {"body.1": "Anna"}},
    ),
    "accounts.get_hours": Case("GET /accounts/{account}/hours", OF_ACCOUNT),
    "accounts.set_hours": Case(
        "PUT /accounts/{account}/hours",
        ADMIN,
        {"zone": "UTC", "week": {"monday": [{"opens": "09:00", "closes": "18:00"}]}},
    ),
    "accounts.delete_hours": Case("DELETE /accounts/{account}/hours", ADMIN),
    "reports.get_report": Case("GET /reports?account_id={account}", ADMIN),
    "team.change_many": Case(
        "POST /conversations/bulk",
        (401, 200, 200, 200, 200),  # each row has an outcome of its own
        {"conversation_ids": ["{conversation}"], "do": {"action": "read"}},
    ),
    "team.list_notes": Case("GET /conversations/{conversation}/notes", ROWS),
    "team.add_note": Case("POST /conversations/{conversation}/notes", (401, 403, 403, 201, 201), {"text": "Call her"}),
    "team.edit_note": Case("PATCH /notes/{note}", (401, 403, 403, 403, 200), {"text": "Call him"}),  # the admin's
    "team.delete_note": Case("DELETE /notes/{note}", (401, 403, 403, 403, 200)),
    "team.list_labels": Case("GET /accounts/{account}/labels", OF_ACCOUNT),
    "team.create_label": Case("POST /accounts/{account}/labels", MADE, {"name": "Urgent", "color": 3}),
    "team.change_label": Case("PATCH /labels/{label}", ADMIN, {"name": "Late"}),
    "team.delete_label": Case("DELETE /labels/{label}", ADMIN),
    "team.set_labels": Case("PUT /conversations/{conversation}/labels", SENDS, {"label_ids": ["{label}"]}),
    "team.list_canned": Case("GET /accounts/{account}/canned-replies", OF_ACCOUNT),
    "team.create_canned": Case("POST /accounts/{account}/canned-replies", MADE, {"shortcut": "bye", "text": "Goodbye"}),
    "team.change_canned": Case("PATCH /canned-replies/{canned_reply}", ADMIN, {"text": "We open at eight."}),
    "team.delete_canned": Case("DELETE /canned-replies/{canned_reply}", ADMIN),
    "team.list_fields": Case("GET /accounts/{account}/contact-fields", OF_ACCOUNT),
    "team.create_field": Case(
        "POST /accounts/{account}/contact-fields", MADE, {"name": "Size", "kind": "choice", "choices": ["S", "L"]}
    ),
    "team.change_field": Case("PATCH /contact-fields/{contact_field}", ADMIN, {"name": "Shoe size"}),
    "team.delete_field": Case("DELETE /contact-fields/{contact_field}", ADMIN),
    "team.get_contact": Case("GET /contacts/{contact}", ROWS),
    "team.change_contact": Case("PATCH /contacts/{contact}", SENDS, {"fields": {"{contact_field}": "XL"}}),
    "team.list_duplicates": Case("GET /contacts/{contact}/duplicates", ROWS),
    "team.merge_contact": Case(
        "POST /contacts/{contact}/merge",
        (401, 403, 403, 403, 409),
        {"other_id": "{contact}"},  # with themselves
    ),
    "conversations.block_contact": Case("POST /conversations/{conversation}/block", SENDS, {"blocked": False}),
    "team.list_drafts": Case("GET /conversations/{conversation}/drafts", SENDS),
    "team.save_draft": Case("PUT /conversations/{conversation}/drafts/reply", SENDS, {"text": "Dear", "version": 0}),
    "team.drop_draft": Case("DELETE /conversations/{conversation}/drafts/note", (401, 403, 403, 204, 204)),
    "hooks.list_endpoints": Case("GET /accounts/{account}/webhook-endpoints", ADMIN),
    "hooks.create_endpoint": Case(
        "POST /accounts/{account}/webhook-endpoints",
        MADE,
        {"url": "https://example.com/x", "events": ["message.status"]},
    ),
    "hooks.change_endpoint": Case("PATCH /webhook-endpoints/{endpoint}", ADMIN, {"description": "Till"}),
    "hooks.rotate_secret": Case("POST /webhook-endpoints/{endpoint}/rotate", ADMIN),
    "hooks.send_test": Case("POST /webhook-endpoints/{endpoint}/test", ADMIN),
    "hooks.list_deliveries": Case("GET /webhook-endpoints/{endpoint}/deliveries", ADMIN),
    "hooks.resend": Case("POST /webhook-deliveries/{delivery}/resend", ADMIN),
    "hooks.delete_endpoint": Case("DELETE /webhook-endpoints/{endpoint}", ADMIN),
    "knowledge.list_sources": Case("GET /accounts/{account}/knowledge", ADMIN),
    "knowledge.add_source": Case(
        "POST /accounts/{account}/knowledge",
        MADE,
        {"source": {"type": "text", "name": "Prices", "text": "Bread is 3 euros."}},
    ),
    "knowledge.refresh_source": Case("POST /knowledge/{source}/refresh", ADMIN),
    "knowledge.get_passage": Case("GET /knowledge/passages/{passage}", ROWS),
    "knowledge.remove_source": Case("DELETE /knowledge/{source}", ADMIN),
    "privacy.export_conversation": Case("GET /conversations/{conversation}/export", ADMIN),
    "privacy.export_contact": Case("GET /contacts/{contact}/export", ADMIN),
    "privacy.erase_contact": Case("DELETE /contacts/{contact}", (401, 403, 403, 403, 200)),
    "live.say_present": Case(
        "POST /presence", (401, 404, 204, 204, 204), {"conversation_id": "{conversation}", "doing": "viewing"}
    ),
    "media.get_media": Case("GET /messages/media/{failed}", (401, 404, 404, 404, 404)),
    "media.begin_upload": Case(
        "POST /uploads",
        (401, 403, 403, 201, 200),
        {"account_id": "{account}", "mime_type": "text/plain", "size": 5, "client_key": "once"},
    ),
    "media.put_piece": Case("PUT /uploads/{upload}?offset=0", SENDS, data=b"hello"),
    "media.drop_upload": Case("DELETE /uploads/{upload}", (401, 403, 403, 204, 404)),  # given up by the one before
    "conversations.send_media": Case(
        "POST /messages/send-media",
        (401, 403, 403, 409, 409),
        {"conversation_id": "{conversation}", "upload_id": "{upload}"},
    ),
    "contacts.list_contacts": Case("GET /contacts?account_id={account}", OF_ACCOUNT),
    "bot.get_profile": Case("GET /bot/profile/{account}", ADMIN),
    "bot.put_profile": Case("PUT /bot/profile/{account}", ADMIN, {"business_name": "Bakery"}),
    "bot.preview_answer": Case("POST /bot/preview/{account}", (401, 403, 403, 403, 503), {"message": "Hello"}),
    "bot.list_versions": Case("GET /bot/profile/{account}/versions", ADMIN),
    "bot.get_version": Case("GET /bot/versions/{version}", ADMIN),
    "bot.restore_version": Case("POST /bot/versions/{version}/restore", ADMIN),
    "bot.list_questions": Case("GET /bot/profile/{account}/questions", ADMIN),
    "bot.add_question": Case("POST /bot/profile/{account}/questions", MADE, {"text": "Do you deliver?"}),
    "bot.remove_question": Case("DELETE /bot/questions/{question}", ADMIN),
    "accounts.list_accounts": Case("GET /accounts", KNOWN),
    "accounts.get_account": Case("GET /accounts/{account}", OF_ACCOUNT),
    "accounts.list_people": Case("GET /accounts/{account}/people", OF_ACCOUNT),
    "accounts.create_account": Case("POST /accounts", MADE, {"name": "Third", "phone_number_id": "200000000000003"}),
    "accounts.update_account": Case("PATCH /accounts/{account}", ADMIN, {"name": "Renamed"}),
    "accounts.delete_account": Case("DELETE /accounts/{account}", ADMIN),
    "doctor.check_account": Case("POST /accounts/{account}/check", ADMIN),
    "admin.list_circuit_breakers": Case("GET /admin/circuit-breakers", ADMIN),
    "admin.reset_circuit_breaker": Case("POST /admin/circuit-breakers/gemini/reset", ADMIN),
    "admin.cache_stats": Case("GET /admin/cache/stats", ADMIN),
    "admin.clear_cache": Case("POST /admin/cache/clear", ADMIN),
    "admin.list_incidents": Case("GET /admin/incidents", ADMIN),
    "admin.audit_log.list_audit_log": Case("GET /admin/audit-log", ADMIN),
    "admin.dead_letters.list_dead_letters": Case("GET /admin/dead-letters", ADMIN),
    "admin.dead_letters.get_dead_letter": Case("GET /admin/dead-letters/{letter}", ADMIN),
    "admin.dead_letters.replay_dead_letters": Case("POST /admin/dead-letters/replay", ADMIN, {"reason": "failed"}),
    "admin.dead_letters.replay_dead_letter": Case("POST /admin/dead-letters/{letter}/replay", ADMIN),
    "admin.keys.list_keys": Case("GET /admin/keys", ADMIN),
    "admin.keys.create_key": Case("POST /admin/keys", MADE, {"name": "Till", "role_id": role_id("viewer")}),
    "admin.keys.revoke_key": Case("DELETE /admin/keys/{key}", ADMIN),
    "admin.users.list_permissions": Case("GET /admin/permissions", ADMIN),
    "admin.users.list_roles": Case("GET /admin/roles", ADMIN),
    "admin.users.create_role": Case("POST /admin/roles", MADE, ROLE),
    "admin.users.change_role": Case("PUT /admin/roles/{role}", ADMIN, {**ROLE, "slug": "changed"}),
    "admin.users.delete_role": Case("DELETE /admin/roles/{role}", ADMIN),
    "admin.users.list_users": Case("GET /admin/users", ADMIN),
    "admin.users.invite_user": Case("POST /admin/users", MADE, {"email": "new@example.com"}),
    "admin.users.get_user": Case("GET /admin/users/{viewer}", ADMIN),
    "admin.users.rename_user": Case("PATCH /admin/users/{viewer}", ADMIN, {"name": "Vera"}),
    "admin.users.set_user_password": Case(
        "PUT /admin/users/{viewer}/password", ADMIN, {"password": "a long way to the mill"}
    ),
    "admin.users.set_user_roles": Case("PUT /admin/users/{viewer}/roles", ADMIN, {"assignments": []}),
    "admin.users.set_user_overrides": Case("PUT /admin/users/{viewer}/overrides", ADMIN, {"overrides": []}),
    "admin.users.set_user_status": Case("POST /admin/users/{viewer}/status", ADMIN, {"is_active": False}),
}
#: Files and pages that belong to a route above and hold nothing of anybody.
ASSETS = {"docs.get_docs_asset", "page.get_asset"}


@dataclass(frozen=True)
class World:
    """An installation with two numbers and somebody of each kind."""

    app: Flask
    runtime: Runtime
    ids: Mapping[str, str]
    tokens: Mapping[str, str]

    def call(self, case: Case, caller: str, **other_ids: str) -> TestResponse:
        """The answer to `caller`, with the world's ids in the request, or `other_ids`."""
        method, _, path = case.request.partition(" ")
        ids = {**self.ids, **other_ids}
        headers = dict(case.headers)
        if caller in self.tokens:
            headers.setdefault("Authorization", f"Bearer {self.tokens[caller]}")  # /metrics has a token of its own
        body = {name: _filled(value, ids) for name, value in case.body.items()} if case.body else case.body
        sent = {"json": body} if body is not None else {"data": case.data}
        return self.app.test_client().open(_filled(path, ids), method=method, headers=headers, **sent)


def _filled(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_filled(each, ids) for each in value]
    if isinstance(value, dict):
        return {_filled(name, ids): _filled(each, ids) for name, each in value.items()}
    if not isinstance(value, str):
        return value
    for name, id_ in ids.items():
        value = value.replace("{" + name + "}", id_)
    return value


def make_world(app: Flask) -> World:
    """Two numbers, a conversation at the first, and people whose rights differ."""
    runtime = runtime_of(app)
    db = runtime.db
    with db.writing() as session:
        now = db.now(session)
        other = Account(id=new_id(), name="Other", phone_number_id=OTHER_NUMBER, created_at=now, updated_at=now)
        session.add(other)
    here = next(account.id for account in all_accounts(db) if account.phone_number_id == NUMBER_ID)
    ingest(runtime, webhook(messages=[text_message(at=int(now.timestamp()))]))
    people = {
        "stranger": local_user(db, "stranger@example.com", [Grant(Role.VIEWER, other.id)], password=None),
        "elsewhere": local_user(db, "elsewhere@example.com", [Grant(Role.ADMIN, other.id)], password=None),
        "viewer": local_user(db, "viewer@example.com", [Grant(Role.VIEWER)], password=None),
        "manager": local_user(db, "manager@example.com", [Grant(Role.MANAGER)], password=None),
        "admin": local_user(db, "admin@example.com", [Grant(Role.ADMIN)]),
        "here": local_user(db, "here@example.com", [Grant(Role.ADMIN, here)], password=None),
    }
    tokens = {name: session_of(db, user.id) for name, user in people.items()}
    rows = _rows(db, here) | _team_rows(db, here, people["admin"]) | {"viewer": str(people["viewer"].id)}
    return World(app, runtime, rows, tokens)


def _rows(db: Database, account_id: UUID) -> dict[str, str]:
    """A row of each kind that requests name, by the word they name it with."""
    with db.writing() as session:
        conversation = session.execute(select(Conversation)).scalar_one()
        received = session.execute(select(Message.id)).scalar_one()
        now = utc_now()
        failed = Message(
            id=new_id(),
            account_id=account_id,
            conversation_id=conversation.id,
            direction="outbound",
            message_type="text",
            content_text="Hello",
            payload={},
            timestamp=now,
            stored_at=now,
            author_kind="agent",
            status=MessageStatus.FAILED,
        )
        letter = DeadLetter(id=new_id(), reason="unreadable", detail="test", raw=WEBHOOK, at=now)
        session.add_all([failed, letter])
        role = RoleDefinition(id=new_id(), slug="till", name="Till", description="", permissions=["messages.view"])
        role.created_at = role.updated_at = now
        session.add(role)
    key = keys.create(db, name="Old till", role=Role.VIEWER)
    return {
        "account": str(account_id),
        "conversation": str(conversation.id),
        "contact": str(conversation.contact_id),
        "failed": str(failed.id),
        "received": str(received),
        "letter": str(letter.id),
        "key": str(key.id),
        "role": str(role.id),
    }


def _team_rows(db: Database, account_id: UUID, author: User) -> dict[str, str]:
    with db.writing() as session:
        now = db.now(session)
        conversation = session.execute(select(Conversation)).scalar_one()
        mine = {"id": new_id(), "account_id": account_id, "created_at": now}
        label = Label(**mine, name="Cake", name_key="cake", color=1)
        reply = CannedReply(**mine | {"id": new_id()}, shortcut="hours", shortcut_key="hours", text="We open at seven.")
        detail = ContactField(**mine | {"id": new_id()}, name="Wants", name_key="wants", kind="text", choices=[])
        note = Note(
            **mine | {"id": new_id()},
            conversation_id=conversation.id,
            author_kind="user",
            author_id=str(author.id),
            author_name="Admin",
            text="She is allergic to nuts.",
        )
        template = MessageTemplate(
            id=new_id(),
            account_id=account_id,
            wa_template_id="400000000000001",
            name="order_update",
            language="en",
            category="UTILITY",
            status="APPROVED",
            named=False,
            definition={"components": [{"type": "BODY", "text": "Hello {{1}}, your order is ready."}]},
        )
        whole = {"mime_type": "text/plain", "size": 5, "received": 0, "client_key": "begun"}
        upload = Upload(**mine | {"id": new_id()}, **whole)
        session.add_all([label, reply, detail, note, upload, template])
        session.get_one(Account, account_id).waba_id = "100000000000001"
        endpoint = WebhookEndpoint(
            **mine | {"id": new_id()}, url="https://old.example.com/", events=[], secret_encrypted=""
        )
        told = WebhookDelivery(id=new_id(), account_id=account_id, endpoint_id=endpoint.id, event="test", data={})
        told.event_id = told.id
        page = {"kind": "page", "name": "Hours", "url": "https://example.com/hours", "state": "ready"}
        source = KnowledgeSource(**mine | {"id": new_id()}, **page)
        session.add_all([endpoint, source])
        session.flush()
        said = {"number": 0, "language": "simple", "content": "We open at seven."}
        passage = KnowledgePassage(id=new_id(), account_id=account_id, source_id=source.id, **said)
        saved = {"version": 1, "content": {"hours": "7-19"}, "changed": ["hours"]}
        version = BotProfileVersion(**mine | {"id": new_id()}, **saved, actor_kind="user", actor_name="Admin")
        question = BotQuestion(**mine | {"id": new_id()}, text="When are you open?")
        in_use = BotProfile(id=new_id(), account_id=account_id, content=saved["content"], version=1, updated_at=now)
        session.add_all([told, passage, version, question, in_use])
    hooks = {"endpoint": str(endpoint.id), "delivery": str(told.id)}
    knowledge = {"source": str(source.id), "passage": str(passage.id)}
    knowledge |= {"version": str(version.id), "question": str(question.id)}
    return (
        {
            "upload": str(upload.id),
            "template": str(template.id),
            "label": str(label.id),
            "canned_reply": str(reply.id),
            "contact_field": str(detail.id),
            "note": str(note.id),
        }
        | hooks
        | knowledge
    )
