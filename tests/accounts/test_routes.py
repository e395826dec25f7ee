"""Business numbers over HTTP: seen by whom, added, changed, paused; what is refused and why."""

from __future__ import annotations

import json
import threading
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox.auth import keys
from inbox.auth.access import Role
from inbox.db import Database
from inbox.db.wake import Work
from inbox.models import Account, AuditEntry, Pause
from inbox.outbox.outcomes import PauseNumber
from inbox.runtime import Runtime
from tests.builders import the_account
from tests.outbox.world import World

NEW: dict[str, Any] = {
    "name": "Shop",
    "phone_number_id": "200000000000002",
    "phone_number": "+33 7 11 11 11 11",
    "waba_id": "100000000000002",
    "access_token": "a-secret-token",
    "verify_token": "a-secret-verify-token",
    "bot_auto_on": False,
}


def row_of(db: Database, account_id: str) -> Account:
    with db.reading() as session:
        return session.get_one(Account, UUID(account_id))


def entries(db: Database, action: str) -> list[AuditEntry]:
    with db.reading() as session:
        query = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.at, AuditEntry.id)
        return list(session.execute(query).scalars())


def caller(app: Flask, db: Database, role: Role, *accounts: UUID) -> FlaskClient:
    """A client with this role, for these accounts or for all."""
    made = app.test_client()
    key = keys.create(db, name="Somebody", role=role, accounts=accounts or None)
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    return made


@pytest.fixture
def other(client: FlaskClient) -> str:
    """The id of a second number."""
    return str(client.post("/accounts", json=NEW).json["id"])


# --- adding ------------------------------------------------------------------------------------------------------


def test_a_number_is_added_and_its_tokens_are_never_shown(client: FlaskClient, runtime: Runtime) -> None:
    answer = client.post("/accounts", json=NEW)
    assert answer.status_code == 201
    row = answer.json
    assert row == row | {"name": "Shop", "phone_number": "33711111111", "has_access_token": True, "restored": False}
    for text in (answer.text, client.get("/accounts").text, client.get(f"/accounts/{row['id']}").text):
        assert "secret" not in text
    stored = row_of(runtime.db, row["id"])
    assert runtime.cipher.decrypt(stored.access_token_encrypted or "") == "a-secret-token"
    assert "secret" not in repr((stored.access_token_encrypted, stored.verify_token_hash))
    (entry,) = entries(runtime.db, "account.created")[1:]  # the first one is the environment's
    assert (entry.actor_kind, entry.account_id, "secret" in json.dumps(entry.details)) == ("key", stored.id, False)


def test_its_verify_token_is_good_for_the_handshake(client: FlaskClient, stranger: FlaskClient, other: str) -> None:
    query = {"hub.mode": "subscribe", "hub.challenge": "4711", "hub.verify_token": NEW["verify_token"]}
    assert stranger.get("/webhook/whatsapp", query_string=query).text == "4711"
    assert client.patch(f"/accounts/{other}", json={"verify_token": None}).json["has_verify_token"] is False
    assert stranger.get("/webhook/whatsapp", query_string=query).status_code == 403


def test_the_same_request_twice_makes_one_number(client: FlaskClient) -> None:
    first = client.post("/accounts", json=NEW, headers={"Idempotency-Key": "k1"})
    again = client.post("/accounts", json=NEW, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json
    assert len(client.get("/accounts").json) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Another"},
        {"access_token": "another"},
        {"access_token": None},
        {"verify_token": "another"},
        {"bot_auto_on": True},
        {"waba_id": "1"},
    ],
)
def test_the_same_number_with_other_values_is_a_conflict(
    client: FlaskClient, other: str, change: dict[str, Any]
) -> None:
    before = client.get(f"/accounts/{other}").json
    answer = client.post("/accounts", json=NEW | change)
    assert (answer.status_code, answer.json["code"]) == (409, "account_exists")
    assert client.get(f"/accounts/{other}").json == before


def test_what_webhooks_told_meanwhile_makes_no_conflict(client: FlaskClient) -> None:
    body = {key: value for key, value in NEW.items() if key != "waba_id"}
    made = client.post("/accounts", json=body).json
    client.patch(f"/accounts/{made['id']}", json={"waba_id": "777"})
    assert client.post("/accounts", json=body).status_code == 200


def test_two_at_once_make_one_number(app: Flask, client: FlaskClient) -> None:
    header = client.environ_base["HTTP_AUTHORIZATION"]
    ready = threading.Barrier(8)
    answers: list[tuple[int, str]] = []

    def add() -> None:
        ready.wait()
        with app.test_client() as mine:
            answer = mine.post("/accounts", json=NEW, headers={"Authorization": header})
            answers.append((answer.status_code, answer.json["id"]))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200] * 7 + [201]
    assert len({account_id for _, account_id in answers}) == 1
    assert len(client.get("/accounts").json) == 2


# --- seeing ------------------------------------------------------------------------------------------------------


def test_the_list_is_paged_and_shows_the_oldest_first(client: FlaskClient) -> None:
    for number in range(5):
        client.post("/accounts", json={"name": f"n{number}", "phone_number_id": f"30000{number}"})
    seen, url = [], "/accounts?limit=2"
    while url:
        answer = client.get(url)
        seen += [row["name"] for row in answer.json]
        url = answer.headers["Link"].split(">")[0].strip("<") if "Link" in answer.headers else ""
    assert seen == ["33700000000", "n0", "n1", "n2", "n3", "n4"]


def test_everybody_sees_the_numbers_they_may_see_and_no_others(
    app: Flask, client: FlaskClient, db: Database, other: str
) -> None:
    first = the_account(db).id
    viewer = caller(app, db, Role.VIEWER, UUID(other))
    assert [row["id"] for row in viewer.get("/accounts").json] == [other]
    assert viewer.get(f"/accounts/{other}").status_code == 200
    unseen, missing = viewer.get(f"/accounts/{first}"), viewer.get(f"/accounts/{UUID(int=9)}")
    assert (unseen.status_code, unseen.json["code"]) == (missing.status_code, missing.json["code"])
    assert unseen.status_code == 403
    assert client.get(f"/accounts/{UUID(int=9)}").json["code"] == "account_not_found"
    assert len(caller(app, db, Role.VIEWER).get("/accounts").json) == 2


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MANAGER])
def test_only_administrators_change_numbers(app: Flask, db: Database, role: Role) -> None:
    somebody, url = caller(app, db, role), f"/accounts/{the_account(db).id}"
    answers = [
        somebody.post("/accounts", json=NEW),
        somebody.patch(url, json={"name": "Mine"}),
        somebody.delete(url),
    ]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert [row["name"] for row in somebody.get("/accounts").json] == ["33700000000"]


def test_the_administrator_of_a_number_changes_that_one_only(app: Flask, db: Database, other: str) -> None:
    admin = caller(app, db, Role.ADMIN, UUID(other))
    assert admin.patch(f"/accounts/{other}", json={"name": "Mine"}).json["name"] == "Mine"
    for url in (f"/accounts/{the_account(db).id}", f"/accounts/{UUID(int=9)}"):
        assert admin.patch(url, json={"name": "Mine"}).status_code == 403
        assert admin.delete(url).status_code == 403
    assert admin.post("/accounts", json=NEW | {"phone_number_id": "3"}).status_code == 403
    assert admin.delete(f"/accounts/{other}").status_code == 200


def test_who_is_nobody_sees_and_changes_nothing(stranger: FlaskClient, db: Database) -> None:
    url = f"/accounts/{the_account(db).id}"
    answers = [stranger.get(url), stranger.post("/accounts", json=NEW), stranger.patch(url, json={})]
    assert [answer.status_code for answer in [*answers, stranger.delete(url)]] == [401] * 4


# --- changing ----------------------------------------------------------------------------------------------------


def test_only_what_is_named_changes_and_null_takes_it_out(client: FlaskClient, db: Database, other: str) -> None:
    before = client.get(f"/accounts/{other}").json
    after = client.patch(f"/accounts/{other}", json={"name": "New name", "waba_id": None}).json
    assert after == before | {"name": "New name", "waba_id": None, "updated_at": after["updated_at"]}
    emptied = client.patch(f"/accounts/{other}", json={"phone_number": None, "access_token": None}).json
    assert (emptied["phone_number"], emptied["has_access_token"], emptied["has_verify_token"]) == (None, False, True)
    assert [entry.details["fields"] for entry in entries(db, "account.updated")] == [
        ["name", "waba_id"],
        ["access_token", "phone_number"],
    ]


def test_a_change_that_changes_nothing_is_not_noted(client: FlaskClient, db: Database, other: str) -> None:
    before = client.get(f"/accounts/{other}").json
    same = {key: value for key, value in NEW.items() if key != "phone_number_id"}
    assert client.patch(f"/accounts/{other}", json=same).json == before
    assert client.patch(f"/accounts/{other}", json={}).json == before
    assert client.patch(f"/accounts/{other}", json={"paused": False}).json == before
    assert entries(db, "account.updated") == []


def test_a_person_pauses_a_number_and_only_a_person_resumes_it(client: FlaskClient, runtime: Runtime) -> None:
    db = runtime.db
    url = f"/accounts/{the_account(db).id}"
    world = World(runtime)
    world.queue("waits")
    assert client.patch(url, json={"paused": True}).json["paused_reason"] == "paused_by_a_person"
    assert world.claim() == []
    assert client.patch(url, json={"access_token": "new"}).json["paused_reason"] == "paused_by_a_person"
    resumed = client.patch(url, json={"paused": False}).json
    assert (resumed["paused_reason"], resumed["paused_at"]) == (None, None)
    assert [claim.text for claim in world.claim()] == ["waits"]
    assert [len(entries(db, f"account.{verb}")) for verb in ("paused", "resumed")] == [1, 1]


@pytest.mark.parametrize(
    ("pause", "reason", "resumes"),
    [
        (Pause.TOKEN_EXPIRED, "The access token has expired or was revoked.", True),
        (Pause.NO_TOKEN, "There is no access token.", True),
        (Pause.UNREADABLE_TOKEN, "ENCRYPTION_KEYS: none of the keys can read a stored access token", True),
        (Pause.PAYMENT, "There is a problem with the payment method of the WhatsApp account.", False),
        (Pause.DISABLED, "WhatsApp has disabled the account.", False),
    ],
)
def test_a_new_token_resumes_what_was_paused_because_of_the_token(
    client: FlaskClient, runtime: Runtime, pause: Pause, reason: str, resumes: bool
) -> None:
    world = World(runtime)
    world.queue("waits")
    (claim,) = world.claim()
    world.record(claim, PauseNumber(pause))
    url = f"/accounts/{the_account(runtime.db).id}"
    assert client.get(url).json["paused_reason"] == reason
    after = client.patch(url, json={"access_token": "a-new-one"}).json
    assert after["paused_reason"] == (None if resumes else reason)


def test_a_resumed_number_wakes_those_who_deliver(client: FlaskClient, runtime: Runtime) -> None:
    rung: list[str] = []
    runtime.db.signals.connect(Work.DELIVER, lambda: rung.append("deliver"))
    url = f"/accounts/{the_account(runtime.db).id}"
    client.patch(url, json={"paused": True})
    assert rung == []
    client.patch(url, json={"paused": False})
    assert rung == ["deliver"]


# --- what is refused ---------------------------------------------------------------------------------------------

BAD: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": ""}, ["/name"]),
    ({"name": "   "}, ["/name"]),
    ({"name": "x" * 201}, ["/name"]),
    ({"name": 7}, ["/name"]),
    ({"name": "a\x00b"}, ["/name"]),
    ({"phone_number": "12"}, ["/phone_number"]),
    ({"phone_number": "07 11 11 11 11"}, ["/phone_number"]),
    ({"phone_number": "not a number"}, ["/phone_number"]),
    ({"phone_number": 33612345678}, ["/phone_number"]),
    ({"waba_id": "abc"}, ["/waba_id"]),
    ({"waba_id": "١٢٣"}, ["/waba_id"]),
    ({"waba_id": "1\n"}, ["/waba_id"]),
    ({"access_token": ""}, ["/access_token"]),
    ({"access_token": "two words"}, ["/access_token"]),
    ({"access_token": "line\r\nX-Evil: 1"}, ["/access_token"]),
    ({"access_token": "tök"}, ["/access_token"]),
    ({"access_token": "x" * 5000}, ["/access_token"]),
    ({"verify_token": ""}, ["/verify_token"]),
    ({"bot_auto_on": "yes"}, ["/bot_auto_on"]),
    ({"bot_auto_on": None}, ["/bot_auto_on"]),
    ({"name": None, "waba_id": 5}, ["/name", "/waba_id"]),
]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_bad_field_is_named_and_nothing_changes(client: FlaskClient, other: str) -> None:
    before = client.get("/accounts").json
    only_add = [({"phone_number_id": value}, ["/phone_number_id"]) for value in ("", "12a", 12, None, "+1", "9" * 65)]
    only_change = [
        ({"phone_number_id": NEW["phone_number_id"]}, ["/phone_number_id"]),
        ({"paused": 1}, ["/paused"]),
        ({"paused": None}, ["/paused"]),
        ({"id": "x"}, ["/id"]),
        ({"name": None, "nonsense": 1}, ["/name", "/nonsense"]),
    ]
    cases = [("POST", "/accounts", {**NEW, "phone_number_id": "5"} | bad, where) for bad, where in BAD + only_add]
    cases += [("PATCH", f"/accounts/{other}", bad, where) for bad, where in BAD + only_change]
    for method, url, body, pointers in cases:
        answer = client.open(url, method=method, json=body)
        assert answer.status_code == 400, (method, body, answer.text)
        assert sorted(error["pointer"] for error in answer.json["errors"]) == pointers, (method, body, answer.text)
        assert "secret" not in answer.text
        assert "Evil" not in answer.text
    assert client.get("/accounts").json == before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_bodies_queries_and_ids_that_are_none_are_refused(client: FlaskClient, other: str) -> None:
    for body in (b"", b"[]", b'"x"', b"{", b"null"):
        for method, url in (("POST", "/accounts"), ("PATCH", f"/accounts/{other}")):
            assert client.open(url, method=method, data=body, content_type="application/json").status_code == 400
    for query in ("limit=0", "limit=201", "limit=x", "cursor=x", "nonsense=1"):
        answer = client.get(f"/accounts?{query}")
        assert [error["pointer"] for error in answer.json["errors"]] == [f"?{query.split('=')[0]}"]
    for method in ("GET", "PATCH", "DELETE"):
        assert client.open("/accounts/nothing", method=method, json={}).status_code == 404
        answer = client.open(f"/accounts/{UUID(int=9)}", method=method, json={})
        assert (answer.status_code, answer.json["code"]) == (404, "account_not_found")
    assert client.post("/accounts", json=NEW, headers={"Idempotency-Key": "x" * 300}).status_code == 400


def test_a_check_says_what_a_number_lacks_and_changes_nothing(client: FlaskClient, db: Database) -> None:
    made = client.post("/accounts", json={"name": "Third", "phone_number_id": "200000000000003"}).json
    before = client.get(f"/accounts/{made['id']}").json
    (finding,) = [
        each for each in client.post(f"/accounts/{made['id']}/check").json["findings"] if each["level"] != "ok"
    ]
    assert (finding["about"], finding["level"]) == ("token", "warning")
    assert client.get(f"/accounts/{made['id']}").json == before
