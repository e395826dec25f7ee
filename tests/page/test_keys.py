"""The keyboard: everything by keys alone, nothing while somebody writes, and nothing at all when it is switched off."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop
from tests.waiting import wait_until

Sits = Callable[..., Desk]


def focused(desk: Desk, selector: str) -> None:
    """The focus is in what `selector` names."""
    desk.page.wait_for_function("(selector) => document.activeElement?.closest(selector)", arg=selector)


def test_ten_customers_are_answered_with_keys_only(shop: Shop, desk: Sits) -> None:
    tess = desk("Tess")  # nobody else gives her work
    customers = [shop.customer(f"Client {number}", f"Question {number} ?") for number in range(10)]
    for each in customers:
        shop.post(f"/conversations/{each.conversation}/assign", {"user_id": tess.person.id})
    tess.goes_to(f"/inbox?account_id={shop.account}&assigned_to={tess.person.id}")
    for each in customers:
        expect(tess.row(each)).to_be_visible()
    keyboard = tess.page.keyboard
    keyboard.press("j")
    focused(tess, "a.row")
    keyboard.press("Enter")
    for each in reversed(customers):  # the newest stands first
        expect(tess.thread.get_by_role("heading", name=each.name)).to_be_visible()
        focused(tess, "a.row, #thread")  # also after the one before has gone
        keyboard.press("r")
        focused(tess, "textarea")
        keyboard.insert_text(f"Réponse à {each.name}")
        keyboard.press("Enter")
        expect(tess.bubble(f"Réponse à {each.name}")).to_be_visible()
        keyboard.press("Escape")
        focused(tess, ".thread-scroll")
        keyboard.press("e")
    expect(tess.page.get_by_text("Choose a conversation.")).to_be_visible()  # nothing is left to look at
    for each in customers:
        answer = f"Réponse à {each.name}"
        wait_until(lambda each=each, answer=answer: answer in each.received(), f"the answer to {each.name}")
        assert each.received().count(answer) == 1
        wait_until(lambda each=each: each.row()["status"] == "done", f"{each.name} is done")
    tess.js("window.__shift = 0")  # ten rows have gone up by themselves, one after another: each was answered


def test_escape_climbs_from_the_field_to_the_list(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Esc")
    amina = desk("Amina").opens(camille)
    keyboard = amina.page.keyboard
    amina.field.click()
    keyboard.press("Escape")
    focused(amina, ".thread-scroll")
    keyboard.press("ArrowUp")
    focused(amina, ".thread-scroll [data-key]")
    keyboard.press("Escape")
    focused(amina, f'a.row[data-id="{camille.conversation}"]')
    keyboard.press("n")
    focused(amina, ".composer-noting textarea")


def test_escape_leaves_the_field_before_the_thread_is_there(shop: Shop, desk: Sits) -> None:
    camille, alice = shop.customer("Camille Vite"), shop.customer("Alice Vite")
    amina = desk("Amina").opens(camille)
    amina.page.route(f"**/messages/{alice.conversation}?*", lambda _route: None)  # never answered
    amina.row(alice).click()
    focused(amina, "textarea")
    amina.page.keyboard.press("Escape")
    focused(amina, "#thread")
    amina.page.keyboard.press("r")
    focused(amina, "textarea")
    amina.page.unroute_all(behavior="ignoreErrors")


def test_letters_in_a_field_are_letters(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Lettres")
    amina = desk("Amina").opens(camille)
    amina.field.click()
    for key in "ejkrbzu?]":
        amina.page.keyboard.press(key)
    assert amina.field.input_value() == "ejkrbzu?]"
    assert camille.row()["status"] == "open"
    amina.page.keyboard.press("Control+k")  # acts in fields too, and writes nothing
    focused(amina, ".palette")
    amina.page.keyboard.press("Escape")
    focused(amina, "textarea")
    assert amina.field.input_value() == "ejkrbzu?]"
    amina.field.fill("")


def test_single_keys_can_be_switched_off(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Sans")
    bea = desk("Béa").opens(camille)
    keyboard = bea.page.keyboard
    bea.thread.locator(".thread-scroll").focus()
    keyboard.press("?")
    with bea.page.expect_response("**/auth/me"):
        bea.page.get_by_role("switch", name="Single-key shortcuts").click()
    keyboard.press("Escape")
    bea.thread.locator(".thread-scroll").focus()
    keyboard.press("e")
    keyboard.press("?")
    expect(bea.page.get_by_role("dialog")).to_have_count(0)
    assert camille.row()["status"] == "open"
    bea.opens(camille)  # also after a reload
    bea.thread.locator(".thread-scroll").focus()
    keyboard.press("?")
    expect(bea.page.get_by_role("dialog")).to_have_count(0)
    keyboard.press("Control+k")
    focused(bea, ".palette")


def test_the_palette_finds_a_person_an_action_and_a_page(shop: Shop, desk: Sits) -> None:
    zoe = shop.customer("Zoé Palette", "Bonjour de Zoé")
    amina = desk("Amina").goes_to()
    keyboard = amina.page.keyboard
    keyboard.press("Control+k")
    focused(amina, ".palette input")
    keyboard.insert_text("zoé pal")
    expect(amina.page.get_by_role("option", name="Zoé Palette")).to_be_visible()
    keyboard.press("Enter")
    expect(amina.thread.get_by_role("heading", name="Zoé Palette")).to_be_visible()
    keyboard.press("Control+k")
    keyboard.insert_text("note for")
    keyboard.press("Enter")
    focused(amina, ".composer-noting textarea")
    keyboard.press("Control+k")
    keyboard.insert_text("sett")
    keyboard.press("Enter")
    amina.page.wait_for_url("**/settings")
    amina.goes_to()
    keyboard.press("Control+k")
    focused(amina, ".palette input")
    keyboard.insert_text("labels")
    expect(amina.page.get_by_role("option", name="Settings: API keys")).to_have_count(0)  # not for her
    keyboard.press("Enter")
    amina.page.wait_for_url("**/settings/labels")
    assert zoe.row()["status"] == "open"
