"""Who is where: told at once, forgotten by itself, and nothing in a list moves by it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, func, select, update

from inbox.auth.access import Grant, Role
from inbox.db import Database
from inbox.live.positions import Position, Positions
from inbox.live.watcher import GONE_AFTER
from inbox.models import Account, Pause, Presence
from inbox.runtime import Runtime, crews_of, runtime_of
from tests.auth.people import local_user, session_of
from tests.builders import ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import refusal


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.live.watcher.LOOK_EVERY", 0.0)


@pytest.fixture
def conversation(runtime: Runtime, db: Database) -> str:
    ingest(runtime, webhook(messages=[text_message("Bonjour")]))
    return str(the_conversation(db).id)


def signed_in(app: Flask, db: Database, name: str) -> FlaskClient:
    user = local_user(db, f"{name}@example.com", [Grant(Role.VIEWER)], password=None)
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(db, user.id)}"
    return made


@pytest.fixture
def amina(app: Flask, db: Database) -> FlaskClient:
    return signed_in(app, db, "amina")


@pytest.fixture
def noe(app: Flask, db: Database) -> FlaskClient:
    return signed_in(app, db, "noe")


def say(client: FlaskClient, conversation: str, doing: str = "viewing") -> Any:
    return client.post("/presence", json={"conversation_id": conversation, "doing": doing})


def ask(client: FlaskClient, db: Database, since: str | None = None) -> Any:
    query = {"account_id": str(the_account(db).id), **({"since": since} if since else {})}
    return client.get("/changes", query_string=query)


def people(body: Any) -> list[tuple[str, str]]:
    return [(each["user"]["name"], each["doing"]) for each in body["present"]]


def test_a_colleague_who_comes_writes_and_leaves_is_told(
    amina: FlaskClient, noe: FlaskClient, db: Database, conversation: str
) -> None:
    position = ask(noe, db).json["next"]
    for doing, told in (("viewing", "viewing"), ("writing", "writing"), ("gone", None)):
        assert say(amina, conversation, doing).status_code == 204
        body = ask(noe, db, position).json
        assert people(body) == ([("Amina", told)] if told else [])
        position = body["next"]


def test_people_are_not_told_of_themselves(amina: FlaskClient, db: Database, conversation: str) -> None:
    say(amina, conversation)
    assert ask(amina, db).json["present"] == []


def test_presence_alone_costs_a_poll_nothing_but_the_look(
    amina: FlaskClient, noe: FlaskClient, db: Database, conversation: str
) -> None:
    position = quiet_position(noe, db)
    say(amina, conversation)
    statements: list[str] = []
    listen = lambda _c, _u, text, *_rest: statements.append(text)  # noqa: E731
    event.listen(db.engine, "before_cursor_execute", listen)
    body = ask(noe, db, position).json
    event.remove(db.engine, "before_cursor_execute", listen)
    assert people(body) == [("Amina", "viewing")]
    assert (body["counts"], body["conversations"], body["messages"], body["notes"]) == ({}, [], [], [])
    assert sum("conversations" in each and "presences" in each for each in statements) == 1
    assert not any("count(" in each for each in statements)
    assert ask(noe, db, body["next"]).status_code == 204


def quiet_position(client: FlaskClient, db: Database) -> str:
    """A position behind all changes, although SQLite tells the newest again for half a minute."""
    config = runtime_of(client.application).config
    with db.reading() as session:
        now = db.now(session) + timedelta(seconds=5)
    return Positions(config.secret_key).encode(the_account(db).id, Position(now))


def test_who_has_not_said_so_for_a_while_is_not_there(
    amina: FlaskClient, noe: FlaskClient, db: Database, runtime: Runtime, conversation: str
) -> None:
    say(amina, conversation)
    with db.writing() as session:
        long_ago = db.now(session) - GONE_AFTER - timedelta(seconds=1)
        session.execute(update(Presence).values(said_at=long_ago))
    assert ask(noe, db).json["present"] == []
    crews_of(runtime).housekeeping.receipts(1)
    with db.reading() as session:
        assert session.execute(select(func.count()).select_from(Presence)).scalar_one() == 0


def test_no_row_moves_by_presence(amina: FlaskClient, noe: FlaskClient, db: Database, conversation: str) -> None:
    before = noe.get(f"/conversations/{conversation}").json
    say(amina, conversation, "writing")
    assert noe.get(f"/conversations/{conversation}").json == before


def test_a_key_is_nowhere_and_a_conversation_of_others_is_not_there(client: FlaskClient, conversation: str) -> None:
    assert refusal(say(client, conversation)) == (403, "not_a_user")


def test_nobody_is_where_they_may_not_look(amina: FlaskClient) -> None:
    assert refusal(say(amina, str(uuid.UUID(int=404)))) == (404, "conversation_not_found")


def test_a_number_that_is_paused_is_told_with_why(noe: FlaskClient, db: Database, conversation: str) -> None:
    position = ask(noe, db).json["next"]
    with db.writing() as session:
        now = db.now(session)
        session.execute(update(Account).values(paused_reason=Pause.TOKEN_EXPIRED, paused_at=now))
    (notice,) = ask(noe, db, position).json["notices"]
    assert (notice["code"], notice["reason"]) == ("number_paused", "token_expired")
    assert notice["since"] is not None
