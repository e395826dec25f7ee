"""Conversations, messages and contacts as clients see them."""

from __future__ import annotations

import dataclasses
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, select

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.clock import parse_rfc3339, rfc3339, utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.models import Account, Conversation, Job, JobKind, Message
from inbox.runtime import Runtime
from tests.builders import ingest, status, text_message, the_account, the_conversation, webhook
from tests.queries import while_it_goes
from tests.users.people import another_account, as_user, member

pytestmark = pytest.mark.usefixtures("app")


def now_seconds() -> int:
    return int(utc_now().timestamp())


@pytest.fixture
def talk(runtime: Runtime, db: Database) -> Conversation:
    """A conversation whose customer has just written."""
    body = webhook(
        contacts=[{"wa_id": "33600000001", "profile": {"name": "Camille"}}],
        messages=[text_message("Bonjour", wa_id="wamid.in", at=now_seconds())],
    )
    ingest(runtime, body)
    return the_conversation(db)


def send(client: FlaskClient, talk: Conversation, content: str = "hello", **more: Any) -> Any:
    return client.post("/messages/send", json={"conversation_id": str(talk.id), "content": content, **more})


def conversations(client: FlaskClient, db: Database, **query: Any) -> Any:
    return client.get("/conversations", query_string={"account_id": str(the_account(db).id), **query})


# --- lists -------------------------------------------------------------------------------------------------------


def test_a_conversation_row_has_every_field_of_the_contract(
    client: FlaskClient, db: Database, talk: Conversation
) -> None:
    (row,) = conversations(client, db).json
    assert row["id"] == str(talk.id)
    assert row["client_number"] == "33600000001"
    assert row["contacts"] == {"display_name": "Camille", "whatsapp_number": "33600000001"}
    assert (row["unread_count"], row["bot_enabled"], row["is_group"]) == (1, True, False)
    assert row["last_message"] == "Bonjour"
    expires = parse_rfc3339(row["reply_window_expires_at"])
    assert expires - parse_rfc3339(row["last_inbound_at"]) == timedelta(hours=24)
    assert row["updated_at"].endswith("Z")
    assert len(row["updated_at"]) == 24


def test_a_list_needs_an_account_that_exists(client: FlaskClient) -> None:
    missing = client.get("/conversations")
    assert missing.status_code == 400
    assert missing.json["errors"][0]["pointer"] == "?account_id"
    unknown = client.get("/conversations", query_string={"account_id": str(uuid.uuid4())})
    assert (unknown.status_code, unknown.json["detail"]) == (404, "account_not_found")


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", "9" * 400])
def test_a_limit_out_of_range_is_refused(client: FlaskClient, db: Database, limit: str) -> None:
    response = conversations(client, db, limit=limit)
    assert response.status_code == 400
    assert response.json["errors"][0]["pointer"] == "?limit"


def test_unknown_query_names_are_refused_by_name(client: FlaskClient, db: Database) -> None:
    response = conversations(client, db, limt=5)
    assert response.json["errors"] == [
        {"pointer": "?limt", "code": "extra_forbidden", "problem": "is not a field of this request", "values": {}}
    ]


def many(runtime: Runtime, count: int, at: int) -> None:
    """`count` conversations whose newest messages share one second."""
    phones = [f"3371{n:07d}" for n in range(count)]
    ingest(runtime, webhook(messages=[text_message(p, wa_id=f"wamid.{p}", phone=p, at=at) for p in phones]))


def walk(client: FlaskClient, path: str) -> list[Any]:
    """Every row of a list, page by page."""
    rows: list[Any] = []
    for _ in range(100):
        response = client.get(path)
        assert response.status_code == 200
        rows += response.json
        link = re.search(r'<([^>]*)>; rel="next"', response.headers.get("Link", ""))
        if link is None:
            return rows
        path = link[1]
    raise AssertionError("paging does not end")


@pytest.mark.parametrize("limit", [1, 3, 7, 20])
def test_paging_skips_and_repeats_nothing_when_times_are_equal(
    client: FlaskClient, runtime: Runtime, db: Database, limit: int
) -> None:
    many(runtime, 20, now_seconds())
    rows = walk(client, f"/conversations?account_id={the_account(db).id}&limit={limit}")
    assert len(rows) == len({row["id"] for row in rows}) == 20
    assert rows == sorted(rows, key=lambda row: (row["updated_at"], row["id"]), reverse=True)


def test_paging_is_not_disturbed_by_new_conversations(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    at = now_seconds()
    many(runtime, 10, at)
    path = f"/conversations?account_id={the_account(db).id}&limit=4"
    first = client.get(path)
    ingest(runtime, webhook(messages=[text_message("new", wa_id="wamid.n", phone="33799999999", at=at + 5)]))
    link = first.headers["Link"]
    rest = walk(client, link[1 : link.index(">")])
    ids = [row["id"] for row in first.json] + [row["id"] for row in rest]
    assert len(ids) == len(set(ids)) == 10


def test_updated_since_compares_our_write_time_so_a_late_message_shows(
    client: FlaskClient, runtime: Runtime, db: Database, talk: Conversation
) -> None:
    since = rfc3339(talk.changed_at + timedelta(milliseconds=1))
    assert conversations(client, db, updated_since=since).json == []
    old = now_seconds() - 3600
    ingest(runtime, webhook(messages=[text_message("late", wa_id="wamid.late", at=old)]))
    (row,) = conversations(client, db, updated_since=since).json
    assert row["updated_at"] == rfc3339(talk.updated_at)
    assert row["unread_count"] == 2


def test_updated_since_takes_an_offset_and_refuses_a_time_without_one(client: FlaskClient, db: Database) -> None:
    assert conversations(client, db, updated_since="2026-11-20T10:00:00+01:00").status_code == 200
    path = f"/conversations?account_id={the_account(db).id}&updated_since=2026-11-20T10:00:00+01:00"
    assert client.get(path).status_code == 200  # an unencoded plus sign arrives as a blank
    assert conversations(client, db, updated_since="2026-11-20T10:00:00").status_code == 400


def test_filters_narrow_the_list(client: FlaskClient, runtime: Runtime, db: Database, talk: Conversation) -> None:
    many(runtime, 2, now_seconds())
    client.post(f"/conversations/{talk.id}/read")
    assert [row["id"] for row in conversations(client, db, unread="false").json] == [str(talk.id)]
    assert len(conversations(client, db, unread="true").json) == 2
    assert conversations(client, db, needs_human="true").json == []
    assert len(conversations(client, db, status="open").json) == 3
    assert [row["id"] for row in conversations(client, db, q="camil").json] == [str(talk.id)]
    assert [row["id"] for row in conversations(client, db, q="+33600000001").json] == [str(talk.id)]
    assert conversations(client, db, q="%").json == []


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "eA==", "é", "2026"])
def test_a_cursor_that_is_not_ours_is_refused(client: FlaskClient, db: Database, cursor: str) -> None:
    response = conversations(client, db, cursor=cursor)
    assert response.status_code == 400
    assert response.json["errors"][0]["pointer"] == "?cursor"


def test_an_unchanged_list_is_answered_304(client: FlaskClient, db: Database, talk: Conversation) -> None:
    first = conversations(client, db)
    headers = {"If-None-Match": first.headers["ETag"]}
    query = {"account_id": str(the_account(db).id)}
    again = client.get("/conversations", query_string=query, headers=headers)
    assert (again.status_code, again.data) == (304, b"")
    client.post(f"/conversations/{talk.id}/read")
    assert client.get("/conversations", query_string=query, headers=headers).status_code == 200


# --- one conversation --------------------------------------------------------------------------------------------


def test_reading_a_thread_clears_the_badge_and_queues_one_receipt(
    client: FlaskClient, db: Database, talk: Conversation
) -> None:
    for _ in range(2):
        response = client.post(f"/conversations/{talk.id}/read")
        assert (response.status_code, response.json) == (200, {"status": "ok", "unread_count": 0, "my_unread": 0})
    with db.reading() as session:
        (receipt,) = session.execute(select(Job).where(Job.kind == JobKind.READ)).scalars()
    assert receipt.payload == {"wa_message_id": "wamid.in"}


def test_a_viewer_clears_no_badge_and_shows_the_customer_nothing(
    app: Flask, client: FlaskClient, db: Database, talk: Conversation
) -> None:
    viewer = as_user(app, member(db, "viewer@example.com", [Grant(Role.VIEWER)]))
    response = viewer.post(f"/conversations/{talk.id}/read")
    assert (response.status_code, response.json) == (200, {"status": "ok", "unread_count": 1, "my_unread": 0})
    here = [Grant(Role.VIEWER), Grant(Role.MANAGER, another_account(db))]
    assert as_user(app, member(db, "other@example.com", here)).post(f"/conversations/{talk.id}/read").status_code == 200
    with db.reading() as session:
        assert session.execute(select(Job).where(Job.kind == JobKind.READ)).all() == []
    assert client.get(f"/conversations/{talk.id}").json["unread_count"] == 1


def silence(client: FlaskClient, talk: Conversation) -> tuple[bool, str | None]:
    row = client.get(f"/conversations/{talk.id}").json
    return row["bot_enabled"], row["bot_silent_reason"]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"bot_enabled": False}, "off"),
        ({"needs_human": True, "needs_human_reason": "answer_limit"}, "needs_human"),
        ({"needs_human": True, "needs_human_reason": "ai_unavailable"}, "needs_human"),
        ({"needs_human": True, "needs_human_reason": "unconfirmed"}, None),
        ({"bot_paused_until": utc_now() + timedelta(hours=1)}, "paused"),
        ({"bot_paused_until": utc_now() - timedelta(seconds=1)}, None),
        ({}, None),
    ],
)
def test_bot_enabled_says_whether_the_bot_answers_next_and_one_call_gives_the_conversation_back(
    client: FlaskClient, db: Database, talk: Conversation, state: dict[str, Any], reason: str | None
) -> None:
    with db.writing() as session:
        conversation = session.get_one(Conversation, talk.id)
        for name, value in state.items():
            setattr(conversation, name, value)
    assert silence(client, talk) == (reason is None, reason)
    (row,) = conversations(client, db).json
    assert (row["bot_enabled"], row["bot_silent_reason"]) == (reason is None, reason)
    given_back = client.post(f"/conversations/{talk.id}/bot", json={"enabled": True}).json["conversation"]
    assert (given_back["bot_enabled"], given_back["needs_human"], given_back["bot_paused_until"]) == (True, False, None)


def test_the_bot_answers_next_until_a_person_replies(client: FlaskClient, talk: Conversation) -> None:
    assert silence(client, talk) == (True, None)
    send(client, talk)
    assert silence(client, talk) == (False, "paused")


def test_the_favourite_and_the_bot_switch_take_booleans_only(client: FlaskClient, talk: Conversation) -> None:
    response = client.post(f"/conversations/{talk.id}/favorite", json={"favorite": True})
    assert response.json == {"status": "ok", "is_favorite": True}
    response = client.post(f"/conversations/{talk.id}/bot", json={"enabled": False})
    assert response.json["conversation"]["bot_enabled"] is False
    for path, field in (("favorite", "favorite"), ("bot", "enabled")):
        for value in ("true", 1, 0, None, "", [], {}):
            refused = client.post(f"/conversations/{talk.id}/{path}", json={field: value})
            assert refused.status_code == 400
            assert refused.json["errors"][0]["pointer"] == f"/{field}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/conversations/{id}"),
        ("GET", "/messages/{id}"),
        ("POST", "/conversations/{id}/read"),
        ("POST", "/messages/{id}/resend"),
    ],
)
def test_what_does_not_exist_is_404_in_problem_json(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path.format(id=uuid.uuid4()), method=method)
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert response.json["detail"] in ("conversation_not_found", "message_not_found")
    assert response.json["request_id"] == response.headers["X-Request-Id"]


# --- messages ----------------------------------------------------------------------------------------------------


def test_messages_come_oldest_first_and_page_backwards(
    client: FlaskClient, runtime: Runtime, talk: Conversation
) -> None:
    at = now_seconds()
    batch = [text_message(f"m{n}", wa_id=f"wamid.m{n}", at=at + n // 3) for n in range(9)]
    ingest(runtime, webhook(messages=batch))
    page = client.get(f"/messages/{talk.id}?limit=4")
    assert [row["content_text"] for row in page.json] == ["m5", "m6", "m7", "m8"]
    rows = walk(client, f"/messages/{talk.id}?limit=4")
    assert len({row["id"] for row in rows}) == 10
    before = client.get(f"/messages/{talk.id}", query_string={"before": rfc3339(datetime.fromtimestamp(at + 1, UTC))})
    assert [row["content_text"] for row in before.json] == ["Bonjour", "m0", "m1", "m2"]


def test_reactions_stand_with_their_message_and_can_be_taken_back(
    client: FlaskClient, runtime: Runtime, talk: Conversation
) -> None:
    def react(wa_id: str, at: int, **reaction: str) -> None:
        note = {"from": "33600000001", "id": wa_id, "timestamp": str(at), "type": "reaction"}
        ingest(runtime, webhook(messages=[{**note, "reaction": {"message_id": "wamid.in", **reaction}}]))

    at = now_seconds()
    react("wamid.r1", at - 3, emoji="👍")
    react("wamid.r2", at - 2, emoji="🎉")
    (row,) = client.get(f"/messages/{talk.id}").json
    assert [reaction["emoji"] for reaction in row["reactions"]] == ["🎉"]
    react("wamid.r3", at - 1)
    react("wamid.r0", at - 4, emoji="😀")  # late: an older one does not come back
    (row,) = client.get(f"/messages/{talk.id}").json
    assert row["reactions"] == []


def test_sending_is_answered_202_at_once_and_queued(client: FlaskClient, db: Database, talk: Conversation) -> None:
    response = send(client, talk, "On my way")
    assert response.status_code == 202
    assert response.json["status"] == "queued"
    message = response.json["message"]
    assert response.json["message_id"] == message["id"]
    assert (message["status"], message["direction"], message["content_text"]) == ("queued", "outbound", "On my way")
    assert message["author"]["kind"] == "agent"
    assert message["author"]["name"] == "Test admin"
    with db.reading() as session:
        (job,) = session.execute(select(Job).where(Job.kind == JobKind.SEND)).scalars()
    assert str(job.message_id) == message["id"]


def test_a_reply_by_a_person_voids_the_answer_and_keeps_the_bot_out(
    client: FlaskClient, db: Database, talk: Conversation
) -> None:
    send(client, talk)
    after = the_conversation(db)
    assert after.epoch == talk.epoch + 1
    assert after.bot_paused_until is not None
    assert after.bot_paused_until > utc_now() + timedelta(minutes=29)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/conversation_id"),
        ({"content": ""}, "/content"),
        ({"content": "   \n"}, "/content"),
        ({"content": "\u200b\u2800 \u202e"}, "/content"),
        ({"content": "x" * 4097}, "/content"),
        ({"content": 5}, "/content"),
        ({"content": None}, "/content"),
        ({"content": "a\x00b"}, "/content"),
        ({"content": "a\ud800"}, "/content"),
        ({"content": "ok", "client_key": ""}, "/client_key"),
        ({"content": "ok", "client_key": "k" * 256}, "/client_key"),
        ({"content": "ok", "reply_to": "no-uuid"}, "/reply_to"),
    ],
)
def test_a_bad_send_names_the_field_and_stores_nothing(
    client: FlaskClient, db: Database, talk: Conversation, body: dict[str, Any], pointer: str
) -> None:
    complete = {"conversation_id": str(talk.id), **body} if body else body
    response = client.post("/messages/send", json=complete)
    assert response.status_code == 400
    assert response.json["code"] == "validation_error"
    assert pointer in [error["pointer"] for error in response.json["errors"]]
    with db.reading() as session:
        assert session.execute(select(Message).where(Message.direction == "outbound")).scalars().all() == []


@pytest.mark.parametrize("data", [b"", b"{", b"[1", b"\xff", b"nan", b'{"a":NaN}', b"[" * 5000])
def test_a_body_that_is_not_json_is_refused(client: FlaskClient, data: bytes) -> None:
    response = client.post("/messages/send", data=data, content_type="application/json")
    assert (response.status_code, response.json["code"]) == (400, "not_json")
    response = client.post("/messages/send", data=b'{"content":"x"}', content_type="text/plain")
    assert (response.status_code, response.json["code"]) == (400, "not_json")


def test_a_body_over_the_limit_is_refused(client: FlaskClient) -> None:
    response = client.post("/messages/send", data=b'"' + b"x" * 1_100_000 + b'"', content_type="application/json")
    assert (response.status_code, response.json["code"]) == (413, "payload_too_large")


def test_outside_the_24_hour_window_a_send_is_refused_with_what_is_possible(
    client: FlaskClient, runtime: Runtime, db: Database
) -> None:
    ingest(runtime, webhook(messages=[text_message("old", at=now_seconds() - 24 * 3600 - 1)]))
    response = send(client, the_conversation(db))
    assert (response.status_code, response.json["detail"]) == (409, "reply_window_closed")
    assert "template" in response.json["title"]


def test_the_same_key_gives_the_same_message(client: FlaskClient, db: Database, talk: Conversation) -> None:
    first = send(client, talk, "once", client_key="key-1")
    again = send(client, talk, "once", client_key="key-1")
    by_header = client.post(
        "/messages/send",
        json={"conversation_id": str(talk.id), "content": "once"},
        headers={"Idempotency-Key": "key-1"},
    )
    assert first.json == again.json == by_header.json
    with db.reading() as session:
        assert len(session.execute(select(Job).where(Job.kind == JobKind.SEND)).scalars().all()) == 1


def test_the_same_key_with_another_body_is_422(client: FlaskClient, talk: Conversation) -> None:
    send(client, talk, "once", client_key="key-1")
    response = send(client, talk, "something else", client_key="key-1")
    assert (response.status_code, response.json["code"]) == (422, "idempotency_key_reused")


def test_two_different_keys_in_one_request_are_refused(client: FlaskClient, talk: Conversation) -> None:
    body = {"conversation_id": str(talk.id), "content": "x", "client_key": "a"}
    response = client.post("/messages/send", json=body, headers={"Idempotency-Key": "b"})
    assert response.status_code == 400


def test_a_reply_quotes_a_message_of_the_same_conversation_only(
    client: FlaskClient, runtime: Runtime, db: Database, talk: Conversation
) -> None:
    (inbound,) = client.get(f"/messages/{talk.id}").json
    response = send(client, talk, "quoting", reply_to=inbound["id"])
    assert response.json["message"]["reply_to"] == inbound["id"]
    quoted = {"id": inbound["id"], "content_text": inbound["content_text"], "author_kind": "customer"}
    assert response.json["message"]["quoted"].items() >= quoted.items()
    assert inbound["quoted"] is None
    queued = send(client, talk, "not yet", reply_to=response.json["message_id"])
    assert queued.json["errors"][0]["problem"] == "has not reached WhatsApp yet, so it cannot be quoted"
    foreign = send(client, talk, "foreign", reply_to=str(uuid.uuid4()))
    assert foreign.json["errors"][0]["pointer"] == "/reply_to"


def test_only_failed_and_unconfirmed_messages_can_be_sent_again(
    client: FlaskClient, runtime: Runtime, talk: Conversation
) -> None:
    message = send(client, talk).json["message_id"]
    refused = client.post(f"/messages/{message}/resend")
    assert (refused.status_code, refused.json["code"]) == (409, "not_resendable")
    with runtime.db.writing() as session:
        row = session.get_one(Message, uuid.UUID(message))
        row.wa_message_id = "wamid.sent"
    ingest(runtime, webhook(statuses=[status("failed", wa_id="wamid.sent", at=now_seconds())]))
    (row,) = [row for row in client.get(f"/messages/{talk.id}").json if row["id"] == message]
    assert row["error"]["code"] == "131026"
    assert row["error"]["can_retry"] is False
    again = client.post(f"/messages/{message}/resend")
    assert (again.status_code, again.json["message"]["status"]) == (202, "queued")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_message_that_is_deleted_just_now_is_not_sent_again(
    client: FlaskClient, db: Database, talk: Conversation
) -> None:
    message = send(client, talk).json["message_id"]
    gone = delete(Message).where(Message.id == uuid.UUID(message))
    late = while_it_goes(db, gone, lambda: client.post(f"/messages/{message}/resend"))
    assert (late.status_code, late.json["code"]) == (404, "message_not_found")


# --- contacts and accounts ---------------------------------------------------------------------------------------


def test_contacts_are_paged_and_searched(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    many(runtime, 5, now_seconds())
    account = the_account(db).id
    rows = walk(client, f"/contacts?account_id={account}&limit=2")
    assert len({row["id"] for row in rows}) == 5
    found = client.get("/contacts", query_string={"account_id": str(account), "q": "33710000003"}).json
    assert [row["whatsapp_number"] for row in found] == ["33710000003"]


def test_contacts_without_a_number_are_those_of_every_number_the_caller_may_see(
    client: FlaskClient, app: Flask, runtime: Runtime, db: Database
) -> None:
    many(runtime, 3, now_seconds())
    mine, other = the_account(db).id, another_account(db)
    with db.reading() as session:
        number = session.get_one(Account, other).phone_number_id
    ingest(runtime, webhook(number_id=number, messages=[text_message(wa_id="wamid.2", phone="33720000001")]))
    everybody = walk(client, "/contacts?limit=2")
    assert {row["account_id"] for row in everybody} == {str(mine), str(other)}
    assert len({row["id"] for row in everybody}) == len(everybody) == 4
    assert everybody == sorted(everybody, key=lambda row: (row["created_at"], row["id"]), reverse=True)
    assert [row["whatsapp_number"] for row in client.get("/contacts?q=3372").json] == ["33720000001"]
    colleague = as_user(app, member(db, "only@example.com", [Grant(Role.VIEWER, mine)]))
    assert {row["account_id"] for row in colleague.get("/contacts").json} == {str(mine)}
    assert colleague.get(f"/contacts?account_id={other}").status_code == 403


def test_accounts_are_listed_without_their_tokens(client: FlaskClient) -> None:
    response = client.get("/accounts")
    (row,) = response.json
    assert row["phone_number_id"] == "200000000000001"
    assert "test-access-token" not in response.text


# --- errors and ids ----------------------------------------------------------------------------------------------


def test_unknown_paths_and_methods_answer_problem_json(client: FlaskClient) -> None:
    for method, path, expected in (("GET", "/nowhere", 404), ("DELETE", "/conversations", 405)):
        response = client.open(path, method=method)
        assert response.status_code == expected
        assert response.content_type == "application/problem+json"
        assert response.json["status"] == expected


def test_a_request_id_is_taken_over_or_made(client: FlaskClient) -> None:
    given = "client-made-0123456789"
    assert client.get("/health/live", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given
    for bad in ("short", "has blanks in it, certainly", "x" * 201):
        made = client.get("/health/live", headers={"X-Request-Id": bad}).headers["X-Request-Id"]
        assert made != bad
        assert len(made) == 32


def test_a_bug_of_ours_is_answered_without_a_stack_trace(
    client: FlaskClient, app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("inbox.accounts.service.list_accounts", broken)
    app.testing = False
    response = client.get("/accounts")
    assert (response.status_code, response.json["code"]) == (500, "internal_error")
    assert "secret detail" not in response.text
    assert "secret detail" in caplog.text


def test_a_viewer_reads_but_does_not_send(app: Flask, db: Database, talk: Conversation) -> None:
    viewer = app.test_client()
    secret = keys.create(db, name="Viewer", role=Role.VIEWER).secret
    viewer.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    assert viewer.get(f"/messages/{talk.id}").status_code == 200
    response = send(viewer, talk)
    assert (response.status_code, response.json["detail"]) == (403, "permission_denied")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_other_origins_are_refused_unless_they_are_named(config: Config, client: FlaskClient) -> None:
    ask = {"Origin": "https://inbox.example.com", "Access-Control-Request-Method": "GET"}
    assert "Access-Control-Allow-Origin" not in client.options("/accounts", headers=ask).headers
    named = create_app(dataclasses.replace(config, cors_origins=("https://inbox.example.com",))).test_client()
    assert named.options("/accounts", headers=ask).headers["Access-Control-Allow-Origin"] == ask["Origin"]
    other = {**ask, "Origin": "https://elsewhere.example.com"}
    assert "Access-Control-Allow-Origin" not in named.options("/accounts", headers=other).headers


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_preflight_is_answered_whatever_the_address_so_that_the_page_can_read_our_404(config: Config) -> None:
    named = create_app(dataclasses.replace(config, cors_origins=("https://inbox.example.com",))).test_client()
    ask = {"Origin": "https://inbox.example.com", "Access-Control-Request-Method": "PATCH"}
    for path in ("/nowhere", "/conversations/not-an-id/read", "/accounts"):
        answer = named.options(path, headers={**ask, "Access-Control-Request-Headers": "authorization,content-type"})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, ask["Origin"]), path
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        assert "authorization" in answer.headers["Access-Control-Allow-Headers"]
    lost = named.get("/nowhere", headers={"Origin": ask["Origin"]})
    assert (lost.status_code, lost.headers["Access-Control-Allow-Origin"]) == (404, ask["Origin"])


def test_a_cursor_that_is_a_time_shows_what_is_older(
    client: FlaskClient, runtime: Runtime, db: Database, talk: Conversation
) -> None:
    later = text_message("Salut", wa_id="wamid.later", phone="33600000002", at=now_seconds() + 1)
    ingest(runtime, webhook(messages=[later]))
    newest, older = conversations(client, db).json
    assert [row["id"] for row in conversations(client, db, cursor=newest["updated_at"]).json] == [older["id"]]
    assert conversations(client, db, cursor=older["updated_at"]).json == []
