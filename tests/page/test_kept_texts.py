"""What somebody writes belongs to them and a conversation: it survives leaving, reloading, another device."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop
from tests.waiting import wait_until

Desks = Callable[..., Desk]


def kept(desk: Desk, conversation: str) -> list[str]:
    """The drafts that the server has of this person."""
    rows = desk.context.request.get(f"{desk.shop.url}/conversations/{conversation}/drafts").json()
    return [row["text"] for row in rows]


def test_each_conversation_has_a_draft_of_its_own(shop: Shop, desk: Desks) -> None:
    camille, alice = shop.customer("Camille Roux", "Bonjour"), shop.customer("Alice Byrne", "Hello")
    amina = desk("Amina").opens(camille)
    amina.types("Pour Camille")
    amina.row(alice).click()
    expect(amina.field).to_have_value("")
    amina.types("For Alice")
    expect(amina.row(camille)).to_contain_text("Pour Camille")
    amina.row(camille).click()
    expect(amina.field).to_have_value("Pour Camille")
    amina.row(alice).click()
    expect(amina.field).to_have_value("For Alice")
    assert camille.received() == alice.received() == []


def test_a_reply_and_a_note_do_not_overwrite_each_other(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.types("To the customer")
    amina.page.get_by_role("tab", name="Note").click()
    expect(amina.field).to_have_value("")
    amina.types("For us")
    amina.page.get_by_role("tab", name="Reply").click()
    expect(amina.field).to_have_value("To the customer")
    amina.page.get_by_role("tab", name="Note").click()
    expect(amina.field).to_have_value("For us")


def test_a_reload_in_the_middle_of_a_word_loses_nothing(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.types("Il en re")
    amina.page.reload()
    expect(amina.field).to_have_value("Il en re")


def test_another_device_goes_on_with_the_draft_and_is_never_overwritten(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    desktop = desk("Amina").opens(camille)
    desktop.types("Il en reste")
    wait_until(lambda: kept(desktop, camille.conversation) == ["Il en reste"], "the draft at the server")
    phone = desk("Amina", viewport={"width": 360, "height": 740}).opens(camille)
    expect(phone.field).to_have_value("Il en reste")
    expect(phone.thread.get_by_role("tab", name="Note")).to_be_hidden()  # what arrives does not unfold the composer
    phone.field.click()
    expect(phone.thread.get_by_role("tab", name="Note")).to_be_visible()
    phone.field.press_sequentially(" trois")
    wait_until(lambda: kept(phone, camille.conversation) == ["Il en reste trois"], "the longer draft at the server")
    desktop.refuses(409)
    desktop.field.press_sequentially(" deux")
    expect(desktop.thread).to_contain_text("Draft from another tab or device", timeout=15_000)
    expect(desktop.field).to_have_value("Il en reste deux")
    desktop.button("Use it").click()
    expect(desktop.field).to_have_value("Il en reste trois")


def test_a_sent_text_leaves_no_draft_anywhere(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.types("Il en reste")
    wait_until(lambda: kept(amina, camille.conversation) == ["Il en reste"], "the draft at the server")
    amina.field.press("Enter")
    amina.is_marked("Il en reste", "Delivered")
    wait_until(lambda: kept(amina, camille.conversation) == [], "the draft to be gone")
    amina.page.reload()
    expect(amina.field).to_have_value("")


def test_nothing_that_arrives_touches_the_field(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.types("Il en reste trois")
    amina.field.evaluate("field => field.setSelectionRange(3, 5)")
    camille.writes("Vous êtes là ?")
    expect(amina.bubble("Vous êtes là ?")).to_be_visible()
    shop.post(f"/conversations/{camille.conversation}/assign", {"user_id": amina.person.id})
    expect(amina.row(camille)).to_have_class("row row-mine")
    held = amina.field.evaluate(
        "field => [field.value, field.selectionStart, field.selectionEnd, document.activeElement === field]"
    )
    assert held == ["Il en reste trois", 3, 5, True]
