"""Signing in and out, the session cookie, and writes that another site could have asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from inbox.auth.access import Grant, Override, Permission, Role
from inbox.auth.passwords import set_password
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.models import User, UserSession
from inbox.resilience import Bulkhead, Verdict
from inbox.runtime import runtime_of
from inbox.users.sign_in import service
from tests.auth.people import PASSWORD, local_user
from tests.builders import ingest, text_message, the_account, the_conversation, webhook
from tests.users.people import entries, held

EMAIL = "anna@example.com"
HTTPS = "https://localhost"


@pytest.fixture
def anna(db: Database) -> User:
    return local_user(db, EMAIL, [Grant(Role.MANAGER)])


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def sign_in(browser: FlaskClient, email: str = EMAIL, password: str = PASSWORD) -> str:
    """The CSRF token of the new session, whose cookie the browser keeps."""
    response = browser.post("/auth/login", json={"email": email, "password": password})
    assert response.status_code == 200, response.json
    return str(response.json["user"]["csrf_token"])


def refused(response: object) -> tuple[int, str]:
    return response.status_code, response.json["code"]  # type: ignore[attr-defined]


# --- signing in --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("anna")
def test_a_session_is_given_as_a_cookie_and_as_a_token(app: Flask, browser: FlaskClient) -> None:
    response = browser.post("/auth/login", json={"email": " Anna@Example.com ", "password": PASSWORD})
    cookie = response.headers["Set-Cookie"]
    assert response.json["token"] in cookie
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=604800"))
    assert browser.get("/auth/me").json["email"] == EMAIL
    program = app.test_client()
    header = {"Authorization": f"Bearer {response.json['token']}"}
    assert program.get("/auth/me", headers=header).json["csrf_token"] is None
    assert program.post("/auth/logout", headers=header).status_code == 200
    assert refused(program.get("/auth/me", headers=header)) == (401, "invalid_token")


@pytest.mark.usefixtures("anna")
def test_the_token_is_stored_as_a_hash(browser: FlaskClient, db: Database) -> None:
    token = browser.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}).json["token"]
    with db.reading() as session:
        (row,) = session.execute(select(UserSession)).scalars()
    assert token not in (row.hash, str(row.id))
    assert len(row.hash) == 64


@pytest.mark.usefixtures("anna")
def test_over_tls_the_cookie_is_bound_to_the_host(browser: FlaskClient) -> None:
    response = browser.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}, base_url=HTTPS)
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("__Host-inbox_session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie
    assert browser.get("/auth/me", base_url=HTTPS).status_code == 200


@pytest.mark.parametrize(
    ("email", "password"),
    [
        (EMAIL, "correct horse battery stapl"),
        ("nobody@example.com", PASSWORD),
        ("nobody@example.com", "x"),
        ("@@@", "\t"),
    ],
)
@pytest.mark.usefixtures("anna")
def test_a_wrong_name_and_a_wrong_password_look_the_same(browser: FlaskClient, email: str, password: str) -> None:
    response = browser.post("/auth/login", json={"email": email, "password": password})
    assert refused(response) == (401, "wrong_password")
    assert "Set-Cookie" not in response.headers


def test_six_people_who_sign_in_at_the_same_moment_are_all_let_in(app: Flask, db: Database) -> None:
    emails = [f"person{n}@example.com" for n in range(6)]
    for email in emails:
        local_user(db, email, [])
    with ThreadPoolExecutor(6) as pool:
        codes = list(pool.map(lambda email: _login(app, email), emails))
    assert codes == [200] * 6


def _login(app: Flask, email: str) -> int:
    return app.test_client().post("/auth/login", json={"email": email, "password": PASSWORD}).status_code


def test_an_invited_user_without_a_password_cannot_sign_in_with_one(browser: FlaskClient, db: Database) -> None:
    user = local_user(db, EMAIL, [Grant(Role.VIEWER)])
    with db.writing() as session:
        session.execute(update(User).where(User.id == user.id).values(password_hash=None))
    assert refused(browser.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})) == (401, "wrong_password")


def test_a_disabled_user_is_refused_at_once(browser: FlaskClient, anna: User, app: Flask) -> None:
    runtime = runtime_of(app)
    sign_in(browser)
    with runtime.db.writing() as session:
        session.execute(update(User).where(User.id == anna.id).values(disabled_at=utc_now()))
    runtime.identities.forget()  # as the route does that disables
    assert refused(browser.get("/auth/me")) == (403, "user_disabled")
    assert refused(browser.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})) == (403, "user_disabled")


def test_a_new_password_ends_all_sessions(browser: FlaskClient, anna: User, app: Flask) -> None:
    runtime = runtime_of(app)
    sign_in(browser)
    with runtime.db.writing() as session:
        set_password(session, session.get_one(User, anna.id), "another long password", utc_now())
    assert refused(browser.get("/auth/me")) == (401, "invalid_token")
    sign_in(browser, password="another long password")


def test_a_session_ends_after_its_days_and_is_thrown_away(browser: FlaskClient, anna: User, db: Database) -> None:
    sign_in(browser)
    with db.writing() as session:
        session.execute(update(UserSession).values(expires_at=utc_now() - timedelta(seconds=1)))
    assert refused(browser.get("/auth/me")) == (401, "invalid_token")
    sign_in(browser)
    with db.reading() as session:
        assert len(session.execute(select(UserSession)).all()) == 1


# --- who am I ----------------------------------------------------------------------------------------------------


def test_me_says_who_and_what_they_may_do_where(browser: FlaskClient, db: Database) -> None:
    account = the_account(db).id
    local_user(
        db,
        EMAIL,
        [Grant(Role.VIEWER), Grant(Role.MANAGER, account)],
        overrides=[Override(Permission.CONTACTS_VIEW, allowed=False)],
    )
    csrf = sign_in(browser)
    me = browser.get("/auth/me").json
    assert (me["email"], me["kind"], me["csrf_token"]) == (EMAIL, "user", csrf)
    assert held("viewer") in me["roles"]
    assert held("manager", account) in me["roles"]
    assert me["permissions"] == {
        "global": ["accounts.view", "conversations.view", "messages.view"],
        "accounts": {str(account): ["accounts.view", "conversations.view", "messages.send", "messages.view"]},
    }


def test_a_key_is_told_the_same(client: FlaskClient) -> None:
    me = client.get("/auth/me").json
    assert (me["kind"], me["name"], me["csrf_token"]) == ("key", "Test admin", None)
    assert me["permissions"]["global"] == sorted(Permission)


# --- writes with a cookie ----------------------------------------------------------------------------------------


@pytest.fixture
def conversation(app: Flask) -> UUID:
    runtime = runtime_of(app)
    ingest(runtime, webhook(messages=[text_message()]))
    return the_conversation(runtime.db).id


@pytest.mark.usefixtures("anna")
def test_a_write_with_a_cookie_needs_the_csrf_token(browser: FlaskClient, conversation: UUID) -> None:
    csrf = sign_in(browser)
    url = f"/conversations/{conversation}/favorite"

    def write(headers: dict[str, str]) -> int:
        return browser.post(url, json={"favorite": True}, headers=headers).status_code

    assert refused(browser.post(url, json={"favorite": True})) == (403, "csrf_failed")
    assert write({"X-CSRF-Token": "0" * 64}) == 403
    assert write({"X-CSRF-Token": csrf[:-1]}) == 403
    assert write({"X-CSRF-Token": csrf, "Sec-Fetch-Site": "cross-site"}) == 403
    assert write({"X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-site"}) == 403
    assert browser.get(f"/conversations/{conversation}").json["is_favorite"] is False
    assert write({"X-CSRF-Token": csrf, "Sec-Fetch-Site": "same-origin"}) == 200
    assert write({"X-CSRF-Token": csrf}) == 200


@pytest.mark.usefixtures("anna")
def test_the_csrf_token_of_one_session_is_not_good_for_another(app: Flask, conversation: UUID) -> None:
    mine, theirs = app.test_client(), app.test_client()
    csrf, _ = sign_in(mine), sign_in(theirs)
    response = theirs.post(f"/conversations/{conversation}/read", headers={"X-CSRF-Token": csrf})
    assert refused(response) == (403, "csrf_failed")


@pytest.mark.usefixtures("anna")
def test_every_write_route_asks_a_cookie_for_the_csrf_token(app: Flask, browser: FlaskClient) -> None:
    sign_in(browser)
    asked = 0
    for rule in app.url_map.iter_rules():
        decision = app.view_functions[rule.endpoint].decision  # type: ignore[attr-defined]
        path = rule.rule
        for argument in rule.arguments:
            path = path.replace(f"<uuid:{argument}>", str(UUID(int=9))).replace(f"<{argument}>", "x")
        for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH", "DELETE"}):
            if not decision.startswith("public"):
                response = browser.open(path, method=method, json={})
                assert (path, *refused(response)) == (path, 403, "csrf_failed")
                asked += 1
    assert asked > 10


@pytest.mark.usefixtures("anna")
def test_a_header_beats_the_cookie(browser: FlaskClient, client: FlaskClient) -> None:
    sign_in(browser)
    authorization = client.environ_base["HTTP_AUTHORIZATION"]
    assert browser.get("/auth/me", headers={"Authorization": authorization}).json["kind"] == "key"
    assert refused(browser.get("/auth/me", headers={"Authorization": "Bearer nonsense"})) == (401, "invalid_token")


@pytest.mark.usefixtures("anna")
def test_signing_out_ends_the_session_and_the_cookie(browser: FlaskClient) -> None:
    csrf = sign_in(browser)
    assert refused(browser.post("/auth/logout")) == (403, "csrf_failed")
    response = browser.post("/auth/logout", headers={"X-CSRF-Token": csrf})
    assert "inbox_session=;" in response.headers["Set-Cookie"]
    assert refused(browser.get("/auth/me")) == (401, "missing_token")


def test_a_cookie_that_has_ended_is_taken_back(browser: FlaskClient) -> None:
    browser.set_cookie("inbox_session", "inbox_session_" + "x" * 43)
    response = browser.get("/auth/me")
    assert refused(response) == (401, "invalid_token")
    assert "inbox_session=;" in response.headers["Set-Cookie"]


# --- while the database is away ----------------------------------------------------------------------------------


def test_who_was_known_stays_known_while_the_database_is_away(config: Config, app: Flask, anna: User) -> None:
    runtime = runtime_of(app)
    browser, other = app.test_client(), app.test_client()
    sign_in(browser)
    sign_in(other)
    assert browser.get("/auth/me").status_code == 200
    for _ in range(config.database.breaker_failures):
        runtime.db.breaker.leave(runtime.db.breaker.enter(), Verdict.FAILURE, error=None)
    assert browser.get("/auth/me").json["email"] == EMAIL
    assert refused(other.get("/auth/me")) == (503, "database_timeout")
    assert refused(browser.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}))[0] == 503


# --- many at once, and strangers who guess -----------------------------------------------------------------------


def test_a_person_has_so_many_sessions_and_the_oldest_ends_first(
    app: Flask, db: Database, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_SESSIONS", 3)
    browsers = [app.test_client() for _ in range(5)]
    for browser in browsers:
        sign_in(browser)
    assert [browser.get("/auth/me").status_code for browser in browsers] == [401, 401, 200, 200, 200]
    with db.reading() as session:
        assert len(session.execute(select(UserSession).where(UserSession.user_id == anna.id)).all()) == 3


def test_strangers_who_take_every_place_keep_nobody_out_who_has_signed_in_from_here(
    browser: FlaskClient, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(browser)
    taken = Bulkhead("passwords", 1, line=0, patience=0.0)
    monkeypatch.setattr(service, "_CHECKS", taken)
    with taken.place("stranger"):
        new = browser.post("/auth/login", json={"email": EMAIL, "password": PASSWORD}, environ_base=elsewhere())
        assert (new.status_code, bool(new.headers["Retry-After"])) == (503, True)
        sign_in(browser, anna.email or "")


def elsewhere() -> dict[str, str]:
    return {"REMOTE_ADDR": "198.51.100.7"}


def test_administrators_are_told_of_strangers_who_lock_somebody_out(
    app: Flask, client: FlaskClient, anna: User, db: Database
) -> None:
    stranger = app.test_client()
    for _ in range(12):
        stranger.post("/auth/login", json={"email": EMAIL, "password": "x"}, environ_base=elsewhere())
    for _ in range(11):
        stranger.post(
            "/auth/login", json={"email": "nobody@example.com", "password": "x"}, environ_base={"REMOTE_ADDR": "::2"}
        )
    locked = [entry for entry in entries(db) if entry.action == "user.locked_out"]
    assert [(entry.target_id, entry.details) for entry in locked] == [(str(anna.id), {"address": "198.51.100.7"})]
    shown = client.get("/admin/audit-log", query_string={"action": "user.locked_out"}).json
    assert [(row["actor"]["name"], row["target_id"]) for row in shown] == [("sign-in", str(anna.id))]


@pytest.mark.parametrize("typed", ["ＡＮＮＡ@example.com", "anna@example.com.", "Anna@EXAMPLE.com"])
@pytest.mark.usefixtures("anna")
def test_another_spelling_of_the_address_signs_the_same_person_in(browser: FlaskClient, typed: str) -> None:
    sign_in(browser, typed)
    assert browser.get("/auth/me").json["email"] == EMAIL


# --- another password --------------------------------------------------------------------------------------------

NEW = "two loaves, well baked"


def change(browser: FlaskClient, token: str, current: str = PASSWORD, password: str = NEW) -> TestResponse:
    return browser.put(
        "/auth/password", json={"current": current, "password": password}, headers={"X-CSRF-Token": token}
    )


@pytest.mark.usefixtures("anna")
def test_one_changes_ones_password_and_goes_on_here_alone(app: Flask, browser: FlaskClient, db: Database) -> None:
    elsewhere = app.test_client()
    sign_in(elsewhere)
    token = sign_in(browser)
    assert browser.get("/auth/me").json["has_password"] is True
    changed = change(browser, token)
    assert changed.status_code == 200, changed.json
    assert browser.get("/auth/me").json["csrf_token"] == changed.json["user"]["csrf_token"] != token
    assert refused(elsewhere.get("/auth/me")) == (401, "invalid_token")
    assert refused(elsewhere.post("/auth/login", json={"email": EMAIL, "password": PASSWORD})) == (
        401,
        "wrong_password",
    )
    sign_in(elsewhere, password=NEW)
    assert entries(db)[-1].action == "user.password_changed"


@pytest.mark.usefixtures("anna")
def test_a_wrong_or_weak_password_changes_nothing(browser: FlaskClient) -> None:
    token = sign_in(browser)
    for given, pointer, code in (
        ({"current": "not this one"}, "/current", "password_wrong"),
        ({"password": "boulangerie1"}, "/password", "password_guessable"),
    ):
        answer = change(browser, token, **given)
        assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (400, pointer)
        assert answer.json["errors"][0]["code"] == code
    assert browser.get("/auth/me").status_code == 200
    sign_in(browser)


@pytest.mark.usefixtures("anna")
def test_a_password_is_not_guessed_by_changing_it(browser: FlaskClient) -> None:
    token = sign_in(browser)
    statuses = [change(browser, token, current=f"guess {number}").status_code for number in range(12)]
    assert statuses == [400] * 10 + [429] * 2
