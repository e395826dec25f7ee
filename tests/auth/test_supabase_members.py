"""From a token of Supabase to a member: through the API, over real HTTP to the simulator, on both databases."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from inbox import create_app
from inbox.auth import members
from inbox.auth.access import Role
from inbox.auth.identities import principal_of
from inbox.auth.passwords import set_password
from inbox.auth.supabase import profiles
from inbox.auth.supabase.jwts import Claims
from inbox.auth.supabase.profiles import Profile
from inbox.clock import new_id, utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.errors import InvalidCredentials, NotAMember
from inbox.models import AuditEntry, RoleDefinition, RoleGrant, User
from inbox.resilience import SUPABASE
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.auth.supabase_stage import KEY, QUICK
from tests.auth.test_supabase_keys import at_once


@pytest.fixture(autouse=True)
def _leave_supabase_as_it_was() -> Iterator[None]:
    before = SUPABASE.policy
    yield
    SUPABASE.configure(before, retries=True, breaker=True)


@pytest.fixture
def supabase_config(live_config: Config) -> Config:
    return replace(live_config, supabase_key=KEY, supabase=QUICK)


def opened(config: Config) -> Iterator[Flask]:
    app = create_app(config)
    runtime = runtime_of(app)
    runtime.prepare_database()
    yield app
    assert runtime.close(5)


@pytest.fixture
def app(supabase_config: Config) -> Iterator[Flask]:
    yield from opened(supabase_config)


@pytest.fixture
def open_app(supabase_config: Config) -> Iterator[Flask]:
    yield from opened(replace(supabase_config, signup="open"))


def call(app: Flask, token: str, path: str = "/accounts") -> tuple[int, str | None]:
    """Status and error code."""
    response = app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})
    return response.status_code, response.json.get("code") if isinstance(response.json, dict) else None


def somebody(sandbox: Sandbox, email: str, **settings: Any) -> str:
    """The token of a new user."""
    return sandbox.supabase.mint(sandbox.supabase.save_user(email=email, **settings))


def roles(db: Database) -> dict[str | None, str]:
    with db.reading() as session:
        query = select(User.email, RoleDefinition.slug).join(RoleGrant, RoleGrant.user_id == User.id)
        query = query.join(RoleDefinition, RoleDefinition.id == RoleGrant.role_id)
        return {row.email: row.slug for row in session.execute(query)}


def actions(db: Database) -> list[str]:
    with db.reading() as session:
        query = select(AuditEntry.action).where(AuditEntry.action.startswith("user.")).order_by(AuditEntry.id)
        return list(session.execute(query).scalars())


def added(db: Database, email: str, role: Role = Role.MANAGER, password: str | None = None) -> User:
    """Somebody whom an administrator added by address, and who has not been seen yet."""
    with db.writing() as session:
        now = db.now(session)
        user = User(id=new_id(), email=email, created_at=now, updated_at=now)
        session.add(user)
        session.flush()
        session.add(RoleGrant(id=new_id(), user_id=user.id, role_id=role.id))
        if password:
            set_password(session, user, password, now)
    return user


# --- who becomes a member ----------------------------------------------------------------------------------------


def test_the_first_who_was_invited_is_administrator_and_later_ones_are_viewers(
    app: Flask, db: Database, sandbox: Sandbox
) -> None:
    uninvited = somebody(sandbox, "zoe@example.com")
    assert call(app, uninvited) == (403, "not_a_member")
    for name in ("anna", "ben", "cleo"):
        token = somebody(sandbox, f"{name}@example.com", invited=True)
        assert call(app, token) == (200, None)
        assert call(app, token, "/admin/dead-letters")[0] == (200 if name == "anna" else 403)
    assert roles(db) == {"anna@example.com": "admin", "ben@example.com": "viewer", "cleo@example.com": "viewer"}
    assert actions(db) == ["user.joined"] * 3
    assert call(app, uninvited) == (403, "not_a_member")


def test_with_open_signup_the_first_to_come_is_administrator(open_app: Flask, sandbox: Sandbox) -> None:
    db = runtime_of(open_app).db
    for name in ("anna", "ben"):
        assert call(open_app, somebody(sandbox, f"{name}@example.com")) == (200, None)
    assert roles(db) == {"anna@example.com": "admin", "ben@example.com": "viewer"}


def test_an_invitation_in_the_part_that_users_write_is_none(app: Flask, sandbox: Sandbox) -> None:
    token = somebody(sandbox, "zoe@example.com", user_metadata={"invited": True, "invited_at": "2026-01-01"})
    assert call(app, token) == (403, "not_a_member")


def test_whoever_may_not_come_in_takes_no_lock(
    app: Flask, runtime: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = somebody(sandbox, "zoe@example.com")
    monkeypatch.setattr(members, "lock_users", None)
    for _ in range(5):
        assert call(app, token) == (403, "not_a_member")
    assert len(sandbox.requests("supabase")) == 2  # the keys, and once who it is


def test_somebody_added_by_address_is_recognised_once_and_then_bound_to_the_subject(
    app: Flask, db: Database, sandbox: Sandbox
) -> None:
    user = added(db, "anna@example.com")
    subject = sandbox.supabase.save_user(email="Anna@Example.com", user_metadata={"name": "Anna"})
    assert call(app, sandbox.supabase.mint(subject)) == (200, None)
    with db.reading() as session:
        row = session.get_one(User, user.id)
        assert (row.subject, row.name, row.signed_in_at is not None) == (subject.id, "Anna", True)
    assert actions(db) == ["user.recognised"]
    # From now on the subject counts: the address may go to somebody else at the provider.
    sandbox.supabase.save_user(id=subject.id, email="anna.bell@example.com")
    other = somebody(sandbox, "anna@example.com")
    assert call(app, sandbox.supabase.mint(subject)) == (200, None)
    assert call(app, other) == (403, "not_a_member")
    assert roles(db) == {"anna@example.com": "manager"}


def test_an_address_that_is_not_confirmed_makes_nobody_a_member(app: Flask, db: Database, sandbox: Sandbox) -> None:
    added(db, "anna@example.com")
    assert call(app, somebody(sandbox, "anna@example.com", email_confirmed=False)) == (403, "not_a_member")


def test_a_local_user_is_not_taken_over_by_their_address(app: Flask, db: Database, sandbox: Sandbox) -> None:
    added(db, "anna@example.com", Role.ADMIN, password="correct horse battery staple")
    assert call(app, somebody(sandbox, "anna@example.com")) == (403, "not_a_member")
    sandbox.supabase.save_user(email="anna@example.com", invited=True)
    invited = sandbox.supabase.mint("anna@example.com")
    assert call(app, invited) == (200, None)  # a viewer of their own, without the address
    assert call(app, invited, "/admin/dead-letters")[0] == 403
    assert roles(db) == {"anna@example.com": "admin", None: "viewer"}


def test_a_disabled_member_is_told_so_at_once(app: Flask, db: Database, sandbox: Sandbox) -> None:
    token = somebody(sandbox, "anna@example.com", invited=True)
    assert call(app, token) == (200, None)
    with db.writing() as session:
        session.execute(update(User).values(disabled_at=utc_now()))
    runtime_of(app).identities.forget()
    assert call(app, token) == (403, "user_disabled")


def test_a_disabled_user_who_has_not_been_seen_is_not_bound(app: Flask, db: Database, sandbox: Sandbox) -> None:
    user = added(db, "anna@example.com")
    with db.writing() as session:
        session.execute(update(User).values(disabled_at=utc_now()))
    token = somebody(sandbox, "anna@example.com")
    assert call(app, token) == (403, "user_disabled")
    with db.reading() as session:
        assert session.get_one(User, user.id).subject is None


def test_of_two_first_users_at_once_one_is_administrator(app: Flask, db: Database) -> None:
    def join(number: int) -> None:
        profile = Profile(str(new_id()), f"user{number}@example.com", None, invited=True)
        members.admit(db, profile, open_signup=False, load=principal_of)

    numbers = iter(range(8))
    assert at_once(8, lambda: join(next(numbers))) == [None] * 8
    assert sorted(roles(db).values()) == ["admin"] + ["viewer"] * 7


def test_one_user_with_many_requests_at_once_is_one_member(app: Flask, db: Database, sandbox: Sandbox) -> None:
    token = somebody(sandbox, "anna@example.com", invited=True)
    assert at_once(8, lambda: call(app, token)) == [(200, None)] * 8
    profile = Profile(str(new_id()), "ben@example.com", None, invited=True)
    at_once(8, lambda: members.admit(db, profile, open_signup=False, load=principal_of))
    with db.reading() as session:
        assert session.execute(select(func.count()).select_from(User)).scalar_one() == 2


def test_whoever_is_not_a_member_stays_out_of_the_database(app: Flask, db: Database) -> None:
    with pytest.raises(NotAMember):
        members.admit(db, Profile(str(new_id()), None, None, invited=False), open_signup=False, load=principal_of)
    assert (roles(db), actions(db)) == ({}, [])


# --- while Supabase is away --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["hang", "status", "close_after"])
def test_members_work_on_and_newcomers_are_asked_to_come_back(app: Flask, sandbox: Sandbox, fault: str) -> None:
    anna = somebody(sandbox, "anna@example.com", invited=True)
    ben = somebody(sandbox, "ben@example.com", invited=True)
    assert call(app, anna) == (200, None)
    sandbox.fault("supabase", fault)
    assert [call(app, anna) for _ in range(20)] == [(200, None)] * 20
    assert call(app, sandbox.supabase.mint("anna@example.com")) == (200, None)  # with another token as well
    response = app.test_client().get("/accounts", headers={"Authorization": f"Bearer {ben}"})
    assert (response.status_code, response.json["code"]) == (503, "identity_unavailable")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    sandbox.clear_faults()
    SUPABASE.breaker.reset()
    later = sandbox.supabase.mint("ben@example.com")
    assert call(app, later) == (200, None)


def test_a_process_that_starts_during_an_outage_cannot_tell_who_anybody_is(
    app: Flask, sandbox: Sandbox, supabase_config: Config
) -> None:
    token = somebody(sandbox, "anna@example.com", invited=True)
    assert call(app, token) == (200, None)
    sandbox.fault("supabase", "status", code=503)
    for other in opened(supabase_config):
        assert call(other, token) == (503, "identity_unavailable")
        assert call(other, "nonsense") == (401, "invalid_token")


def test_a_key_taken_out_signs_out_whoever_it_signed_in_and_nobody_else(app: Flask, sandbox: Sandbox) -> None:
    old = somebody(sandbox, "anna@example.com", invited=True)
    assert call(app, old) == (200, None)
    sandbox.supabase.rotate(remove_old=True)
    assert call(app, sandbox.supabase.mint("anna@example.com")) == (200, None)
    assert call(app, old) == (401, "invalid_token")


def test_no_token_is_in_the_log_of_all_that(app: Flask, sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    tokens = [somebody(sandbox, "anna@example.com", invited=True), somebody(sandbox, "ben@example.com")]
    tokens += [sandbox.supabase.mint("anna@example.com", **bad) for bad in ({"foreign": True}, {"expires_in": -60})]
    for fault in (None, "status", "html_200"):
        if fault:
            sandbox.fault("supabase", fault)
        for token in [*tokens, sandbox.supabase.mint("ben@example.com")]:
            call(app, token)
    written = " ".join(str(vars(record)) for record in caplog.records)
    assert "upstream call" in written
    assert not any(piece in written for token in tokens for piece in token.split(".")[1:])


# --- the profile in a user object --------------------------------------------------------------------------------

ID = "0b9f3a62-9d0c-4b8e-8f0e-3f3f3c1d2a10"


@pytest.mark.parametrize(
    "user",
    [
        {"id": "11111111-1111-1111-1111-111111111111"},
        {"id": "anna"},
        {"id": ID, "banned_until": "2100-01-01T00:00:00Z"},
        {"id": ID, "banned_until": "forever"},
        {"id": ID, "banned_until": 1},
        {"id": ID, "is_anonymous": True},
        {"id": ID, "is_anonymous": "true"},
    ],
)
def test_somebody_else_s_profile_and_that_of_whoever_is_out_is_refused(user: dict[str, Any]) -> None:
    with pytest.raises(InvalidCredentials):
        profiles.of_user(user, Claims(ID, 0.0), now=1_800_000_000.0)


@pytest.mark.parametrize("until", [None, "", "2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00+02:00"])
def test_a_ban_that_is_over_is_none(until: str | None) -> None:
    user = {"id": ID.upper(), "banned_until": until, "email": 7, "app_metadata": None, "invited_at": None}
    profile = profiles.of_user(user, Claims(ID, 0.0), now=1_800_000_000.0)
    assert profile == Profile(ID, None, None, invited=False)
