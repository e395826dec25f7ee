"""Blocking a contact takes back what still waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select, update

from inbox.config import Config
from inbox.models import Conversation, Job, JobKind
from inbox.outbox import settle
from inbox.runtime import crews_of
from sandbox import Sandbox
from tests.api_shop import ApiShop, open_shop
from tests.users.people import refusal


@pytest.fixture
def shop(live_config: Config, sandbox: Sandbox) -> Iterator[ApiShop]:
    """Where a customer has just written, and a reply waits."""
    with open_shop(live_config, sandbox) as made:
        made.customer_writes()
        sent = {"conversation_id": made.conversation, "content": "hello"}
        assert made.client.post("/messages/send", json=sent).status_code == 202
        yield made


def block(shop: ApiShop, *, blocked: bool = True) -> dict[str, Any]:
    answer = shop.client.post(f"/conversations/{shop.conversation}/block", json={"blocked": blocked})
    return dict(answer.json["conversation"])


def sends(shop: ApiShop) -> int | None:
    with shop.runtime.db.reading() as session:
        return session.scalar(select(func.count()).where(Job.kind == JobKind.SEND))


def test_what_waits_for_a_blocked_contact_is_not_sent_and_says_why(shop: ApiShop) -> None:
    row = block(shop)
    assert (row["needs_human"], row["unread_count"]) == (False, 0)
    failed = shop.thread()[-1]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "contact_blocked")
    assert sends(shop) == 0
    assert refusal(shop.client.post(f"/messages/{failed['id']}/resend")) == (409, "contact_blocked")

    block(shop, blocked=False)
    shop.deliver()
    assert shop.sandbox.deliveries() == []
    assert shop.client.post(f"/messages/{failed['id']}/resend").status_code == 202
    shop.deliver()
    assert [each.content["body"] for each in shop.sandbox.deliveries()] == ["hello"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_was_being_sent_and_comes_back_is_not_tried_again(shop: ApiShop) -> None:
    crews = crews_of(shop.runtime)
    [claim] = crews.sends(4)
    shop.sandbox.fault("whatsapp", "graph_error", code=130429)
    block(shop)
    assert shop.thread()[-1]["status"] == "sending"
    crews.deliver(claim)
    failed = shop.thread()[-1]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "contact_blocked")
    assert (shop.row()["needs_human"], sends(shop)) == (False, 0)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_may_have_arrived_is_not_sent_again_and_asks_for_nobody(shop: ApiShop) -> None:
    shop.sandbox.fault("whatsapp", "reset_after", times=1)
    shop.deliver()
    block(shop)
    with shop.runtime.db.writing() as session:
        now = shop.runtime.db.now(session)
        session.execute(update(Job).values(due_at=now))
        settle.settle_unknown(session, now, confirm_window=0)
        assert session.execute(select(Job.due_at, Job.resends)).all() == [(None, 0)]
        assert session.scalar(select(Conversation.needs_human)) is False
