"""A Supabase token becomes a session of ours, which goes on while Supabase is away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox.auth.access import Grant, Role
from inbox.config import Config
from inbox.db import Database
from inbox.models import UserSession
from inbox.resilience import SUPABASE
from inbox.runtime import runtime_of
from sandbox import Sandbox
from tests.auth.people import local_user, session_of
from tests.auth.supabase_stage import KEY, QUICK
from tests.auth.test_supabase_members import opened
from tests.users.people import refusal


@pytest.fixture(autouse=True)
def _leave_supabase_as_it_was() -> Iterator[None]:
    before = SUPABASE.policy
    yield
    SUPABASE.configure(before, retries=True, breaker=True)


@pytest.fixture
def app(live_config: Config) -> Iterator[Flask]:
    yield from opened(replace(live_config, supabase_key=KEY, supabase=QUICK, supabase_grace=8 * 3600.0))


@pytest.fixture
def token(sandbox: Sandbox) -> str:
    """Of a user who may come in."""
    return sandbox.supabase.mint(sandbox.supabase.save_user(email="anna@example.com", invited=True))


def exchange(client: FlaskClient, token: str) -> object:
    return client.post("/auth/session", headers={"Authorization": f"Bearer {token}"})


def test_the_session_outlives_supabase_and_its_token(app: Flask, sandbox: Sandbox, token: str) -> None:
    browser = app.test_client()
    response = exchange(browser, token)
    assert response.status_code == 200, response.json
    assert all(word in response.headers["Set-Cookie"] for word in ("HttpOnly", "SameSite=Lax", "Max-Age=604800"))
    assert response.json["user"]["email"] == "anna@example.com"
    sandbox.fault("supabase", "hang")
    runtime_of(app).identities.forget()
    me = browser.get("/auth/me").json
    assert (me["email"], me["csrf_token"]) == ("anna@example.com", response.json["user"]["csrf_token"])
    header = {"Authorization": f"Bearer {response.json['token']}"}
    assert app.test_client().get("/auth/me", headers=header).status_code == 200
    assert browser.post("/auth/logout", headers={"X-CSRF-Token": me["csrf_token"]}).status_code == 200
    assert refusal(app.test_client().get("/auth/me", headers=header)) == (401, "invalid_token")


def test_only_a_supabase_token_is_exchanged(app: Flask, db: Database, client: FlaskClient) -> None:
    assert refusal(client.post("/auth/session")) == (409, "not_exchangeable")  # an API key
    session = session_of(db, local_user(db, "ben@example.com", [Grant(Role.VIEWER)], password=None).id)
    assert refusal(exchange(app.test_client(), session)) == (409, "not_exchangeable")
    browser = app.test_client()
    browser.set_cookie("inbox_session", session)
    assert browser.post("/auth/session").status_code in (403, 409)  # a write without its token
    with db.reading() as reading:
        assert len(reading.execute(select(UserSession)).all()) == 1


def test_a_token_that_is_taken_by_grace_begins_no_session(app: Flask, sandbox: Sandbox, token: str) -> None:
    """Or whoever has it would stay in for good."""
    assert app.test_client().get("/auth/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    ended = sandbox.supabase.mint("anna@example.com", expires_in=-3600)
    sandbox.fault("supabase", "status", code=503)
    assert app.test_client().get("/auth/me", headers={"Authorization": f"Bearer {ended}"}).status_code == 200
    assert refusal(exchange(app.test_client(), ended)) == (409, "not_exchangeable")


def test_somebody_who_is_no_member_or_switched_off_gets_no_session(
    app: Flask, db: Database, sandbox: Sandbox, client: FlaskClient, token: str
) -> None:
    stranger = sandbox.supabase.mint(sandbox.supabase.save_user(email="nobody@example.com"))
    assert refusal(exchange(app.test_client(), stranger)) == (403, "not_a_member")
    browser = app.test_client()
    user_id = exchange(browser, token).json["user"]["id"]
    assert client.post(f"/admin/users/{user_id}/status", json={"is_active": False}).status_code in (200, 409)
    if client.get(f"/admin/users/{user_id}").json["is_active"]:  # the first member is the last administrator
        local_user(db, "boss@example.com", [Grant(Role.ADMIN)])
        assert client.post(f"/admin/users/{user_id}/status", json={"is_active": False}).status_code == 200
    assert refusal(exchange(app.test_client(), token)) == (403, "user_disabled")
    assert refusal(browser.get("/auth/me"))[0] == 401
