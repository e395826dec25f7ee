"""`flask --app wsgi logs explain`: one message's road, from the database alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from inbox.accounts.changes import resume
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.models import Account, Incident, Pause
from inbox.operations.restored import after_restore
from inbox.outbox.outcomes import Accepted, PauseNumber, Refused, RetryLater, Unknown
from inbox.runtime import Runtime
from tests.builders import all_messages, ingest, text_message, the_conversation, webhook
from tests.outbox.world import World

Command = Callable[..., Result]
SECRET_TEXT = "the customer's own words"


@pytest.fixture
def explain(app: Flask, db: Database) -> Command:
    runner = app.test_cli_runner()
    return lambda id_: runner.invoke(args=["logs", "explain", id_])


def send(client: FlaskClient, runtime: Runtime, request_id: str | None = None) -> tuple[str, str]:
    """A reply of an agent's: its id, and the id of the request that wrote it."""
    body = {"conversation_id": str(the_conversation(runtime.db).id), "content": SECRET_TEXT, "client_key": new_id().hex}
    headers = {"X-Request-Id": request_id} if request_id else {}
    answer = client.post("/messages/send", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    return answer.json["message_id"], answer.headers["X-Request-Id"]


@pytest.fixture
def asked(runtime: Runtime) -> str:
    """WhatsApp's id of a customer's message."""
    ingest(runtime, webhook(messages=[text_message(SECRET_TEXT, wa_id="wamid.asked", at=int(utc_now().timestamp()))]))
    return "wamid.asked"


def test_a_request_leads_to_the_message_it_wrote(
    explain: Command, client: FlaskClient, runtime: Runtime, asked: str
) -> None:
    for given in (None, "a-client-named-this-request"):
        message, request = send(client, runtime, given)
        told = explain(request)
        assert told.exit_code == 0, told.output
        assert f"Message {message} of conversation {the_conversation(runtime.db).id}" in told.output
        assert f"queued for the agent (request {request})" in told.output
        assert SECRET_TEXT not in told.output


def test_a_customers_message_is_told_from_the_webhook_to_the_answer(
    explain: Command, client: FlaskClient, runtime: Runtime, asked: str
) -> None:
    waiting = explain(asked).output
    assert "WhatsApp  the customer wrote it (text)" in waiting
    assert "was stored, " in waiting
    assert "that webhook is done; 1 item: 1 stored, 0 seen before, 0 dead letters" in waiting
    assert "now: nobody has answered it yet" in waiting
    assert "now: the bot will look at it at " in waiting
    answer, _ = send(client, runtime)
    told = explain(str(all_messages(runtime.db)[0].id)).output
    assert f"answer {answer} was queued, " in told
    assert "nobody has answered" not in told
    assert SECRET_TEXT not in told


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Accepted("wamid.sent"), ["accepted, as wamid.sent", "now: sent"]),
        (Refused("131047", "Re-engagement message"), ["failed: 131047 Re-engagement message", "now: failed"]),
        (Unknown("no answer"), ["attempt 1 had no usable answer", "now: unconfirmed", "now: WhatsApp may have it"]),
        (RetryLater("busy"), ["now: queued", "now: tried again at ", "after 1 try that counts"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_became_of_a_send_is_told(
    explain: Command, runtime: Runtime, outcome: Accepted | Refused | Unknown | RetryLater, words: list[str]
) -> None:
    world = World(runtime)
    message = world.queue(SECRET_TEXT)
    (claim,) = world.claim()
    world.record(claim, outcome)
    told = explain(str(message.id)).output
    assert f"attempt 1 began; the log has it under message_id {message.id}" in told
    for each in words:
        assert each in told
    assert SECRET_TEXT not in told


def test_a_pause_and_a_doubt_are_told_when_they_are_over(explain: Command, runtime: Runtime) -> None:
    world = World(runtime)
    message = world.queue(SECRET_TEXT)
    (claim,) = world.claim()
    world.advance(1)
    world.record(claim, PauseNumber(Pause.TOKEN_EXPIRED))
    world.advance(1)
    assert resume(runtime.db, runtime.cipher, claim.phone_number_id, None)
    world.advance(1)
    (claim,) = world.claim()
    world.advance(1.2)
    world.record(claim, Unknown("no answer"))
    world.advance(0.5)
    world.echo(claim, "wamid.after_all", "delivered")
    told = explain(str(message.id)).output
    found = [told.find(words) for words in ROAD]
    assert -1 not in found, told
    assert found == sorted(found), told


#: The echo tells 09:00:04, which is before 09:00:04.200, when we noted the doubt that it ends.
ROAD = [
    "worker    attempt 1 began",
    "attempt 1 was refused, and its number paused: ",
    "number    paused: ",
    "number    resumed by ",
    "worker    attempt 2 began",
    "attempt 2 had no usable answer",
    "accepted, as wamid.after_all",
    "delivered",
]


def test_an_answer_to_a_later_question_is_not_told_as_its_own(
    explain: Command, client: FlaskClient, runtime: Runtime, asked: str
) -> None:
    at = int(utc_now().timestamp())
    ingest(runtime, webhook(messages=[text_message("and this?", wa_id="wamid.at_once", at=at)]))
    first, _ = send(client, runtime)
    second, _ = send(client, runtime)
    ingest(runtime, webhook(messages=[text_message("another matter", wa_id="wamid.later", at=at + 1)]))
    third, _ = send(client, runtime)
    for question, answers in ((asked, [first, second]), ("wamid.at_once", [first, second]), ("wamid.later", [third])):
        told = explain(question).output
        assert [each for each in (first, second, third) if f"answer {each} was queued" in told] == answers


def test_a_restore_and_who_asked_for_a_resend_are_told(
    explain: Command, client: FlaskClient, runtime: Runtime, asked: str
) -> None:
    message, _ = send(client, runtime)
    after_restore(runtime.db, runtime.ingest_settings)
    assert "database  was put back from a backup" in explain(message).output
    again = client.post(f"/messages/{message}/resend")
    assert again.status_code == 202
    told = explain(message).output
    assert "web       to be sent again, says key " in told
    assert f"(request {again.headers['X-Request-Id']})" in told
    assert SECRET_TEXT not in told


def test_a_question_that_nobody_has_answered_tells_of_a_restore(explain: Command, runtime: Runtime, asked: str) -> None:
    after_restore(runtime.db, runtime.ingest_settings)
    told = explain(asked).output
    assert "was put back from a backup" in told
    assert "now: it asks for a person: restored" in told


def test_it_says_what_holds_a_send_up(explain: Command, runtime: Runtime, db: Database) -> None:
    world = World(runtime)
    world.queue("first")
    second = world.queue("second")
    with db.writing() as session:
        account = session.query(Account).one()
        account.paused_reason, account.paused_at = Pause.TOKEN_EXPIRED, world.now
        began = world.now - timedelta(minutes=5)
        session.add(Incident(upstream="whatsapp", started_at=began, affected={}, first_error="UpstreamUnavailable"))
        over = {"started_at": began, "ended_at": world.now - timedelta(minutes=1)}
        session.add(Incident(upstream="gemini", affected={}, **over))
    told = explain(str(second.id)).output
    assert "now: 1 send of its conversation comes first" in told
    assert "now: its number is paused: " in told
    assert "whatsapp  was away until now (UpstreamUnavailable)" in told
    assert "gemini" not in told, "that was over before"


def test_a_change_of_an_operators_is_found_in_the_audit_log(
    explain: Command, client: FlaskClient, runtime: Runtime
) -> None:
    request = "somebody-cleared-the-cache"
    assert client.post("/admin/cache/clear", headers={"X-Request-Id": request}).status_code == 200
    assert "cache.cleared of cache, by a key" in explain(request).output


@pytest.mark.parametrize(
    "nothing", ["wamid.nowhere", "00000000-0000-0000-0000-000000000404", "x", "019a8f3e2f5c7c119a558a2c3d4e5f60"]
)
def test_an_id_that_nothing_has_is_said(explain: Command, nothing: str) -> None:
    told = explain(nothing)
    assert told.exit_code == 1
    assert "has this id" in told.output
