"""Much of everything: thousands of conversations and messages, and the page stays light."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.many import TO_THE_END, fill_list, fill_thread
from tests.page.shop import Shop

Desks = Callable[..., Desk]
MEGABYTE = 1_000_000


#: Scroll a thread back until so many entries were seen: how many were, and the most in the document at once.
BACK = """
    async (wanted) => {
        const box = document.querySelector('.thread-scroll');
        const shown = () => [...document.querySelectorAll('.entries [data-key]')].map((each) => each.dataset.key);
        const seen = new Set();
        let most = 0;
        for (const until = performance.now() + 90000; seen.size < wanted && performance.now() < until; ) {
            const keys = shown();
            keys.forEach((key) => seen.add(key));
            most = Math.max(most, keys.length);
            box.scrollTop = 0;
            document.querySelector('.entry-beyond button')?.click(); // a page that did not come is asked for again
            await new Promise((done) => setTimeout(done, 20));
        }
        return [seen.size, most];
    }
"""


def test_thousands_of_conversations_are_scrolled_to_the_end_and_back(shop: Shop, desk: Desks) -> None:
    account = fill_list(shop.customer("Camille Roux", "Bonjour"), 1500)
    amina = desk("Amina").goes_to(f"/inbox?account_id={account}")
    amina.is_crowded()
    expect(amina.page.locator("a.row").first).to_contain_text("Client 1500")
    most = amina.js(TO_THE_END, "Client 1")
    assert most <= 130  # rows in the document, however many there are
    expect(amina.page.locator("a.row .row-name").last).to_have_text("Client 1")
    assert amina.heap() <= 40 * MEGABYTE  # the benchmark prints it for ten thousand
    amina.js("document.querySelector('.list-scroll').scrollTop = 0")
    expect(amina.page.locator("a.row").first).to_contain_text("Client 1500")


def test_a_thread_of_thousands_is_read_back_a_thousand_and_left_for_its_end(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    fill_thread(camille, 3000)
    amina = desk("Amina").opens(camille)
    amina.is_crowded()
    expect(amina.bubble("Bonjour")).to_be_in_viewport()
    seen, most = amina.js(BACK, 1000)
    assert seen >= 1000
    assert most <= 310
    assert amina.heap() <= 40 * MEGABYTE
    amina.page.get_by_role("button", name="To the newest message").click()
    expect(amina.bubble("Bonjour")).to_be_in_viewport()
    camille.writes("Vous êtes là ?")
    expect(amina.bubble("Vous êtes là ?")).to_be_in_viewport()
