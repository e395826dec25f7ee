"""Drafts: nobody's words are lost between two devices."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select, update

from inbox.db import Database
from inbox.models import SavedDraft, User
from inbox.runtime import Runtime, crews_of
from inbox.team.drafts import KEPT
from tests.auth.people import local_user, session_of
from tests.builders import ingest, text_message, the_conversation, webhook
from tests.queries import while_it_goes
from tests.team.test_notes import signed_in
from tests.users.people import ADMIN, refusal


@pytest.fixture
def amina(app: Flask, db: Database) -> FlaskClient:
    return signed_in(app, db, "amina")


@pytest.fixture
def address(runtime: Runtime, db: Database) -> str:
    ingest(runtime, webhook(messages=[text_message("Bonjour")]))
    return f"/conversations/{the_conversation(db).id}/drafts"


def save(client: FlaskClient, address: str, text: str, version: int = 0, mode: str = "reply") -> Any:
    return client.put(f"{address}/{mode}", json={"text": text, "version": version})


def test_what_is_typed_on_one_device_is_there_on_another(amina: FlaskClient, address: str) -> None:
    first = save(amina, address, "Dear").json
    second = save(amina, address, "Dear Camille", first["version"]).json
    note = save(amina, address, "Nice woman", mode="note").json
    assert amina.get(address).json == [note, second]
    assert second["version"] == 2


def test_a_newer_draft_is_shown_instead_of_overwritten(amina: FlaskClient, address: str) -> None:
    first = save(amina, address, "Dear").json
    newer = save(amina, address, "Dear Camille", first["version"]).json
    late = save(amina, address, "Hello", first["version"])
    assert (refusal(late), late.json["draft"]) == ((409, "draft_conflict"), newer)
    again = save(amina, address, "Dear Camille", first["version"])  # a repeat whose answer was lost
    assert (again.status_code, again.json) == (200, newer)
    assert amina.get(address).json == [newer]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_draft_that_is_dropped_just_now_begins_anew(amina: FlaskClient, db: Database, address: str) -> None:
    first = save(amina, address, "Dear").json
    anew = while_it_goes(db, delete(SavedDraft), lambda: save(amina, address, "Dear Camille", first["version"]))
    assert (anew.status_code, anew.json["text"]) == (200, "Dear Camille")


def test_a_draft_that_was_sent_elsewhere_does_not_keep_anybody_from_writing(amina: FlaskClient, address: str) -> None:
    first = save(amina, address, "Dear").json
    assert amina.delete(f"{address}/reply").status_code == 204
    assert amina.delete(f"{address}/reply").status_code == 204
    assert amina.get(address).json == []
    after = save(amina, address, "Dear Camille", first["version"]).json
    assert after["version"] > first["version"]


def test_a_draft_is_dropped_only_as_it_was_seen(amina: FlaskClient, address: str) -> None:
    first = save(amina, address, "Dear").json
    newer = save(amina, address, "Dear Camille", first["version"]).json
    assert refusal(amina.delete(f"{address}/reply?version={first['version']}")) == (409, "draft_conflict")
    assert amina.delete(f"{address}/reply?version={newer['version']}").status_code == 204


def test_everybody_has_their_own(
    app: Flask, db: Database, amina: FlaskClient, client: FlaskClient, address: str
) -> None:
    save(amina, address, "Dear")
    assert signed_in(app, db, "ben").get(address).json == []
    assert refusal(client.get(address)) == (403, "not_a_user")


def test_there_are_two_drafts_and_no_third(amina: FlaskClient, address: str) -> None:
    assert refusal(save(amina, address, "Dear", mode="letter")) == (404, "not_found")
    assert refusal(amina.delete(f"{address}/letter")) == (404, "not_found")
    assert amina.get(address).json == []


def drafts(db: Database) -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).select_from(SavedDraft)).scalar_one()


def test_drafts_go_with_their_time_and_with_their_writer(
    runtime: Runtime, db: Database, app: Flask, amina: FlaskClient, client: FlaskClient, address: str
) -> None:
    save(amina, address, "Dear")
    save(amina, address, "Old", mode="note")
    with db.writing() as session:
        long_ago = db.now(session) - KEPT - timedelta(minutes=1)
        session.execute(update(SavedDraft).where(SavedDraft.mode == "note").values(changed_at=long_ago))
    crews_of(runtime).housekeeping.receipts(1)
    assert drafts(db) == 1
    local_user(db, "admin@example.com", ADMIN, password=None)
    with db.reading() as session:
        user_id = session.execute(select(User.id).where(User.email == "amina@example.com")).scalar_one()
    assert client.post(f"/admin/users/{user_id}/status", json={"is_active": False}).status_code == 200
    assert drafts(db) == 0
    assert session_of(db, user_id)
