"""For those who see otherwise: four times as large, without motion, with the system's own colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop


@pytest.mark.parametrize("height", [640, 180])
def test_at_four_times_the_size_one_pane_is_shown_and_nothing_is_cut(
    shop: Shop, desk: Callable[..., Desk], height: int
) -> None:
    """A window of 1280 x 720 pixels at 400 % is 320 x 180 to the page."""
    zoe = shop.customer("Zoé Martin", "Vous livrez ?")
    amina = desk("Amina", viewport={"width": 320, "height": height}).opens(zoe)
    expect(amina.bubble("Vous livrez ?")).to_be_visible()
    expect(amina.list).to_be_hidden()
    assert amina.js("document.querySelector('.thread-scroll').clientHeight") > 100
    assert amina.js("document.scrollingElement.scrollWidth <= innerWidth")
    amina.button("To the list").click()
    expect(amina.row(zoe)).to_be_visible()
    assert amina.js("document.querySelector('.list-scroll').clientHeight") > 100
    assert amina.js("document.scrollingElement.scrollWidth <= innerWidth")
    amina.page.go_back()
    expect(amina.bubble("Vous livrez ?")).to_be_visible()


def test_nothing_moves_for_those_who_do_not_want_it(shop: Shop, desk: Callable[..., Desk]) -> None:
    zoe = shop.customer("Zoé Martin", "Vous livrez ?")
    amina = desk("Amina", reduced_motion="reduce").opens(zoe)
    expect(amina.bubble("Vous livrez ?")).to_be_visible()
    zoe.writes("Et demain ?")
    expect(amina.bubble("Et demain ?")).to_be_visible()
    moving = "document.getAnimations().filter((each) => each.effect.getComputedTiming().duration > 1).length"
    assert amina.js(moving) == 0


def test_with_forced_colours_what_is_chosen_can_still_be_told(shop: Shop, desk: Callable[..., Desk]) -> None:
    zoe = shop.customer("Zoé Martin", "Vous livrez ?")
    amina = desk("Amina", forced_colors="active").opens(zoe)
    expect(amina.bubble("Vous livrez ?").locator(".bubble")).to_have_css("border-top-style", "solid")
    expect(amina.row(zoe)).to_have_css("outline-style", "solid")


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
def test_the_inbox_fits_each_size_and_theme(
    shop: Shop, desk: Callable[..., Desk], tmp_path: Path, language: str
) -> None:
    """Nothing is cut at the side, and axe finds no contrast that is too low."""
    zoe = shop.customer("Zoé Martin", "Bonjour, avez-vous du pain de seigle pour samedi ?")
    amina = desk("Amina", locale=language).opens(zoe)
    amina.sends("Oui, il en reste trois.")
    for scheme in ("light", "dark"):
        amina.page.emulate_media(color_scheme=scheme)
        for width in (360, 820, 1440):
            amina.page.set_viewport_size({"width": width, "height": 800})
            amina.opens(zoe)
            expect(amina.bubble("Oui, il en reste trois.")).to_be_visible()
            assert amina.js("document.scrollingElement.scrollWidth <= innerWidth")
            amina.page.screenshot(path=tmp_path / f"{width}-{scheme}-{language}.png")
            amina.check()
