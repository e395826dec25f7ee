"""Dead letters over HTTP: what could not be stored is seen, and tried again once what was wrong is mended."""

from __future__ import annotations

import base64
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from inbox.auth.access import Override, Permission
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import Account, DeadLetter, EventState, WebhookEvent
from inbox.runtime import Runtime, crews_of
from inbox.webhooks.replay import event_id
from tests.builders import (
    all_messages,
    dead_letters,
    ingest,
    text_message,
    the_account,
    the_conversation,
    webhook,
)
from tests.users.people import another_account, as_user, entries, member, pointers, refusal

NOBODY = uuid.UUID(int=9)
STRANGE = "300000000000009"  # a phone_number_id that is not ours yet


def add_number(db: Database) -> None:
    """What an operator does after seeing the reason."""
    account_id = another_account(db)
    with db.writing() as session:
        session.execute(update(Account).where(Account.id == account_id).values(phone_number_id=STRANGE))


def a_letter(runtime: Runtime, *, wa_id: str = "wamid.1") -> DeadLetter:
    """A message to a number nobody has added."""
    ingest(runtime, webhook(number_id=STRANGE, messages=[text_message("hello", wa_id=wa_id)]))
    return dead_letters(runtime.db)[-1]


def terms(db: Database) -> tuple[int, ...]:
    """Of I13, over all events: items, stored, duplicates, dead; and how many dead letters there are."""
    names = WebhookEvent.items, WebhookEvent.stored, WebhookEvent.duplicates, WebhookEvent.dead
    with db.reading() as session:
        sums = session.execute(select(*(func.coalesce(func.sum(each), 0) for each in names))).one()
        letters = session.execute(select(func.count(DeadLetter.id))).scalar_one()
        open_ = session.execute(select(func.count()).where(WebhookEvent.state != EventState.DONE)).scalar_one()
    assert open_ == 0
    items, stored, duplicates, dead = map(int, sums)
    assert items == stored + duplicates + dead, "I13"
    assert dead == letters, "I13: a dead letter is missing"
    return items, stored, duplicates, dead


# --- seeing ------------------------------------------------------------------------------------------------------


def test_a_dead_letter_is_listed_without_what_it_holds(client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    response = client.get("/admin/dead-letters")
    (row,) = response.json
    assert row == {
        "id": str(letter.id),
        "event_id": str(letter.event_id),
        "reason": "unknown_phone_number_id",
        "detail": letter.detail,
        "at": row["at"],
        "replayed_at": None,
        "size": len(letter.raw),
    }
    assert "hello" not in response.text


def test_one_dead_letter_is_shown_with_what_it_holds(client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    row = client.get(f"/admin/dead-letters/{letter.id}").json
    message = row["content"]["entry"][0]["changes"][0]["value"]["messages"][0]
    assert (message["text"]["body"], row["content_base64"], row["size"]) == ("hello", None, len(letter.raw))


DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (b'{"a": "\\ud800 \\u0000"}', {"a": "\ufffd \ufffd"}),
        (b"[NaN, 1e999]", [None, None]),
        (b"\xff\x00", None),
        (b"", None),
        (DEEP, None),
        (b"null", None),
    ],
)
def test_whatever_it_holds_can_be_shown(client: FlaskClient, db: Database, raw: bytes, content: Any) -> None:
    with db.writing() as session:
        letter = DeadLetter(id=new_id(), reason="failed", detail="", raw=raw, at=utc_now())
        session.add(letter)
    response = client.get(f"/admin/dead-letters/{letter.id}")
    assert response.status_code == 200
    assert response.json["content"] == content
    encoded = response.json["content_base64"]
    if content is None and raw != b"null":
        assert base64.b64decode(encoded) == raw
    else:
        assert encoded is None


def test_customers_words_are_for_those_who_may_read_messages(app: Flask, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    operator = member(runtime.db, "op@example.com", overrides=[Override(Permission.ROLES_MANAGE, True)])
    browser = as_user(app, operator)
    assert browser.get("/admin/dead-letters").status_code == 200
    assert refusal(browser.get(f"/admin/dead-letters/{letter.id}")) == (403, "permission_denied")
    assert browser.post(f"/admin/dead-letters/{letter.id}/replay").status_code == 200


def test_dead_letters_can_be_narrowed_and_paged(client: FlaskClient, runtime: Runtime, db: Database) -> None:
    for number in range(3):
        a_letter(runtime, wa_id=f"wamid.{number}")
    ingest(runtime, webhook(messages=[{"type": "text"}]))
    with db.writing() as session:
        session.execute(update(DeadLetter).values(at=utc_now()))
    newest = [str(letter.id) for letter in dead_letters(db)][::-1]
    client.post(f"/admin/dead-letters/{newest[0]}/replay")

    def found(query: str) -> list[str]:
        return [row["id"] for row in client.get(f"/admin/dead-letters?{query}").json]

    assert found("") == newest
    assert found("reason=no_message_id") == newest[:1]
    assert found("replayed=true") == newest[:1]
    assert found("replayed=false") == newest[1:]
    page = client.get("/admin/dead-letters?limit=3")
    rest = client.get(page.headers["Link"].partition(">")[0].lstrip("<"))
    assert [row["id"] for row in [*page.json, *rest.json]] == newest


# --- replaying ---------------------------------------------------------------------------------------------------


def test_a_replayed_message_is_stored_as_if_it_had_just_come(client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    assert terms(runtime.db) == (1, 0, 0, 1)
    add_number(runtime.db)
    done = client.post(f"/admin/dead-letters/{letter.id}/replay")
    assert (done.status_code, done.json["status"], done.json["dead_letter_id"]) == (200, "ok", None)
    ingest(runtime)
    assert [message.content_text for message in all_messages(runtime.db)] == ["hello"]
    assert the_conversation(runtime.db).unread_count == 1
    assert terms(runtime.db) == (2, 1, 0, 1)
    (row,) = client.get("/admin/dead-letters?replayed=true").json
    assert row["replayed_at"] == done.json["replayed_at"]


def test_a_message_without_a_time_takes_its_place_by_when_it_came(client: FlaskClient, runtime: Runtime) -> None:
    message = text_message("hello")
    del message["timestamp"]
    ingest(runtime, webhook(number_id=STRANGE, messages=[message]))
    (letter,) = dead_letters(runtime.db)
    add_number(runtime.db)
    client.post(f"/admin/dead-letters/{letter.id}/replay")
    ingest(runtime)
    assert [each.timestamp for each in all_messages(runtime.db)] == [letter.at]


def test_replaying_again_changes_nothing_and_answers_the_same(client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    add_number(runtime.db)
    url = f"/admin/dead-letters/{letter.id}/replay"
    first = client.post(url).json
    assert client.post(url).json == first
    ingest(runtime)
    assert client.post(url).json == first
    ingest(runtime)
    assert terms(runtime.db) == (2, 1, 0, 1)
    assert [entry.action for entry in entries(runtime.db)].count("dead_letter.replayed") == 1


def test_a_message_that_was_stored_meanwhile_stays_one(client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    add_number(runtime.db)
    ingest(runtime, webhook(number_id=STRANGE, messages=[text_message("hello")]))  # WhatsApp's repeat
    client.post(f"/admin/dead-letters/{letter.id}/replay")
    ingest(runtime)
    assert len(all_messages(runtime.db)) == 1
    assert the_conversation(runtime.db).unread_count == 1
    assert terms(runtime.db) == (3, 1, 1, 1)


def test_what_fails_again_is_a_new_dead_letter_that_can_be_replayed(client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    url = f"/admin/dead-letters/{letter.id}/replay"
    first = client.post(url).json
    ingest(runtime)
    newer = dead_letters(runtime.db)[-1]
    assert str(newer.event_id) == first["event_id"]
    assert client.post(url).json == {**first, "dead_letter_id": str(newer.id)}
    add_number(runtime.db)
    assert client.post(f"/admin/dead-letters/{newer.id}/replay").json["dead_letter_id"] is None
    ingest(runtime)
    assert len(all_messages(runtime.db)) == 1
    assert terms(runtime.db) == (3, 1, 0, 2)


def test_many_replays_at_the_same_moment_make_one_webhook(app: Flask, client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    add_number(runtime.db)
    start, answers = threading.Barrier(4), []

    def replay() -> None:
        mine = app.test_client()
        start.wait()
        headers = {"Authorization": client.environ_base["HTTP_AUTHORIZATION"]}
        answers.append(mine.post(f"/admin/dead-letters/{letter.id}/replay", headers=headers).json)

    threads = [threading.Thread(target=replay) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer == answers[0] for answer in answers)
    ingest(runtime)
    assert terms(runtime.db) == (2, 1, 0, 1)


def test_a_letter_of_a_webhook_long_gone_can_be_replayed(client: FlaskClient, runtime: Runtime) -> None:
    letter = a_letter(runtime)
    add_number(runtime.db)
    with runtime.db.writing() as session:
        session.execute(WebhookEvent.__table__.delete())
    assert client.post(f"/admin/dead-letters/{letter.id}/replay").status_code == 200
    ingest(runtime)
    assert len(all_messages(runtime.db)) == 1


@given(st.uuids(), st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(9000, 1, 1)))
def test_the_webhook_of_a_replay_has_an_id_in_order_of_time(letter_id: uuid.UUID, at: datetime) -> None:
    moment = at.replace(tzinfo=UTC)
    made = event_id(letter_id, moment)
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(moment.timestamp() * 1000)
    assert made == event_id(letter_id, moment)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "cursor=x", "replayed=perhaps", f"reason={'x' * 65}", "q=a"])
def test_a_bad_query_names_its_field(client: FlaskClient, query: str) -> None:
    assert pointers(client.get(f"/admin/dead-letters?{query}")) == ["?" + query.partition("=")[0]]


def test_an_unknown_dead_letter_is_404(client: FlaskClient, runtime: Runtime) -> None:
    for unknown in (NOBODY, the_account(runtime.db).id):
        assert refusal(client.get(f"/admin/dead-letters/{unknown}")) == (404, "dead_letter_not_found")
        assert refusal(client.post(f"/admin/dead-letters/{unknown}/replay")) == (404, "dead_letter_not_found")


# --- many at once ------------------------------------------------------------------------------------------------


def test_many_are_replayed_by_one_call_and_those_with_another_reason_are_left(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.webhooks.replay.AT_ONCE", 2)
    monkeypatch.setattr("inbox.operations.dead_letters.service.AT_ONCE", 2)
    for number in range(3):
        a_letter(runtime, wa_id=f"wamid.{number}")
    ingest(runtime, b"[]")
    add_number(runtime.db)
    answers = [
        client.post("/admin/dead-letters/replay", json={"reason": "unknown_phone_number_id"}).json for _ in range(2)
    ]
    assert answers == [
        {"dead_letters": 2, "failed_webhooks": 0, "more": True},
        {"dead_letters": 1, "failed_webhooks": 0, "more": False},
    ]
    ingest(runtime)
    assert len(all_messages(runtime.db)) == 3
    assert [entry.action for entry in entries(runtime.db)].count("dead_letters.replayed") == 2


def test_webhooks_that_were_set_aside_whole_are_read_again(client: FlaskClient, runtime: Runtime) -> None:
    ingest(runtime, webhook(messages=[text_message()]))
    with runtime.db.writing() as session:
        session.execute(update(WebhookEvent).values(state=EventState.FAILED))
    done = client.post("/admin/dead-letters/replay", json={}).json
    assert done == {"dead_letters": 0, "failed_webhooks": 1, "more": False}
    assert ingest(runtime).counts["duplicates"] == 1


def test_adding_a_number_takes_in_what_came_for_it_before(runtime: Runtime) -> None:
    for number in range(3):
        a_letter(runtime, wa_id=f"wamid.{number}")
    ingest(runtime, webhook(number_id="300000000000008", messages=[text_message(wa_id="wamid.other")]))
    crews_of(runtime).housekeeping.receipts(1)
    add_number(runtime.db)
    crews = crews_of(runtime)  # as if five seconds had passed
    crews.housekeeping.receipts(1)
    ingest(runtime)
    assert len(all_messages(runtime.db)) == 3
    assert len([letter for letter in dead_letters(runtime.db) if letter.replayed_at is None]) == 1


def test_the_command_replays_all(runtime: Runtime, app: Flask) -> None:
    a_letter(runtime)
    add_number(runtime.db)
    done = app.test_cli_runner().invoke(args=["dead-letters", "replay"])
    assert (done.exit_code, done.output) == (
        0,
        "1 dead letter and 0 webhooks are put back; a dispatcher reads them.\n",
    )
