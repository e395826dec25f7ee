"""Webhooks to others: told in the same transaction, signed, in order, again until they are taken, one by one."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select, update

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.clock import new_id
from inbox.config import Config
from inbox.conversations.state import hand_over
from inbox.gateways.hooks import Hooks
from inbox.hooks import delivering
from inbox.models import Account, Conversation, GoneConversation, WebhookDelivery, WebhookEndpoint
from inbox.runtime import Runtime, crews_of, runtime_of
from sandbox import Sandbox
from tests.builders import CUSTOMER, ingest, text_message, the_account, the_conversation, webhook
from tests.contract.conformance import ConformingClient
from tests.queries import while_it_goes
from tests.users.people import another_account, member

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
ALL = ["message.received", "message.status", "conversation.needs_human", "conversation.assigned"]


@pytest.fixture
def app(live_config: Config) -> Iterator[Flask]:
    """The application over the sandbox, which is also who receives; it stands on this machine."""
    made = create_app(dataclasses.replace(live_config, webhooks_private=True))
    made.testing = True
    made.test_client_class = ConformingClient
    runtime_of(made).prepare_database()
    yield made
    assert runtime_of(made).close(5)


@pytest.fixture
def endpoint(client: FlaskClient, runtime: Runtime, sandbox: Sandbox) -> Callable[..., dict[str, Any]]:
    """Make an endpoint at this path of the receiver."""

    def make(path: str = "desk", events: list[str] = ALL) -> dict[str, Any]:
        body = {"url": f"{sandbox.url}/receiver/{path}", "events": events}
        answer = client.post(f"/accounts/{the_account(runtime.db).id}/webhook-endpoints", json=body)
        assert answer.status_code == 201, answer.json
        made: dict[str, Any] = answer.json
        return made

    return make


@pytest.fixture
def work(runtime: Runtime) -> Callable[..., int]:
    """Send what is due after so many seconds, claim by claim. How many were sent."""
    crew = crews_of(runtime).hooks

    def run(later: float = 0.0, threads: int = 4) -> int:
        sent = 0
        while True:
            with runtime.db.writing() as session:
                now = runtime.db.now(session) + timedelta(seconds=later)
                claims = delivering.claim(session, now, threads)
            for each in claims:
                crew.deliver(each)
            sent += len(claims)
            if not claims:
                return sent

    return run


def write(runtime: Runtime, *names: str, phone: str = CUSTOMER) -> None:
    ingest(runtime, webhook(messages=[text_message(name, wa_id=f"wamid.{name}", phone=phone) for name in names]))


def told(sandbox: Sandbox, path: str = "desk") -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in sandbox.requests("receiver") if each.path == f"/receiver/{path}"]


def rows(runtime: Runtime) -> list[WebhookDelivery]:
    with runtime.db.reading() as session:
        return list(session.execute(select(WebhookDelivery).order_by(WebhookDelivery.seq)).scalars())


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [each["data"]["text"] for each in events]


# --- what is told ------------------------------------------------------------------------------------------------


def test_what_happens_is_told_in_order_to_who_wants_it(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, endpoint: Callable[..., Any], work: Callable[..., int]
) -> None:
    made, some = endpoint(), endpoint("some", ["conversation.assigned"])
    write(runtime, "hello", "there")
    conversation = the_conversation(runtime.db)
    with runtime.db.writing() as session:
        hand_over(session.get_one(Conversation, conversation.id, with_for_update=True), "unsupported_content", None)
    with runtime.db.writing() as session:
        session.get_one(Conversation, conversation.id).last_inbound_at = runtime.db.now(session)
    client.post("/messages/send", json={"conversation_id": str(conversation.id), "content": "Yes?", "client_key": "k1"})
    crews = crews_of(runtime)
    for send in crews.sends(4):
        crews.deliver(send)
    user = str(member(runtime.db, "anna@example.com", [Grant(Role.MANAGER)]))
    for who in (user, user, None):
        assert client.post(f"/conversations/{conversation.id}/assign", json={"user_id": who}).status_code == 200
    assert work() == 8
    events = told(sandbox)
    assert [event["type"] for event in events] == [
        "message.received",
        "message.received",
        "conversation.needs_human",
        "message.status",
        "conversation.assigned",
        "conversation.assigned",
    ]
    assert [event["data"]["assigned_to"] for event in told(sandbox, "some")] == [user, None]
    assert [event["id"] for event in told(sandbox, "some")] == [event["id"] for event in events[-2:]]
    received, _, asked, status, *_ = (event["data"] for event in events)
    assert (received["text"], received["contact"]["phone"], received["has_file"]) == ("hello", CUSTOMER, False)
    assert asked == {"conversation_id": str(conversation.id), "reason": "unsupported_content"}
    assert (status["status"], status["client_key"], status["error"]) == ("sent", "k1", None)
    assert {event["account_id"] for event in events} == {made["account_id"]} == {some["account_id"]}


@on_sqlite
def test_nothing_is_told_of_what_is_rolled_back_nor_without_an_endpoint(
    client: FlaskClient, runtime: Runtime, endpoint: Callable[..., Any]
) -> None:
    write(runtime, "before")
    made = endpoint()
    with pytest.raises(ZeroDivisionError), runtime.db.writing() as session:
        hand_over(session.execute(select(Conversation).with_for_update()).scalar_one(), "answer_limit", None)
        session.flush()
        raise ZeroDivisionError
    assert rows(runtime) == []
    assert client.delete(f"/webhook-endpoints/{made['id']}").status_code == 200
    write(runtime, "after")
    assert rows(runtime) == []
    with runtime.db.reading() as session:
        assert session.execute(select(Account.hook_events)).scalar_one() == []


@on_sqlite
def test_what_is_sent_is_signed_by_the_new_secret_and_for_a_day_by_the_old_one(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, endpoint: Callable[..., Any], work: Callable[..., int]
) -> None:
    made = endpoint()
    path = f"/webhook-endpoints/{made['id']}"

    def signed_by(secret: str) -> bool:
        last = sandbox.requests("receiver")[-1]
        head = last.headers
        text = f"{head['webhook-id']}.{head['webhook-timestamp']}.".encode() + last.body
        digest = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), text, hashlib.sha256).digest()
        return f"v1,{base64.b64encode(digest).decode()}" in head["webhook-signature"].split(" ")

    assert client.post(f"{path}/test").json["event"] == "test"
    assert (work(), signed_by(made["secret"])) == (1, True)
    new = client.post(f"{path}/rotate").json["secret"]
    client.post(f"{path}/test")
    assert (work(), signed_by(made["secret"]), signed_by(new)) == (1, True, True)
    with runtime.db.writing() as session:
        session.execute(update(WebhookEndpoint).values(old_secret_until=runtime.db.now(session)))
    client.post(f"{path}/test")
    assert (work(), signed_by(made["secret"]), signed_by(new)) == (1, False, True)
    shown = client.get(f"/accounts/{made['account_id']}/webhook-endpoints")
    assert made["secret"] not in shown.text
    assert new not in shown.text
    with runtime.db.reading() as session:
        assert new not in str(session.execute(select(WebhookEndpoint.secret_encrypted)).scalars().all())


# --- when it is not taken ----------------------------------------------------------------------------------------


def test_an_event_that_is_refused_holds_up_its_own_conversation_and_comes_again_in_order(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, endpoint: Callable[..., Any], work: Callable[..., int]
) -> None:
    made = endpoint(events=["message.received"])
    sandbox.fault("receiver", "status", code=422, match={"body": '"text":"one"'})
    write(runtime, "one", "two")
    write(runtime, "other", phone="33600000002")
    assert (work(), texts(told(sandbox))) == (2, ["one", "other"])
    shown = client.get(f"/webhook-endpoints/{made['id']}/deliveries?state=pending").json
    assert [(each["attempts"], each["http_status"], each["error"]) for each in shown[::-1]] == [
        (1, 422, "HTTP 422"),
        (0, None, None),
    ]
    sandbox.clear_faults()
    assert work(later=1) == 0
    assert (work(later=6), texts(told(sandbox))) == (2, ["one", "other", "one", "two"])
    first, _, again, _ = told(sandbox)
    assert first == again
    assert [row.state for row in rows(runtime)] == ["delivered"] * 3
    (row,) = client.get(f"/accounts/{made['account_id']}/webhook-endpoints").json
    assert (row["waiting"], row["failures"], row["last_error"]) == (0, 0, None)


@on_sqlite
def test_an_endpoint_that_fails_rests_ever_longer_and_costs_others_nothing(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, endpoint: Callable[..., Any], work: Callable[..., int]
) -> None:
    endpoint("ill", ["message.received"])
    endpoint("well", ["message.received"])
    sandbox.fault("receiver", "status", code=500, match={"path": "/receiver/ill"})
    for number in range(5):
        write(runtime, f"m{number}", phone=f"3360000000{number}")
    assert len(told(sandbox, "ill")) == 0
    work()
    assert (len(told(sandbox, "ill")), len(told(sandbox, "well"))) == (2, 5)  # at most two at once, and then it rests
    assert work() == 0
    assert 0 < (crews_of(runtime).hooks.next_due() or 0) <= 15
    with runtime.db.reading() as session:
        query = select(WebhookEndpoint.failures).order_by(WebhookEndpoint.id)
        assert session.execute(query).scalars().all() == [2, 0]
    sandbox.clear_faults()
    assert work(later=60) == 5
    assert len({each["id"] for each in told(sandbox, "ill")}) == 5


@on_sqlite
def test_of_two_threads_one_endpoint_that_hangs_takes_no_more_than_its_share(
    runtime: Runtime, endpoint: Callable[..., Any]
) -> None:
    endpoint("hangs", ["message.received"])
    for number in range(9):
        write(runtime, f"m{number}", phone=f"3360000000{number}")
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        assert len(delivering.claim(session, now, 4)) == delivering.OF_ONE_ENDPOINT
        assert delivering.claim(session, now, 4) == []
        after_a_crash = now + timedelta(seconds=61)
        assert len(delivering.claim(session, after_a_crash, 4)) == delivering.OF_ONE_ENDPOINT


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_event_that_is_deleted_just_now_is_not_sent_again(
    client: FlaskClient, runtime: Runtime, endpoint: Callable[..., Any]
) -> None:
    endpoint()
    write(runtime, "hello")
    address = f"/webhook-deliveries/{rows(runtime)[0].id}/resend"
    late = while_it_goes(runtime.db, delete(WebhookDelivery), lambda: client.post(address))
    assert (late.status_code, late.json["code"]) == (404, "webhook_delivery_not_found")


@on_sqlite
def test_what_is_not_taken_for_three_days_is_given_up_and_can_be_sent_again(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, endpoint: Callable[..., Any], work: Callable[..., int]
) -> None:
    endpoint()
    fault = sandbox.fault("receiver", "status", code=400)
    write(runtime, "hello")
    with runtime.db.writing() as session:
        session.execute(update(WebhookDelivery).values(created_at=runtime.db.now(session) - timedelta(days=4)))
    assert work() == 1
    (row,) = rows(runtime)
    assert (row.state, row.due_at, row.ended_at is not None) == ("failed", None, True)
    sandbox.faults.remove(fault)
    assert client.post(f"/webhook-deliveries/{row.id}/resend").json["state"] == "pending"
    assert (work(), rows(runtime)[0].state, len(told(sandbox))) == (1, "delivered", 2)


@on_sqlite
def test_while_it_is_paused_events_wait_and_come_afterwards(
    client: FlaskClient, runtime: Runtime, sandbox: Sandbox, endpoint: Callable[..., Any], work: Callable[..., int]
) -> None:
    made = endpoint()
    path = f"/webhook-endpoints/{made['id']}"
    assert client.patch(path, json={"paused": True}).json["paused_at"] is not None
    write(runtime, "hello")
    assert (work(), client.patch(path, json={"paused": False}).json["waiting"]) == (0, 1)
    assert (work(), texts(told(sandbox))) == (1, ["hello"])


@on_sqlite
def test_a_redirect_a_private_address_and_a_name_that_leads_to_one_are_not_followed(
    runtime: Runtime, sandbox: Sandbox, endpoint: Callable[..., Any], work: Callable[..., int]
) -> None:
    endpoint()
    sandbox.fault("receiver", "redirect", location=f"{sandbox.url}/receiver/elsewhere")
    write(runtime, "hello")
    assert (work(), told(sandbox, "elsewhere")) == (1, [])
    (row,) = rows(runtime)
    assert (row.state, row.http_status) == ("pending", 302)
    crew = crews_of(runtime).hooks
    crew._hooks = Hooks(private=False)
    asked = len(sandbox.requests())
    for host in ("127.0.0.1", "localhost"):
        with runtime.db.writing() as session:
            url = f"{sandbox.url}/receiver/desk".replace("127.0.0.1", host)
            session.execute(update(WebhookEndpoint).values(url=url, rests_until=None))
            (claim,) = delivering.claim(session, runtime.db.now(session) + timedelta(days=1), 1)
        crew.deliver(claim)
        assert (rows(runtime)[0].error, len(sandbox.requests())) == ("the address leads into a private network", asked)


def test_a_long_answer_is_not_read(sandbox: Sandbox) -> None:
    hooks = Hooks(private=True)
    url = f"{sandbox.url}/receiver/desk"
    sandbox.fault("receiver", "big_body", bytes=200_000_000)
    assert hooks.post(url, {}, b"{}") == 200


@on_sqlite
def test_what_is_older_than_raw_webhooks_are_kept_is_forgotten(
    client: FlaskClient, runtime: Runtime, endpoint: Callable[..., Any]
) -> None:
    made = endpoint()
    client.patch(f"/webhook-endpoints/{made['id']}", json={"paused": True})
    write(runtime, "old", "new")
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        old = WebhookDelivery.seq == rows(runtime)[0].seq
        session.execute(update(WebhookDelivery).where(old).values(created_at=now - timedelta(days=15)))
        for days in (1, 3):
            gone = GoneConversation(id=new_id(), account_id=UUID(made["account_id"]))
            gone.changed_at = now - timedelta(days=days)
            session.add(gone)
    crews_of(runtime).housekeeping._prune()
    assert [row.data["text"] for row in rows(runtime)] == ["new"]
    with runtime.db.reading() as session:
        assert session.execute(select(func.count()).select_from(GoneConversation)).scalar_one() == 1


def test_the_pause_grows_to_an_hour() -> None:
    class Longest(random.Random):
        def uniform(self, _low: float, high: float) -> float:
            return high

    assert [delivering.retry_delay(n, Longest()) for n in (1, 2, 3, 8, 100)] == [5, 15, 45, 3600, 3600]


# --- who may, and what is refused --------------------------------------------------------------------------------


@on_sqlite
def test_an_address_is_checked_and_each_is_told_once(
    client: FlaskClient, runtime: Runtime, endpoint: Callable[..., Any]
) -> None:
    made = endpoint()
    path = f"/accounts/{made['account_id']}/webhook-endpoints"
    again = client.post(path, json={"url": made["url"], "events": ALL})
    assert (again.status_code, again.json["code"]) == (409, "webhook_endpoint_exists")
    runtime.config = dataclasses.replace(runtime.config, webhooks_private=False)
    twice = client.post(path, json={"url": "https://example.com/x", "events": [ALL[0]] * 2})
    assert (twice.status_code, twice.json["errors"][0]["code"]) == (400, "not_different")
    plain = client.post(path, json={"url": "http://example.com/x", "events": ALL})
    assert (plain.status_code, plain.json["errors"][0]["pointer"]) == (400, "/url")
    for number in range(19):
        body = {"url": f"https://example.com/{number}", "events": ALL}
        assert client.post(path, json=body).status_code == 201
    assert client.post(path, json={"url": "https://example.com/x", "events": ALL}).json["code"] == "too_many"


@on_sqlite
def test_an_administrator_of_another_number_sees_none_of_it(
    app: Flask, runtime: Runtime, endpoint: Callable[..., Any], client: FlaskClient
) -> None:
    made = endpoint()
    client.post(f"/webhook-endpoints/{made['id']}/test")
    (row,) = rows(runtime)
    other = UUID(str(another_account(runtime.db)))
    key = keys.create(runtime.db, name="Other", role=Role.ADMIN, accounts=[other]).secret
    stranger = {"Authorization": f"Bearer {key}"}
    for method, path, status in (
        ("GET", f"/accounts/{made['account_id']}/webhook-endpoints", 403),
        ("GET", f"/webhook-endpoints/{made['id']}/deliveries", 404),
        ("DELETE", f"/webhook-endpoints/{made['id']}", 404),
        ("POST", f"/webhook-endpoints/{made['id']}/rotate", 404),
        ("POST", f"/webhook-deliveries/{row.id}/resend", 404),
    ):
        answer = app.test_client().open(path, method=method, headers=stranger)
        assert (path, answer.status_code) == (path, status)
