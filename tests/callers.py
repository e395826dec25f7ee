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
from inbox.models import Account, Conversation, DeadLetter, Message, MessageStatus, RoleDefinition
from inbox.runtime import Runtime, runtime_of
from tests.auth.people import PASSWORD, local_user, session_of
from tests.builders import NUMBER_ID, ingest, signed, text_message, webhook
from tests.conftest import APP_SECRET
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

CASES: dict[str, Case] = {
    "webhooks.verify_webhook": Case(
        "GET /webhook/whatsapp?hub.mode=subscribe&hub.challenge=7&hub.verify_token=verify-me", OPEN
    ),
    "webhooks.receive_webhook": Case("POST /webhook/whatsapp", OPEN, headers=signed(WEBHOOK, APP_SECRET), data=WEBHOOK),
    "health.get_health": Case("GET /health", OPEN),
    "health.get_liveness": Case("GET /health/live", OPEN),
    "health.get_readiness": Case("GET /health/ready", OPEN),
    "docs.get_openapi": Case("GET /openapi.json", OPEN),
    "docs.get_docs": Case("GET /docs", OPEN),
    "auth.login": Case("POST /auth/login", OPEN, {"email": "admin@example.com", "password": PASSWORD}),
    "auth.who_am_i": Case("GET /auth/me", KNOWN),
    "auth.logout": Case("POST /auth/logout", KNOWN),
    "auth.begin_session": Case("POST /auth/session", (401, 409, 409, 409, 409)),
    "live.list_changes": Case("GET /changes?account_id={account}", OF_ACCOUNT),
    "conversations.list_conversations": Case("GET /conversations?account_id={account}", OF_ACCOUNT),
    "conversations.count_conversations": Case("GET /conversations/counts?account_id={account}", OF_ACCOUNT),
    "conversations.get_conversation": Case("GET /conversations/{conversation}", ROWS),
    "conversations.read_conversation": Case("POST /conversations/{conversation}/read", ROWS),
    "conversations.set_favorite": Case("POST /conversations/{conversation}/favorite", ROWS, {"favorite": True}),
    "conversations.set_bot": Case("POST /conversations/{conversation}/bot", SENDS, {"enabled": False}),
    "conversations.assign_conversation": Case("POST /conversations/{conversation}/assign", SENDS, {"user_id": None}),
    "conversations.list_messages": Case("GET /messages/{conversation}", ROWS),
    "conversations.send_message": Case(
        "POST /messages/send", (401, 403, 403, 202, 202), {"conversation_id": "{conversation}", "content": "Hello"}
    ),
    "conversations.resend_message": Case("POST /messages/{failed}/resend", (401, 403, 403, 202, 409)),  # once
    "media.get_media": Case("GET /messages/media/{failed}", (401, 404, 404, 404, 404)),
    "contacts.list_contacts": Case("GET /contacts?account_id={account}", OF_ACCOUNT),
    "bot.get_profile": Case("GET /bot/profile/{account}", ADMIN),
    "bot.put_profile": Case("PUT /bot/profile/{account}", ADMIN, {"business_name": "Bakery"}),
    "bot.preview_answer": Case("POST /bot/preview/{account}", (401, 403, 403, 403, 503), {"message": "Hello"}),
    "accounts.list_accounts": Case("GET /accounts", KNOWN),
    "accounts.get_account": Case("GET /accounts/{account}", OF_ACCOUNT),
    "accounts.create_account": Case("POST /accounts", MADE, {"name": "Third", "phone_number_id": "200000000000003"}),
    "accounts.update_account": Case("PATCH /accounts/{account}", ADMIN, {"name": "Renamed"}),
    "accounts.delete_account": Case("DELETE /accounts/{account}", ADMIN),
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
    "admin.users.set_user_roles": Case("PUT /admin/users/{viewer}/roles", ADMIN, {"assignments": []}),
    "admin.users.set_user_overrides": Case("PUT /admin/users/{viewer}/overrides", ADMIN, {"overrides": []}),
    "admin.users.set_user_status": Case("POST /admin/users/{viewer}/status", ADMIN, {"is_active": False}),
}
#: Files and pages that belong to a route above and hold nothing of anybody.
ASSETS = {"docs.get_docs_asset"}


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
            headers["Authorization"] = f"Bearer {self.tokens[caller]}"
        body = {name: _filled(value, ids) for name, value in case.body.items()} if case.body else case.body
        sent = {"json": body} if body is not None else {"data": case.data}
        return self.app.test_client().open(_filled(path, ids), method=method, headers=headers, **sent)


def _filled(value: Any, ids: Mapping[str, str]) -> Any:
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
    return World(app, runtime, _rows(db, here) | {"viewer": str(people["viewer"].id)}, tokens)


def _rows(db: Database, account_id: UUID) -> dict[str, str]:
    """A row of each kind that requests name, by the word they name it with."""
    with db.writing() as session:
        conversation = session.execute(select(Conversation)).scalar_one()
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
        "failed": str(failed.id),
        "letter": str(letter.id),
        "key": str(key.id),
        "role": str(role.id),
    }
