"""Systems that are told of events, and WhatsApp's lists of templates: what they do wrong is nobody else's trouble."""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from inbox import config as defaults
from inbox.config import Config
from inbox.db.wake import Work
from inbox.gateways.hooks import UPSTREAM as HOOKS
from inbox.models import (
    Account,
    Contact,
    Conversation,
    Message,
    MessageTemplate,
    TemplateSync,
    WebhookDelivery,
    WebhookEndpoint,
)
from inbox.operations.metrics.conservation import equations
from inbox.resilience import WHATSAPP, WHATSAPP_TEMPLATES
from inbox.templates.sync import make_due
from sandbox import Sandbox
from tests.faults.stage import Stage, numbers, reach, serving
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]

SHORT = {"total": 1.0, "connect": 0.4, "read": 0.6, "minimum": 0.1}
CUSTOMERS, EACH = ("33600000001", "33600000002"), 3


@pytest.fixture
def sandbox(echoing: Sandbox) -> Sandbox:
    return echoing


@pytest.fixture
def stage(whole: Config, sandbox: Sandbox) -> Iterator[Stage]:
    """Everything that works, and no bot."""
    config = dataclasses.replace(whole, webhooks_private=True, whatsapp_bot_auto_on=False)
    with numbers(HOOKS, dataclasses.replace(defaults.HOOKS, **SHORT)), serving(config, sandbox) as running:
        yield running


# --- webhooks to others ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [{"fault": "hang", "seconds": 60}, {"fault": "status", "code": 500}, {"fault": "close_after"}],
    ids=["hangs", "500", "cuts"],
)
def test_a_receiver_that_fails_loses_nothing_and_holds_up_neither_customers_nor_other_receivers(
    stage: Stage, sandbox: Sandbox, fault: dict[str, Any]
) -> None:
    (account,) = _all(stage, select(Account.id))
    for path in ("ill", "well"):
        body = {"url": f"{sandbox.url}/receiver/{path}", "events": ["message.received"]}
        assert stage.post(f"/accounts/{account}/webhook-endpoints", body).status_code == 201
    rule = sandbox.fault("receiver", **fault, match={"path": "/receiver/ill"})
    every = EACH * len(CUSTOMERS)
    for number in range(every):
        sandbox.customer_writes(phone=CUSTOMERS[number % len(CUSTOMERS)], text=f"message {number}")
    wait_until(lambda: len(_all(stage, select(Message.id))) == every, "the messages to be stored")
    wanted = _stored(stage)
    wait_until(lambda: _told(sandbox, "well") == wanted, "the other receiver to be told")
    wait_until(lambda: _requests(sandbox, "ill"), "the receiver to be told")
    terms = _hooks(stage)
    assert (terms["made"], terms["given_up"]) == (2 * every, 0)
    assert terms["waiting"] >= every

    sandbox.faults.remove(rule)
    wait_until(lambda: _comes_again(stage) == 0, "all of them to be delivered")
    assert _hooks(stage) == {"made": 2 * every, "delivered": 2 * every, "waiting": 0, "given_up": 0}
    assert _told(sandbox, "ill") == wanted  # in order, whatever came twice
    assert _told(sandbox, "well") == wanted
    assert len(_requests(sandbox, "ill")) > every
    assert len(_requests(sandbox, "well")) == every


def _comes_again(stage: Stage) -> int:
    """Nothing rests any longer. How many events wait."""
    with stage.db.writing() as session:
        session.execute(update(WebhookEndpoint).values(rests_until=None))
        session.execute(update(WebhookDelivery).where(WebhookDelivery.lease.is_(None)).values(due_at=None))
    stage.runtime.wakeups.ring_here(Work.HOOKS)
    return _hooks(stage)["waiting"]


def _stored(stage: Stage) -> dict[str, list[str]]:
    """What each customer wrote, in the order in which it came."""
    query = select(Contact.phone, Message.content_text).join(Conversation, Conversation.contact_id == Contact.id)
    query = query.join(Message, Message.conversation_id == Conversation.id).order_by(Message.position)
    found = defaultdict(list)
    with stage.db.reading() as session:
        for phone, content in session.execute(query):
            found[phone].append(content)
    return found


def _requests(sandbox: Sandbox, path: str) -> list[Any]:
    return [each for each in sandbox.requests("receiver") if each.path == f"/receiver/{path}"]


def _told(sandbox: Sandbox, path: str) -> dict[str, list[str]]:
    """What this receiver knows each customer wrote, in the order in which it heard of it first."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for each in _requests(sandbox, path):
        event = json.loads(each.body)
        found[event["data"]["contact"]["phone"]].setdefault(event["id"], event["data"]["text"])
    return {phone: [*texts.values()] for phone, texts in found.items()}


def _hooks(stage: Stage) -> dict[str, int]:
    """The terms of their equation, which holds."""
    with stage.db.reading() as session:
        (equation,) = [each for each in equations(session) if each.name == "hooks"]
    assert equation.difference == 0
    return dict(equation.terms)


# --- templates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [{"fault": "hang", "seconds": 60}, {"fault": "graph_error", "code": 80008, "status": 429}, {"fault": "cut_body"}],
    ids=["hangs", "429", "cut"],
)
def test_a_page_of_templates_that_does_not_come_costs_no_template_and_no_reply(
    stage: Stage, sandbox: Sandbox, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.gateways.whatsapp.templates._PAGE", 4)
    with numbers(WHATSAPP_TEMPLATES, dataclasses.replace(defaults.WHATSAPP, **SHORT | {"total": 3.0, "read": 2.0})):
        sandbox.customer_writes(text="Bonjour")  # so the business account is known
        wait_until(
            lambda: _all(stage, select(Account.id).where(Account.waba_id.is_not(None))), "the webhook to be read"
        )
        _sync(stage)
        known = wait_until(lambda: _all(stage, select(MessageTemplate.id)), "the templates to be stored")
        assert len(known) == 10
        rule = sandbox.fault("whatsapp", **fault, match={"path": "message_templates.*after=3"})
        _sync(stage)
        wait_until(lambda: any("after=3" in each.path for each in _pages(sandbox)[3:]), "the page to be asked for")
        stage.queue("hello", to=CUSTOMERS[0])
        reach(stage, "hello", "sent")
        (error,) = wait_until(lambda: _all(stage, _told_errors()), "the reason to be told")
        assert error
        assert sorted(_all(stage, select(MessageTemplate.id))) == sorted(known)
        assert WHATSAPP.breaker.state == "closed"
        sandbox.faults.remove(rule)
        _sync(stage)
        wait_until(lambda: not _all(stage, _told_errors()), "all pages to come")
        assert sorted(_all(stage, select(MessageTemplate.id))) == sorted(known)


def _sync(stage: Stage) -> None:
    """The templates are due."""
    (account_id,) = _all(stage, select(Account.id))
    with stage.db.writing() as session:
        make_due(session, [account_id], stage.db.now(session))
        session.execute(update(TemplateSync).values(due_at=stage.db.now(session)))
    stage.runtime.wakeups.ring_here(Work.HOUSEKEEPING)


def _told_errors() -> Any:
    return select(TemplateSync.error).where(TemplateSync.error.is_not(None))


def _pages(sandbox: Sandbox) -> list[Any]:
    return [each for each in sandbox.requests("whatsapp") if "/message_templates" in each.path]


def _all(stage: Stage, query: Any) -> list[Any]:
    with stage.db.reading() as session:
        return list(session.execute(query).scalars())
