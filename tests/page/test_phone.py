"""On a phone: half the screen is a keyboard, a finger has no hover, and Back is a habit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.page.desk import Desk
from tests.page.shop import Shop
from tests.page.test_media import PICTURE
from tests.waiting import wait_until

Desks = Callable[..., Desk]
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
#: Whether something can be seen and pressed: nothing else lies where it is.
REACHED = """
    (one) => {
        const { x, y, width, height } = one.getBoundingClientRect();
        const top = document.elementFromPoint(x + width / 2, y + height / 2);
        return x >= 0 && y >= 0 && x + width <= innerWidth && y + height <= innerHeight && one.contains(top);
    }
"""


def is_reached(one: Locator) -> None:
    expect(one).to_be_visible()
    wait_until(lambda: one.evaluate(REACHED), f"{one} to be where a finger reaches it", 10)


@pytest.mark.parametrize(("width", "height", "lines"), [(360, 360, 1), (360, 360, 20), (360, 200, 3), (740, 200, 3)])
def test_what_is_written_and_the_way_to_send_it_are_seen_above_the_keyboard(
    shop: Shop, desk: Desks, width: int, height: int, lines: int
) -> None:
    camille = shop.customer("Camille Roux", "Bonjour, il vous reste du pain de seigle ?")
    amina = desk("Amina", **PHONE).opens(camille)
    amina.field.tap()
    amina.page.set_viewport_size({"width": width, "height": height})
    amina.page.keyboard.insert_text("\n".join(f"Ligne {number}" for number in range(lines)))
    is_reached(amina.page.locator(".composer-send"))
    assert amina.field.bounding_box()["width"] > 250  # type: ignore[index]
    amina.page.locator(".composer-send").tap()
    camille.receives("\n".join(f"Ligne {number}" for number in range(lines)))


@pytest.mark.parametrize("width", [740, 768, 820])
def test_the_field_has_room_for_a_sentence_on_every_width(shop: Shop, desk: Desks, width: int) -> None:
    amina = desk("Amina", viewport={"width": width, "height": 800}).opens(shop.customer("Camille Roux", "Bonjour"))
    assert amina.field.bounding_box()["width"] > 300  # type: ignore[index]


def test_a_finger_reacts_to_a_message_and_finds_its_menu(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina", **PHONE).opens(camille)
    message, actions = amina.bubble("Bonjour"), amina.page.locator(".entry-actions")
    message.tap()
    actions.get_by_role("button", name="More").tap()
    is_reached(amina.page.get_by_role("menuitem").first)
    amina.page.keyboard.press("Escape")
    message.tap()
    actions.get_by_role("button", name="React").tap()
    is_reached(amina.page.get_by_role("searchbox", name="Search emoji"))
    thumb = amina.page.get_by_role("button", name="grinning face", exact=True)
    is_reached(thumb)
    thumb.tap()
    expect(amina.thread.locator(".reactions, .bubble-reactions").first).to_be_visible()


def test_a_finger_puts_an_emoji_into_the_text(shop: Shop, desk: Desks) -> None:
    amina = desk("Amina", **PHONE).opens(shop.customer("Camille Roux", "Bonjour"))
    amina.field.tap()
    amina.page.keyboard.insert_text("Merci ")
    amina.thread.locator(".composer").get_by_role("button", name="Emoji").tap()
    face = amina.page.get_by_role("button", name="grinning face", exact=True)
    is_reached(face)
    face.tap()
    expect(amina.field).to_have_value("Merci 😀")


def test_back_takes_what_lay_over_a_conversation_with_it(shop: Shop, desk: Desks) -> None:
    camille, noe = shop.customer("Camille Roux", "Bonjour"), shop.customer("Noé Petit", "Bonsoir")
    amina = desk("Amina", **PHONE).goes_to("/inbox")
    for more, item in (("Other kinds of message", "Template"), ("More", "Details")):
        amina.row(camille).tap()
        amina.thread.locator(".head, .composer").get_by_role("button", name=more, exact=True).tap()
        amina.page.get_by_role("menuitem", name=item).tap()
        expect(amina.page.get_by_role("dialog")).to_be_visible()
        amina.js("history.back()")
        amina.row(noe).tap()
        expect(amina.bubble("Bonsoir")).to_be_visible()
        expect(amina.page.get_by_role("dialog")).to_have_count(0)
        amina.js("history.back()")


def test_what_was_done_in_the_details_can_be_undone_there(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina", **PHONE).opens(camille)
    amina.thread.locator(".head").get_by_role("button", name="More").tap()
    amina.page.get_by_role("menuitem", name="Details").tap()
    details = amina.page.get_by_role("dialog")
    details.get_by_role("button", name="Assign").tap()
    amina.page.get_by_role("menuitemradio").first.tap()
    wait_until(lambda: camille.row()["assigned_to"] == amina.person.id, "it is hers")
    undo = details.get_by_role("button", name="Undo")
    is_reached(undo)
    undo.tap()
    wait_until(lambda: camille.row()["assigned_to"] is None, "it is nobody's")


def test_a_tap_chooses_while_several_are_chosen(shop: Shop, desk: Desks) -> None:
    camille, noe = shop.customer("Camille Roux", "Bonjour"), shop.customer("Noé Petit", "Bonsoir")
    amina = desk("Amina", **PHONE).goes_to("/inbox")
    amina.button("More filters, and the order").tap()
    amina.page.get_by_role("menuitem", name="Choose several").tap()
    expect(amina.page.get_by_role("toolbar")).to_be_visible()
    expect(amina.page.get_by_role("menu")).to_have_count(0)
    amina.row(camille).tap()
    amina.row(noe).tap()
    amina.sees("2 chosen")


def test_with_letters_twice_as_large_everything_is_still_reached(shop: Shop, desk: Desks) -> None:
    amina = desk("Amina", **PHONE).opens(shop.customer("Camille Roux", "Bonjour"))
    amina.js("() => { document.documentElement.style.fontSize = '200%'; }")
    for name in ("Done", "More"):
        is_reached(amina.thread.locator(".head").get_by_role("button", name=name))
    expect(amina.thread.locator(".head h2")).to_be_visible()
    assert amina.field.bounding_box()["width"] > 250  # type: ignore[index]


def test_a_photo_that_leaves_is_shown_wherever_one_was_reading_and_fills_the_screen(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", *[f"Question {number}" for number in range(40)])
    amina = desk("Amina", **PHONE).opens(camille)
    amina.js("document.querySelector('.thread-scroll').scrollTop = 0")
    expect(amina.bubble("Question 0")).to_be_in_viewport()
    cake = {"name": "cake.png", "mimeType": "image/png", "buffer": PICTURE}
    amina.thread.locator("input[type=file]").set_input_files([cake])
    amina.field.tap()
    amina.page.keyboard.insert_text("Le voici")
    amina.page.locator(".composer-send").tap()
    expect(amina.bubble("Le voici")).to_be_in_viewport(timeout=20_000)
    amina.bubble("Le voici").get_by_role("button", name="Show whole").tap()
    shown = amina.page.get_by_role("dialog").locator("img")
    wait_until(lambda: (shown.bounding_box() or {"width": 0})["width"] > 320, "the picture to fill the screen")
