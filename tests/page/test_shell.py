"""Shells: who is let in, what they are given with the first answer, and what it costs."""

from __future__ import annotations

import gzip
import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox.auth.access import Grant, Role
from inbox.db import Database
from inbox.page.assets import STATIC
from inbox.page.routes import SECTIONS
from inbox.runtime import Runtime
from tests.auth.people import local_user, session_of
from tests.builders import ingest, text_message, the_account, the_conversation, webhook
from tests.page.pages import boot_of, browser
from tests.queries import asked
from tests.users.people import another_account
from tests.waiting import wait_until

UNKNOWN = "019a8f3e-2f5c-7c11-9a55-8a2c3d4e5f60"


@pytest.fixture
def session(db: Database) -> str:
    return session_of(db, local_user(db, "amina@example.com", [Grant(Role.MANAGER)], password=None).id)


@pytest.fixture
def amina(app: Flask, session: str) -> FlaskClient:
    return browser(app, session)


def many(runtime: Runtime, conversations: int, messages: int) -> None:
    """As many, all different, the first customer's messages the newest."""
    said = "Good morning, do you have rye bread left for Saturday, and until when are you open?"
    batch = [
        text_message(f"{said} {n}.{k}", wa_id=f"wamid.{n}.{k}", phone=f"336{n:08}", at=1_780_000_000 + k * 60 - n)
        for n in range(conversations)
        for k in range(messages if n == 0 else 1)
    ]
    people = [{"profile": {"name": f"Customer {n}"}, "wa_id": f"336{n:08}"} for n in range(conversations)]
    ingest(runtime, webhook(messages=batch, contacts=people))


# --- who is let in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ("/inbox", "/sign-in"),
        ("/inbox?needs_human=true", "/sign-in?next=%2Finbox%3Fneeds_human%3Dtrue"),
        (f"/inbox/{UNKNOWN}", f"/sign-in?next=%2Finbox%2F{UNKNOWN}"),
    ],
)
def test_a_browser_that_is_not_signed_in_is_led_to_the_form_and_back(app: Flask, path: str, to: str) -> None:
    response = browser(app).get(path)
    assert (response.status_code, response.headers["Location"]) == (303, to)


def test_a_program_is_told_in_json(stranger: FlaskClient) -> None:
    response = stranger.get("/inbox")
    assert (response.status_code, response.mimetype) == (401, "application/problem+json")


def test_an_ended_session_leads_to_the_form_and_is_forgotten(app: Flask) -> None:
    response = browser(app, "inbox_session_" + "x" * 43).get("/inbox")
    assert (response.status_code, response.headers["Location"]) == (303, "/sign-in")
    assert "Max-Age=0" in response.headers["Set-Cookie"]


def test_the_root_leads_people_to_the_inbox_and_programs_to_the_description(app: Flask, stranger: FlaskClient) -> None:
    person = browser(app).get("/")
    assert (person.status_code, person.headers["Location"]) == (303, "/inbox")
    assert stranger.get("/").json["openapi"] == "/openapi.json"


# --- what it tells -----------------------------------------------------------------------------------------------


def test_the_data_is_what_the_api_tells(runtime: Runtime, db: Database, amina: FlaskClient) -> None:
    many(runtime, 60, 3)
    account = the_account(db).id
    listed = amina.get(f"/conversations?account_id={account}&limit=50")
    opened = listed.json[7]["id"]
    boot = boot_of(amina.get(f"/inbox/{opened}"))
    me = amina.get("/auth/me").json
    without = {"csrf_token"}
    assert {k: v for k, v in boot["me"].items() if k not in without} == {
        k: v for k, v in me.items() if k not in without
    }
    assert boot["account_id"] == boot["accounts"][0]["id"] == str(account)
    assert boot["settings"]["confirm_window_seconds"] == runtime.config.confirm_window
    assert boot["conversations"]["rows"] == listed.json
    assert boot["conversation"] == listed.json[7]
    assert boot["thread"]["rows"] == amina.get(f"/messages/{opened}").json
    assert boot["counts"] == amina.get(f"/changes?account_id={account}").json["counts"]
    following = amina.get(boot["conversations"]["next"])
    assert [row["id"] for row in following.json] == [
        row["id"] for row in amina.get(listed.headers["Link"][1:].split(">")[0]).json
    ]


def test_the_position_is_from_before_the_lists_were_read(runtime: Runtime, db: Database, amina: FlaskClient) -> None:
    many(runtime, 3, 1)
    boot = boot_of(amina.get("/inbox"))
    many(runtime, 4, 1)
    ask = f"/changes?account_id={boot['account_id']}&since={boot['position']}"
    # What a process has seen of an account holds for a moment, so the change may be told by the next answer.
    told = wait_until(lambda: amina.get(ask).get_json(silent=True), "the change to be told")
    assert "Customer 3" in [row["contacts"]["display_name"] for row in told["conversations"]]


def test_older_messages_have_an_address(runtime: Runtime, db: Database, amina: FlaskClient) -> None:
    many(runtime, 1, 70)
    thread = boot_of(amina.get(f"/inbox/{the_conversation(db).id}"))["thread"]
    assert len(thread["rows"]) == 50
    assert len(amina.get(thread["older"]).json) == 20


def test_filters_of_the_address_hold_for_the_first_rows_and_nonsense_is_overlooked(
    runtime: Runtime, amina: FlaskClient
) -> None:
    many(runtime, 3, 1)
    assert len(boot_of(amina.get("/inbox"))["conversations"]["rows"]) == 3
    filtered = boot_of(amina.get("/inbox?needs_human=true"))["conversations"]
    assert (filtered["rows"], filtered["query"]["needs_human"]) == ([], True)
    nonsense = boot_of(amina.get("/inbox?needs_human=perhaps&limit=9999&utm_source=x"))["conversations"]
    assert len(nonsense["rows"]) == 3


def test_the_number_is_the_one_asked_for_or_the_last_one(db: Database, amina: FlaskClient) -> None:
    first, second = str(the_account(db).id), str(another_account(db))
    assert boot_of(amina.get("/inbox"))["account_id"] == first
    assert boot_of(amina.get(f"/inbox?account_id={second}"))["account_id"] == second
    amina.set_cookie("inbox_account", second)
    assert boot_of(amina.get("/inbox"))["account_id"] == second
    amina.set_cookie("inbox_account", UNKNOWN)
    assert boot_of(amina.get("/inbox"))["account_id"] == first


def test_what_a_customer_writes_ends_no_block(runtime: Runtime, amina: FlaskClient) -> None:
    text = "</script><script>alert(1)</script><!--"
    ingest(runtime, webhook(messages=[text_message(text)]))
    response = amina.get("/inbox")
    assert "<script>alert" not in response.text
    assert boot_of(response)["conversations"]["rows"][0]["last_message"] == text


def test_a_reader_of_one_number_sees_nothing_of_others(app: Flask, runtime: Runtime, db: Database) -> None:
    many(runtime, 2, 1)
    other = another_account(db)
    viewer = local_user(db, "viewer@example.com", [Grant(Role.VIEWER, other)], password=None)
    theirs = browser(app, session_of(db, viewer.id))
    boot = boot_of(theirs.get(f"/inbox?account_id={the_account(db).id}"))
    assert [row["id"] for row in boot["accounts"]] == [str(other)]
    assert boot["conversations"]["rows"] == []


def test_the_token_in_a_shell_is_another_one_each_time_and_each_is_good(
    runtime: Runtime, db: Database, amina: FlaskClient
) -> None:
    many(runtime, 1, 1)
    tokens = [boot_of(amina.get("/inbox"))["csrf"] for _ in range(2)]
    assert tokens[0] != tokens[1]
    path, body = f"/conversations/{the_conversation(db).id}/favorite", {"favorite": True}
    for token in tokens:
        assert amina.post(path, json=body, headers={"X-CSRF-Token": token}).status_code == 200
    for wrong in (tokens[0][:-1], "0" + tokens[0], tokens[0][16:], "", "x" * 80):
        assert amina.post(path, json=body, headers={"X-CSRF-Token": wrong}).status_code == 403


# --- what it costs -----------------------------------------------------------------------------------------------


def test_a_shell_reads_the_database_few_times(
    runtime: Runtime, db: Database, amina: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.live.watcher.LOOK_EVERY", 0.0)  # whether an earlier look still holds is no matter here
    many(runtime, 60, 60)
    opened = next(row for row in boot_of(amina.get("/inbox"))["conversations"]["rows"] if "0" in row["client_number"])
    with asked(db) as list_alone:
        boot_of(amina.get("/inbox"))
    with asked(db) as with_thread:
        boot_of(amina.get(f"/inbox/{opened['id']}"))
    # Three of them all callers of a process share: the look at what is newest, for a quarter of a second, and that at
    # how the upstreams stand, for two seconds.
    assert len(reads(list_alone)) <= 3 + 3, list_alone
    assert len(reads(with_thread)) <= 3 + 7, with_thread


#: Read anew once a second, for all requests of a caller.
_IDENTITY = ("FROM users", "FROM role_grants", "FROM roles", "FROM permission_overrides", "FROM user_sessions")


def reads(statements: list[str]) -> list[str]:
    """What is read of the database besides who is calling."""
    asked = [each for each in statements if each.lstrip().upper().startswith(("SELECT", "WITH"))]
    return [each for each in asked if not any(table in each for table in _IDENTITY)]


def test_a_full_shell_is_small(runtime: Runtime, amina: FlaskClient) -> None:
    many(runtime, 60, 60)
    row = next(r for r in boot_of(amina.get("/inbox"))["conversations"]["rows"] if r["client_number"] == "33600000000")
    packed = amina.get(f"/inbox/{row['id']}", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert boot_of_packed(packed.data)
    assert len(packed.data) <= 8_850  # a few bytes either way are the random part of sixty identifiers


def boot_of_packed(data: bytes) -> bool:
    return b'id="boot"' in gzip.decompress(data)


# --- errors, for people ------------------------------------------------------------------------------------------


def test_an_error_is_a_page_for_people_in_their_language(app: Flask, session: str) -> None:
    for language, words in (("en-GB,fr;q=0.9", "There is nothing here."), ("fr-CH,en;q=0.8", "Il n’y a rien ici.")):
        response = browser(app, session, language).get("/nowhere")
        assert (response.status_code, response.mimetype) == (404, "text/html")
        assert words in response.text
        assert response.headers["X-Request-Id"] in response.text


def test_a_conversation_that_is_not_there_says_so(amina: FlaskClient) -> None:
    response = amina.get(f"/inbox/{UNKNOWN}")
    assert (response.status_code, response.mimetype) == (404, "text/html")
    assert "This conversation is not here." in response.text


def test_a_page_that_is_not_there_says_so_in_the_language_that_its_reader_chose(amina: FlaskClient) -> None:
    told = {"Accept": "application/json", "X-CSRF-Token": boot_of(amina.get("/inbox/"))["csrf"]}
    assert amina.patch("/auth/me", json={"preferences": {"language": "fr"}}, headers=told).status_code == 200
    for path in ("/nowhere", "/settings/bananas"):
        response = amina.get(path)
        assert response.status_code == 404
        assert '<html lang="fr"' in response.text


def test_every_part_of_the_settings_has_its_address() -> None:
    named = re.findall(r'\{ id: "([a-z-]+)"', (STATIC / "settings" / "sections.js").read_text())
    assert tuple(named) == SECTIONS


def test_calls_of_the_page_get_json_whatever_happens(amina: FlaskClient) -> None:
    for accept in ("*/*", "application/json", "application/json, text/plain, */*"):
        response = amina.get("/nowhere", headers={"Accept": accept})
        assert response.mimetype == "application/problem+json"


def test_while_the_database_is_away_a_page_says_so_and_comes_back(
    app: Flask, amina: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inbox.errors import DatabaseUnavailable
    from inbox.page import shell

    def away(*_: object) -> object:
        raise DatabaseUnavailable(retry_after=7)

    monkeypatch.setattr(shell, "inbox_boot", away)
    response = amina.get("/inbox")
    assert (response.status_code, response.mimetype) == (503, "text/html")
    assert '<meta http-equiv="refresh" content="7">' in response.text
    assert response.headers["Retry-After"] == "7"


def test_pages_have_the_strict_policy_and_are_kept_by_nobody(amina: FlaskClient) -> None:
    for path in ("/inbox", "/nowhere", "/sign-in?next=/inbox"):
        response = amina.get(path)
        if response.status_code == 303:
            continue
        policy = response.headers["Content-Security-Policy"]
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert response.headers["Cache-Control"] == "private, no-store"
