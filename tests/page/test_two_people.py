"""Two people at one inbox: both see both, and nobody answers over the other unasked."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop

Desks = Callable[..., Desk]


def test_a_reply_shows_in_both_browsers_and_reaches_the_customer_once(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Avez-vous du pain de seigle ?")
    amina, noe = desk("Amina").opens(camille), desk("Noe").opens(camille)
    amina.sends("Oui, il en reste trois.")
    for each in (amina, noe):
        each.is_marked("Oui, il en reste trois.", "Delivered")
        expect(each.thread.locator("li", has_text="il en reste trois")).to_have_count(1)
    camille.receives("Oui, il en reste trois.")


def test_each_sees_that_the_other_looks_writes_and_leaves(shop: Shop, desk: Desks) -> None:
    camille, other = shop.customer("Camille Roux", "Bonjour"), shop.customer("Alice Byrne", "Hello")
    amina, noe = desk("Amina").opens(camille), desk("Noe").opens(camille)
    expect(amina.thread).to_contain_text("Noe is looking")
    expect(noe.thread).to_contain_text("Amina is looking")
    noe.field.click()
    noe.page.keyboard.type("Oui")
    expect(amina.thread).to_contain_text("Noe writes a reply")
    noe.row(other).click()
    expect(amina.thread).not_to_contain_text("Noe")
    expect(amina.row(other)).to_contain_text("Noe is looking")


#: Whenever the page asks whether to send as well: yes.
SENDS_ANYWAY = "setInterval(() => document.querySelector('.entry-question button')?.click(), 200)"


def test_what_both_send_at_the_same_moment_stands_in_the_same_order_for_both(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina, noe = desk("Amina").opens(camille), desk("Noe").opens(camille)
    for someone in (amina, noe):
        someone.refuses(409)
        someone.js(SENDS_ANYWAY)
    for number in range(3):
        amina.sends(f"A{number}")
        noe.sends(f"N{number}")

    def order(someone: Desk) -> list[str]:
        return re.findall(r"\b[AN]\d\b", "\n".join(someone.thread.locator(".entry-us .bubble").all_inner_texts()))

    for someone in (amina, noe):
        for number in range(3):
            someone.is_marked(f"A{number}", "Delivered")
            someone.is_marked(f"N{number}", "Delivered")
    assert order(amina) == order(noe)
    assert sorted(camille.received()) == ["A0", "A1", "A2", "N0", "N1", "N2"]


def test_somebody_answered_meanwhile_so_the_page_asks_before_it_sends(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Avez-vous du pain de seigle ?")
    amina, noe = desk("Amina").opens(camille), desk("Noe").opens(camille)
    noe.refuses(409)
    noe.page.route("**/changes*", lambda route: route.fulfill(status=204))  # Noe's page has not heard of it yet
    amina.sends("Oui, il en reste trois.")
    amina.is_marked("Oui, il en reste trois.", "Delivered")
    noe.sends("Non, désolé.")
    question = noe.thread.locator(".entry-question")
    expect(question).to_contain_text("Amina answered")
    expect(question).to_contain_text("Send yours as well?")
    camille.receives("Oui, il en reste trois.")
    noe.page.unroute("**/changes*")
    expect(noe.bubble("Oui, il en reste trois.")).to_be_visible()
    question.get_by_role("button", name="Send", exact=True).click()
    noe.is_marked("Non, désolé.", "Delivered")
    camille.receives("Oui, il en reste trois.", "Non, désolé.")


def test_a_question_may_be_answered_by_taking_the_text_back(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Avez-vous du pain de seigle ?")
    amina, noe = desk("Amina").opens(camille), desk("Noe").opens(camille)
    noe.refuses(409)
    noe.page.route("**/changes*", lambda route: route.fulfill(status=204))
    amina.sends("Oui, il en reste trois.")
    amina.is_marked("Oui, il en reste trois.", "Delivered")
    noe.sends("Non, désolé.")
    noe.thread.locator(".entry-question").get_by_role("button", name="Back to the field").click()
    expect(noe.field).to_have_value("Non, désolé.")
    noe.page.unroute("**/changes*")
    camille.receives("Oui, il en reste trois.")


def test_what_one_reads_stays_new_to_the_other_who_takes_part(shop: Shop, desk: Desks) -> None:
    camille, other = shop.customer("Camille Roux", "Bonjour"), shop.customer("Alice Byrne", "Hello")
    noe = desk("Noe").opens(camille)
    expect(noe.row(camille).locator(".row-count")).to_have_count(0)
    noe.row(other).click()
    amina = desk("Amina").goes_to()
    camille.writes("Vous livrez ?")
    for each in (amina, noe):
        expect(each.row(camille).locator(".row-count")).to_have_text("1")
    amina.row(camille).click()
    expect(amina.row(camille).locator(".row-count")).to_have_count(0)
    expect(noe.row(camille)).to_contain_text("Amina is looking")
    noe.goes_to()
    expect(noe.row(camille).locator(".row-count")).to_have_text("1")


def test_a_conversation_read_in_one_tab_is_read_in_all(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").goes_to()
    other = amina.another_tab().goes_to()
    expect(other.row(camille).locator(".row-count")).to_have_text("1")
    amina.row(camille).click()
    expect(other.row(camille).locator(".row-count")).to_have_count(0)
