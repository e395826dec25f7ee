"""I12: one number's trouble stops that number's sends and nothing else, says so, and ends with a new token."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db.wake import Work
from inbox.models import Account, Message, MessageStatus, Pause
from inbox.resilience import WHATSAPP
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import NUMBER_ID, all_messages, store_events, text_message, webhook
from tests.outbox.world import queue_reply
from tests.waiting import wait_until

OTHER_NUMBER = "200000000000002"
ALICE, BOB = "33600000001", "33600000002"  # Alice writes to the number in trouble, Bob to the other one


@pytest.fixture
def app(live_config: Config) -> Iterator[Flask]:
    """Two numbers, no bot, and a dispatcher that runs."""
    patience = dataclasses.replace(live_config.whatsapp, read=4.0)
    made = create_app(dataclasses.replace(live_config, dispatcher=True, whatsapp_bot_auto_on=False, whatsapp=patience))
    runtime = runtime_of(made)
    runtime.prepare_database()
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        token = runtime.cipher.encrypt("other-token")
        session.add(
            Account(
                name="Other",
                phone_number_id=OTHER_NUMBER,
                access_token_encrypted=token,
                bot_auto_on=False,
                created_at=now,
                updated_at=now,
            )
        )
    runtime.start_dispatcher()
    yield made
    assert runtime.close(10)


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    made = runtime_of(app)
    customers_write(made, "hello")
    return made


@pytest.fixture
def agent(app: Flask, runtime: Runtime) -> FlaskClient:
    client = app.test_client()
    key = keys.create(runtime.db, name="Agent", role=Role.ADMIN)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    return client


def customers_write(runtime: Runtime, text: str) -> None:
    """Both customers write to their numbers; returns when both messages can be read."""
    at = int(utc_now().timestamp())
    for phone, number in ((ALICE, NUMBER_ID), (BOB, OTHER_NUMBER)):
        message = text_message(text, wa_id=f"wamid.{phone}.{text}", phone=phone, at=at)
        store_events(runtime.db, webhook(number_id=number, messages=[message]))
    runtime.wakeups.ring(Work.INGEST)
    wait_until(lambda: _stored(runtime, text) == 2, "both messages to be stored")


def _stored(runtime: Runtime, text: str) -> int:
    return sum(message.content_text == text for message in all_messages(runtime.db))


def reply(runtime: Runtime, *texts: str) -> None:
    for text in texts:
        queue_reply(runtime, ALICE, f"{text} to Alice")
        queue_reply(runtime, BOB, f"{text} to Bob")
    runtime.wakeups.ring(Work.DELIVER)


def conversation_of(agent: FlaskClient, number_id: str) -> Any:
    account = next(row for row in agent.get("/accounts").json if row["phone_number_id"] == number_id)
    (row,) = agent.get(f"/conversations?account_id={account['id']}").json
    return row


def test_an_expired_token_stops_one_number_and_a_new_one_lets_everything_leave_in_order(
    app: Flask, runtime: Runtime, agent: FlaskClient, sandbox: Sandbox
) -> None:
    sandbox.fault("whatsapp", "graph_error", code=190, match={"path": NUMBER_ID})
    reply(runtime, "one", "two", "three")
    wait_until(
        lambda: [d.text for d in sandbox.deliveries()] == [f"{n} to Bob" for n in ("one", "two", "three")], "Bob"
    )

    reason = "The access token has expired or was revoked."
    alice = wait_until(
        lambda: row if (row := conversation_of(agent, NUMBER_ID))["sends_paused_reason"] else None, "the pause to show"
    )
    assert alice["sends_paused_reason"] == reason
    assert conversation_of(agent, OTHER_NUMBER)["sends_paused_reason"] is None
    assert [m["status"] for m in agent.get(f"/messages/{alice['id']}").json] == [
        "received",
        "queued",
        "queued",
        "queued",
    ]
    wait_until(lambda: agent.get("/health").json["outbox"]["paused_numbers"] == 1, "health to show it")
    assert agent.get("/health").json["status"] == "degraded"
    assert WHATSAPP.breaker.state == "closed"

    customers_write(runtime, "are you there?")  # inbound always flows
    refused = [request for request in sandbox.requests("whatsapp") if request.fault == "graph_error"]
    assert len(refused) == 1

    sandbox.clear_faults()
    asked = app.test_cli_runner().invoke(
        args=["accounts", "resume", NUMBER_ID, "--new-token"], input="a-new-token\n", catch_exceptions=False
    )
    assert asked.output.startswith("Resumed.\n")
    wait_until(lambda: len(sandbox.deliveries()) == 6, "what waited to leave")
    to_alice = [delivery.text for delivery in sandbox.deliveries() if delivery.phone == ALICE]
    assert to_alice == ["one to Alice", "two to Alice", "three to Alice"]
    assert sandbox.requests("whatsapp")[-1].headers["authorization"] == "Bearer a-new-token"
    wait_until(lambda: conversation_of(agent, NUMBER_ID)["sends_paused_reason"] is None, "the pause to be over")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_number_at_which_whatsapp_hangs_holds_up_no_other(runtime: Runtime, sandbox: Sandbox) -> None:
    queue_reply(runtime, BOB, "before to Bob")  # his number is known to work
    runtime.wakeups.ring(Work.DELIVER)
    wait_until(lambda: len(sandbox.deliveries()) == 1, "the first reply to Bob")
    others = [f"3360001{each:04d}" for each in range(2 * runtime.config.deliver_threads)]
    at = int(utc_now().timestamp())
    messages = [text_message("hello", wa_id=f"wamid.{phone}", phone=phone, at=at) for phone in others]
    store_events(runtime.db, webhook(messages=messages))
    runtime.wakeups.ring(Work.INGEST)
    wait_until(lambda: _stored(runtime, "hello") == 2 + len(others), "their messages to be stored")

    sandbox.fault("whatsapp", "hang", seconds=60, match={"path": NUMBER_ID})
    for phone in others:
        queue_reply(runtime, phone, "hello")
    runtime.wakeups.ring(Work.DELIVER)
    hanging = runtime.config.deliver_threads
    wait_until(lambda: len(sandbox.requests("whatsapp")) > hanging, "every place to be held")
    queue_reply(runtime, BOB, "meanwhile to Bob")
    runtime.wakeups.ring(Work.DELIVER)
    wait_until(lambda: len(sandbox.deliveries()) == 2, "the reply to Bob", 3)

    unconfirmed = select(func.count()).where(Message.status == MessageStatus.UNCONFIRMED)
    wait_until(lambda: _scalar(runtime, unconfirmed) >= hanging, "the sends that hang to end")
    assert WHATSAPP.breaker.state == "closed"
    queue_reply(runtime, BOB, "afterwards to Bob")
    runtime.wakeups.ring(Work.DELIVER)
    wait_until(lambda: len(sandbox.deliveries()) == 3, "the next one to Bob", 3)


def _scalar(runtime: Runtime, query: Any) -> Any:
    with runtime.db.reading() as session:
        return session.execute(query).scalar_one()


def test_a_number_that_is_not_ours_cannot_be_resumed(app: Flask) -> None:
    asked = app.test_cli_runner().invoke(args=["accounts", "resume", "999"])
    assert asked.exit_code == 1
    assert "accounts list" in asked.output


def test_the_list_says_why_a_number_is_paused(app: Flask, runtime: Runtime) -> None:
    with runtime.db.writing() as session:
        account = session.execute(select(Account).where(Account.phone_number_id == NUMBER_ID)).scalar_one()
        account.paused_reason, account.paused_at = Pause.LOCKED, runtime.db.now(session)
    shown = app.test_cli_runner().invoke(args=["accounts", "list"]).output
    assert f"{NUMBER_ID}  33700000000      paused" in shown
    assert "WhatsApp has locked the account." in shown
    assert f"{OTHER_NUMBER}  -                sending" in shown


def test_a_number_whose_sends_are_answered_with_500_opens_no_circuit_for_the_other(
    runtime: Runtime, sandbox: Sandbox
) -> None:
    """131000, "something went wrong": three of them in a row are enough where they are of different numbers."""
    sandbox.fault("whatsapp", "graph_error", code=131000, match={"path": NUMBER_ID})
    for customer in range(4):
        phone = f"3360000020{customer}"
        at = int(utc_now().timestamp())
        hello = text_message("hello", wa_id=f"wamid.{phone}", phone=phone, at=at)
        store_events(runtime.db, webhook(number_id=NUMBER_ID, messages=[hello]))
    runtime.wakeups.ring(Work.INGEST)
    wait_until(lambda: _stored(runtime, "hello") == 6, "all to be stored")
    for customer in range(4):
        queue_reply(runtime, f"3360000020{customer}", "to a number in trouble")
    runtime.wakeups.ring(Work.DELIVER)
    wait_until(lambda: len([r for r in sandbox.requests("whatsapp") if r.fault]) >= 4, "four failures")
    reply(runtime, "one", "two", "three")
    wait_until(lambda: len(sandbox.deliveries()) == 3, "Bob's replies to leave")
    assert {delivery.phone for delivery in sandbox.deliveries()} == {BOB}
    assert WHATSAPP.breaker.state == "closed"


def test_130429_paces_the_number_and_131056_the_one_conversation(runtime: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "graph_error", code=131056, match={"to": ALICE}, times=1)
    sandbox.fault("whatsapp", "graph_error", code=130429, match={"to": BOB}, times=1)
    reply(runtime, "one")
    wait_until(lambda: len(sandbox.deliveries()) == 2, "both to be delivered after their pauses")
    first = {phone: _times(sandbox, phone) for phone in (ALICE, BOB)}
    assert first[ALICE][1] - first[ALICE][0] >= 5.5  # the page names 6 s for a pair
    assert first[BOB][1] - first[BOB][0] >= 4.5  # ours where it names none
    assert WHATSAPP.breaker.state == "closed"


def _times(sandbox: Sandbox, phone: str) -> list[float]:
    """When sends to this customer were asked for, in seconds."""
    return [request.at for request in sandbox.requests("whatsapp") if f"+{phone}".encode() in request.body]


def test_a_number_whose_sends_are_answered_with_500_leaves_the_others_alone(runtime: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "graph_error", code=131000, status=500, match={"path": NUMBER_ID})
    many = [f"3361000{n:04d}" for n in range(20)]
    at = int(utc_now().timestamp())
    written = [text_message("hello", wa_id=f"wamid.{phone}", phone=phone, at=at) for phone in many]
    store_events(runtime.db, webhook(number_id=NUMBER_ID, messages=written))
    runtime.wakeups.ring(Work.INGEST)
    wait_until(lambda: _stored(runtime, "hello") == len(many) + 2, "everybody's message to be stored")
    for phone in many:
        queue_reply(runtime, phone, f"to {phone}")
    for n in range(10):
        queue_reply(runtime, BOB, f"{n} to Bob")
    runtime.wakeups.ring(Work.DELIVER)
    wait_until(lambda: len(sandbox.deliveries()) == 10, "Bob's ten replies")
    assert {delivery.phone for delivery in sandbox.deliveries()} == {BOB}
    assert WHATSAPP.breaker.state == "closed"
    refused = [request for request in sandbox.requests("whatsapp") if request.fault == "graph_error"]
    assert 2 <= len(refused) <= 10  # of twenty: the number rests
