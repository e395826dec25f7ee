"""Two truths about reading: what is new to me, and what is new to the team; and what people make of a conversation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from inbox.auth.access import Grant, Role
from inbox.clock import utc_now
from inbox.contacts.merge import merge_contacts
from inbox.db import Database
from inbox.models import (
    Contact,
    Conversation,
    ConversationReader,
    ConversationStatus,
    Job,
    JobKind,
    Message,
    WebhookEvent,
)
from inbox.runtime import Runtime
from tests.builders import all_messages, ingest, text_message, the_conversation, webhook
from tests.users.people import as_user, member

Writes = Callable[..., None]


@pytest.fixture
def writes(runtime: Runtime) -> Writes:
    """The customer writes a message, a second after the one before."""
    begin, count = int(utc_now().timestamp()) - 600, 0

    def write(text: str = "hello", phone: str = "33600000001") -> None:
        nonlocal count
        count += 1
        message = text_message(text, wa_id=f"wamid.{count}", phone=phone, at=begin + count)
        ingest(runtime, webhook(messages=[message]))

    return write


@pytest.fixture
def talk(writes: Writes, db: Database) -> UUID:
    """A conversation in which the customer has written once."""
    writes()
    return the_conversation(db).id


@pytest.fixture
def people(app: Flask, db: Database) -> dict[str, FlaskClient]:
    """Two who may write, and one who may only read."""
    roles = {"anna": Role.MANAGER, "noe": Role.MANAGER, "vera": Role.VIEWER}
    return {name: as_user(app, member(db, f"{name}@example.com", [Grant(role)])) for name, role in roles.items()}


def row(client: FlaskClient, talk: UUID) -> Any:
    return client.get(f"/conversations/{talk}").json


def unread(client: FlaskClient, talk: UUID) -> tuple[int, int]:
    """To the team, and to me."""
    seen = row(client, talk)
    return seen["unread_count"], seen["my_unread"]


def reads(client: FlaskClient, talk: UUID, **body: Any) -> None:
    assert client.post(f"/conversations/{talk}/read", json=body or None).status_code == 200


def replies(client: FlaskClient, talk: UUID, **body: Any) -> None:
    sent = client.post("/messages/send", json={"conversation_id": str(talk), "content": "Yes", **body})
    assert sent.status_code == 202


# --- new to me, new to the team ----------------------------------------------------------------------------------


def test_what_a_colleague_has_read_stays_new_to_whoever_takes_part(
    people: dict[str, FlaskClient], talk: UUID, writes: Writes
) -> None:
    reads(people["noe"], talk)
    writes()
    writes()
    reads(people["anna"], talk)
    assert unread(people["anna"], talk) == (0, 0)
    assert unread(people["noe"], talk) == (0, 2)
    assert unread(people["vera"], talk) == (0, 0)


def test_before_somebody_takes_part_they_see_what_the_team_sees(
    client: FlaskClient, people: dict[str, FlaskClient], talk: UUID
) -> None:
    assert unread(people["anna"], talk) == unread(client, talk) == (1, 1)
    reads(people["noe"], talk)
    assert unread(people["anna"], talk) == unread(client, talk) == (0, 0)


def test_what_only_a_reader_has_read_is_new_to_the_team_still(
    people: dict[str, FlaskClient], talk: UUID, writes: Writes
) -> None:
    reads(people["vera"], talk)
    assert unread(people["vera"], talk) == (1, 0)
    writes()
    assert unread(people["vera"], talk) == (2, 1)
    reads(people["anna"], talk)
    writes()
    assert unread(people["vera"], talk) == (1, 2)


def test_reading_up_to_a_message_leaves_what_is_newer(
    people: dict[str, FlaskClient], db: Database, talk: UUID, writes: Writes
) -> None:
    for _ in range(3):
        writes()
    second = all_messages(db)[1]
    reads(people["anna"], talk, through=str(second.id))
    assert unread(people["anna"], talk) == (2, 2)
    with db.reading() as session:
        (receipt,) = session.execute(select(Job).where(Job.kind == JobKind.READ)).scalars()
    assert receipt.payload["wa_message_id"] == second.wa_message_id
    reads(people["anna"], talk, through=str(all_messages(db)[0].id))
    assert unread(people["anna"], talk) == (2, 2)


def test_who_replies_has_read_what_they_had_before_their_eyes(
    people: dict[str, FlaskClient], db: Database, talk: UUID, writes: Writes
) -> None:
    reads(people["noe"], talk)
    writes()
    writes()
    seen = all_messages(db)[1]
    replies(people["anna"], talk, seen_through=str(seen.id))
    assert (unread(people["anna"], talk), unread(people["noe"], talk)) == ((1, 1), (1, 2))
    with db.reading() as session:
        receipt = session.execute(select(Job).where(Job.kind == JobKind.READ)).scalar_one()
    assert receipt.payload["wa_message_id"] == seen.wa_message_id
    replies(people["anna"], talk)
    assert (unread(people["anna"], talk), unread(people["noe"], talk)) == ((0, 0), (0, 2))
    replies(people["noe"], talk)
    assert unread(people["noe"], talk) == (0, 0)


def test_a_reply_by_a_key_has_read_nothing(client: FlaskClient, people: dict[str, FlaskClient], talk: UUID) -> None:
    replies(client, talk)
    assert unread(people["anna"], talk) == (1, 1)


def test_who_says_done_has_read_it(people: dict[str, FlaskClient], talk: UUID) -> None:
    put(people["anna"], talk, "done")
    assert unread(people["anna"], talk) == (0, 0)


def test_a_message_of_another_conversation_is_refused(
    people: dict[str, FlaskClient], db: Database, talk: UUID, writes: Writes
) -> None:
    writes(phone="33600000002")
    elsewhere = next(message.id for message in all_messages(db) if message.conversation_id != talk)
    response = people["anna"].post(f"/conversations/{talk}/read", json={"through": str(elsewhere)})
    assert (response.status_code, response.json["errors"][0]["pointer"]) == (400, "/through")
    assert unread(people["anna"], talk) == (1, 1)


def test_unread_is_mine_alone_and_at_least_one(people: dict[str, FlaskClient], talk: UUID) -> None:
    reads(people["noe"], talk)
    reads(people["anna"], talk)
    response = people["anna"].post(f"/conversations/{talk}/unread")
    assert response.json == {"status": "ok", "my_unread": 1}
    assert unread(people["anna"], talk) == (0, 1)
    assert unread(people["noe"], talk) == (0, 0)
    assert people["anna"].post(f"/conversations/{talk}/unread").json["my_unread"] == 1
    assert people["anna"].post(f"/conversations/{talk}/unread", json={"count": 31}).json["my_unread"] == 31
    assert unread(people["anna"], talk) == (0, 31)
    assert people["anna"].post(f"/conversations/{talk}/unread", json={"count": 2}).json["my_unread"] == 31


def test_a_key_has_nothing_of_its_own_to_make_unread(client: FlaskClient, talk: UUID) -> None:
    response = client.post(f"/conversations/{talk}/unread")
    assert (response.status_code, response.json["code"]) == (403, "permission_denied")


def test_whoever_is_given_a_conversation_takes_part_in_it(
    app: Flask, client: FlaskClient, db: Database, people: dict[str, FlaskClient], talk: UUID
) -> None:
    mia = member(db, "mia@example.com", [Grant(Role.MANAGER)])
    assert client.post(f"/conversations/{talk}/assign", json={"user_id": str(mia)}).status_code == 200
    reads(people["anna"], talk)
    assert unread(as_user(app, mia), talk) == (0, 1)


def test_a_reply_from_the_phone_app_leaves_new_what_others_have_not_seen(
    runtime: Runtime, people: dict[str, FlaskClient], talk: UUID, writes: Writes
) -> None:
    reads(people["vera"], talk)
    writes()
    typed = {"from": "33700000000", "to": "33600000001", "id": "wamid.echo", "type": "text", "text": {"body": "Yes"}}
    now = str(int(utc_now().timestamp()))
    ingest(runtime, webhook(field="smb_message_echoes", message_echoes=[typed | {"timestamp": now}]))
    assert unread(people["vera"], talk) == (0, 1)
    assert unread(people["anna"], talk) == (0, 0)


def test_what_is_new_in_two_conversations_is_new_in_the_one_they_become(
    people: dict[str, FlaskClient], db: Database, talk: UUID, writes: Writes
) -> None:
    writes(phone="33600000002")
    with db.reading() as session:
        other = session.execute(select(Conversation.id).where(Conversation.id != talk)).scalar_one()
    for one in (talk, other):
        reads(people["noe"], one)
    reads(people["vera"], other)
    writes()
    writes(phone="33600000002")
    for one in (talk, other):
        reads(people["anna"], one)
    with db.writing() as session:
        survivor, gone = session.execute(select(Contact).order_by(Contact.phone)).scalars()
        assert merge_contacts(session, survivor, gone, db.now(session))
    assert unread(people["noe"], talk) == (0, 2)
    assert unread(people["vera"], talk) == (0, 1)


steps = st.lists(st.sampled_from(["writes", "anna", "noe", "vera", "unread noe"]), max_size=10)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=steps)
def test_everybody_who_takes_part_counts_what_came_since_they_looked(
    people: dict[str, FlaskClient], db: Database, writes: Writes, steps: list[str]
) -> None:
    with db.writing() as session:
        session.execute(delete(Contact))
        session.execute(delete(WebhookEvent))
    writes()
    talk = the_conversation(db).id
    team, mine = 1, {}
    for name, client in people.items():
        reads(client, talk)
        team, mine[name] = (team if name == "vera" else 0), 0
    for step in steps:
        if step == "writes":
            writes()
            team, mine = team + 1, {name: count + 1 for name, count in mine.items()}
        elif step == "unread noe":
            people["noe"].post(f"/conversations/{talk}/unread")
            mine["noe"] = max(1, mine["noe"])
        else:
            reads(people[step], talk)
            team, mine[step] = (team if step == "vera" else 0), 0
        assert {name: unread(client, talk) for name, client in people.items()} == {
            name: (team, count) for name, count in mine.items()
        }


# --- what people make of a conversation --------------------------------------------------------------------------


def put(client: FlaskClient, talk: UUID, status: str) -> Any:
    response = client.post(f"/conversations/{talk}/status", json={"status": status})
    assert response.status_code == 200
    return response.json["conversation"]


def answers(db: Database) -> int:
    with db.reading() as session:
        return len(session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).all())


def test_a_customer_who_wrote_waits_since_then_until_a_person_answers(
    client: FlaskClient, talk: UUID, writes: Writes, db: Database
) -> None:
    first = all_messages(db)[0]
    writes()
    assert row(client, talk)["waiting_since"] == first.timestamp.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    client.post("/messages/send", json={"conversation_id": str(talk), "content": "Yes"})
    assert row(client, talk)["waiting_since"] is None


def test_done_ends_the_wait_and_the_question_for_a_person_and_the_bot_leaves_it(
    client: FlaskClient, db: Database, talk: UUID
) -> None:
    assert answers(db) == 1
    with db.writing() as session:
        session.execute(update(Conversation).values(needs_human=True, needs_human_reason="declined"))
    done = put(client, talk, "done")
    assert (done["status"], done["waiting_since"], done["needs_human"]) == ("done", None, False)
    assert (done["needs_human_reason"], answers(db)) == (None, 0)


def test_done_that_is_taken_back_is_as_if_it_had_not_been(client: FlaskClient, db: Database, talk: UUID) -> None:
    before = row(client, talk)
    put(client, talk, "done")
    after = put(client, talk, "open")
    assert answers(db) == 1
    assert {**after, "changed_at": None} == {**before, "changed_at": None}


def test_done_that_is_taken_back_asks_for_a_person_again(client: FlaskClient, db: Database, talk: UUID) -> None:
    with db.writing() as session:
        session.execute(update(Conversation).values(needs_human=True, needs_human_reason="declined"))
    put(client, talk, "done")
    after = put(client, talk, "pending")
    assert (after["needs_human"], after["needs_human_reason"], answers(db)) == (True, "declined", 0)
    assert after["waiting_since"] is not None


def test_done_that_was_answered_since_is_opened_without_a_wait(client: FlaskClient, talk: UUID) -> None:
    put(client, talk, "done")
    client.post("/messages/send", json={"conversation_id": str(talk), "content": "Yes"})
    assert put(client, talk, "open")["waiting_since"] is None


@pytest.mark.parametrize("status", ["pending", "done"])
def test_a_customers_message_opens_a_conversation_again_and_waits_from_then_on(
    client: FlaskClient, db: Database, talk: UUID, writes: Writes, status: str
) -> None:
    put(client, talk, status)
    writes()
    seen = row(client, talk)
    waits = all_messages(db)[-1 if status == "done" else 0]
    assert seen["status"] == "open"
    assert seen["waiting_since"] == waits.timestamp.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_pending_leaves_the_bot_and_the_wait_alone(client: FlaskClient, db: Database, talk: UUID) -> None:
    before = row(client, talk)
    after = put(client, talk, "pending")
    assert (after["waiting_since"], answers(db)) == (before["waiting_since"], 1)


def test_every_change_of_these_kinds_moves_the_time_of_change(people: dict[str, FlaskClient], talk: UUID) -> None:
    anna, seen = people["anna"], [row(people["anna"], talk)["changed_at"]]
    for path, body in (
        ("read", None),
        ("unread", None),
        ("status", {"status": "done"}),
        ("status", {"status": "open"}),
    ):
        assert anna.post(f"/conversations/{talk}/{path}", json=body).status_code == 200
        seen.append(row(anna, talk)["changed_at"])
    assert seen == sorted(set(seen))


# --- the newest message ------------------------------------------------------------------------------------------


def test_a_row_tells_of_its_newest_message(client: FlaskClient, db: Database, talk: UUID) -> None:
    client.post("/messages/send", json={"conversation_id": str(talk), "content": "Yes"})
    newest, seen = all_messages(db)[-1], row(client, talk)
    assert (seen["last_message_id"], seen["last_message_kind"]) == (str(newest.id), "text")
    assert (seen["last_message_status"], seen["last_message_author"]["kind"]) == ("queued", "agent")
    assert seen["last_message_at"] == seen["updated_at"]
    with db.writing() as session:
        session.execute(update(Message).where(Message.id == newest.id).values(status="sending"))
    assert row(client, talk)["last_message_status"] == "queued"


def test_the_newest_message_of_two_conversations_is_that_of_the_one_they_become(
    client: FlaskClient, db: Database, talk: UUID, writes: Writes
) -> None:
    writes("the newest", phone="33600000002")
    with db.writing() as session:
        survivor, gone = session.execute(select(Contact).order_by(Contact.phone)).scalars()
        assert merge_contacts(session, survivor, gone, db.now(session))
    seen = row(client, talk)
    assert (seen["last_message"], seen["last_message_id"]) == ("the newest", str(all_messages(db)[-1].id))


def test_an_open_conversation_that_joins_a_done_one_opens_it(
    client: FlaskClient, db: Database, talk: UUID, writes: Writes
) -> None:
    writes(phone="33600000002")
    put(client, talk, "done")
    with db.writing() as session:
        survivor, gone = session.execute(select(Contact).order_by(Contact.phone)).scalars()
        assert merge_contacts(session, survivor, gone, db.now(session))
    joined = the_conversation(db)
    assert (joined.status, joined.waiting_since) == (ConversationStatus.OPEN, all_messages(db)[-1].timestamp)
    with db.reading() as session:
        assert session.execute(select(ConversationReader)).all() == []
