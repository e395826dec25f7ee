"""Signing in by the form, as browsers do it without scripts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from inbox.auth.access import Grant, Role
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.models import User
from inbox.resilience import SUPABASE
from inbox.runtime import runtime_of
from sandbox import Sandbox
from tests.auth.people import PASSWORD, local_user
from tests.auth.supabase_stage import KEY, QUICK
from tests.auth.test_supabase_members import opened
from tests.page.pages import boot_of, browser, field_of

EMAIL = "anna@example.com"


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """On SQLite: what is asked of a database here is tested on both kinds elsewhere."""
    (tmp_path / "inbox.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'inbox.db'}"


@pytest.fixture
def anna(db: Database) -> User:
    return local_user(db, EMAIL, [Grant(Role.MANAGER)])


def send(
    client: FlaskClient, email: str = EMAIL, password: str = PASSWORD, to: str = "/inbox", **more: str
) -> TestResponse:
    """The form, filled in and sent back."""
    form = client.get("/sign-in", query_string={"next": to})
    hidden = {name: field_of(form, name) for name in ("form", "next")}
    return client.post("/sign-in", data={"email": email, "password": password, **hidden, **more})


@pytest.mark.usefixtures("anna")
def test_a_name_and_its_password_lead_to_where_one_wanted_to_go(app: Flask) -> None:
    client = browser(app)
    response = send(client, f" {EMAIL.upper()} ", to="/inbox?needs_human=true")
    assert (response.status_code, response.headers["Location"]) == (303, "/inbox?needs_human=true")
    assert boot_of(client.get(response.headers["Location"]))["me"]["email"] == EMAIL
    again = client.get("/sign-in?next=/status")
    assert (again.status_code, again.headers["Location"]) == (303, "/status")


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/sign-in",
        "",
    ],
)
def test_nobody_is_led_away_from_here(app: Flask, elsewhere: str) -> None:
    response = send(browser(app), next=elsewhere)
    assert (response.status_code, response.headers["Location"]) == (303, "/inbox")


@pytest.mark.usefixtures("anna")
@pytest.mark.parametrize(
    ("email", "password"), [(EMAIL, "wrong"), ("nobody@example.com", PASSWORD), ("no address", "x")]
)
def test_a_wrong_name_and_a_wrong_password_look_the_same(app: Flask, email: str, password: str) -> None:
    response = send(browser(app), email, password)
    assert response.status_code == 401
    assert "The e-mail address or the password is wrong." in response.text
    assert field_of(response, "email") == email
    assert f'value="{password}"' not in response.text


@pytest.mark.usefixtures("anna")
def test_what_is_not_filled_in_is_asked_for(app: Flask) -> None:
    for email, password in (("", PASSWORD), (EMAIL, "")):
        response = send(browser(app), email, password)
        assert response.status_code == 400
        assert "Type your e-mail address and your password." in response.text


@pytest.mark.usefixtures("anna")
def test_a_locked_name_says_when_to_come_back(app: Flask) -> None:
    for _ in range(10):
        send(browser(app), password="wrong")
    response = send(browser(app))
    assert response.status_code == 429
    assert "Too many tries. Try again in 15 min." in response.text
    assert 'data-again="' in response.text
    assert int(response.headers["Retry-After"]) > 800


def test_who_is_switched_off_is_told_so(app: Flask, db: Database, anna: User) -> None:
    with db.writing() as session:
        session.get_one(User, anna.id).disabled_at = utc_now()
    response = send(browser(app))
    assert response.status_code == 403
    assert "Your access has been switched off." in response.text


@pytest.mark.usefixtures("anna")
def test_a_form_of_another_site_or_of_another_browser_signs_nobody_in(app: Flask) -> None:
    good = {"email": EMAIL, "password": PASSWORD}
    other = field_of(browser(app).get("/sign-in"), "form")
    for data in (good, {**good, "form": other}, {**good, "form": "x" * 64}):
        client = browser(app)
        assert client.post("/sign-in", data=data).status_code == 400  # no cookie
        client.get("/sign-in")
        response = client.post("/sign-in", data=data)
        assert response.status_code == 400
        assert "Please try once more." in response.text
        assert client.get_cookie("inbox_session") is None
    client = browser(app)
    form = field_of(client.get("/sign-in"), "form")
    foreign = client.post("/sign-in", data={**good, "form": form}, headers={"Sec-Fetch-Site": "cross-site"})
    assert foreign.status_code == 400


@pytest.mark.usefixtures("anna")
def test_the_form_that_comes_back_after_a_refusal_can_be_sent_again(app: Flask) -> None:
    client = browser(app)
    refused = send(client, password="wrong")
    hidden = {name: field_of(refused, name) for name in ("form", "next", "email")}
    assert client.post("/sign-in", data={**hidden, "password": PASSWORD}).status_code == 303


@pytest.mark.usefixtures("anna")
def test_what_was_typed_is_shown_as_text(app: Flask) -> None:
    response = send(browser(app), '"><script>alert(1)</script>', "wrong")
    assert "<script>alert" not in response.text


def test_the_form_is_there_while_nobody_can_tell_who_one_is(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    from inbox.errors import DatabaseUnavailable

    def away(_token: str, **_: object) -> object:
        raise DatabaseUnavailable

    monkeypatch.setattr(runtime_of(app).identities, "identify", away)
    response = browser(app, "inbox_session_" + "x" * 43).get("/sign-in")
    assert response.status_code == 200
    assert field_of(response, "form")


@pytest.mark.usefixtures("anna")
def test_it_speaks_french(app: Flask) -> None:
    client = browser(app, language="fr")
    assert "Se connecter" in client.get("/sign-in").text
    assert "L’adresse e-mail ou le mot de passe est incorrect." in send(client, password="wrong").text


@pytest.mark.usefixtures("anna")
def test_a_program_is_refused_in_json(app: Flask) -> None:
    response = app.test_client().post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
    assert (response.status_code, response.json["code"]) == (400, "form_expired")


class TestSupabase:
    """The same form, for people whom Supabase knows."""

    @pytest.fixture(autouse=True)
    def _leave_supabase_as_it_was(self) -> Iterator[None]:
        before = SUPABASE.policy
        yield
        SUPABASE.configure(before, retries=True, breaker=True)

    @pytest.fixture
    def app(self, live_config: Config) -> Iterator[Flask]:
        yield from opened(replace(live_config, supabase_key=KEY, supabase=QUICK))

    def test_each_outcome_is_said_apart(self, app: Flask, sandbox: Sandbox) -> None:
        for email, more in (("in@example.com", {"invited": True}), ("out@example.com", {})):
            sandbox.supabase.save_user(email=email, password=PASSWORD, **more)
        assert send(browser(app), "in@example.com").status_code == 303
        refused = send(browser(app), "out@example.com")
        assert refused.status_code == 403
        assert "nobody has let you in here yet" in refused.text
        assert send(browser(app), "in@example.com", "wrong").status_code == 401
        sandbox.fault("supabase", "status", code=503)
        away = send(browser(app), "in@example.com")
        assert away.status_code == 503
        assert "People who are signed in can go on." in away.text
