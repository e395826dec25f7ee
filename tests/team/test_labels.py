"""Labels and canned replies of a number."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from flask.testing import FlaskClient

from inbox.db import Database
from inbox.runtime import Runtime
from inbox.team import canned, routes
from tests.builders import ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import entries, refusal


@pytest.fixture
def conversation(runtime: Runtime, db: Database) -> str:
    ingest(runtime, webhook(messages=[text_message("Bonjour")]))
    return str(the_conversation(db).id)


@pytest.fixture
def account(db: Database) -> str:
    return f"/accounts/{the_account(db).id}"


def label(client: FlaskClient, account: str, name: str, color: int = 0) -> Any:
    return client.post(f"{account}/labels", json={"name": name, "color": color})


def actions(db: Database) -> list[str]:
    return [each.action for each in entries(db) if each.action.startswith(("label", "canned"))]


def test_a_name_is_one_label_in_every_spelling(client: FlaskClient, db: Database, account: str) -> None:
    made = label(client, account, "Straße", 2)
    again = label(client, account, "Straße", 2)
    assert ((made.status_code, again.status_code), made.json) == ((201, 200), again.json)
    assert refusal(label(client, account, "STRASSE")) == (409, "label_exists")
    label(client, account, "Urgent")
    assert [each["name"] for each in client.get(f"{account}/labels").json] == ["Straße", "Urgent"]
    assert actions(db) == ["label.created", "label.created"]


def test_a_label_is_renamed_and_recoloured(client: FlaskClient, db: Database, account: str) -> None:
    one, _ = label(client, account, "Late").json, label(client, account, "Urgent")
    assert refusal(client.patch(f"/labels/{one['id']}", json={"name": "urgent"})) == (409, "label_exists")
    changed = client.patch(f"/labels/{one['id']}", json={"name": "LATE", "color": 7}).json
    assert (changed["name"], changed["color"], changed["changed_at"] > one["changed_at"]) == ("LATE", 7, True)
    assert entries(db)[-1].details == {"before": {"name": "Late", "color": 0}, "after": {"name": "LATE", "color": 7}}


def test_a_conversation_has_exactly_the_labels_it_was_given(
    client: FlaskClient, account: str, conversation: str
) -> None:
    ids = [label(client, account, name).json["id"] for name in ("one", "two", "three")]
    for wanted in (ids[:2], ids[1:], ids[1:], []):
        row = client.put(f"/conversations/{conversation}/labels", json={"label_ids": wanted}).json["conversation"]
        assert row["label_ids"] == sorted(wanted)
        assert client.get(f"/conversations/{conversation}").json["label_ids"] == sorted(wanted)


def test_the_list_is_narrowed_to_a_label(client: FlaskClient, db: Database, account: str, conversation: str) -> None:
    cake, bread = (label(client, account, name).json["id"] for name in ("cake", "bread"))
    client.put(f"/conversations/{conversation}/labels", json={"label_ids": [cake]})
    listed = f"/conversations?account_id={the_account(db).id}&label_id="
    assert [row["id"] for row in client.get(listed + cake).json] == [conversation]
    assert client.get(listed + bread).json == []


def test_a_deleted_label_is_taken_from_its_conversations(
    client: FlaskClient, db: Database, account: str, conversation: str
) -> None:
    made = label(client, account, "cake").json["id"]
    client.put(f"/conversations/{conversation}/labels", json={"label_ids": [made]})
    assert client.delete(f"/labels/{made}").json == {"status": "ok", "id": made}
    assert client.get(f"/conversations/{conversation}").json["label_ids"] == []
    assert refusal(client.delete(f"/labels/{made}")) == (404, "label_not_found")
    assert actions(db) == ["label.created", "label.deleted"]


def test_a_shortcut_is_one_reply_in_every_spelling(client: FlaskClient, db: Database, account: str) -> None:
    body = {"shortcut": "hours", "text": "We open at seven."}
    made, again = (client.post(f"{account}/canned-replies", json=body) for _ in range(2))
    assert ((made.status_code, again.status_code), made.json) == ((201, 200), again.json)
    other = client.post(f"{account}/canned-replies", json={**body, "shortcut": "HOURS"})
    assert refusal(other) == (409, "canned_reply_exists")
    address = f"/canned-replies/{made.json['id']}"
    changed = client.patch(address, json={"text": "We open at eight."}).json
    assert (changed["shortcut"], changed["text"]) == ("hours", "We open at eight.")
    assert client.get(f"{account}/canned-replies").json == [changed]
    assert client.delete(address).status_code == 200
    assert client.get(f"{account}/canned-replies").json == []
    assert actions(db) == ["canned_reply.created", "canned_reply.updated", "canned_reply.deleted"]


def test_there_are_so_many_at_most(client: FlaskClient, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "LABELS", dataclasses.replace(routes.LABELS, most=1))
    monkeypatch.setattr(canned, "CANNED", dataclasses.replace(canned.CANNED, most=1))
    label(client, account, "one")
    assert refusal(label(client, account, "two")) == (409, "too_many")
    bodies = [{"shortcut": word, "text": "x"} for word in ("a", "b")]
    answers = [client.post(f"{account}/canned-replies", json=body) for body in bodies]
    assert refusal(answers[1]) == (409, "too_many")


@pytest.mark.parametrize(
    "meant", ["{{contact.first_name}}", "{{N° client}}", "{{1}}", "{first name}", "{N° client}", "{ contact.name }"]
)
def test_what_looks_like_a_variable_is_refused_with_what_to_write(
    client: FlaskClient, account: str, meant: str
) -> None:
    """Nobody fills it in, so the customer would read its braces."""
    refused = client.post(f"{account}/canned-replies", json={"shortcut": "x", "text": f"Hello {meant}!"})
    [error] = refused.json["errors"]
    assert (error["pointer"], error["code"], error["values"]["variable"]) == ("/text", "unknown_variable", meant)
    assert "{contact.name}" in error["values"]["known"]


def test_a_shortcut_is_one_word(client: FlaskClient, account: str) -> None:
    refused = client.post(f"{account}/canned-replies", json={"shortcut": "two words", "text": "x"})
    assert [error["code"] for error in refused.json["errors"]] == ["not_one_word"]


def test_a_reply_holds_only_known_variables(client: FlaskClient, account: str) -> None:
    body = {"shortcut": "hi", "text": 'Hello {contact.first_name}, {me.name} of {account.name} ({number}). {"a": 1} {}'}
    made = client.post(f"{account}/canned-replies", json=body)
    assert (made.status_code, made.json["text"]) == (201, body["text"])
    for refused in (
        client.post(f"{account}/canned-replies", json={"shortcut": "x", "text": "Hello {contact.nam}"}),
        client.patch(f"/canned-replies/{made.json['id']}", json={"text": "Hello {contact.nam}"}),
    ):
        assert refusal(refused) == (400, "validation_error")
        assert refused.json["errors"][0]["problem"].startswith(
            "has no variable {contact.nam}; known are {account.name}"
        )
