"""The numbers on the badges."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.clock import new_id
from inbox.conversations import lists
from inbox.db import Database
from inbox.models import Account, Contact, Conversation
from tests.auth.people import local_user, session_of
from tests.builders import the_account


def talk(db: Database, account_id: UUID, **state: Any) -> None:
    """A conversation of the account in a state."""
    with db.writing() as session:
        now = db.now(session)
        times = {"created_at": now, "updated_at": now}
        contact = Contact(id=new_id(), account_id=account_id, **times)
        session.add(contact)
        session.flush()
        session.add(Conversation(account_id=account_id, contact_id=contact.id, changed_at=now, **times, **state))


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


def test_what_waits_is_counted_for_one_account(client: FlaskClient, db: Database, mine: UUID) -> None:
    for state in ({}, {"unread_count": 2}, {"unread_count": 1, "needs_human": True}, {"needs_human": True}):
        talk(db, mine, **state)
    assert counts(client, mine).json == {"unread": 2, "needs_human": 2, "assigned_to_me": 0}


def test_rows_of_other_accounts_are_not_counted(client: FlaskClient, mine: UUID, other: UUID) -> None:
    assert counts(client, mine).json == {"unread": 0, "needs_human": 0, "assigned_to_me": 0}
    assert counts(client, other).json == {"unread": 1, "needs_human": 1, "assigned_to_me": 0}


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
    monkeypatch.setattr(lists, "COUNTED", 3)
    lists._counts.cache_clear()
    for _ in range(5):
        talk(db, mine, unread_count=1)
    try:
        assert counts(client, mine).json == {"unread": 3, "needs_human": 0, "assigned_to_me": 0}
    finally:
        lists._counts.cache_clear()


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
