"""What a user changes of themselves: name and preferences."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from inbox.auth.access import Grant, Role
from inbox.db import Database
from inbox.models import User
from inbox.runtime import runtime_of
from tests.auth.people import local_user, session_of
from tests.users.people import entries, refusal

DEFAULTS = {
    "language": None,
    "theme": "system",
    "list_order": "newest",
    "details": True,
    "keys": True,
    "enter_sends": True,
    "sound": False,
    "notify": "mine",
    "notify_text": False,
}


@pytest.fixture
def anna(db: Database) -> User:
    return local_user(db, "anna@example.com", [Grant(Role.VIEWER)], password=None)


@pytest.fixture
def browser(app: Flask, db: Database, anna: User) -> FlaskClient:
    made = app.test_client()
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(db, anna.id)}"
    return made


def test_somebody_who_has_chosen_nothing_has_the_defaults(browser: FlaskClient) -> None:
    assert browser.get("/auth/me").json["preferences"] == DEFAULTS


def test_a_choice_stays_and_leaves_the_others_alone(browser: FlaskClient) -> None:
    assert browser.patch("/auth/me", json={"preferences": {"theme": "dark", "language": "fr"}}).status_code == 200
    answer = browser.patch("/auth/me", json={"preferences": {"keys": False}})
    expected = {**DEFAULTS, "theme": "dark", "language": "fr", "keys": False}
    assert answer.json["preferences"] == browser.get("/auth/me").json["preferences"] == expected
    browser.patch("/auth/me", json={"preferences": {"language": None}})
    assert browser.get("/auth/me").json["preferences"] == {**expected, "language": None}


@pytest.mark.parametrize(
    ("preferences", "pointer"),
    [
        ({"theme": "pink"}, "/preferences/theme"),
        ({"keys": None}, "/preferences/keys"),
        ({"sound": 1}, "/preferences/sound"),
        ({"colour": "red"}, "/preferences/colour"),
        (None, "/preferences"),
    ],
)
def test_a_wrong_choice_is_refused_by_its_name(browser: FlaskClient, preferences: object, pointer: str) -> None:
    answer = browser.patch("/auth/me", json={"preferences": preferences})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (400, pointer)
    assert browser.get("/auth/me").json["preferences"] == DEFAULTS


def test_what_another_release_has_stored_does_no_harm(
    app: Flask, browser: FlaskClient, db: Database, anna: User
) -> None:
    stored = {"theme": "sepia", "keys": "no", "density": 3, "sound": True}
    with db.writing() as session:
        session.execute(update(User).where(User.id == anna.id).values(preferences=stored))
    runtime_of(app).identities.forget()
    assert browser.get("/auth/me").json["preferences"] == {**DEFAULTS, "sound": True}


def test_people_name_themselves_and_the_audit_log_tells(browser: FlaskClient, db: Database) -> None:
    assert browser.patch("/auth/me", json={"name": "Anna B."}).json["name"] == "Anna B."
    assert browser.get("/auth/me").json["name"] == "Anna B."
    assert [(each.action, each.details) for each in entries(db)][-1:] == [
        ("user.renamed", {"before": "Anna", "after": "Anna B."})
    ]
    assert browser.patch("/auth/me", json={"name": None}).json["name"] == "anna@example.com"


def test_a_key_has_no_preferences(client: FlaskClient) -> None:
    assert client.get("/auth/me").json["preferences"] is None
    assert refusal(client.patch("/auth/me", json={"preferences": {"theme": "dark"}})) == (403, "not_a_user")
