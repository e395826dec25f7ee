"""Reactions of ours: shown where they were put, sent as messages are, taken away when WhatsApp refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from inbox.config import Config
from inbox.conversations.reactions import is_emoji
from sandbox import Sandbox
from tests.api_shop import ApiShop, open_shop

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def shop(live_config: Config, sandbox: Sandbox) -> Iterator[ApiShop]:
    """Where a customer has just written."""
    with open_shop(live_config, sandbox) as made:
        made.customer_writes("Merci !")
        yield made


def react(shop: ApiShop, emoji: str, **more: Any) -> Any:
    asked = shop.thread()[0]["id"]
    return shop.client.post(f"/messages/{asked}/reaction", json={"emoji": emoji, **more})


def shown(shop: ApiShop) -> list[tuple[str, str]]:
    return [(each["emoji"], each["actor"]) for each in shop.thread()[0]["reactions"]]


def test_one_reaction_of_ours_stands_and_reaches_the_customer(shop: ApiShop) -> None:
    """It is no answer: the customer still waits, the bot stays, and the list shows what they wrote."""
    before = shop.row()
    answer = react(shop, "👍", client_key="once")
    assert (answer.status_code, [each["emoji"] for each in answer.json["message"]["reactions"]]) == (202, ["👍"])
    assert react(shop, "👍", client_key="once").status_code == react(shop, "👍").status_code == 202
    assert react(shop, "🎉", client_key="once").json["code"] == "idempotency_key_reused"
    shop.deliver()
    react(shop, "❤️")
    assert shown(shop) == [("❤️", "business")]
    shop.deliver()
    react(shop, "")
    assert shown(shop) == []
    shop.deliver()
    wamid = shop.thread()[0]["wa_message_id"]
    sent = [each.content for each in shop.sandbox.deliveries()]
    assert sent == [{"message_id": wamid, "emoji": emoji} for emoji in ("👍", "❤️", "")]
    assert [each["message_type"] for each in shop.thread()] == ["text"]
    same = ("last_message", "waiting_since", "bot_silent_reason", "needs_human", "updated_at")
    assert {name: shop.row()[name] for name in same} == {name: before[name] for name in same}


def test_a_reaction_that_is_refused_is_taken_away_and_said(shop: ApiShop) -> None:
    react(shop, "👍")
    shop.deliver()
    shop.sandbox.fault("whatsapp", "graph_error", code=131009, status=400)
    react(shop, "❤️")
    shop.deliver()
    assert shown(shop) == [("👍", "business")]
    failed = shop.thread()[-1]
    assert (failed["message_type"], failed["content_text"], failed["status"]) == ("reaction", "❤️", "failed")
    assert failed["error"]["can_retry"] is False
    assert shop.client.post(f"/messages/{failed['id']}/resend").json["code"] == "not_resendable"
    assert shop.row()["needs_human"] is False


@on_sqlite
def test_a_reaction_whose_outcome_is_unknown_is_simply_sent_again(shop: ApiShop) -> None:
    """Two of them end as one does, so nobody is asked."""
    shop.sandbox.fault("whatsapp", "reset_after", times=1)
    react(shop, "👍")
    shop.deliver()
    assert shop.row()["needs_human"] is False
    assert [each["status"] for each in shop.thread()] == ["received"]
    assert shown(shop) == [("👍", "business")]


@on_sqlite
def test_what_cannot_have_a_reaction_is_refused(shop: ApiShop) -> None:
    sent = {"conversation_id": shop.conversation, "content": "hello"}
    queued = shop.client.post("/messages/send", json=sent).json["message_id"]
    answer = shop.client.post(f"/messages/{queued}/reaction", json={"emoji": "👍"})
    assert (answer.status_code, answer.json["code"]) == (409, "not_reactable")
    shop.last_wrote(timedelta(hours=25))
    assert react(shop, "👍").json["code"] == "reply_window_closed"


@pytest.mark.parametrize("sign", ["👍", "❤️", "👩‍👩‍👧", "🇫🇷", "1️⃣", "👍🏽", "☺", "‼️", "✅", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🧑🏽‍❤️‍🧑🏿"])
def test_what_may_be_an_emoji_is_one(sign: str) -> None:
    assert is_emoji(sign)


@pytest.mark.parametrize("text", ["a", "ok", "1", "👍 ", "👍a", "!", ".", "\u200d", "👍👍", "🇫🇷🇧🇪", "1️⃣2️⃣"])
def test_words_are_no_emoji(text: str) -> None:
    assert not is_emoji(text)
