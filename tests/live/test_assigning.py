"""What needs a person goes to those who are there, in turn."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox.auth.access import Grant, Role
from inbox.clock import utc_now
from inbox.conversations.state import hand_over
from inbox.db import Database
from inbox.live.watcher import GONE_AFTER
from inbox.models import Contact, Conversation, Presence, User, WebhookDelivery
from inbox.runtime import Runtime
from tests.auth.people import local_user
from tests.builders import ingest, text_message, the_account, webhook

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
CUSTOMERS = ["33600000001", "33600000002", "33600000003", "33600000004"]


def user(db: Database, name: str, role: Role = Role.MANAGER) -> User:
    return local_user(db, f"{name}@example.com", [Grant(role)], password=None)


def writes(runtime: Runtime, phone: str) -> Conversation:
    """The customer's conversation after they have written."""
    count = len(_all(runtime.db))
    ingest(runtime, webhook(messages=[text_message("Hello", phone=phone, wa_id=f"wamid.{phone}.{count}")]))
    return of(runtime.db, phone)


def of(db: Database, phone: str) -> Conversation:
    query = select(Conversation).join(Contact, Conversation.contact_id == Contact.id).where(Contact.phone == phone)
    with db.reading() as session:
        return session.execute(query).scalar_one()


def _all(db: Database) -> list[Conversation]:
    with db.reading() as session:
        return list(session.execute(select(Conversation)).scalars())


def are_here(db: Database, conversation: Conversation, people: Iterable[User], ago: timedelta = timedelta()) -> None:
    with db.writing() as session:
        for each in people:
            where = {"conversation_id": conversation.id, "account_id": conversation.account_id}
            session.add(Presence(**where, user_id=each.id, doing="viewing", said_at=utc_now() - ago))


@pytest.fixture
def switched_on(client: FlaskClient, db: Database) -> str:
    """The path of the number, which assigns and whose bot is off."""
    path = f"/accounts/{the_account(db).id}"
    row = client.patch(path, json={"auto_assign": True, "bot_auto_on": False}).json
    assert (row["auto_assign"], row["bot_auto_on"]) == (True, False)
    return path


def test_those_present_who_may_answer_take_turns(
    client: FlaskClient, runtime: Runtime, db: Database, switched_on: str
) -> None:
    first = writes(runtime, CUSTOMERS[0])
    assert first.assigned_to is None  # nobody is there
    hook = {"url": "https://example.com/hook", "events": ["conversation.assigned"]}
    assert client.post(f"{switched_on}/webhook-endpoints", json=hook).status_code == 201
    away, viewer = user(db, "away"), user(db, "viewer", Role.VIEWER)
    one, two = sorted((user(db, "amina"), user(db, "noe")), key=lambda each: each.id)
    are_here(db, first, [viewer, two, one])
    are_here(db, first, [away], ago=GONE_AFTER + timedelta(seconds=5))
    given = [writes(runtime, phone).assigned_to for phone in (*CUSTOMERS[1:], CUSTOMERS[0])]
    assert given == [one.id, two.id, one.id, two.id]
    assert writes(runtime, CUSTOMERS[1]).assigned_to == one.id  # whoever has it keeps it
    with db.reading() as session:
        told = session.execute(select(WebhookDelivery.data).order_by(WebhookDelivery.id)).scalars().all()
    assert [UUID(each["assigned_to"]) for each in told] == given


@on_sqlite
def test_a_handed_over_conversation_is_assigned_and_one_with_a_bot_is_not(
    client: FlaskClient, runtime: Runtime, db: Database, switched_on: str
) -> None:
    client.patch(switched_on, json={"bot_auto_on": True})
    conversation = writes(runtime, CUSTOMERS[0])
    amina = user(db, "amina")
    are_here(db, conversation, [amina])
    assert writes(runtime, CUSTOMERS[0]).assigned_to is None  # the bot answers
    with db.writing() as session:
        hand_over(session.get_one(Conversation, conversation.id), "answer_limit", None)
    assert of(db, CUSTOMERS[0]).assigned_to == amina.id


@on_sqlite
def test_a_number_that_does_not_want_it_assigns_nothing(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    client.patch(f"/accounts/{the_account(db).id}", json={"bot_auto_on": False})
    conversation = writes(runtime, CUSTOMERS[0])
    are_here(db, conversation, [user(db, "amina")])
    assert writes(runtime, CUSTOMERS[0]).assigned_to is None
