"""More than a text, written at the page: buttons, lists, places, contact cards, and templates with a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, expect

from tests.page.desk import Desk
from tests.page.shop import Customer, Shop
from tests.page.test_media import PICTURE
from tests.waiting import wait_until

Desks = Callable[..., Desk]


def _begins(amina: Desk, kind: str) -> Locator:
    """Choose what to write from the menu; the dialog."""
    amina.button("Other kinds of message").click()
    amina.page.get_by_role("menuitem", name=kind).click()
    dialog = amina.page.get_by_role("dialog", name=kind)
    expect(dialog.get_by_role("button", name="Send")).to_be_visible()
    return dialog


def _sends(dialog: Locator) -> None:
    dialog.get_by_role("button", name="Send").click()
    expect(dialog).to_have_count(0)


def _reaches(customer: Customer, count: int) -> Any:
    """The content of the newest message that reached the customer's phone, the `count`-th in all."""

    def there() -> list[Any]:
        return [each for each in customer.shop.sandbox.deliveries() if each.phone == customer.phone]

    wait_until(lambda: len(there()) == count, f"{count} messages at {customer.name}'s phone")
    return there()[-1].content


def test_buttons_a_list_a_place_and_a_card_reach_the_customer_as_they_were_shown(shop: Shop, desk: Desks) -> None:
    noe = shop.customer("Noé Petit")
    lea = shop.customer("Léa Simon", "Vous avez des gâteaux ?")
    amina = desk("Amina").opens(lea)
    amina.types("Which day suits you?")

    dialog = _begins(amina, "Buttons")
    expect(dialog.get_by_label("Text", exact=True)).to_have_value("Which day suits you?")  # it was begun in the field
    dialog.get_by_label("Text", exact=True).fill("Which day suits you best?")
    dialog.get_by_role("textbox", name="Button 1").fill("Saturday")
    amina.page.keyboard.press("Enter")
    amina.page.keyboard.type("Saturday")
    expect(dialog.get_by_role("figure")).to_contain_text("Saturday")
    amina.refuses(400)
    dialog.get_by_role("button", name="Send").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Two buttons have the same title.")
    dialog.get_by_role("textbox", name="Button 2").fill("Sunday")
    amina.page.keyboard.press("Control+Enter")
    expect(dialog).to_have_count(0)
    expect(amina.field).to_be_focused()
    expect(amina.field).to_have_value("")
    expect(amina.bubble("Which day suits you best?")).to_contain_text("Sunday")
    replies = [each["reply"] for each in _reaches(lea, 1)["action"]["buttons"]]
    assert replies == [{"id": "1", "title": "Saturday"}, {"id": "2", "title": "Sunday"}]

    dialog = _begins(amina, "List")
    dialog.get_by_label("Text", exact=True).fill("Which cake?")
    dialog.get_by_role("textbox", name="Choice 1", exact=True).fill("Plum")
    dialog.get_by_role("textbox", name="More about choice 1").fill("For six")
    amina.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    dialog = _begins(amina, "List")  # what was begun is still there
    expect(dialog.get_by_role("textbox", name="More about choice 1")).to_have_value("For six")
    dialog.get_by_role("button", name="Add a choice").click()
    amina.page.keyboard.type("Lemon")
    amina.check()
    _sends(dialog)
    sent = _reaches(lea, 2)["action"]
    assert sent["sections"] == [
        {"rows": [{"id": "1", "title": "Plum", "description": "For six"}, {"id": "2", "title": "Lemon"}]}
    ]
    expect(amina.bubble("Which cake?")).to_contain_text("For six")

    dialog = _begins(amina, "Location")
    dialog.get_by_label("Latitude").fill("https://maps.app.goo.gl/abcDEF123")
    expect(dialog.get_by_text("There is no place in this address.")).to_be_visible()
    amina.refuses(400)
    dialog.get_by_label("Latitude").fill("95")
    dialog.get_by_label("Longitude").fill("2")
    dialog.get_by_role("button", name="Send").click()
    expect(dialog).to_contain_text("Latitude: a number from -90 to 90")
    dialog.get_by_label("Latitude").fill("https://www.openstreetmap.org/?mlat=48.871&mlon=2.365#map=17/48.87/2.36")
    expect(dialog.get_by_label("Longitude")).to_have_value("2.365")
    dialog.get_by_label("Name of the place").fill("Boulangerie du Canal")
    amina.refuses(409)
    refusal = {"code": "no_such_luck", "title": "Not just now."}
    amina.page.route("**/messages/send-content", lambda route: route.fulfill(status=409, json=refusal))
    _sends(dialog)
    amina.page.unroute_all()
    expect(amina.bubble("Boulangerie du Canal")).to_contain_text("Not sent: Not just now.")
    amina.bubble("Boulangerie du Canal").get_by_role("button", name="Change it").click()
    expect(dialog.get_by_label("Latitude")).to_have_value("48.871")  # it goes on from what was refused
    _sends(dialog)
    assert _reaches(lea, 3) == {"latitude": 48.871, "longitude": 2.365, "name": "Boulangerie du Canal"}
    link = amina.bubble("48.871, 2.365").get_by_role("link", name="Open in OpenStreetMap")
    assert [link.get_attribute(each) for each in ("href", "target", "rel")] == [
        "https://www.openstreetmap.org/?mlat=48.871&mlon=2.365#map=17/48.871/2.365",
        "_blank",
        "noopener noreferrer",
    ]

    amina.page.keyboard.press("Control+k")
    amina.page.keyboard.type("contact card")
    amina.page.keyboard.press("Enter")
    dialog = amina.page.get_by_role("dialog", name="Contact card")
    search = dialog.get_by_role("searchbox", name="Fill in from our contacts")
    search.fill("nobody at all")
    expect(dialog.get_by_role("status").first).to_have_text("No contact by that name or number.")
    search.fill("no")
    expect(dialog.get_by_role("button", name="Noé Petit")).to_be_visible()
    amina.check()
    amina.page.keyboard.press("Enter")  # there is but one
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Noé Petit")
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    expect(search).to_have_value("")
    dialog.get_by_label("Name", exact=True).fill("Noé Petit, baker")
    expect(dialog.get_by_label("Phone number")).to_have_value(re.compile(r"^\+33 6 "))
    _sends(dialog)
    (card,) = _reaches(lea, 4)
    assert card["name"]["formatted_name"] == "Noé Petit, baker"
    assert [re.sub(r"[^0-9]", "", each["phone"]) for each in card["phones"]] == [noe.phone]
    amina.is_marked("Noé Petit, baker", "Delivered")


def test_a_template_is_sent_with_the_picture_of_its_header(shop: Shop, desk: Desks) -> None:
    lea = shop.customer("Léa Simon", "Bonjour")
    amina = desk("Amina").opens(lea)
    amina.loses_network()
    amina.page.route("**/bundles/writing.js", lambda route: route.abort())
    amina.button("Other kinds of message").click()
    amina.page.get_by_role("menuitem", name="Template").click()
    amina.sees("This could not be loaded.")
    amina.page.unroute_all()
    amina.button("Other kinds of message").click()
    amina.page.get_by_role("menuitem", name="Template").click()
    dialog = amina.page.get_by_role("dialog", name="Choose a template")
    dialog.get_by_role("button", name="cake_of_the_week").click()
    dialog.get_by_label("Text {{1}}").fill("Léa")
    amina.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    amina.button("Other kinds of message").click()
    amina.page.get_by_role("menuitem", name="Template").click()
    dialog.get_by_role("button", name="cake_of_the_week").click()
    expect(dialog.get_by_label("Text {{1}}")).to_have_value("Léa")  # what was begun is still there
    expect(dialog.get_by_role("button", name="Choose a picture")).to_be_focused()
    send = dialog.get_by_role("button", name="Send template")
    expect(send).to_be_disabled()
    files = dialog.locator("input[type=file]")
    files.set_input_files([{"name": "menu.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 menu"}])
    amina.refuses(400)
    expect(send).to_be_enabled()
    send.click()
    expect(dialog.get_by_role("alert")).to_contain_text("Another type of file is needed here: image/jpeg, image/png.")
    files.set_input_files([{"name": "cake.png", "mimeType": "image/png", "buffer": PICTURE}])
    expect(dialog.get_by_role("figure").locator("img")).to_be_visible()
    expect(send).to_be_enabled()
    amina.check()
    send.click()
    expect(dialog).to_have_count(0)
    expect(amina.bubble("Good morning Léa").locator("img")).to_be_visible()
    header, _ = _reaches(lea, 1)["components"]
    assert header["parameters"][0]["type"] == "image"
    assert "id" in header["parameters"][0]["image"]


def test_the_address_of_a_header_is_seen_again_with_what_was_kept(shop: Shop, desk: Desks) -> None:
    amina = desk("Amina").opens(shop.customer("Léa Simon", "Bonjour"))

    def begins() -> Locator:
        amina.button("Other kinds of message").click()
        amina.page.get_by_role("menuitem", name="Template").click()
        dialog = amina.page.get_by_role("dialog", name="Choose a template")
        dialog.get_by_role("button", name="cake_of_the_week").click()
        return dialog

    dialog = begins()
    dialog.get_by_role("button", name="Use a web address instead").click()
    dialog.get_by_label("Web address of the picture").fill("https://example.com/cake.png")
    dialog.get_by_role("button", name="Close").click()
    expect(begins().get_by_label("Web address of the picture")).to_have_value("https://example.com/cake.png")
    dialog.get_by_role("button", name="Start over").click()
    expect(dialog.get_by_role("button", name="Start over")).to_have_count(0)
    dialog.get_by_role("button", name="Close").click()
    expect(begins().get_by_role("button", name="Choose a picture")).to_be_visible()
