"""Keyboards, browsers and deploys of every kind: what is missing is done without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop

Desks = Callable[..., Desk]


def test_enter_that_ends_an_input_methods_word_sends_nothing(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.field.click()
    keyboard = amina.context.new_cdp_session(amina.page)
    keyboard.send("Input.imeSetComposition", {"text": "こんに", "selectionStart": 3, "selectionEnd": 3})
    enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 229, "nativeVirtualKeyCode": 229}
    keyboard.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **enter})
    keyboard.send("Input.insertText", {"text": "こんにちは"})
    keyboard.send("Input.dispatchKeyEvent", {"type": "keyUp", **enter})
    expect(amina.field).to_have_value("こんにちは")
    amina.page.keyboard.press("Enter")
    amina.is_marked("こんにちは", "Delivered")
    camille.receives("こんにちは")


@pytest.mark.parametrize(
    ("sign", "modifiers"), [("ą", {"altKey": True}), ("ę", {"altKey": True}), ("@", {"altKey": True, "ctrlKey": True})]
)
def test_letters_that_need_alt_are_letters_and_nothing_else(
    shop: Shop, desk: Desks, sign: str, modifiers: dict[str, bool]
) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.field.click()
    prevented = amina.field.evaluate(
        """(field, [key, modifiers]) => !field.dispatchEvent(
            new KeyboardEvent('keydown', { key, ...modifiers, bubbles: true, cancelable: true }))""",
        [sign, modifiers],
    )
    assert prevented is False
    amina.page.keyboard.insert_text(sign)
    expect(amina.field).to_have_value(sign)
    assert amina.page.url.endswith(camille.conversation)


FORBIDDEN = "Object.defineProperty(window, '{}', {{ get() {{ throw new Error('forbidden'); }} }});"
BROKEN = {
    "nothing kept": FORBIDDEN.format("indexedDB") + FORBIDDEN.format("localStorage"),
    "full database": "IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    "silent database": "IDBFactory.prototype.open = () => ({});",
    "every tab alone": """
        Object.defineProperty(navigator, 'locks', { value: undefined });
        window.BroadcastChannel = undefined;
        window.Worker = class { constructor() { throw new Error('forbidden'); } };
    """,
}


@pytest.mark.parametrize("missing", list(BROKEN))
def test_what_a_browser_lacks_is_done_without(shop: Shop, desk: Desks, missing: str) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina")
    amina.prepares(BROKEN[missing])
    amina.opens(camille)
    amina.sends("Il en reste trois.")
    amina.is_marked("Il en reste trois.", "Delivered")
    camille.writes("Merci !")
    expect(amina.bubble("Merci !")).to_be_visible()
    camille.receives("Il en reste trois.")


def test_a_tab_from_before_a_deploy_goes_on_working_and_offers_the_new_version(shop: Shop, desk: Desks) -> None:
    camille, alice = shop.customer("Camille Roux", "Bonjour"), shop.customer("Alice Byrne", "Hello")
    amina = desk("Amina").opens(camille)
    amina.allow(r"/assets/")
    amina.page.route("**/assets/**", lambda route: route.fulfill(status=404))  # the old files are gone
    amina.row(alice).click()
    amina.sends("Hello Alice")
    amina.is_marked("Hello Alice", "Delivered")
    amina.thread.get_by_role("button", name="More").first.click()
    amina.page.keyboard.press("Escape")
    release = amina.js("JSON.parse(document.getElementById('boot').textContent).release")
    assert release

    def newer(route: Any) -> None:
        answer = route.fetch()
        if answer.status != 200:
            route.fulfill(response=answer)
            return
        route.fulfill(response=answer, json=answer.json() | {"release": "a newer one"})

    amina.page.route("**/changes*", newer)
    alice.writes("Thank you")
    expect(amina.strip).to_contain_text("A new version is ready.")
    amina.thread.get_by_role("button", name="Other kinds of message").click()
    amina.page.get_by_role("menuitem", name="Location").click()
    amina.sees("This page is out of date. Reload it to go on")
    amina.types("Half a sentence")
    amina.page.unroute("**/assets/**")
    amina.page.unroute("**/changes*")
    amina.strip.get_by_role("button", name="Reload").click()
    amina.page.wait_for_selector("html[data-ready]")
    expect(amina.field).to_have_value("Half a sentence")
