"""Every list is paged: it has bounds, it says where it goes on, and its pages together are the whole, once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from inbox.clock import new_id, parse_rfc3339
from inbox.db import Database
from inbox.db.paging import Cursor, behind, place
from inbox.models import Account, AuditEntry, Contact, Conversation, Message
from inbox.runtime import Runtime
from tests.builders import ingest, text_message, the_account, the_conversation, webhook

#: Lists that are short, so they need no pages: one entry per part of this program or per colleague, or a bounded few.
WHOLE = {
    *("/admin/circuit-breakers", "/admin/permissions", "/admin/roles"),
    *("/accounts/{account_id}/people", "/accounts/{account_id}/labels", "/accounts/{account_id}/canned-replies"),
    *("/accounts/{account_id}/webhook-endpoints", "/accounts/{account_id}/knowledge"),
    *("/bot/profile/{account_id}/versions", "/bot/profile/{account_id}/questions"),
    *("/accounts/{account_id}/contact-fields", "/contacts/{contact_id}/duplicates"),
    *("/conversations/{conversation_id}/notes", "/conversations/{conversation_id}/drafts"),
}
START = datetime(2026, 11, 20, tzinfo=UTC)


def lists_of(client: FlaskClient) -> dict[str, dict[str, Any]]:
    """The GET routes that answer an array, with the schemas of their query parameters: as the API describes itself."""
    document = client.get("/openapi.json").json
    found = {}
    for path, operations in document["paths"].items():
        get = operations.get("get", {})
        answers = get.get("responses", {}).get("200", {}).get("content", {})
        schema = answers.get("application/json", {}).get("schema", {})
        while "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        if schema.get("type") == "array":
            found[path] = {each["name"]: each["schema"] for each in get["parameters"] if each["in"] == "query"}
    return found


@pytest.fixture
def addresses(client: FlaskClient, runtime: Runtime, db: Database) -> dict[str, tuple[str, dict[str, Any]]]:
    """Of every list that is paged: how to ask for it, and its parameters."""
    ingest(runtime, webhook(messages=[text_message()]))
    account_id = the_account(db).id
    endpoint = {"url": "https://example.com/hooks", "events": ["message.received"]}
    made = client.post(f"/accounts/{account_id}/webhook-endpoints", json=endpoint)
    ids = {"account_id": account_id, "conversation_id": the_conversation(db).id, "endpoint_id": made.json["id"]}
    found = {}
    for path, parameters in lists_of(client).items():
        if path not in WHOLE:
            asked = f"account_id={account_id}&" if path in ("/conversations", "/contacts") else ""
            found[path] = f"{path.format(**ids)}?{asked}", parameters
    return found


def test_every_list_has_bounds_and_refuses_what_lies_outside(
    client: FlaskClient, addresses: dict[str, tuple[str, dict[str, Any]]]
) -> None:
    assert {"/accounts", "/conversations", "/contacts", "/messages/{conversation_id}", "/admin/keys"} <= set(addresses)
    for path, (address, parameters) in addresses.items():
        assert {"limit", "cursor"} <= set(parameters), f"{path} answers an array without pages"
        low, high = parameters["limit"]["minimum"], parameters["limit"]["maximum"]
        assert (low, high) in ((1, 200), (1, 500)), path
        for limit in (low, high):
            assert client.get(f"{address}limit={limit}").status_code == 200, path
        for limit in (low - 1, -1, high + 1, 10**30):
            refused = client.get(f"{address}limit={limit}")
            assert (refused.status_code, refused.json["errors"][0]["pointer"]) == (400, "?limit"), path
        assert client.get(f"{address}cursor=x").status_code == 400, path


def test_a_page_says_where_the_next_begins_and_keeps_the_question(client: FlaskClient, db: Database) -> None:
    account_id = _add_talks(db, [0, 0, 0], [0, 0, 0])
    first = client.get(f"/conversations?account_id={account_id}&limit=2&status=open")
    assert len(first.json) == 2
    link = first.headers["Link"]
    assert "status=open" in link
    assert "limit=2" in link
    last = client.get(link[1 : link.index(">")])
    assert len(last.json) == 1
    assert "Link" not in last.headers


# --- pages together are the whole --------------------------------------------------------------------------------

TIMES = st.lists(st.integers(0, 3), min_size=0, max_size=12)  # few different ones, so that many are equal
ON_ANY_DATABASE = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _add_talks(db: Database, times: list[int], changes: list[int]) -> UUID:
    """An account of its own, with a conversation for each of `times`."""
    account_id, moment = new_id(), {"created_at": START, "updated_at": START}
    rows = [
        {"id": new_id(), "at": START + timedelta(milliseconds=time), "change": START + timedelta(milliseconds=change)}
        for time, change in zip(times, changes, strict=True)
    ]
    with db.writing() as session:
        session.add(Account(id=account_id, name="n", phone_number_id=account_id.hex, **moment))
        session.flush()
        for row in rows:
            contact = Contact(id=new_id(), account_id=account_id, created_at=row["at"], updated_at=START)
            session.add(contact)
            session.flush()
            talk = {"id": row["id"], "account_id": account_id, "contact_id": contact.id, "created_at": START}
            session.add(Conversation(**talk, updated_at=row["at"], changed_at=row["change"]))
    return account_id


def _walk(client: FlaskClient, address: str) -> list[list[Any]]:
    pages = []
    while address:
        response = client.get(address)
        assert response.status_code == 200
        pages.append(response.json)
        following = re.search('<([^>]+)>; rel="next"', response.headers.get("Link", ""))
        address = following[1] if following else ""
    return pages


def _whole(pages: list[list[Any]], limit: int, time: str) -> list[Any]:
    """All rows, having checked that the pages are full, in order, and that none overlap."""
    rows = [row for page in pages for row in page]
    assert all(len(page) == limit for page in pages[:-1])
    places = [(parse_rfc3339(row[time]), UUID(row["id"])) for row in rows]
    assert places == sorted(set(places), reverse=True)
    return rows


@ON_ANY_DATABASE
@given(talks=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12), limit=st.integers(1, 5))
def test_pages_of_conversations_and_contacts_skip_and_repeat_nothing(
    client: FlaskClient, db: Database, talks: list[tuple[int, int]], limit: int
) -> None:
    account_id = _add_talks(db, [time for time, _ in talks], [change for _, change in talks])
    base = f"account_id={account_id}&limit={limit}"
    newest = _whole(_walk(client, f"/conversations?{base}"), limit, "updated_at")
    changed = _whole(_walk(client, f"/conversations?{base}&updated_since=2026-01-01T00:00:00Z"), limit, "changed_at")
    contacts = _whole(_walk(client, f"/contacts?{base}"), limit, "created_at")
    assert len(newest) == len(changed) == len(contacts) == len(talks)
    some = _walk(client, f"/conversations?{base}&updated_since=2026-11-20T00:00:00.002Z")
    assert sum(map(len, some)) == sum(change >= 2 for _, change in talks)


@ON_ANY_DATABASE
@given(times=TIMES, limit=st.integers(1, 5))
def test_pages_of_a_thread_skip_and_repeat_nothing(
    client: FlaskClient, db: Database, times: list[int], limit: int
) -> None:
    account_id = _add_talks(db, [0], [0])
    with db.writing() as session:
        talk = session.execute(select(Conversation.id).where(Conversation.account_id == account_id)).scalar_one()
        common = {"account_id": account_id, "conversation_id": talk, "direction": "inbound", "message_type": "text"}
        common |= {"content_text": "x", "stored_at": START, "author_kind": "customer", "status": "received"}
        session.add_all(Message(timestamp=START + timedelta(milliseconds=time), **common) for time in times)
    pages = _walk(client, f"/messages/{talk}?limit={limit}")
    newest_first = [page[::-1] for page in pages]
    assert len(_whole(newest_first, limit, "timestamp")) == len(times)


@ON_ANY_DATABASE
@given(times=TIMES, cut=st.integers(0, 11))
def test_what_stands_behind_a_cursor_is_what_python_sorts_there(db: Database, times: list[int], cut: int) -> None:
    mark = new_id().hex
    places = [(START + timedelta(milliseconds=time), new_id()) for time in times]
    common = {"actor_kind": "user", "actor_name": "x", "action": mark, "details": {}, "request_id": "r"}
    ordered = sorted(places, reverse=True)
    cursor = Cursor(*ordered[min(cut, len(ordered) - 1)]) if ordered else Cursor(START, new_id())
    with db.writing() as session:
        for time, id_ in places:
            session.add(AuditEntry(id=id_, at=time, **common))
    mine = select(AuditEntry.at, AuditEntry.id).where(AuditEntry.action == mark)
    order = AuditEntry.at.desc(), AuditEntry.id.desc()
    with db.reading() as session:
        found = session.execute(
            mine.where(behind(AuditEntry.at, AuditEntry.id)).order_by(*order), place(cursor, 1)
        ).all()
    assert [tuple(row) for row in found] == [each for each in ordered if each < (cursor.time, cursor.id)]
