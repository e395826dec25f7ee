"""A thread from any place in it, and whether somebody has answered since the writer looked."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from inbox.auth.access import Grant, Override, Permission, Role
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import Message
from inbox.runtime import Runtime
from tests.builders import all_messages, ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import another_account, as_user, member

WORDS = 9  # messages of the thread; two and two share their time


@pytest.fixture
def talk(runtime: Runtime, db: Database) -> UUID:
    """A thread of WORDS messages."""
    begin = int(utc_now().timestamp()) - 600
    ingest(
        runtime,
        webhook(messages=[text_message(str(n), wa_id=f"wamid.{n}", at=begin + n // 2 * 10) for n in range(WORDS)]),
    )
    return the_conversation(db).id


def page(client: FlaskClient, address: str) -> tuple[list[str], dict[str, str]]:
    """The texts of a page, and where its neighbours are."""
    response = client.get(address)
    assert response.status_code == 200, response.data
    links = {name: url for url, name in re.findall(r'<([^>]*)>; rel="(\w+)"', response.headers.get("Link", ""))}
    return [row["content_text"] for row in response.json], links


def texts(low: int, high: int) -> list[str]:
    return [str(n) for n in range(low, high)]


# --- pages -------------------------------------------------------------------------------------------------------


def test_after_a_message_come_those_that_are_newer_oldest_first(client: FlaskClient, db: Database, talk: UUID) -> None:
    anchor = all_messages(db)[3].id
    found, links = page(client, f"/messages/{talk}?after={anchor}&limit=2")
    assert found == texts(4, 6)
    assert page(client, links["prev"]) == (texts(6, 8), page(client, links["prev"])[1])
    assert page(client, links["next"])[0] == texts(2, 4)


def test_around_a_message_it_stands_in_the_middle(client: FlaskClient, db: Database, talk: UUID) -> None:
    found, links = page(client, f"/messages/{talk}?around={all_messages(db)[4].id}&limit=4")
    assert found == texts(3, 7)
    assert page(client, links["prev"])[0] == texts(7, 9)
    assert page(client, links["next"])[0] == texts(0, 3)


@pytest.mark.parametrize(("place", "name", "shown"), [(0, "next", texts(0, 3)), (WORDS - 1, "prev", texts(7, 9))])
def test_at_an_end_of_the_thread_nothing_more_is_promised(
    client: FlaskClient, db: Database, talk: UUID, place: int, name: str, shown: list[str]
) -> None:
    found, links = page(client, f"/messages/{talk}?around={all_messages(db)[place].id}&limit=4")
    assert found == shown
    assert name not in links


def test_behind_the_newest_message_there_is_nothing(client: FlaskClient, db: Database, talk: UUID) -> None:
    assert page(client, f"/messages/{talk}?after={all_messages(db)[-1].id}") == ([], {})


def test_the_newest_page_promises_nothing_newer_and_an_older_one_does(client: FlaskClient, talk: UUID) -> None:
    _, links = page(client, f"/messages/{talk}?limit=3")
    assert set(links) == {"next"}
    found, links = page(client, links["next"])
    assert (found, set(links)) == (texts(3, 6), {"next", "prev"})
    assert page(client, links["prev"])[0] == texts(6, 9)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.integers(0, WORDS - 1), limit=st.integers(1, WORDS + 2))
def test_from_any_place_the_pages_both_ways_are_the_whole_thread_once(
    client: FlaskClient, db: Database, talk: UUID, place: int, limit: int
) -> None:
    found, links = page(client, f"/messages/{talk}?around={all_messages(db)[place].id}&limit={limit}")
    older, newer = links.get("next"), links.get("prev")
    while older:
        more, links = page(client, older)
        found, older = more + found, links.get("next")
    while newer:
        more, links = page(client, newer)
        found, newer = found + more, links.get("prev")
    assert found == texts(0, WORDS)


@pytest.mark.parametrize("name", ["after", "around"])
def test_a_message_of_another_thread_is_no_place_in_this_one(
    client: FlaskClient, runtime: Runtime, db: Database, talk: UUID, name: str
) -> None:
    ingest(runtime, webhook(messages=[text_message("elsewhere", wa_id="wamid.else", phone="33600000002")]))
    elsewhere = next(message.id for message in all_messages(db) if message.conversation_id != talk)
    response = client.get(f"/messages/{talk}?{name}={elsewhere}")
    assert (response.status_code, response.json["errors"][0]["pointer"]) == (400, f"?{name}")


def test_two_places_at_once_are_refused(client: FlaskClient, db: Database, talk: UUID) -> None:
    anchor = all_messages(db)[3].id
    response = client.get(f"/messages/{talk}?after={anchor}&around={anchor}")
    assert (response.status_code, response.json["errors"][0]["pointer"]) == (400, "?after")


# --- somebody has answered since ---------------------------------------------------------------------------------


@pytest.fixture
def anna(app: Flask, db: Database) -> FlaskClient:
    return as_user(app, member(db, "anna@example.com", [Grant(Role.MANAGER)], name="Anna"))


@pytest.fixture
def noe(app: Flask, db: Database) -> FlaskClient:
    return as_user(app, member(db, "noe@example.com", [Grant(Role.MANAGER)], name="Noé"))


def sends(client: FlaskClient, talk: UUID, seen: UUID | None = None, **more: Any) -> Any:
    body = {"conversation_id": str(talk), "content": "Yes, until six.", **more}
    return client.post("/messages/send", json=body | ({"seen_through": str(seen)} if seen else {}))


def test_a_colleagues_answer_that_the_writer_has_not_seen_is_told_and_nothing_is_sent(
    db: Database, talk: UUID, anna: FlaskClient, noe: FlaskClient
) -> None:
    seen = all_messages(db)[-1].id
    first = sends(noe, talk, seen, content="We close at six.").json["message"]
    refused = sends(anna, talk, seen)
    assert (refused.status_code, refused.json["code"]) == (409, "overtaken")
    assert refused.json["message_id"] == first["id"]
    assert (refused.json["author"]["kind"], refused.json["author"]["name"]) == ("agent", "Noé")
    assert (refused.json["sent_at"], refused.json["text"]) == (first["timestamp"], "We close at six.")
    assert len(all_messages(db)) == WORDS + 1
    assert sends(anna, talk).status_code == 202
    assert sends(noe, talk, UUID(first["id"])).json["code"] == "overtaken"


def test_ones_own_answers_and_what_the_customer_writes_overtake_nobody(
    runtime: Runtime, db: Database, talk: UUID, anna: FlaskClient
) -> None:
    seen = all_messages(db)[-1].id
    assert sends(anna, talk, seen).status_code == 202
    ingest(runtime, webhook(messages=[text_message("and?", wa_id="wamid.and", at=int(utc_now().timestamp()))]))
    assert sends(anna, talk, seen).status_code == 202


@pytest.mark.parametrize(
    ("author", "status", "code"), [("bot", "queued", 409), ("bot", "failed", 202), ("system", "sent", 202)]
)
def test_the_bots_answer_overtakes_unless_it_has_failed_and_a_notice_does_not(
    db: Database, talk: UUID, anna: FlaskClient, author: str, status: str, code: int
) -> None:
    seen, account, now = all_messages(db)[-1], the_account(db), utc_now()
    answer = {
        "id": new_id(),
        "account_id": account.id,
        "conversation_id": talk,
        "direction": "outbound",
        "message_type": "text",
        "content_text": "At six.",
        "timestamp": now,
        "stored_at": now,
        "position": WORDS + 1,
        "author_kind": author,
        "status": status,
    }
    with db.writing() as session:
        session.execute(insert(Message).values(answer))
    assert sends(anna, talk, seen.id).status_code == code


def test_a_repeated_request_gets_its_message_although_somebody_has_answered_since(
    db: Database, talk: UUID, anna: FlaskClient, noe: FlaskClient
) -> None:
    seen = all_messages(db)[-1].id
    first = sends(anna, talk, seen, client_key="k")
    sends(noe, talk)
    again = sends(anna, talk, seen, client_key="k")
    assert (again.status_code, again.json["message_id"]) == (202, first.json["message_id"])


# --- who may be given a conversation -----------------------------------------------------------------------------


def test_people_are_those_who_may_answer_for_the_number_by_name(app: Flask, client: FlaskClient, db: Database) -> None:
    account, other = the_account(db).id, another_account(db)
    member(db, "zoe@example.com", [Grant(Role.MANAGER, account)], name="Zoé")
    member(db, "anna@example.com", [Grant(Role.ADMIN)], name="Anna")
    member(db, "vera@example.com", [Grant(Role.VIEWER)], name="Vera")
    member(db, "over@example.com", [Grant(Role.VIEWER)], [Override(Permission.MESSAGES_SEND, True, account)])
    member(db, "denied@example.com", [Grant(Role.MANAGER)], [Override(Permission.MESSAGES_SEND, False, account)])
    elsewhere = member(db, "else@example.com", [Grant(Role.MANAGER, other)], name="Else")
    found = client.get(f"/accounts/{account}/people").json
    assert [(row["name"], row["email"]) for row in found] == [
        ("Anna", "anna@example.com"),
        (None, "over@example.com"),
        ("Zoé", "zoe@example.com"),
    ]
    assert as_user(app, elsewhere).get(f"/accounts/{account}/people").status_code == 403
