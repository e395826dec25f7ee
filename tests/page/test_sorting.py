"""Favourites and labels: seen in the list, and a list of their own."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop


def test_a_favourite_has_a_star_and_a_list(shop: Shop, desk: Callable[..., Desk]) -> None:
    camille, noe = shop.customer("Camille Roux", "Bonjour"), shop.customer("Noé Petit", "Bonsoir")
    amina = desk("Amina").opens(camille)
    amina.thread.locator(".head").get_by_role("button", name="More").click()
    amina.page.get_by_role("menuitem", name="Add to favourites").click()
    expect(amina.row(camille).get_by_label("Favourite")).to_be_visible()
    amina.button("More filters").click()
    amina.page.get_by_role("menuitemradio", name="Favourites").click()
    expect(amina.row(camille)).to_be_visible()
    expect(amina.row(noe)).to_have_count(0)
    assert "favorite=true" in amina.page.url
    amina.thread.locator(".head").get_by_role("button", name="More").click()
    amina.page.get_by_role("menuitem", name="Remove from favourites").click()
    expect(amina.row(camille).get_by_label("Favourite")).to_have_count(0)
    amina.goes_to("/inbox?favorite=true").sees("No favourites yet.")  # where nobody is open


def test_labels_stand_in_the_rows_and_narrow_the_list(shop: Shop, desk: Callable[..., Desk]) -> None:
    camille, noe = shop.customer("Camille Roux", "Bonjour"), shop.customer("Noé Petit", "Bonsoir")
    label = shop.post(f"/accounts/{shop.account}/labels", {"name": "Mariage", "color": 3})
    shop.ask("PUT", f"/conversations/{camille.conversation}/labels", json={"label_ids": [label["id"]]})
    amina = desk("Amina").goes_to("/inbox")
    expect(amina.row(camille).locator(".row-label")).to_have_text("Mariage")
    amina.button("More filters").click()
    amina.page.get_by_role("menuitemradio", name="Mariage").click()
    amina.page.keyboard.press("Escape")
    expect(amina.row(noe)).to_have_count(0)
    expect(amina.row(camille)).to_be_visible()
    amina.page.reload()
    chosen = amina.page.get_by_role("group", name="Which conversations").get_by_role("button", name="Mariage")
    expect(chosen).to_have_attribute("aria-pressed", "true")
    expect(amina.row(noe)).to_have_count(0)
    chosen.click()
    expect(amina.row(noe)).to_be_visible()
