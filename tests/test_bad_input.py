"""What no client should send: each is a 4xx that points at the field, and nothing is changed by it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from inbox.db import Database
from inbox.models import Base, Conversation, Message
from tests.callers import BY_ROW, CASES, NOWHERE, Case, World

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
WITH_BODY = [name for name, case in CASES.items() if case.body is not None]
#: Their body may be left out.
NEED_NONE = {"conversations.read_conversation"}
#: These say by themselves that they were used: not what is meant by a change.
OWN_RECORDS = {"user_sessions", "processes"}


def contents(db: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    with db.reading() as session:
        return {
            table.name: sorted(map(repr, session.execute(select(table)).all()))
            for table in Base.metadata.sorted_tables
            if table.name not in OWN_RECORDS
        }


def pointers(response: TestResponse) -> list[str]:
    return [problem["pointer"] for problem in response.json.get("errors", [])]


# --- bodies that are none ----------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
DEEP = b'{"x":' * 60 + b"1" + b"}" * 60
#: What is sent, how, and the status and code it is refused with.
SENT: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "nothing": (b"", JSON, 400, "not_json"),
    "half": (b'{"name":', JSON, 400, "not_json"),
    "a form": (b"name=x", {"Content-Type": "application/x-www-form-urlencoded"}, 400, "not_json"),
    "no type": (b"{}", {}, 400, "not_json"),
    "not UTF-8": (b'{"name":"\xff"}', JSON, 400, "not_json"),
    "another charset": (b"{}", {"Content-Type": "application/json; charset=latin-1"}, 400, "unsupported_encoding"),
    "packed": (
        gzip.compress(b"{}"),
        {**JSON, "Content-Encoding": "gzip"},
        400,
        "unsupported_encoding",
    ),
    "NaN": (b'{"name":NaN}', JSON, 400, "not_json"),
    "too deep": (DEEP, JSON, 400, "json_too_complex"),
    "too large": (b" " * (2 * 1024 * 1024), JSON, 413, "payload_too_large"),
    "a list": (b"[]", JSON, 400, "validation_error"),
    "a word": (b'"x"', JSON, 400, "validation_error"),
    "null": (b"null", JSON, 400, "validation_error"),
}


@pytest.mark.parametrize("endpoint", WITH_BODY)
def test_a_body_that_is_none_is_refused_and_changes_nothing(world: World, endpoint: str) -> None:
    before = contents(world.runtime.db)
    for what, (data, headers, status, code) in SENT.items():
        if what == "nothing" and endpoint in NEED_NONE:
            continue
        case = replace(CASES[endpoint], body=None, data=data, headers=headers)
        response = world.call(case, "admin")
        assert (what, response.status_code, response.json["code"]) == (what, status, code)
    assert contents(world.runtime.db) == before


# --- fields ------------------------------------------------------------------------------------------------------

ANY_TEXT = (5, True, [], {}, "x\x00y")
LONG = "x" * 100_000
_ROLE: Mapping[str, tuple[Any, ...]] = {
    "slug": (*ANY_TEXT, None, "", "Desk", "front desk", "-desk", "x" * 65),
    "name": (*ANY_TEXT, None, "", "x" * 201),
    "description": (*ANY_TEXT, "x" * 501),
    "permissions": (5, None, "messages.view", ["messages.all"], ["messages.view"] * 11),
}
_WORD = (*ANY_TEXT, None, "", "  ", "two\nlines", "x" * 41)
_CANNED: Mapping[str, tuple[Any, ...]] = {
    "shortcut": (*ANY_TEXT, None, "", "good bye", "x" * 41),
    "text": (*ANY_TEXT, None, "", "   ", "x" * 4097, "{contact.nam}", "{ me.name }", "Hello {contact.name} {city}"),
}
#: Bad values of fields, by route; the pointer is to the field unless a value says another.
FIELDS: dict[str, Mapping[str, tuple[Any, ...]]] = {
    "auth.login": {"email": (*ANY_TEXT, None, "", "x" * 321), "password": (*ANY_TEXT, None, "", "x" * 1025)},
    "conversations.set_favorite": {"favorite": ("true", 1, None, "", [], {})},
    "conversations.read_conversation": {"through": (5, "x", "", [], {}, str(NOWHERE))},
    "conversations.set_status": {"status": (5, "x", "", "closed", None, [], {}, True)},
    "conversations.set_bot": {"enabled": ("false", 0, None, "", [], {})},
    "conversations.assign_conversation": {"user_id": (5, "me", "", [], {}, str(NOWHERE), True)},
    "conversations.send_message": {
        "conversation_id": (5, "x", "", None, [], {}),
        "content": (*ANY_TEXT, None, "", "   ", "x" * 4097),
        "client_key": (*ANY_TEXT, "", "x" * 256),
        "reply_to": (5, "x", str(NOWHERE)),
        "seen_through": (5, "x", str(NOWHERE)),
    },
    "media.begin_upload": {
        "account_id": (5, "x", "", None, [], {}),
        "mime_type": (*ANY_TEXT, None, "", "image/gif", "application/zip"),
        "size": (0, -1, "5", 1.5, None, True, 100 * 1024 * 1024 + 1),
        "filename": (5, "", "x" * 241, "two\nlines"),
        "client_key": (*ANY_TEXT, None, "", "x" * 256),
    },
    "conversations.send_media": {
        "conversation_id": (5, "x", "", None, [], {}),
        "upload_id": (5, "x", "", None, [], {}),
        "caption": (*ANY_TEXT, "", "x" * 1025),
        "voice": ("true", 1, None, [], {}),
        "client_key": (*ANY_TEXT, "", "x" * 256),
        "reply_to": (5, "x", str(NOWHERE)),
        "seen_through": (5, "x", str(NOWHERE)),
    },
    "conversations.send_content": {
        "conversation_id": (5, "x", "", None, [], {}),
        "content": (
            *(5, "x", None, [], {}, {"type": "poll"}, {"type": "location", "latitude": 91, "longitude": 0}),
            *({"type": "contacts", "contacts": []}, {"type": "contacts", "contacts": [{"name": " "}]}),
            {"type": "buttons", "text": "Which?", "buttons": [{"id": "a", "title": "x" * 21}]},
            {"type": "buttons", "text": "Which?", "buttons": [{"id": "a", "title": "A"}] * 2},
            {
                "type": "list",
                "text": "Which?",
                "button": "Choose",
                "sections": [{"rows": [{"id": "a", "title": "A"}]}] * 2,
            },
        ),
        "client_key": (*ANY_TEXT, "", "x" * 256),
        "reply_to": (5, "x", str(NOWHERE)),
        "seen_through": (5, "x", str(NOWHERE)),
    },
    "conversations.react": {
        "emoji": (*ANY_TEXT, None, "yes", " ", "👍" * 2),
        "client_key": (*ANY_TEXT, "", "x" * 256),
    },
    "templates.send_template": {
        "conversation_id": (5, "x", "", None, [], {}),
        "template_id": (5, "x", "", None, [], {}),
        "parameters": (5, "x", None, [], {}, {"body.1": 5}, {"body.1": "two\nlines"}, {"body.2": "Anna"}),
        "client_key": (*ANY_TEXT, "", "x" * 256),
    },
    "auth.change_password": {
        "current": (*ANY_TEXT, None, "", "x" * 1025),
        "password": (*ANY_TEXT, None, "", "x" * 1025),
    },
    "auth.change_me": {"name": (5, "", "x" * 201), "preferences": (None, 5, "x", [])},
    "team.add_note": {"text": (*ANY_TEXT, None, "", "   ", "x" * 10_001), "client_key": (*ANY_TEXT, "", "x" * 256)},
    "team.edit_note": {"text": (*ANY_TEXT, None, "", "   ", "x" * 10_001)},
    "team.change_many": {
        "conversation_ids": (5, None, [], ["x"], [str(NOWHERE)] * 2, [str(UUID(int=n)) for n in range(201)]),
        "do": (
            *(5, None, [], {}, {"action": "erase"}, {"action": "status"}, {"action": "status", "status": "closed"}),
            *({"action": "assign"}, {"action": "assign", "user_id": "me"}, {"action": "read", "through": None}),
            {"action": "label", "add": [str(NOWHERE)] * 2},
            {"action": "label", "remove": [str(UUID(int=n)) for n in range(21)]},
        ),
    },
    "team.create_label": {"name": _WORD, "color": (-1, 8, "red", 1.5, True, None)},
    "team.change_label": {"name": _WORD, "color": (-1, 8, "red", 1.5, True, None)},
    "team.set_labels": {"label_ids": (5, None, "x", ["x"], [str(NOWHERE)], [str(NOWHERE)] * 21)},
    "team.create_field": {
        "name": _WORD,
        "kind": (5, None, "", "colour"),
        "choices": (5, None, "S", [], [""], ["S", "S"], ["two\nlines"], ["x" * 41], [str(n) for n in range(51)]),
    },
    "team.change_field": {"name": _WORD, "choices": (5, None, [], ["S"])},
    "team.change_contact": {
        "fields": (5, None, {}, [], {"size": "L"}, {str(NOWHERE): "L"}, {str(NOWHERE): None}, {str(NOWHERE): [1]}),
    },
    "team.merge_contact": {"other_id": (5, None, "", "x", [])},
    "conversations.block_contact": {"blocked": ("true", 1, None, "", [])},
    "team.create_canned": _CANNED,
    "team.change_canned": _CANNED,
    "team.save_draft": {
        "text": (*ANY_TEXT, None, "x" * 10_001),
        "reply_to": (5, "x"),
        "version": (-1, "1", 1.5, None, True),
    },
    "hooks.create_endpoint": {
        "url": (
            *ANY_TEXT,
            None,
            "",
            "example.com",
            "https://a@b.com/",
            "ftp://example.com/",
            "https://x/" + "x" * 2000,
        ),
        "events": (5, None, "message.status", [], ["message.all"], ["message.status"] * 5),
        "description": (*ANY_TEXT, None, "two\nlines", "x" * 201),
    },
    "hooks.change_endpoint": {
        "url": (*ANY_TEXT, None, "", "http://example.com/"),
        "events": (5, None, [], ["test"]),
        "paused": ("true", 1, None),
    },
    "knowledge.add_source": {
        "source": (
            *(5, None, "x", [], {}, {"type": "scan"}, {"type": "file", "upload_id": "x"}),
            *({"type": "page", "url": url} for url in (5, "", "x", "https://a@b.com/", "file:///etc/passwd", "//x/")),
            {"type": "page", "url": "https://example.com/", "name": "x"},
            *({"type": "text", "name": "x", "text": text} for text in (*ANY_TEXT, "", "  ", "x" * 200_001)),
            *({"type": "text", "name": name, "text": "x"} for name in ("", " ", "two\nlines", "x" * 241)),
        ),
    },
    "live.say_present": {
        "conversation_id": (5, "x", "", None, [], {}),
        "doing": (*ANY_TEXT, None, "", "sleeping"),
    },
    "bot.put_profile": {
        "business_name": (*ANY_TEXT, "x" * 501),
        "knowledge_base": (5, LONG),
        "custom_fields": (5, {}, [{}] * 101),
        "template_config": (5, [], "x", None),
        "max_answers_per_hour": ("20", 2.5, -1, 1001, None, True),
        "fallback_texts": (5, {}, [5], [{"text": 5}], [{"text": "x" * 1001}], [{}] * 21),
        "reads_files": ("true", 1, None),
        "model": ("../etc", "x" * 101, 5),
    },
    "bot.add_question": {"text": (*ANY_TEXT, None, "", "  ", "two\nlines", "x" * 501)},
    "bot.preview_answer": {"message": (*ANY_TEXT, None, "", "x" * 4097), "profile": (5, "x", [], {"hours": 5})},
    "accounts.create_account": {
        "name": (*ANY_TEXT, None, ""),
        "phone_number_id": (5, None, "", "abc", "1" * 65, "../me"),
        "phone_number": (5, "abc", "12"),
        "waba_id": (5, "abc"),
        "access_token": (5, "", "x" * 5000),
        "verify_token": (5, "", "x" * 5000),
        "bot_auto_on": ("true", 1),
    },
    "accounts.update_account": {
        "name": (*ANY_TEXT, None, ""),
        "phone_number_id": ("200000000000009",),
        "bot_auto_on": ("true", None),
        "paused": ("true", 1),
        "auto_assign": ("true", 1, None),
        "message_retention_days": (6, 3651, "30", 7.5, True),
    },
    "accounts.set_hours": {
        "zone": (*ANY_TEXT, None, "", "Paris", "../UTC", "x" * 65),
        "week": (5, None, [], {}, {"someday": []}, {"monday": []}),
        "exceptions": (5, None, {}, [{}], [{"date": "2026-13-01"}], [{"date": "2026-12-25"}] * 2, [{}] * 61),
        "away_text": (*ANY_TEXT, "", "   ", "x" * 4097),
        "bot": (*ANY_TEXT, None, "", "off"),
    },
    "admin.dead_letters.replay_dead_letters": {"reason": (*ANY_TEXT[:-1], "x" * 65)},
    "admin.keys.create_key": {
        "name": (*ANY_TEXT, None, ""),
        "role_id": ("owner", None, 5, str(NOWHERE)),
        "accounts": ("x", [5], [str(NOWHERE)]),
        "expires_at": (5, "tomorrow", "2026-11-20T09:00:00", "2001-01-01T00:00:00Z"),
    },
    "admin.users.create_role": _ROLE,
    "admin.users.change_role": _ROLE,
    "admin.users.invite_user": {"email": (*ANY_TEXT, None, "", "nobody", "x" * 321), "name": (5, "x" * 201)},
    "admin.users.rename_user": {"name": (5, True, [], "x" * 201)},
    "admin.users.set_user_password": {"password": (None, 5, "", "short", "x" * 1025)},
    "admin.users.set_user_roles": {"assignments": (None, "x", {}, 5)},
    "admin.users.set_user_overrides": {"overrides": (None, "x", {}, 5)},
    "admin.users.set_user_status": {"is_active": (None, "gone", 5, [])},
}


def test_every_route_with_a_body_has_bad_values_for_it() -> None:
    assert set(FIELDS) == set(WITH_BODY)


@pytest.mark.parametrize("endpoint", FIELDS)
def test_a_bad_value_is_refused_by_its_pointer_and_changes_nothing(world: World, endpoint: str) -> None:
    case = CASES[endpoint]
    before = contents(world.runtime.db)
    for name, values in FIELDS[endpoint].items():
        for value in values:
            response = world.call(replace(case, body={**case.body, name: value}), "admin")
            shown = (name, repr(value)[:40], response.status_code, response.json.get("code"))
            assert shown[2:] == (400, "validation_error"), shown
            assert any(pointer.split("/")[1:2] == [name] for pointer in pointers(response)), (shown, response.json)
    assert contents(world.runtime.db) == before


#: Bodies of the predecessor's page, whose other builds send fields that we do not know.
OPEN = {
    *("conversations.set_favorite", "conversations.set_bot", "conversations.send_message", "bot.put_profile"),
    *("accounts.create_account", "admin.users.create_role", "admin.users.change_role"),
    *("admin.users.set_user_roles", "admin.users.set_user_overrides", "admin.users.set_user_status"),
}


@pytest.mark.parametrize("endpoint", sorted({*WITH_BODY} - OPEN))
def test_an_unknown_field_is_refused_by_its_name(world: World, endpoint: str) -> None:
    case = CASES[endpoint]
    before = contents(world.runtime.db)
    response = world.call(replace(case, body={**case.body, "sur/prise~": 1}), "admin")
    assert response.status_code == 400
    assert "/sur~1prise~0" in pointers(response)
    assert contents(world.runtime.db) == before


# --- queries and paths -------------------------------------------------------------------------------------------

#: Of every list: what its limit may not be, and cursors and times that are none.
QUERIES = {
    "limit": ("0", "-1", "501", "x", "", "1e2", "9" * 30, "5.0"),
    "cursor": ("x", "", "AAAA", "%00", "é", "x" * 3000),
}
LISTS = [
    "conversations.list_conversations",
    "conversations.list_messages",
    "contacts.list_contacts",
    "accounts.list_accounts",
    "admin.list_incidents",
    "admin.audit_log.list_audit_log",
    "admin.dead_letters.list_dead_letters",
    "admin.keys.list_keys",
    "admin.users.list_users",
    "hooks.list_deliveries",
]


def asked(case: Case, name: str, value: str) -> Case:
    return replace(case, request=f"{case.request}{'&' if '?' in case.request else '?'}{name}={value}")


@pytest.mark.parametrize("endpoint", LISTS)
def test_a_bad_query_is_refused_by_its_name(world: World, endpoint: str) -> None:
    for name, values in {**QUERIES, "surprise": ("1",)}.items():
        for value in values:
            response = world.call(asked(CASES[endpoint], name, value), "admin")
            assert (name, value[:20], response.status_code, pointers(response)) == (name, value[:20], 400, [f"?{name}"])


@pytest.mark.parametrize(
    ("endpoint", "name", "values"),
    [
        ("reports.get_report", "from", ("yesterday", "2026-13-01", "2026-11-20T09:00:00Z", "")),
        ("reports.get_report", "format", ("xls", "")),
        ("privacy.export_conversation", "format", ("pdf", "")),
        ("conversations.list_conversations", "updated_since", ("x", "2026-11-20", "2026-11-20T09:00:00", "1700000000")),
        ("conversations.list_conversations", "status", ("gone", "")),
        ("conversations.list_conversations", "order", ("oldest", "")),
        ("conversations.list_conversations", "waiting", ("2", "maybe", "")),
        ("conversations.list_messages", "after", ("x", "", str(NOWHERE))),
        ("conversations.list_messages", "around", ("x", "", str(NOWHERE))),
        ("conversations.list_conversations", "unread", ("2", "maybe", "")),
        ("conversations.list_conversations", "assigned_to", ("me", "")),
        ("conversations.list_conversations", "q", ("x" * 201, "%00")),
        ("conversations.list_messages", "before", ("x", "2026-11-20T09:00:00", "-1")),
        ("contacts.list_contacts", "q", ("x" * 201, "%00")),
        ("admin.list_incidents", "upstream", ("nobody", "")),
        ("admin.users.list_users", "status", ("gone",)),
    ],
)
def test_a_bad_filter_is_refused_by_its_name(world: World, endpoint: str, name: str, values: tuple[str, ...]) -> None:
    for value in values:
        response = world.call(asked(CASES[endpoint], name, value), "admin")
        assert (value, response.status_code, pointers(response)) == (value, 400, [f"?{name}"])


@pytest.mark.parametrize("endpoint", [name for name, case in CASES.items() if "{" in case.request])
def test_an_id_that_is_none_is_no_path(world: World, endpoint: str) -> None:
    for nonsense in ("x", "1", "00000000-0000-0000-0000-00000000000", "%00", "..%2f..", "'"):
        response = world.call(CASES[endpoint], "admin", **dict.fromkeys(world.ids, nonsense))
        assert response.status_code in (400, 404), nonsense
        assert response.mimetype == "application/problem+json"


@pytest.mark.parametrize("endpoint", CASES)
def test_a_method_that_is_not_there_is_refused_in_the_same_shape(world: World, endpoint: str) -> None:
    case = CASES[endpoint]
    response = world.call(replace(case, request=f"TRACE {case.request.partition(' ')[2]}", body=None), "admin")
    assert (response.status_code, response.json["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"]


# --- ids of others, and moments that have passed -----------------------------------------------------------------

ROW_WRITES = [
    name
    for name, case in CASES.items()
    if case.names_rows and not case.request.startswith("GET") and not name.startswith("admin.")
]


@pytest.mark.parametrize("endpoint", ROW_WRITES)
def test_an_administrator_of_another_number_changes_nothing_here(world: World, endpoint: str) -> None:
    before = contents(world.runtime.db)
    assert world.call(CASES[endpoint], "elsewhere").status_code in ((200,) if endpoint in BY_ROW else (403, 404))
    assert contents(world.runtime.db) == before


def test_a_reply_to_a_message_of_another_conversation_is_refused_as_if_there_were_none(world: World) -> None:
    db = world.runtime.db
    with db.writing() as session:
        row = session.get_one(Message, UUID(world.ids["failed"]))
        row.conversation_id, row.wa_message_id = row.conversation_id, None
    before = contents(db)
    case = CASES["conversations.send_message"]
    response = world.call(replace(case, body={**case.body, "reply_to": world.ids["failed"]}), "admin")
    assert (response.status_code, pointers(response)) == (400, ["/reply_to"])
    assert contents(db) == before


@pytest.mark.parametrize("endpoint", ["conversations.send_message", "conversations.resend_message"])
def test_when_the_reply_window_has_closed_nothing_is_queued(world: World, endpoint: str) -> None:
    db = world.runtime.db
    with db.writing() as session:
        past = db.now(session) - timedelta(hours=24, seconds=1)
        session.execute(update(Conversation).values(last_inbound_at=past))
    before = contents(db)
    response = world.call(CASES[endpoint], "admin")
    assert (response.status_code, response.json["code"]) == (409, "reply_window_closed")
    assert contents(db) == before


def test_headers_from_hell_are_refused_or_ignored(world: World) -> None:
    before = contents(world.runtime.db)
    send = CASES["conversations.send_message"]
    for headers, status in (
        ({"Idempotency-Key": "x" * 256}, 400),
        ({"Idempotency-Key": ""}, 400),  # a variable that somebody forgot to set would double what it is sent with
        ({"Idempotency-Key": "a\tb"}, 400),
        ({"X-Request-Id": "<script>" * 10, "If-None-Match": '"' * 5000, "Range": "bytes=9-1"}, None),
    ):
        case = replace(send, headers=headers) if status else replace(CASES["auth.who_am_i"], headers=headers)
        response = world.call(case, "admin")
        assert response.status_code == (status or 200)
        assert "<" not in response.headers["X-Request-Id"]
    assert json.dumps(contents(world.runtime.db)) == json.dumps(before)
