"""Nothing moves that the person did not move: rows under the pointer, the text one reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.many import fill_thread, leave_unread
from tests.page.shop import Customer, Shop

Desks = Callable[..., Desk]

#: Where the first message that can be seen stands, in pixels from the top of the window.
SEEN = """
    () => {
        const box = document.querySelector('.thread-scroll').getBoundingClientRect();
        const entries = [...document.querySelectorAll('.entries [data-key]')];
        const first = entries.find((entry) => entry.getBoundingClientRect().top >= box.top + 10);
        return [first.dataset.key, first.getBoundingClientRect().top];
    }
"""


def long_talk(shop: Shop, name: str, messages: int) -> Customer:
    """A conversation that has many pages."""
    customer = shop.customer(name, "Bonjour")
    fill_thread(customer, messages)
    return customer


def scroll_up(desk: Desk, screens: float) -> None:
    desk.js("(screens) => document.querySelector('.thread-scroll').scrollBy(0, -screens * 600)", screens)
    desk.page.wait_for_timeout(300)


def place_of(desk: Desk, key: str) -> float:
    return float(desk.js('(key) => document.querySelector(`[data-key="${key}"]`).getBoundingClientRect().top', key))


def test_a_click_hits_the_row_that_was_seen_although_the_order_has_changed(shop: Shop, desk: Desks) -> None:
    first, second, third = (shop.customer(name, "Bonjour") for name in ("Un Premier", "Deux Second", "Trois Troisième"))
    amina = desk("Amina").goes_to()
    expect(amina.row(third)).to_be_visible()
    box = amina.row(second).bounding_box()
    assert box is not None
    amina.page.mouse.move(box["x"] + 60, box["y"] + 30)
    first.writes("Vous êtes là ?", timestamp=int(time.time()) + 2)  # later than the others, in whole seconds
    expect(amina.page.get_by_text("1 moved")).to_be_visible()
    assert amina.row(second).bounding_box() == box
    amina.page.mouse.down()
    amina.page.mouse.up()
    expect(amina.thread).to_contain_text("Deux Second")
    amina.page.mouse.move(900, 300)
    expect(amina.page.locator("a.row").first).to_contain_text("Un Premier")


def test_what_arrives_moves_nothing_for_somebody_who_reads_three_pages_up(shop: Shop, desk: Desks) -> None:
    camille = long_talk(shop, "Camille Roux", 160)
    amina = desk("Amina").opens(camille)
    amina.is_crowded()
    expect(amina.field).to_be_visible()
    scroll_up(amina, 3)
    key, top = amina.js(SEEN)
    camille.writes("Vous êtes là ?")
    expect(amina.page.get_by_role("button", name="1 new")).to_be_visible()
    assert abs(place_of(amina, key) - top) < 1
    amina.sends("J'arrive.")
    expect(amina.bubble("J'arrive.")).to_be_in_viewport()


def test_older_pages_come_in_above_without_moving_what_is_read(shop: Shop, desk: Desks) -> None:
    camille = long_talk(shop, "Camille Roux", 700)
    amina = desk("Amina").opens(camille)
    amina.is_crowded()
    expect(amina.field).to_be_visible()
    before = amina.thread.locator("[data-key]").count()
    assert before <= 60  # what came with the page, and nothing asked for besides
    assert [each for each in amina.requests if each.startswith("GET /messages/")] == []
    jumps: list[Any] = amina.js(
        """async () => {
            const box = document.querySelector('.thread-scroll');
            const jumps = [];
            for (let step = 0; step < 60 && box.scrollTop > 0; step += 1) {
                const entry = [...document.querySelectorAll('.entries [data-key]')]
                    .find((each) => each.getBoundingClientRect().top >= box.getBoundingClientRect().top + 10);
                const top = entry.getBoundingClientRect().top;
                box.scrollBy(0, -150);
                await new Promise((done) => setTimeout(done, 60));
                const moved = entry.isConnected ? entry.getBoundingClientRect().top - top : null;
                if (moved !== null && Math.abs(moved - 150) > 1 && box.scrollTop > 0) jumps.push(moved);
            }
            return jumps;
        }"""
    )
    assert amina.thread.locator("[data-key]").count() > before
    assert jumps == []


def test_who_reads_the_end_follows_it(shop: Shop, desk: Desks) -> None:
    camille = long_talk(shop, "Camille Roux", 60)
    amina = desk("Amina").opens(camille)
    amina.is_crowded()
    for text in ("Un", "Deux"):
        camille.writes(text)
        expect(amina.bubble(text)).to_be_in_viewport()


def test_a_change_elsewhere_leaves_the_open_thread_alone(shop: Shop, desk: Desks) -> None:
    camille, other = long_talk(shop, "Camille Roux", 120), shop.customer("Alice Byrne", "Hello")
    amina = desk("Amina").opens(camille)
    amina.is_crowded()
    expect(amina.field).to_be_visible()
    scroll_up(amina, 2)
    before = amina.js(SEEN)
    other.writes("Are you there?")
    expect(amina.row(other)).to_contain_text("Are you there?")
    assert amina.js(SEEN) == before


def test_who_comes_back_finds_the_thread_as_they_left_it_and_a_line_before_what_is_new(shop: Shop, desk: Desks) -> None:
    camille, other = long_talk(shop, "Camille Roux", 120), shop.customer("Alice Byrne", "Hello")
    amina = desk("Amina").opens(camille)
    amina.is_crowded()
    expect(amina.row(camille).locator(".row-count")).to_have_count(0)  # read
    scroll_up(amina, 2)
    key, top = amina.js(SEEN)
    amina.row(other).click()
    expect(amina.bubble("Hello")).to_be_visible()
    amina.row(camille).click()
    expect(amina.thread.locator(f'[data-key="{key}"]')).to_be_in_viewport()
    assert abs(place_of(amina, key) - top) < 1
    expect(amina.thread.locator(".entry-divider")).to_have_count(0)
    amina.row(other).click()
    expect(amina.bubble("Hello")).to_be_visible()
    camille.writes("Vous êtes là ?")
    expect(amina.row(camille)).to_contain_text("Vous êtes là ?")
    amina.row(camille).click()
    expect(amina.thread.locator(".entry-divider")).to_have_text("1 new")
    expect(amina.thread.locator(".entry-divider + li")).to_contain_text("Vous êtes là ?")
    expect(amina.page.get_by_role("button", name="1 new")).to_be_visible()
    assert abs(place_of(amina, key) - top) < 1


def test_many_new_messages_are_read_from_the_first_of_them(shop: Shop, desk: Desks) -> None:
    camille = long_talk(shop, "Camille Beaucoup", 240)  # every second one is the customer's
    leave_unread(camille, 90)
    amina = desk("Amina").opens(camille)
    amina.is_crowded()
    line = amina.thread.locator(".entry-divider")
    expect(line).to_have_text("90 new")
    expect(line).to_be_in_viewport()
    expect(amina.thread.locator(".entry-divider + li")).to_contain_text("Message 64")  # the last of all is Bonjour
    amina.page.wait_for_timeout(1500)  # long enough to have read what is on the screen
    assert camille.row()["unread_count"] == 90
    amina.page.get_by_role("button", name="To the newest message").click()
    expect(amina.row(camille).locator(".row-count")).to_have_count(0)
