"""What is new to a reader: the line before it, and what takes it away."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop


def test_the_line_before_what_is_new_stays_until_one_answers(shop: Shop, desk: Callable[..., Desk]) -> None:
    """Reading alone does not take it away, and neither does what comes meanwhile (G3)."""
    ada = shop.customer("Ada Blanc", "Bonjour", "Vous êtes là ?")
    amina = desk("Amina").opens(ada)
    line = amina.thread.locator(".entry-divider")
    expect(line).to_have_text("2 new")
    expect(amina.row(ada).locator(".row-count")).to_have_count(0)  # read, since it was on the screen for a second
    ada.writes("Allô ?")
    expect(amina.bubble("Allô ?")).to_be_visible()
    expect(line).to_have_text("2 new")
    amina.sends("Bonjour Ada !")
    expect(amina.bubble("Bonjour Ada !")).to_be_in_viewport()
    expect(line).to_have_count(0)
