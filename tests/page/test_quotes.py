"""Quotes and reactions: what they are about is one click, or one look, away."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import requests
from playwright.sync_api import expect

from tests.builders import signed, text_message, webhook
from tests.page.desk import Desk
from tests.page.shop import Customer, Shop
from tests.settings import APP_SECRET
from tests.waiting import wait_until


def test_a_quoted_reply_reaches_the_customer_as_one(shop: Shop, desk: Callable[..., Desk]) -> None:
    lea = shop.customer("Léa Simon", "Vous avez du seigle ?", "Et des croissants ?")
    asked = lea.messages()[0]
    amina = desk("Amina").opens(lea)
    amina.bubble("Vous avez du seigle ?").hover()
    amina.bubble("Vous avez du seigle ?").get_by_role("button", name="Reply", exact=True).click()
    expect(amina.field).to_be_focused()
    amina.page.keyboard.type("Oui, il en reste")
    amina.page.keyboard.press("Enter")
    wait_until(lambda: _wamid(lea, "Oui, il en reste"), "WhatsApp's id of the reply")
    assert [row["reply_to"] for row in lea.messages() if row["content_text"] == "Oui, il en reste"] == [asked["id"]]
    expect(amina.bubble("Oui, il en reste").locator(".quote")).to_contain_text("Vous avez du seigle ?")
    reacts(amina, lea, "Et des croissants ?")


def reacts(amina: Desk, customer: Customer, text: str) -> None:
    """Put an emoji on what the customer wrote, see it there, and take it back."""
    bubble = amina.bubble(text)
    bubble.hover()
    bubble.get_by_role("button", name="React").click()
    amina.page.get_by_role("searchbox", name="Search emoji").fill("thumbs up")
    amina.page.get_by_role("button", name="thumbs up", exact=True).click()
    expect(bubble.locator(".reactions")).to_contain_text("👍")
    (wamid,) = [each["wa_message_id"] for each in customer.messages() if each["content_text"] == text]
    wait_until(lambda: _reactions(customer) == [(wamid, "👍")], "the reaction at the customer's phone")
    bubble.get_by_role("button", name="More").click()
    amina.page.get_by_role("menuitem", name="Take back").click()
    expect(bubble.locator(".reactions")).to_have_count(0)
    wait_until(lambda: _reactions(customer)[1:] == [(wamid, "")], "the end of the reaction")


def _reactions(customer: Customer) -> list[tuple[str, str]]:
    """What they are about, and the emoji without the mark that only says how it is drawn."""
    found = [each for each in customer.shop.sandbox.deliveries() if each.phone == customer.phone]
    contents = [each.content for each in found if each.type == "reaction"]
    return [(each["message_id"], each["emoji"].rstrip("\ufe0f")) for each in contents]


def test_escape_gives_up_the_quote_and_keeps_the_text(shop: Shop, desk: Callable[..., Desk]) -> None:
    lea = shop.customer("Léa Simon", "Vous avez du seigle ?")
    amina = desk("Amina").opens(lea)
    amina.bubble("Vous avez du seigle ?").hover()
    amina.bubble("Vous avez du seigle ?").get_by_role("button", name="Reply", exact=True).click()
    amina.page.keyboard.type("Oui")
    amina.page.keyboard.press("Escape")
    expect(amina.thread.locator(".composer-quote")).to_have_count(0)
    expect(amina.field).to_have_value("Oui")


def test_a_click_on_a_quote_goes_to_the_message_and_lights_it_up(shop: Shop, desk: Callable[..., Desk]) -> None:
    """Also when the message is pages above what is loaded."""
    max_ = shop.customer("Max Long", "Bonjour")
    max_.writes("Le tout premier message", timestamp=int(time.time()) - 900)
    first = max_.messages()[0]
    _writes_much(shop, max_, 180)
    max_.writes("Je parle de celui-ci", context=first["wa_message_id"])
    shop.post(f"/conversations/{max_.conversation}/read")  # or it would open at the first that is new
    amina = desk("Amina").opens(max_)
    quote = amina.bubble("Je parle de celui-ci").locator("button.quote")
    quote.click()
    quoted = amina.thread.locator(f'li[data-key="{first["id"]}"]')
    expect(quoted).to_be_in_viewport()
    expect(quoted.locator(".bubble-lit")).to_have_count(1)
    expect(quoted.locator(".bubble-lit")).to_have_count(0)
    amina.thread.locator(".thread-said > .pill").click()
    expect(amina.bubble("Je parle de celui-ci")).to_be_in_viewport()


def test_reactions_say_who_and_go_when_they_are_taken_back(shop: Shop, desk: Callable[..., Desk]) -> None:
    lea = shop.customer("Léa Simon", "Merci !")
    amina = desk("Amina").opens(lea)
    amina.sends("Avec plaisir")
    sent = wait_until(lambda: _wamid(lea, "Avec plaisir"), "WhatsApp's id of the reply")
    shop.sandbox.customer_writes(lea.phone, type="reaction", content={"message_id": sent, "emoji": "👍"})
    reaction = amina.bubble("Avec plaisir").locator(".reactions")
    expect(reaction).to_have_attribute("aria-label", "Reactions: 👍 Léa Simon")
    shop.sandbox.customer_writes(lea.phone, type="reaction", content={"message_id": sent, "emoji": ""})
    expect(reaction).to_have_count(0)


def _wamid(customer: Customer, text: str) -> str | None:
    return next((row["wa_message_id"] for row in customer.messages() if row["content_text"] == text), None)


def _writes_much(shop: Shop, customer: Customer, messages: int) -> None:
    began = int(time.time()) - messages
    said = [
        text_message(f"Ligne {n}", wa_id=f"wamid.much.{customer.phone}.{n}", phone=customer.phone, at=began + n)
        for n in range(messages)
    ]
    body = json.dumps(json.loads(webhook(messages=said))).encode()
    answer = requests.post(f"{shop.url}/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET), timeout=10)
    assert answer.status_code == 200, answer.text
    wait_until(lambda: f"Ligne {messages - 1}" in {row["content_text"] for row in customer.messages()}, "all of it")
