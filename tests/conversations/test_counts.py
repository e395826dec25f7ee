"""The numbers on the badges."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.clock import new_id, utc_now
from inbox.conversations import counts as counted
from inbox.db import Database
from inbox.models import Account, Contact, Conversation, ConversationReader
from tests.auth.people import local_user, session_of
from tests.builders import the_account


def talk(db: Database, account_id: UUID, **state: Any) -> Conversation:
    """A conversation of the account in a state."""
    with db.writing() as session:
        now = db.now(session)
        times = {"created_at": now, "updated_at": now}
        contact = Contact(id=new_id(), account_id=account_id, **times)
        session.add(contact)
        session.flush()
        made = Conversation(account_id=account_id, contact_id=contact.id, changed_at=now, **times, **state)
        session.add(made)
    return made


@pytest.fixture
def mine(db: Database) -> UUID:
    """The default account, empty."""
    return the_account(db).id


@pytest.fixture
def other(db: Database, mine: UUID) -> UUID:
    """Another account, with something of everything."""
    with db.writing() as session:
        now = db.now(session)
        account = Account(id=new_id(), name="other", phone_number_id="2", created_at=now, updated_at=now)
        session.add(account)
    talk(db, account.id, unread_count=3, needs_human=True)
    return account.id


def counts(client: FlaskClient, account_id: UUID) -> Any:
    return client.get(f"/conversations/counts?account_id={account_id}")


def some(told: Any) -> Any:
    """Without those that tests below are about."""
    return {name: told[name] for name in ("unread", "needs_human", "assigned_to_me")}


def test_what_waits_is_counted_for_one_account(client: FlaskClient, db: Database, mine: UUID) -> None:
    for state in ({}, {"unread_count": 2}, {"unread_count": 1, "needs_human": True}, {"needs_human": True}):
        talk(db, mine, **state)
    assert some(counts(client, mine).json) == {"unread": 2, "needs_human": 2, "assigned_to_me": 0}


def test_rows_of_other_accounts_are_not_counted(client: FlaskClient, mine: UUID, other: UUID) -> None:
    assert some(counts(client, mine).json) == {"unread": 0, "needs_human": 0, "assigned_to_me": 0}
    assert some(counts(client, other).json) == {"unread": 1, "needs_human": 1, "assigned_to_me": 0}


def test_a_user_sees_how_many_are_theirs_in_this_account(app: Flask, db: Database, mine: UUID, other: UUID) -> None:
    user = local_user(db, "agent@example.com", [Grant(Role.MANAGER)], password=None)
    talk(db, mine, assigned_to=user.id)
    talk(db, mine, assigned_to=new_id())
    talk(db, other, assigned_to=user.id)
    theirs = app.test_client()
    theirs.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(db, user.id)}"
    assert counts(theirs, mine).json["assigned_to_me"] == 1


def test_a_thousand_means_a_thousand_or_more(
    client: FlaskClient, db: Database, mine: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counted, "COUNTED", 3)
    counted._counts.cache_clear()
    for _ in range(5):
        talk(db, mine, unread_count=1)
    try:
        assert some(counts(client, mine).json) == {"unread": 3, "needs_human": 0, "assigned_to_me": 0}
    finally:
        counted._counts.cache_clear()


def test_unchanged_counts_are_answered_304(client: FlaskClient, db: Database, mine: UUID) -> None:
    tag = counts(client, mine).headers["ETag"]
    address = f"/conversations/counts?account_id={mine}"
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
    talk(db, mine, unread_count=1)
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 200


def test_an_account_that_is_not_there_or_not_ones_own_has_no_counts(
    app: Flask, client: FlaskClient, db: Database, mine: UUID, other: UUID
) -> None:
    assert counts(client, new_id()).json["code"] == "account_not_found"
    key = keys.create(db, name="one", role=Role.VIEWER, accounts=[other])
    narrow = app.test_client()
    narrow.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    assert counts(narrow, other).status_code == 200
    for hidden in (mine, new_id()):
        refused = counts(narrow, hidden)
        assert (refused.status_code, refused.json["code"]) == (403, "permission_denied")
    assert client.get("/conversations/counts").status_code == 400


def test_what_is_new_to_me_is_counted_apart_from_what_is_new_to_the_team(app: Flask, db: Database, mine: UUID) -> None:
    user = local_user(db, "agent@example.com", [Grant(Role.MANAGER)], password=None)
    for beyond, state in (
        (None, {"unread_count": 1}),
        (-1, {"unread_count": 1}),
        (-1, {"unread_count": 2, "assigned_to": user.id}),
        (2, {"assigned_to": user.id}),
        (1, {}),
        (0, {}),
        (None, {"assigned_to": user.id}),
    ):
        reading(db, user.id, talk(db, mine, **state), beyond)
    theirs = app.test_client()
    theirs.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(db, user.id)}"
    told = counts(theirs, mine).json
    assert (told["unread"], told["my_unread"], told["mine_unread"], told["assigned_to_me"]) == (3, 4, 2, 3)
    for wanted in ("true", "false"):
        rows = theirs.get(f"/conversations?account_id={mine}&my_unread={wanted}").json
        assert [row["my_unread"] > 0 for row in rows] == [wanted == "true"] * (4 if wanted == "true" else 3)


def reading(db: Database, user_id: UUID, talk: Conversation, beyond: int | None) -> None:
    if beyond is not None:
        with db.writing() as session:
            row = {"user_id": user_id, "conversation_id": talk.id, "account_id": talk.account_id}
            session.add(ConversationReader(**row, beyond_team=beyond))


def test_who_waits_and_what_is_pending_is_counted_and_listed(client: FlaskClient, db: Database, mine: UUID) -> None:
    now = utc_now()
    for minutes, status in ((5, "open"), (30, "pending"), (10, "open"), (None, "pending"), (None, "done")):
        since = None if minutes is None else now - timedelta(minutes=minutes)
        talk(db, mine, waiting_since=since, status=status)
    told = counts(client, mine).json
    assert (told["waiting"], told["pending"]) == (3, 2)
    found = client.get(f"/conversations?account_id={mine}&order=waiting").json
    since = [row["waiting_since"] for row in found]
    assert since == sorted(since)
    assert len(found) == 3
    done = client.get(f"/conversations?account_id={mine}&status=closed").json
    assert [row["status"] for row in done] == ["done"]


def test_the_longest_waiting_are_paged(client: FlaskClient, db: Database, mine: UUID) -> None:
    now = utc_now()
    for minutes in range(5):
        talk(db, mine, waiting_since=now - timedelta(minutes=minutes // 2))
    seen, address = [], f"/conversations?account_id={mine}&order=waiting&limit=2"
    while address:
        page = client.get(address)
        seen += [(row["waiting_since"], row["id"]) for row in page.json]
        address = page.headers.get("Link", "").partition(">")[0].lstrip("<")
    assert seen == sorted(set(seen))
    assert len(seen) == 5


def test_the_longest_waiting_since_a_change_is_no_question(client: FlaskClient, mine: UUID) -> None:
    asked = f"/conversations?account_id={mine}&order=waiting&updated_since=2026-11-20T09:00:00Z"
    response = client.get(asked)
    assert (response.status_code, response.json["errors"][0]["pointer"]) == (400, "?order")
