"""Writing with help: canned replies, emoji, and taking back."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop


def _canned(shop: Shop, shortcut: str, text: str) -> None:
    answer = shop.ask("POST", f"/accounts/{shop.account}/canned-replies", json={"shortcut": shortcut, "text": text})
    assert answer.ok, answer.text


def test_enter_takes_the_first_canned_reply_and_never_sends_its_shortcut(shop: Shop, desk: Callable[..., Desk]) -> None:
    _canned(shop, "heures", "Nous sommes ouverts de 7 h à 19 h.")
    noe = shop.customer("Noé Petit")
    amina = desk("Amina").opens(noe)
    amina.field.click()
    before = len(noe.received())
    amina.page.keyboard.type("/heu")
    amina.page.keyboard.press("Enter")  # before the list is there
    expect(amina.field).to_have_value("Nous sommes ouverts de 7 h à 19 h.")
    amina.page.keyboard.press("Control+z")
    expect(amina.field).to_have_value("/heu")
    listed = amina.page.get_by_role("listbox", name="Canned replies")
    expect(listed.get_by_role("option", name="/heures")).to_have_attribute("aria-selected", "true")
    amina.button("Send").click()
    expect(amina.field).to_have_value("Nous sommes ouverts de 7 h à 19 h.")
    expect(listed).to_have_count(0)
    assert len(noe.received()) == before


def test_what_begins_like_a_shortcut_and_is_none_goes_at_the_second_try(shop: Shop, desk: Callable[..., Desk]) -> None:
    noe = shop.customer("Noé Petit")
    amina = desk("Amina").opens(noe)
    amina.field.click()
    amina.page.keyboard.type("/xyz")
    amina.sees("No canned reply begins like this.")
    amina.page.keyboard.press("Enter")
    amina.sees("Send once more to send it as it is.")
    expect(amina.field).to_have_value("/xyz")
    amina.page.keyboard.press("Enter")
    expect(amina.field).to_have_value("")
    expect(amina.bubble("/xyz")).to_be_visible()
    expect(amina.page.get_by_text("No canned reply begins like this.")).to_have_count(0)


def test_a_canned_reply_with_a_gap_is_not_sent_before_it_is_filled(shop: Shop, desk: Callable[..., Desk]) -> None:
    _canned(shop, "signe", "Merci {contact.first_name}, de {number}")
    noe = shop.customer("Noé Petit")
    amina = desk("Amina").opens(noe)
    before = len(noe.received())
    amina.field.click()
    amina.page.keyboard.type("/signe")
    amina.page.get_by_role("option", name="/signe").click()
    expect(amina.field).to_have_value("Merci Noé, de +33 7 00 00 00 00")
    amina.field.fill("Merci {contact.name}")
    amina.page.keyboard.press("Enter")
    amina.sees("Write something for {contact.name} first")
    expect(amina.field).to_have_value("Merci {contact.name}")
    assert len(noe.received()) == before


def test_escape_puts_suggestions_away_and_keeps_what_was_typed(shop: Shop, desk: Callable[..., Desk]) -> None:
    _canned(shop, "heures", "Nous sommes ouverts de 7 h à 19 h.")
    noe = shop.customer("Noé Petit")
    amina = desk("Amina").opens(noe)
    amina.field.click()
    amina.page.keyboard.type("/heu")
    expect(amina.page.get_by_role("option", name="/heures")).to_be_visible()
    amina.page.keyboard.press("Escape")
    expect(amina.page.get_by_role("option", name="/heures")).to_have_count(0)
    expect(amina.field).to_have_value("/heu")
    expect(amina.field).to_be_focused()


def test_an_emoji_takes_the_place_of_just_what_was_typed_for_it(shop: Shop, desk: Callable[..., Desk]) -> None:
    noe = shop.customer("Noé Petit")
    amina = desk("Amina").opens(noe)
    amina.field.click()
    amina.page.keyboard.type("Merci :grinnin beaucoup")
    for _ in " beaucoup":
        amina.page.keyboard.press("ArrowLeft")
    amina.page.keyboard.type("g")
    expect(amina.page.get_by_role("option").first).to_be_visible()
    amina.page.keyboard.press("ArrowDown")
    amina.page.keyboard.press("Enter")
    expect(amina.field).to_have_value("Merci 😀 beaucoup")
    amina.page.keyboard.press("Control+z")
    expect(amina.field).to_have_value("Merci :grinning beaucoup")


def test_emoji_are_found_in_their_panel_and_put_at_the_cursor(shop: Shop, desk: Callable[..., Desk]) -> None:
    noe = shop.customer("Noé Petit")
    amina = desk("Amina").opens(noe)
    amina.types("Merci")
    amina.button("Emoji").click()
    for group, first in (("Animals and nature", "monkey face"), ("Flags", "chequered flag")):
        amina.page.get_by_role("button", name=group).click()
        expect(amina.page.locator(".emoji-grid button").first).to_have_attribute("title", first)
    amina.page.get_by_role("searchbox", name="Search emoji").fill("bread")
    amina.page.get_by_role("button", name="bread", exact=True).click()
    expect(amina.field).to_have_value("Merci🍞")
    expect(amina.field).to_be_focused()


def test_a_note_stays_among_colleagues(shop: Shop, desk: Callable[..., Desk]) -> None:
    """It has a field, a colour and a verb of its own."""
    noe = shop.customer("Noé Petit")
    amina = desk("Amina").opens(noe)
    before = len(noe.received())
    amina.types("Une réponse commencée")
    amina.page.get_by_role("tab", name="Note").click()
    expect(amina.field).to_have_value("")
    amina.types("Préfère le seigle")
    amina.button("Add note").click()
    expect(amina.bubble("Préfère le seigle")).to_have_class("entry entry-note entry-ours entry-first entry-last")
    amina.page.get_by_role("tab", name="Reply").click()
    expect(amina.field).to_have_value("Une réponse commencée")
    assert len(noe.received()) == before
