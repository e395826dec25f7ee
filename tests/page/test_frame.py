"""What stands around the conversations: arrivals told to those who do not see them, the own menu, the way in."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Browser, Route, expect

from tests.page.desk import WATCH, Desk
from tests.page.shop import PASSWORD, Shop

Sits = Callable[..., Desk]


def test_arrivals_are_told_to_those_who_do_not_see_them(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Voix")
    amina = desk("Amina").opens(camille)
    polite = amina.page.locator("[aria-live=polite].unseen")
    expect(polite).to_have_text("")
    camille.writes("Vous êtes là ?")
    expect(polite).to_have_text("New message from Camille Voix: Vous êtes là ?")
    assert amina.page.get_by_role("alert").text_content() == ""  # nothing that must interrupt


def test_the_look_and_the_language_are_the_readers_choice(shop: Shop, desk: Sits) -> None:
    sara = desk("Sara").goes_to()
    me = sara.page.get_by_role("button", name=re.compile("^Sara:"))
    me.click()
    with sara.page.expect_response("**/auth/me"):
        sara.page.get_by_role("menuitemradio", name="Dark").click()
    assert sara.js("getComputedStyle(document.body).colorScheme") == "dark"
    me.click()
    sara.page.get_by_role("menuitemradio", name="Français").click()
    expect(sara.page.locator("html[lang=fr][data-ready]")).to_have_count(1)
    sara.sees("À jour")
    assert sara.js("document.documentElement.dataset.theme") == "dark"


def test_signing_out_asks_when_a_text_has_not_left(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Sortie")
    rita = desk("Rita").opens(camille)
    rita.loses_network()
    rita.refuses(401)  # what has been read may be told when the session is over already
    rita.page.route("**/messages/send", lambda route: route.abort())
    rita.sends("Pas encore parti")
    expect(rita.bubble("Pas encore parti")).to_be_visible()
    rita.page.get_by_role("button", name=re.compile("^Rita:")).click()
    rita.page.get_by_role("menuitem", name="Sign out").click()
    ask = rita.page.get_by_role("dialog", name="Sign out and lose what has not been sent?")
    expect(ask).to_contain_text("One text has not reached our server yet.")
    ask.get_by_role("button", name="Cancel").click()
    expect(rita.bubble("Pas encore parti")).to_be_visible()
    rita.page.get_by_role("button", name=re.compile("^Rita:")).click()
    rita.page.get_by_role("menuitem", name="Sign out").click()
    rita.page.on("dialog", lambda dialog: dialog.accept())
    ask.get_by_role("button", name="Sign out").click()
    rita.page.wait_for_url("**/sign-in")
    assert "Pas encore parti" not in camille.received()
    rita.page.goto(shop.url + "/inbox")
    rita.page.wait_for_url("**/sign-in")


def test_the_way_in_with_and_without_scripts(shop: Shop, browser: Browser) -> None:
    person = shop.person("Iris")
    for scripts in (True, False):
        context = browser.new_context(java_script_enabled=scripts, locale="en-GB")
        page = context.new_page()
        page.goto(f"{shop.url}/inbox?needs_human=true")
        page.get_by_label("E-mail address").fill(person.email)
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("The e-mail address or the password is wrong.")
        expect(page.get_by_label("E-mail address")).to_have_value(person.email)
        expect(page.get_by_role("button", name="Show")).to_have_count(int(scripts))
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/inbox?needs_human=true")
        if not scripts:
            assert "The inbox needs JavaScript." in page.content()
        context.close()


def test_pages_without_scripts_have_no_barriers(shop: Shop, browser: Browser) -> None:
    for theme in ("light", "dark"):
        context = browser.new_context(color_scheme=theme, viewport={"width": 360, "height": 740})
        context.add_init_script(WATCH)
        stranger = Desk(shop, shop.person("Iris"), context)
        stranger.refuses(404)
        for path in ("/sign-in", "/nowhere"):
            stranger.page.goto(shop.url + path)
            stranger.check()
            assert stranger.js("document.documentElement.scrollWidth") == 360
        context.close()


def test_a_page_whose_script_does_not_come_says_so(shop: Shop, desk: Sits) -> None:
    amina = desk("Amina")
    amina.allow("Failed to load resource", "net::ERR_")
    amina.page.route("**/bundles/inbox.js", lambda route: route.fulfill(status=503, body="busy"))
    amina.page.goto(shop.url + "/inbox")
    expect(amina.page.get_by_role("heading", name="The page has not loaded completely.")).to_be_visible()
    amina.page.unroute("**/bundles/inbox.js")
    amina.page.get_by_role("link", name="Reload").click()
    amina.page.wait_for_selector("html[data-ready]")


def test_what_comes_after_the_page_is_asked_for_again_when_it_did_not_come(shop: Shop, desk: Sits) -> None:
    lea = shop.customer("Léa Simon", "Bonjour")
    amina = desk("Amina")
    amina.loses_network()
    amina.page.route("**/bundles/more.js", lambda route: route.abort())
    amina.opens(lea)
    expect(amina.bubble("Bonjour")).to_be_visible()
    details = amina.page.get_by_role("complementary", name="Details")
    expect(details).to_contain_text("This could not be loaded.")
    amina.page.keyboard.press("Control+k")
    expect(amina.page.locator(".toast")).to_contain_text("This could not be loaded.")
    amina.page.unroute_all()
    details.get_by_role("button", name="Try again").click()
    expect(details).to_contain_text("Assigned")
    amina.page.keyboard.press("Control+k")
    expect(amina.page.get_by_label("A name or an action")).to_be_focused()


def test_the_actions_of_a_message_stand_in_one_line_and_a_long_label_in_its_pill(shop: Shop, desk: Sits) -> None:
    lea = shop.customer("Léa Ligne", "Bonjour")
    label = {"name": "Anniversaires, et fêtes de fin d’année !", "color": 3}
    made = shop.post(f"/accounts/{shop.account}/labels", label)
    assert shop.ask("PUT", f"/conversations/{lea.conversation}/labels", json={"label_ids": [made["id"]]}).ok
    amina = desk("Amina").opens(lea)
    amina.bubble("Bonjour").hover()
    buttons = amina.bubble("Bonjour").locator(".entry-actions .button").all()
    middles = [box["y"] + box["height"] / 2 for box in (each.bounding_box() for each in buttons) if box]
    assert len(middles) == 3
    assert max(middles) - min(middles) <= 0.5
    chip = amina.page.get_by_role("complementary", name="Details").locator(".chip").first
    expect(chip).to_be_visible()
    height, inner, cross = chip.evaluate(
        """(chip) => [chip, chip.querySelector('.words'), chip.querySelector('.remove')]
            .map((each) => each.getBoundingClientRect()).map((box, place) => (place < 2 ? box.height : box.width))"""
    )
    assert inner <= height < 40  # one line
    assert cross == 20
    amina.page.set_viewport_size({"width": 360, "height": 740})
    state = amina.page.locator(".head-state")
    state.evaluate("(line) => (line.textContent = 'À reprendre : Limite du bot atteinte '.repeat(3))")
    assert state.evaluate("(line) => getComputedStyle(line).webkitLineClamp") == "2"
    assert state.evaluate("(line) => line.scrollHeight > line.clientHeight")  # cut, with an ellipsis


def test_keys_that_are_meant_for_a_dialog_on_its_way_are_no_commands(shop: Shop, desk: Sits) -> None:
    lea = shop.customer("Léa Simon", "Bonjour")
    amina = desk("Amina")
    held: list[Route] = []
    amina.page.route("**/bundles/more.js", lambda route: held.append(route))
    with amina.page.expect_request("**/bundles/more.js"):
        amina.opens(lea)
    amina.page.keyboard.press("Control+k")
    amina.page.keyboard.press("e")
    held[0].continue_()
    expect(amina.page.get_by_label("A name or an action")).to_be_focused()
    amina.page.keyboard.press("Escape")
    expect(amina.page.get_by_role("dialog")).to_have_count(0)
    expect(amina.page.locator(".head [data-action=done]")).to_have_accessible_name("Done")
    amina.page.keyboard.press("e")
    expect(amina.page.locator(".toast")).to_be_visible()


def test_what_is_not_there_for_me_is_a_page_in_my_language(shop: Shop, desk: Sits) -> None:
    amina = desk("Amina", locale="fr-FR")
    amina.refuses(404)
    amina.page.goto(f"{shop.url}/inbox/019a8f3e-2f5c-7c11-9a55-8a2c3d4e5f60")
    amina.sees("Cette conversation n’est pas ici.")
    amina.page.get_by_role("link", name="Aller aux messages").click()
    amina.page.wait_for_selector("html[data-ready]")
