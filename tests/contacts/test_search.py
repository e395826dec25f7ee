"""Finding contacts: the same are found whichever way a search takes."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from inbox.contacts import search
from inbox.db import Database
from inbox.models import Account, Contact, Conversation
from inbox.runtime import Runtime
from tests.builders import T0, ingest, text_message, the_account, webhook

NAMES = {
    "33600000001": "Camille Martin",
    "33600000002": "camille 100%_off",
    "33600000003": "田中 太郎",
    "33600000004": "Ольга Иванова",
    "4917000000005": None,
    "33600000006": "Zoë O'Brien \\ co",
}
#: Words → whose conversations they find, newest first.
FOUND = {
    "camille": ["33600000002", "33600000001"],
    "CAMILLE M": ["33600000001"],
    "mil": ["33600000002", "33600000001"],
    "中 太": ["33600000003"],
    "田中": ["33600000003"],
    "田": ["33600000003"],
    "太郎": [],  # two letters are looked for where a name begins
    "ca": ["33600000002", "33600000001"],
    "CA": ["33600000002", "33600000001"],
    " c ": ["33600000002", "33600000001"],
    "z": ["33600000006"],
    "49": ["4917000000005"],
    "+4": ["4917000000005"],
    "ar": [],
    "ванов": ["33600000004"],
    "%_o": ["33600000002"],
    "%_": [],
    "%": [],
    "_": [],
    "00%": ["33600000002"],
    " \\ co": ["33600000006"],
    "o'b": ["33600000006"],
    "+491700": ["4917000000005"],
    "7000": ["4917000000005"],
    "zz": [],
    "nobody": [],
}


@pytest.fixture(params=[1, 3, 2000], ids=lambda few: f"few={few}")
def _few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many matches are few: so that the same search is made by looking up, by giving that up, and by walking."""
    monkeypatch.setattr(search, "FEW", request.param)


@pytest.fixture
def _customers(runtime: Runtime) -> None:
    contacts = [{"wa_id": phone, "profile": {"name": name}} for phone, name in NAMES.items() if name]
    messages = [text_message(wa_id=f"wamid.{n}", phone=phone, at=T0 + n) for n, phone in enumerate(NAMES)]
    ingest(runtime, webhook(contacts=contacts, messages=messages))


def numbers(client: FlaskClient, path: str, field: str, **query: Any) -> list[str]:
    response = client.get(path, query_string=query)
    assert response.status_code == 200
    return [row[field] for row in response.json]


@pytest.mark.usefixtures("_few", "_customers")
def test_a_search_finds_the_same_whichever_way_it_takes(client: FlaskClient, db: Database) -> None:
    for words, found in FOUND.items():
        query = {"account_id": the_account(db).id, "q": words}
        assert numbers(client, "/conversations", "client_number", **query) == found, words
        assert sorted(numbers(client, "/contacts", "whatsapp_number", **query)) == sorted(found), words


@pytest.mark.usefixtures("_few", "_customers")
def test_a_search_goes_with_filters_and_pages(client: FlaskClient, db: Database) -> None:
    query = {"account_id": the_account(db).id, "q": "336", "limit": 2}
    first = client.get("/conversations", query_string={**query, "unread": "true"})
    link = first.headers["Link"]
    rest = client.get(link[1 : link.index(">")])
    assert [row["client_number"][-1] for row in [*first.json, *rest.json]] == ["6", "4", "3", "2"]
    assert numbers(client, "/conversations", "client_number", **query, needs_human="true") == []


@pytest.mark.usefixtures("_few", "_customers")
def test_contacts_of_other_accounts_are_not_found_and_do_not_count(client: FlaskClient, db: Database) -> None:
    mine = the_account(db).id
    with db.writing() as session:
        now = db.now(session)
        times = {"created_at": now, "updated_at": now}
        other = Account(name="other", phone_number_id="2", **times)
        session.add(other)
        session.flush()
        for number in range(5):
            contact = Contact(account_id=other.id, phone=f"1{number}", display_name="Camille", **times)
            session.add(contact)
            session.flush()
            session.add(Conversation(account_id=other.id, contact_id=contact.id, changed_at=now, **times))
        session.flush()
        other_id = other.id
    assert numbers(client, "/conversations", "client_number", account_id=mine, q="camille") == FOUND["camille"]
    assert len(numbers(client, "/contacts", "whatsapp_number", account_id=other_id, q="camille")) == 5


def test_one_callers_searches_take_turns_and_the_rest_are_told_when_to_come_again(
    client: FlaskClient, db: Database
) -> None:
    address, words = "/contacts", {"account_id": the_account(db).id, "q": "zz"}
    with search.turn("somebody", "q"), search.turn("somebody", "q"):
        refused = client.get(address, query_string=words)
        assert (refused.status_code, refused.json["code"]) == (429, "too_many_requests")
        assert int(refused.headers["Retry-After"]) >= 1
        assert client.get(address, query_string={"account_id": words["account_id"]}).status_code == 200
    assert client.get(address, query_string=words).status_code == 200
