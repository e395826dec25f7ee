"""A reply that waits while WhatsApp's reply window closes: told in time, and ended with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from inbox.auth import keys
from inbox.auth.access import Role
from inbox.config import Config
from inbox.models import Account, Author, Conversation, Job, JobKind, Message, MessageStatus, Pause
from inbox.outbox import window
from sandbox import Sandbox
from tests.api_shop import ApiShop, open_shop
from tests.waiting import wait_until

NEARLY, OVER = timedelta(hours=23, minutes=10), timedelta(hours=24, minutes=2)


@pytest.fixture
def shop(live_config: Config, sandbox: Sandbox) -> Iterator[ApiShop]:
    """Its number is paused, so that what is sent waits; its customer has just written."""
    with open_shop(live_config, sandbox) as made:
        made.customer_writes()
        with made.runtime.db.writing() as session:
            session.execute(update(Account).values(paused_reason=Pause.BY_A_PERSON))
        yield made


def watch(shop: ApiShop) -> int:
    with shop.runtime.db.writing() as session:
        return window.watch_windows(session, shop.runtime.db.now(session))


def expiring(client: Any, shop: ApiShop) -> list[str]:
    notices = client.get("/changes", query_string={"account_id": shop.account}).json["notices"]
    return [each["conversation_id"] for each in notices if each["code"] == "reply_expiring"]


def test_a_reply_that_waits_is_told_an_hour_before_and_fails_when_it_is_too_late(shop: ApiShop) -> None:
    sent = {"conversation_id": shop.conversation, "content": "hello"}
    assert shop.client.post("/messages/send", json=sent).status_code == 202
    assert watch(shop) == 0
    assert shop.thread()[-1]["window_closes_at"] is None

    shop.last_wrote(NEARLY)
    assert watch(shop) == watch(shop) == 0
    assert shop.thread()[-1]["window_closes_at"] == shop.row()["reply_window_expires_at"]
    colleague = shop.client.application.test_client()
    key = keys.create(shop.runtime.db, name="Somebody else", role=Role.MANAGER)
    colleague.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    assert expiring(shop.client, shop) == [shop.conversation]
    assert expiring(colleague, shop) == []

    _with_status(shop, MessageStatus.READ)  # it has left since, and nobody has looked again
    assert shop.thread()[-1]["window_closes_at"] is None
    wait_until(lambda: not expiring(shop.client, shop), "the notice to end")
    _with_status(shop, MessageStatus.QUEUED)

    shop.last_wrote(timedelta(0))  # the customer writes again
    watch(shop)
    assert shop.thread()[-1]["window_closes_at"] is None

    shop.last_wrote(OVER)
    assert watch(shop) == 1
    failed = shop.thread()[-1]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "reply_window_closed")
    assert "Send a template" in failed["error"]["detail"]
    assert shop.row()["needs_human_reason"] == "answer_failed"
    with shop.runtime.db.reading() as session:
        assert session.scalar(select(func.count()).where(Job.kind == JobKind.SEND)) == 0


def _with_status(shop: ApiShop, status: MessageStatus) -> None:
    with shop.runtime.db.writing() as session:
        session.execute(update(Message).where(Message.author_kind == Author.AGENT).values(status=status))
        session.execute(update(Conversation).values(changed_at=shop.runtime.db.now(session)))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_template_waits_on(shop: ApiShop) -> None:
    shop.client.post("/messages/send", json={"conversation_id": shop.conversation, "content": "hello"})
    with shop.runtime.db.writing() as session:
        session.execute(update(Message).where(Message.direction == "outbound").values(message_type="template"))
    shop.last_wrote(OVER)
    assert watch(shop) == 0
    assert shop.thread()[-1]["status"] == "queued"
