"""GET /search: people, and messages by the beginnings of their words."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from inbox.auth.access import Grant, Role
from inbox.clock import utc_now
from inbox.conversations import finding
from inbox.db import Database
from inbox.db.words import ACCENTS, LETTERS, PLAIN, SIGNS, holds, lit, words_of
from inbox.models import Account
from inbox.runtime import Runtime
from tests.builders import ingest, text_message, the_account, webhook
from tests.users.people import another_account, as_user, member


def wrote(runtime: Runtime, *texts: str, name: str = "Léa Martin", phone: str = "33600000001", **where: Any) -> None:
    """Messages of one customer, a second apart."""
    begin = int(utc_now().timestamp()) - 600
    messages = [
        text_message(each, wa_id=f"wamid.{phone}.{n}", phone=phone, at=begin + n) for n, each in enumerate(texts)
    ]
    contacts = [{"wa_id": phone, "profile": {"name": name}}]
    ingest(runtime, webhook(contacts=contacts, messages=messages, **where))


def find(client: FlaskClient, db: Database, q: str, **more: Any) -> Any:
    response = client.get("/search", query_string={"account_id": str(the_account(db).id), "q": q, **more})
    assert response.status_code == 200, response.data
    return response.json


def texts(found: Any) -> list[str]:
    return [each["message"]["content_text"] for each in found["messages"]]


def test_messages_are_found_by_the_beginnings_of_their_words_the_newest_first(
    client: FlaskClient, db: Database, runtime: Runtime
) -> None:
    wrote(runtime, "Un café, s'il vous plaît", "Deux CAFÉS demain", "Du thé", "cafe creme pour demain")
    assert texts(find(client, db, "café")) == [
        "cafe creme pour demain",
        "Deux CAFÉS demain",
        "Un café, s'il vous plaît",
    ]
    assert texts(find(client, db, "dem caf")) == ["cafe creme pour demain", "Deux CAFÉS demain"]
    assert texts(find(client, db, "afe")) == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("Commande CMD-1234.5", "1234"),
        ("https://example.com/menu_du_jour", "menu"),
        ("anna@example.com", "example"),
        ("n°-17", "17"),
        ("cafe\u0301", "café"),
        ("Завтра в десять", "завтра"),
        ("a 7 b", "7"),
        ("don't%s", "don"),
    ],
)
def test_what_parts_words_is_the_same_everywhere(
    client: FlaskClient, db: Database, runtime: Runtime, written: str, asked: str
) -> None:
    wrote(runtime, written)
    assert texts(find(client, db, asked)) == [written]


def test_it_says_where_the_words_are_as_javascript_counts(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    wrote(runtime, "😀 Cafés et café")
    (found,) = find(client, db, "caf et")["messages"]
    in_javascript = found["message"]["content_text"].encode("utf-16-le")
    lighted = [in_javascript[2 * begin : 2 * end].decode("utf-16-le") for begin, end in found["matches"]]
    assert lighted == ["Caf", "et", "caf"]


def test_people_come_first_and_on_the_first_page_alone(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    wrote(runtime, *(f"Martin, number {n}" for n in range(5)))
    wrote(runtime, "hello", name="Noé", phone="33600000002")
    first = find(client, db, "martin", limit=3)
    assert [row["contacts"]["display_name"] for row in first["people"]] == ["Léa Martin"]
    assert [each["conversation"]["id"] for each in first["messages"]] == [first["people"][0]["id"]] * 3
    second = find(client, db, "martin", limit=3, cursor=first["next"])
    assert (second["people"], second["next"]) == ([], None)
    assert texts(first) + texts(second) == [f"Martin, number {n}" for n in (4, 3, 2, 1, 0)]


def test_what_is_found_is_the_same_wherever_the_newest_messages_end(
    client: FlaskClient, db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are read, and the index asked for older ones: seven messages, pages of two, each number to be read."""
    wrote(runtime, "tea 1", "tea 2", "milk", "", "tea 3", "milk", "tea 4", "tea 5", "milk")
    for walked in range(1, 8):
        monkeypatch.setattr(finding, "WALKED", walked)
        finding._found.cache_clear()
        pages = [find(client, db, "tea", limit=2)]
        while pages[-1]["next"]:
            pages.append(find(client, db, "tea", limit=2, cursor=pages[-1]["next"]))
        assert [texts(page) for page in pages] == [["tea 5", "tea 4"], ["tea 3", "tea 2"], ["tea 1"]]
    finding._found.cache_clear()


def test_what_has_no_words_finds_no_message(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    wrote(runtime, "?!", "x")
    assert find(client, db, "?!") == {"people": [], "messages": [], "next": None}
    assert find(client, db, "x")["messages"] == []


def test_another_numbers_messages_are_not_found(
    app: Flask, client: FlaskClient, db: Database, runtime: Runtime
) -> None:
    mine = {"account_id": str(the_account(db).id)}
    other = another_account(db)
    with db.reading() as session:
        number = session.get_one(Account, other).phone_number_id
    wrote(runtime, "secret", number_id=number)
    wrote(runtime, "open secret", phone="33600000002")
    assert texts(client.get("/search", query_string={**mine, "q": "secret"}).json) == ["open secret"]
    assert texts(client.get("/search", query_string={**mine, "q": str(other)[:8]}).json) == []
    stranger = as_user(app, member(db, "stranger@example.com", [Grant(Role.VIEWER, other)]))
    assert stranger.get("/search", query_string={**mine, "q": "secret"}).status_code == 403


# --- the same words for PostgreSQL and for us --------------------------------------------------------------------

letters = st.sampled_from("aeéßïçñžBÀŁ 0127.,-_'@/:%\\\u0301\u00a0й日😀")
written = st.text(letters, max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(text_=written, asked=st.text(letters, min_size=1, max_size=6))
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_both_databases_find_the_same(db: Database, text_: str, asked: str) -> None:
    words = words_of(asked)
    if not words:
        return
    query = " & ".join(["'@01a20a6e-1107-7044-8226-b0a52c5aa899'", *(f"'{word}':*" for word in words)])
    statement = "SELECT message_words('01a20a6e-1107-7044-8226-b0a52c5aa899', :text) @@ CAST(:query AS tsquery)"
    with db.reading() as session:
        found = session.execute(text(statement), {"text": text_, "query": query}).scalar_one()
    assert found == holds(text_, " ".join(words))


@given(text_=written, asked=written)
def test_what_is_found_has_something_to_light_up(text_: str, asked: str) -> None:
    words = words_of(asked)
    spans = list(lit(text_, words))
    assert spans == sorted(spans)
    assert all(begin < end for begin, end in spans)
    assert bool(words and holds(text_, " ".join(words))) <= bool(spans)


def test_each_letter_has_its_plain_one() -> None:
    assert len(LETTERS) == len(PLAIN) == len(set(LETTERS))
    assert PLAIN.isascii()
    assert not set(LETTERS) & set(SIGNS + ACCENTS)
