"""Signing in by our form with a password of Supabase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask

from inbox.auth.access import Grant, Role
from inbox.config import Config
from inbox.db import Database
from inbox.resilience import SUPABASE
from inbox.runtime import runtime_of
from sandbox import Sandbox
from tests.auth.people import PASSWORD, local_user
from tests.auth.supabase_stage import KEY, QUICK
from tests.auth.test_supabase_members import opened
from tests.users.people import refusal

ANNA = "anna@example.com"


@pytest.fixture(autouse=True)
def _leave_supabase_as_it_was() -> Iterator[None]:
    before = SUPABASE.policy
    yield
    SUPABASE.configure(before, retries=True, breaker=True)


@pytest.fixture
def app(live_config: Config) -> Iterator[Flask]:
    yield from opened(replace(live_config, supabase_key=KEY, supabase=QUICK))


def save(sandbox: Sandbox, email: str = ANNA, **more: object) -> None:
    sandbox.supabase.save_user(email=email, password=PASSWORD, **{"invited": True, **more})


def sign_in(app: Flask, email: str = ANNA, password: str = PASSWORD) -> object:
    return app.test_client().post("/auth/login", json={"email": email, "password": password})


def asked(sandbox: Sandbox) -> list[str]:
    return [request.path for request in sandbox.requests("supabase") if request.method == "POST"]


def test_the_session_outlives_supabase(app: Flask, sandbox: Sandbox) -> None:
    save(sandbox)
    browser = app.test_client()
    answer = browser.post("/auth/login", json={"email": f" {ANNA} ", "password": PASSWORD})
    assert answer.status_code == 200, answer.json
    assert answer.json["user"]["email"] == ANNA
    sandbox.fault("supabase", "status", code=503)
    runtime_of(app).identities.forget()
    assert browser.get("/auth/me").json["email"] == ANNA


def test_every_refusal_has_its_name(app: Flask, sandbox: Sandbox) -> None:
    save(sandbox)
    assert refusal(sign_in(app, password="not this one")) == (401, "wrong_password")
    assert refusal(sign_in(app, "nobody@example.com")) == (401, "wrong_password")
    save(sandbox, "stranger@example.com", invited=False)
    assert refusal(sign_in(app, "stranger@example.com")) == (403, "not_a_member")
    save(sandbox, "new@example.com", email_confirmed=False)
    assert refusal(sign_in(app, "new@example.com")) == (403, "email_not_confirmed")
    save(sandbox, "banned@example.com", banned=True)
    assert refusal(sign_in(app, "banned@example.com")) == (403, "user_disabled")


AWAY = [("status", {"code": 503}), ("reset_before", {}), ("close_after", {}), ("hang", {})]


@pytest.mark.parametrize("fault", AWAY, ids=lambda each: each[0])
def test_while_supabase_is_away_its_users_are_told_to_come_again(
    app: Flask, db: Database, sandbox: Sandbox, fault: tuple[str, dict[str, object]]
) -> None:
    save(sandbox)
    local_user(db, "ben@example.com", [Grant(Role.VIEWER)])
    sandbox.fault("supabase", fault[0], **fault[1])
    answer = sign_in(app)
    assert refusal(answer) == (503, "identity_unavailable")
    assert int(answer.headers["Retry-After"]) >= 1
    assert sign_in(app, "ben@example.com").status_code == 200


def test_a_local_users_password_is_never_shown_to_supabase(app: Flask, db: Database, sandbox: Sandbox) -> None:
    local_user(db, "ben@example.com", [Grant(Role.VIEWER)])
    assert sign_in(app, "ben@example.com").status_code == 200
    assert refusal(sign_in(app, "ben@example.com", "not this one")) == (401, "wrong_password")
    assert asked(sandbox) == []


def test_somebody_switched_off_here_stays_out(app: Flask, db: Database, sandbox: Sandbox, client: object) -> None:
    local_user(db, "admin@example.com", [Grant(Role.ADMIN)], password=None)
    save(sandbox)
    user_id = sign_in(app).json["user"]["id"]
    assert client.post(f"/admin/users/{user_id}/status", json={"is_active": False}).status_code == 200
    assert refusal(sign_in(app)) == (403, "user_disabled")


def test_guessing_locks_a_name_at_supabase_as_well(app: Flask, sandbox: Sandbox) -> None:
    save(sandbox)
    answers = [sign_in(app, password=f"guess {number}").status_code for number in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert len(asked(sandbox)) == 10
