"""The audit log: each change leaves one entry, each refusal none; and it can be read."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text, update

from inbox.auth import audit
from inbox.auth.access import OPERATOR, Grant, Override, Permission, Role
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import AuditEntry, Contact, ContactField, DeadLetter, Note
from inbox.page import assets
from inbox.runtime import Runtime
from tests.builders import CUSTOMER, all_messages, ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import ADMIN, another_account, as_key, as_user, assign, entries, member, pointers, role_id

NOBODY = uuid.UUID(int=9)
#: What the page has a word for.
WORDS = set(json.loads((assets.WORDS / "en.json").read_text()))


# --- one entry for each change -----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Write:
    """A call that changes something, the action it leaves in the log, and a body that is refused."""

    request: str
    action: str
    body: Any = None
    bad: Any = None


NEW_ACCOUNT = {"name": "Third", "phone_number_id": "200000000000003"}
ROLE = {"slug": "desk", "name": "Front desk", "permissions": ["messages.view"]}
LABEL = {"name": "Urgent", "color": 1}
HOOK = {"url": "https://example.com/new", "events": ["message.status"]}
HOURS = {"zone": "UTC", "week": {"monday": [{"opens": "09:00", "closes": "18:00"}]}}
SOURCE = {"source": {"type": "page", "url": "https://example.com/new"}}
DETAIL = {"name": "Size", "kind": "text"}
DETAIL_ID, OTHER_ID = (str(UUID(int=number)) for number in (1, 2))  # of what the fixture makes
CANNED = {"shortcut": "hello", "text": "Good morning!"}
WRITES = {
    "admin.users.invite_user": Write("POST /admin/users", "user.invited", {"email": "new@example.com"}, {"email": "x"}),
    "admin.users.rename_user": Write("PATCH /admin/users/{user}", "user.renamed", {"name": "Vera"}, {"name": ""}),
    "admin.users.set_user_password": Write(
        "PUT /admin/users/{user}/password",
        "user.password_changed",
        {"password": "two loaves, well baked"},
        {"password": "short"},
    ),
    "admin.users.set_user_status": Write(
        "POST /admin/users/{user}/status", "user.disabled", {"is_active": False}, {"is_active": "off"}
    ),
    "admin.users.set_user_roles": Write(
        "PUT /admin/users/{user}/roles",
        "user.roles_changed",
        {"assignments": [assign("manager")]},
        {"assignments": ["owner"]},
    ),
    "admin.users.set_user_overrides": Write(
        "PUT /admin/users/{user}/overrides",
        "user.overrides_changed",
        {"overrides": [{"permission_code": "settings.manage", "is_allowed": True}]},
        {"overrides": [{"permission_code": "settings.manage", "is_allowed": "yes"}]},
    ),
    "admin.users.create_role": Write("POST /admin/roles", "role.created", ROLE, {"slug": "Desk"}),
    "admin.users.change_role": Write("PUT /admin/roles/{role}", "role.changed", ROLE, {"slug": "Desk"}),
    "admin.users.delete_role": Write("DELETE /admin/roles/{role}", "role.deleted"),
    "admin.keys.create_key": Write(
        "POST /admin/keys", "key.created", {"name": "k", "role_id": role_id("viewer")}, {"name": "k"}
    ),
    "admin.keys.revoke_key": Write("DELETE /admin/keys/{key}", "key.revoked"),
    "admin.dead_letters.replay_dead_letters": Write("POST /admin/dead-letters/replay", "dead_letters.replayed", {}),
    "admin.dead_letters.replay_dead_letter": Write("POST /admin/dead-letters/{letter}/replay", "dead_letter.replayed"),
    "admin.reset_circuit_breaker": Write("POST /admin/circuit-breakers/gemini/reset", "circuit_breaker.reset"),
    "admin.clear_cache": Write("POST /admin/cache/clear", "cache.cleared"),
    "accounts.create_account": Write("POST /accounts", "account.created", NEW_ACCOUNT, {"name": "Third"}),
    "accounts.update_account": Write("PATCH /accounts/{account}", "account.updated", {"name": "New"}, {"name": 7}),
    "accounts.delete_account": Write("DELETE /accounts/{account}", "account.deleted"),
    "accounts.set_hours": Write(
        "PUT /accounts/{account}/hours", "hours.updated", {**HOURS, "bot": "silent"}, {**HOURS, "zone": "Paris"}
    ),
    "accounts.delete_hours": Write("DELETE /accounts/{account}/hours", "hours.removed"),
    "bot.put_profile": Write(
        "PUT /bot/profile/{account}", "profile.replaced", {"business_name": "Bakery"}, {"business_name": 7}
    ),
    "bot.restore_version": Write("POST /bot/versions/{version}/restore", "profile.restored"),
    "bot.add_question": Write(
        "POST /bot/profile/{account}/questions", "bot_question.added", {"text": "Open?"}, {"text": ""}
    ),
    "bot.remove_question": Write("DELETE /bot/questions/{question}", "bot_question.removed"),
    "team.create_label": Write("POST /accounts/{account}/labels", "label.created", LABEL, {"name": ""}),
    "team.change_label": Write("PATCH /labels/{label}", "label.updated", LABEL, {"name": ""}),
    "team.delete_label": Write("DELETE /labels/{label}", "label.deleted"),
    "team.create_canned": Write(
        "POST /accounts/{account}/canned-replies", "canned_reply.created", CANNED, {"shortcut": ""}
    ),
    "team.change_canned": Write("PATCH /canned-replies/{canned}", "canned_reply.updated", CANNED, {"shortcut": ""}),
    "team.create_field": Write(
        "POST /accounts/{account}/contact-fields", "contact_field.created", DETAIL, {"name": "", "kind": "text"}
    ),
    "team.change_field": Write("PATCH /contact-fields/{detail}", "contact_field.updated", {"name": "B"}, {"name": ""}),
    "team.delete_field": Write("DELETE /contact-fields/{detail}", "contact_field.deleted"),
    "team.change_contact": Write(
        "PATCH /contacts/{contact}", "contact.updated", {"fields": {DETAIL_ID: "XL"}}, {"fields": {DETAIL_ID: 5}}
    ),
    "team.merge_contact": Write(
        "POST /contacts/{contact}/merge", "contact.merged", {"other_id": OTHER_ID}, {"other_id": "x"}
    ),
    "privacy.erase_contact": Write("DELETE /contacts/{contact}", "contact.erased"),
    "hooks.create_endpoint": Write(
        "POST /accounts/{account}/webhook-endpoints", "webhook_endpoint.created", HOOK, {"url": "x", "events": []}
    ),
    "hooks.change_endpoint": Write(
        "PATCH /webhook-endpoints/{endpoint}", "webhook_endpoint.updated", {"paused": True}, {"paused": "yes"}
    ),
    "hooks.delete_endpoint": Write("DELETE /webhook-endpoints/{endpoint}", "webhook_endpoint.deleted"),
    "hooks.rotate_secret": Write("POST /webhook-endpoints/{endpoint}/rotate", "webhook_endpoint.secret_rotated"),
    "hooks.send_test": Write("POST /webhook-endpoints/{endpoint}/test", "webhook_endpoint.tested"),
    "hooks.resend": Write("POST /webhook-deliveries/{delivery}/resend", "webhook_delivery.resent"),
    "knowledge.add_source": Write(
        "POST /accounts/{account}/knowledge", "knowledge.added", SOURCE, {"source": {"type": "page", "url": "x"}}
    ),
    "knowledge.refresh_source": Write("POST /knowledge/{source}/refresh", "knowledge.refreshed"),
    "knowledge.remove_source": Write("DELETE /knowledge/{source}", "knowledge.removed"),
    "team.delete_canned": Write("DELETE /canned-replies/{canned}", "canned_reply.deleted"),
}


@pytest.fixture
def ids(client: FlaskClient, db: Database) -> dict[str, Any]:
    """Something of each kind that the calls are about."""
    member(db, "boss@example.com", ADMIN)
    with db.writing() as session:
        letter = DeadLetter(id=new_id(), reason="failed", detail="", raw=b"{}", at=utc_now())
        session.add(letter)
    key = client.post("/admin/keys", json={"name": "old", "role_id": role_id("viewer")}).json["id"]
    user = member(db, "user@example.com", [Grant(Role.VIEWER)], known=False)  # who was only invited
    role = client.post("/admin/roles", json={**ROLE, "slug": "till"}).json["id"]
    account = the_account(db).id
    label = client.post(f"/accounts/{account}/labels", json={"name": "Late"}).json["id"]
    canned = client.post(f"/accounts/{account}/canned-replies", json={**CANNED, "shortcut": "bye"}).json["id"]
    client.put(f"/accounts/{account}/hours", json=HOURS)
    with db.writing() as session:
        now = db.now(session)
        contact = Contact(id=new_id(), account_id=account, phone="33600000001", created_at=now, updated_at=now)
        session.add(contact)
        named = {"name": "Wants", "name_key": "wants", "kind": "text", "choices": []}
        session.add(ContactField(id=UUID(DETAIL_ID), account_id=account, created_at=now, **named))
        times = {"created_at": now, "updated_at": now}
        session.add(Contact(id=UUID(OTHER_ID), account_id=account, user_id="BR.1", **times))
    hook = {"url": "https://example.com/old", "events": ["message.status"]}
    endpoint = client.post(f"/accounts/{account}/webhook-endpoints", json=hook).json["id"]
    delivery = client.post(f"/webhook-endpoints/{endpoint}/test").json["id"]
    old = {"source": {"type": "page", "url": "https://example.com/old"}}
    source = client.post(f"/accounts/{account}/knowledge", json=old).json["id"]
    client.put(f"/bot/profile/{account}", json={"hours": "7-19"})
    version = client.get(f"/bot/profile/{account}/versions").json[0]["id"]
    question = client.post(f"/bot/profile/{account}/questions", json={"text": "Old?"}).json["id"]
    found = {
        "endpoint": endpoint,
        "delivery": delivery,
        "source": source,
        "version": version,
        "question": question,
        "contact": contact.id,
        "detail": DETAIL_ID,
        "role": role,
        "user": user,
        "key": key,
        "letter": letter.id,
        "account": account,
    }
    return {**found, "label": label, "canned": canned}


def call(client: FlaskClient, write: Write, ids: dict[str, Any], body: Any) -> Any:
    method, path = write.request.split()
    return client.open(path.format(**ids), method=method, json=body)


#: Where changes are logged.
LOGGED = (
    "/admin",
    "/accounts",
    "/bot/profile",
    "/bot/versions",
    "/bot/questions",
    "/labels",
    "/canned-replies",
    "/webhook-",
    "/contact",
    "/knowledge",
)
#: POST, but they only ask.
ASK = {"doctor.check_account", "templates.sync_templates"}


def test_every_route_that_changes_something_is_in_the_list(app: Flask) -> None:
    found = set()
    for rule in app.url_map.iter_rules():
        watched = rule.rule.startswith(LOGGED)
        if watched and (rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}:
            found.add(rule.endpoint)
    assert found == set(WRITES) | ASK


@pytest.mark.parametrize("endpoint", WRITES)
def test_a_change_leaves_one_entry_and_a_refusal_none(
    app: Flask, client: FlaskClient, db: Database, ids: dict[str, Any], endpoint: str
) -> None:
    write = WRITES[endpoint]
    before = len(entries(db))
    viewer = as_user(app, ids["user"])
    assert call(viewer, write, ids, write.body).status_code == 403
    if write.bad is not None:
        assert call(client, write, ids, write.bad).status_code == 400
    if "{" in write.request:
        assert call(client, write, dict.fromkeys(ids, NOBODY), write.body).status_code == 404
    assert len(entries(db)) == before
    request_id = "request-0123456789-abcdef"
    client.environ_base["HTTP_X_REQUEST_ID"] = request_id
    response = call(client, write, ids, write.body)
    assert response.status_code in (200, 201), response.json
    (entry,) = entries(db)[before:]
    assert (entry.action, entry.actor_kind, entry.actor_name) == (write.action, "key", "Test admin")
    assert entry.request_id == request_id
    if "{account}" in write.request:
        assert entry.account_id == ids["account"]
    if "secret" in response.json:
        assert response.json["secret"] not in str(entry.details)
    unsaid = [name for name in entry.details if not {f"set.audit.of.{name}", f"set.numbers.{name}"} & WORDS]
    assert (f"audit.{entry.action}" in WORDS, unsaid) == (True, [])


def test_a_change_that_is_rolled_back_leaves_no_entry(db: Database) -> None:
    class Refused(Exception):
        pass

    before = len(entries(db))
    with pytest.raises(Refused), db.writing() as session:
        audit.record(session, OPERATOR, "thing.changed", db.now(session))
        session.flush()
        raise Refused
    assert len(entries(db)) == before


# --- reading it --------------------------------------------------------------------------------------------------


def test_an_entry_says_who_did_what_to_whom(app: Flask, db: Database) -> None:
    boss, anna = member(db, "boss@example.com", ADMIN, name="Boss"), member(db, "anna@example.com")
    browser, account = as_user(app, boss), str(another_account(db))
    roles = {"assignments": [assign("viewer"), assign("manager", account)]}
    assert browser.put(f"/admin/users/{anna}/roles", json=roles).status_code == 200
    row = browser.get("/admin/audit-log").json[0]
    assert (uuid.UUID(row.pop("id")).version, row.pop("at")[-1], bool(row.pop("request_id"))) == (7, "Z", True)
    assert row == {
        "actor": {"kind": "user", "id": str(boss), "name": "Boss"},
        "action": "user.roles_changed",
        "target_id": str(anna),
        "target_name": "anna@example.com",
        "account_id": None,
        "details": {"before": [], "after": [f"manager of {account}", "viewer"]},
    }


def test_an_entry_names_the_contact_that_it_is_about_to_those_who_may_see_them(runtime: Runtime, app: Flask) -> None:
    db = runtime.db
    ingest(runtime, webhook(messages=[text_message()], contacts=[{"wa_id": CUSTOMER, "profile": {"name": "Ana"}}]))
    thread, (message,) = the_conversation(db), all_messages(db)
    about = {"author_kind": "user", "author_id": "a", "author_name": "A", "text": "x", "created_at": utc_now()}
    note = Note(id=new_id(), conversation_id=thread.id, account_id=thread.account_id, **about)
    with db.writing() as session:
        session.add(note)
        session.flush()
        for target in (thread.contact_id, thread.id, message.id, note.id, NOBODY):
            audit.record(session, OPERATOR, "contact.exported", db.now(session), target=target)
    boss, keeper = member(db, "boss@example.com", ADMIN), member(db, "keeper@example.com")
    browser = as_user(app, boss)
    role = {"slug": "keeper", "name": "Keeper", "permissions": ["roles.manage"]}
    made = browser.post("/admin/roles", json=role)
    roles = {"assignments": [{"role_id": made.json["id"], "account_id": None}]}
    assert browser.put(f"/admin/users/{keeper}/roles", json=roles).status_code == 200
    for reader, names in ((browser, {"Ana"}), (as_user(app, keeper), {None})):
        told = reader.get("/admin/audit-log?action=contact.exported").json
        named = {row["target_id"]: row["target_name"] for row in told}
        assert named.pop(str(NOBODY)) is None
        assert (len(named), set(named.values())) == (4, names)


def many(db: Database, count: int, **fields: Any) -> None:
    now = utc_now()
    with db.writing() as session:
        session.add_all(
            AuditEntry(
                **{
                    "id": new_id(),
                    "at": now,
                    "actor_kind": "user",
                    "actor_id": "a",
                    "actor_name": "A",
                    "action": "user.renamed",
                    "details": {},
                    "request_id": "r",
                    **fields,
                }
            )
            for _ in range(count)
        )


def test_it_is_paged_newest_first_without_gaps_or_repeats(client: FlaskClient, db: Database) -> None:
    many(db, 7)
    with db.writing() as session:
        session.execute(update(AuditEntry).values(at=utc_now()))
    url, seen = "/admin/audit-log?limit=3&action=user.renamed", []
    while url:
        page = client.get(url)
        seen += [row["id"] for row in page.json]
        url = page.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert (len(seen), seen) == (7, sorted(seen, reverse=True))


def test_it_can_be_narrowed(client: FlaskClient, db: Database) -> None:
    many(db, 1, actor_id="b", account_id=NOBODY)
    many(db, 2, action="user.disabled", account_id=NOBODY)

    def count(**query: Any) -> int:
        return len(client.get("/admin/audit-log", query_string=query).json)

    assert count(actor_id="b") == 1
    assert count(action="user.disabled") == 2
    assert count(account_id=str(NOBODY)) == 3
    assert count(account_id=str(NOBODY), actor_id="a") == 2
    assert count(account_id=str(NOBODY), action="key.created") == 0
    assert count(action="%") == 0


def test_a_page_is_read_from_the_index(db: Database) -> None:
    with db.writing() as session:  # long enough for a plan that matters
        now = utc_now()
        session.add_all(
            AuditEntry(
                id=new_id(),
                at=now - timedelta(seconds=number),
                actor_kind="user",
                actor_name="A",
                action="user.renamed",
                details={},
                request_id="r",
            )
            for number in range(2000)
        )
    explain = "EXPLAIN" if db.is_postgres else "EXPLAIN QUERY PLAN"
    query = "SELECT * FROM audit_log WHERE action = 'user.renamed' ORDER BY at DESC, id DESC LIMIT 51"
    with db.writing() as session:
        if db.is_postgres:
            session.execute(text("ANALYZE audit_log"))
        plan = "\n".join(str(row) for row in session.execute(text(f"{explain} {query}")))
    assert "ix_audit_log_newest" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "cursor=x", f"action={'x' * 65}", f"actor_id={'x' * 65}", "account_id=x", "q=a"]
)
def test_a_bad_query_names_its_field(client: FlaskClient, query: str) -> None:
    assert pointers(client.get(f"/admin/audit-log?{query}")) == ["?" + query.partition("=")[0]]


# --- who may -----------------------------------------------------------------------------------------------------

READS = [
    "GET /admin/users",
    "GET /admin/users/{user}",
    "GET /admin/permissions",
    "GET /admin/roles",
    "GET /admin/keys",
    "GET /admin/audit-log",
    "GET /admin/dead-letters",
    "GET /admin/dead-letters/{letter}",
    "GET /admin/incidents",
    "GET /admin/cache/stats",
    "GET /admin/circuit-breakers",
]
CALLERS: dict[str, tuple[Callable[[Flask, Any], FlaskClient], int]] = {
    "anonymous": (lambda app, account: app.test_client(), 401),
    "viewer": (lambda app, account: as_key(app, Role.VIEWER), 403),
    "manager": (lambda app, account: as_key(app, Role.MANAGER), 403),
    "administrator of one number": (lambda app, account: as_key(app, Role.ADMIN, [account]), 403),
    "administrator": (lambda app, account: as_key(app, Role.ADMIN), 200),
}


@pytest.mark.parametrize("who", CALLERS)
def test_what_belongs_to_the_installation_is_for_its_administrators(
    app: Flask, db: Database, ids: dict[str, Any], who: str
) -> None:
    made, expected = CALLERS[who]
    caller, before = made(app, ids["account"]), len(entries(db))
    for request in READS:
        method, path = request.split()
        assert (request, caller.open(path.format(**ids), method=method).status_code) == (request, expected)
    if expected != 200:
        for write in WRITES.values():
            if write.request.split()[1].startswith("/admin"):
                assert (write, call(caller, write, ids, write.body).status_code) == (write, expected)
        assert len(entries(db)) == before


@pytest.mark.parametrize("missing", [Permission.USERS_MANAGE, Permission.ROLES_MANAGE])
def test_users_and_their_roles_are_two_permissions(app: Flask, db: Database, missing: Permission) -> None:
    caller = as_user(app, member(db, "a@example.com", ADMIN, [Override(missing, False)]))
    expected = {Permission.USERS_MANAGE: (403, 200), Permission.ROLES_MANAGE: (200, 403)}[missing]
    assert (caller.get("/admin/users").status_code, caller.get("/admin/roles").status_code) == expected
