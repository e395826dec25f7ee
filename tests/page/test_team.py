"""What a team does with a conversation: take it over, note, assign, label, finish; and take that back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from inbox.auth.access import Role
from tests.page.desk import Desk
from tests.page.shop import Customer, Shop
from tests.waiting import wait_until

Sits = Callable[..., Desk]


def becomes(customer: Customer, **expected: Any) -> None:
    """The server holds this of the conversation."""
    wait_until(lambda: expected.items() <= customer.row().items(), f"{expected} of {customer.name}")


def test_taking_over_from_the_bot_and_giving_back(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Reprise", "Êtes-vous ouverts ?", bot=True)
    wait_until(lambda: camille.received(), "the bot's answer")
    amina = desk("Amina").opens(camille)
    amina.button("Take over").click()
    expect(amina.button("Give back")).to_be_visible()
    becomes(camille, bot_silent_reason="off")
    answered = len(camille.received())
    camille.writes("Il y a quelqu'un ?")
    expect(amina.bubble("Il y a quelqu'un ?")).to_be_visible()
    amina.sends("Oui, je suis là.")
    camille.receives(*camille.received()[:answered], "Oui, je suis là.")
    amina.button("Give back").click()
    becomes(camille, bot_silent_reason=None)
    expect(amina.button("Take over")).to_be_visible()
    camille.writes("Et dimanche ?")
    wait_until(lambda: len(camille.received()) == answered + 2, "the bot answers again")


def test_the_details_say_why_the_bot_is_silent_and_what_one_can_do(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Pourquoi", "Êtes-vous ouverts ?", bot=True)
    wait_until(lambda: camille.received(), "the bot's answer")
    camille.writes(None, type="unsupported", content={"type": "poll_creation", "code": 131051})
    becomes(camille, needs_human_reason="unsupported_content")
    amina = desk("Amina").opens(camille)
    why = "The bot cannot read what the customer sent"
    expect(amina.page.get_by_role("complementary", name="Details")).to_contain_text(why)
    last = amina.bubble("A message this page cannot show")
    last.hover()
    last.get_by_role("button", name="More").click()
    amina.page.get_by_role("menuitem", name="Message details").click()
    expect(last.locator(".road-why")).to_contain_text(why)


def test_a_switch_that_the_server_refuses_goes_back_and_says_why(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Refus")
    amina = desk("Amina").opens(camille)
    amina.page.route("**/conversations/*/bot", lambda route: route.abort())
    amina.loses_network()
    amina.button("Give back").click()
    amina.sees("No connection to our server. Nothing was changed.")
    expect(amina.button("Give back")).to_be_visible()
    assert camille.row()["bot_silent_reason"] == "off"


def test_a_note_never_reaches_the_customer(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Note")
    amina, noe = desk("Amina").opens(camille), desk("Noé").opens(camille)
    amina.page.get_by_role("tab", name="Note").click()
    amina.page.keyboard.type("Répond et paie en retard")  # at once: no letter of it is a command
    amina.button("Add note").click()
    for each in (amina, noe):
        expect(each.thread.get_by_text("Répond et paie en retard")).to_be_visible()
        expect(each.page.get_by_role("complementary").get_by_text("Répond et paie en retard")).to_be_visible()
    notes = shop.get(f"/conversations/{camille.conversation}/notes").json()
    assert [note["text"] for note in notes] == ["Répond et paie en retard"]
    amina.page.get_by_role("tab", name="Reply").click()
    amina.sends("Votre commande est prête.")
    camille.receives("Votre commande est prête.")
    assert not [each for each in shop.sandbox.requests() if "retard" in str(each)]


def test_a_note_is_changed_and_taken_back_by_its_writer(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Carnet")
    amina, noe = desk("Amina"), desk("Noé")
    amina.opens(camille)
    amina.page.get_by_role("tab", name="Note").click()
    amina.sends("Aime le seigle")
    details = amina.page.get_by_role("complementary")
    details.locator(".note").get_by_role("button", name="More").click()
    amina.page.get_by_role("menuitem", name="Edit").click()
    details.locator(".note").get_by_role("textbox").fill("Aime le seigle bien cuit")
    details.get_by_role("button", name="Save").click()
    expect(details.get_by_text("Aime le seigle bien cuit")).to_be_visible()
    noe.opens(camille)
    others = noe.page.get_by_role("complementary").locator(".note")
    expect(others).to_contain_text("Aime le seigle bien cuit")
    expect(others.get_by_role("button")).to_have_count(0)
    details.locator(".note").get_by_role("button", name="More").click()
    amina.page.get_by_role("menuitem", name="Take back").click()
    expect(others).to_have_count(0)
    amina.button("Undo").click()
    expect(others).to_contain_text("Aime le seigle bien cuit")


def test_assigning_labelling_and_finishing_can_be_undone(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Suivi", "Vous livrez ?")
    label = shop.post(f"/accounts/{shop.account}/labels", {"name": "Grossiste", "color": 2})
    lea = desk("Léa").opens(camille)
    lea.page.keyboard.press("Escape")
    lea.page.keyboard.press("i")
    becomes(camille, assigned_to=lea.person.id)
    lea.button("Undo").click()
    becomes(camille, assigned_to=None)
    lea.thread.locator(".thread-scroll").focus()
    lea.page.keyboard.press("l")
    lea.page.get_by_role("menuitemcheckbox", name="Grossiste").click()
    becomes(camille, label_ids=[label["id"]])
    lea.page.keyboard.press("Escape")
    expect(lea.page.get_by_role("complementary").locator(".chip", has_text="Grossiste").first).to_be_visible()
    lea.button("Remove: Grossiste").click()
    becomes(camille, label_ids=[])
    waiting = camille.row()["waiting_since"]
    assert waiting is not None
    lea.thread.get_by_role("button", name="Done").click()
    becomes(camille, status="done", waiting_since=None)
    lea.thread.locator(".thread-scroll").focus()
    lea.page.keyboard.press("z")
    becomes(camille, status="open", waiting_since=waiting)


def test_an_administrator_gives_a_conversation_to_a_colleague(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Attribuée")
    noe = shop.person("Noé")
    shop.person("Anne", Role.ADMIN)
    anne = desk("Anne").opens(camille)
    anne.thread.get_by_role("button", name="Assign").click()
    anne.page.get_by_role("menuitemradio", name="Noé").click()
    becomes(camille, assigned_to=noe.id)
    expect(anne.thread.get_by_role("button", name="Assigned to Noé")).to_be_visible()


def test_who_only_reads_sees_the_details_and_can_change_nothing(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Lecture")
    shop.person("Vera", Role.VIEWER)
    vera = desk("Vera").opens(camille)
    details = vera.page.get_by_role("complementary")
    expect(details.get_by_role("heading", name="Camille Lecture")).to_be_visible()
    expect(details.get_by_role("switch")).to_have_count(0)
    for name in ("Done", "Give back", "Assign", "Labels", "Export", "Erase…"):
        expect(vera.page.get_by_role("button", name=name, exact=True)).to_have_count(0)
    vera.thread.locator(".thread-scroll").focus()
    for key in "eibal":
        vera.page.keyboard.press(key)
    row = camille.row()
    assert (row["status"], row["assigned_to"], row["label_ids"]) == ("open", None, [])


def test_marking_as_unread_leaves_it_unread(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Relire")
    mia = desk("Mia").opens(camille)
    expect(mia.row(camille).locator(".row-count")).to_have_count(0)  # it has been read
    mia.page.keyboard.press("Escape")
    mia.page.keyboard.press("Shift+U")
    expect(mia.row(camille).locator(".row-count")).to_have_text("1")
    assert mia.page.url.partition("?")[0].endswith("/inbox")


def test_on_a_phone_the_details_lie_over_the_thread(shop: Shop, desk: Sits) -> None:
    camille = shop.customer("Camille Poche")
    amina = desk("Amina", viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True).opens(camille)
    amina.thread.locator(".head").get_by_role("button", name="More").click()
    amina.page.get_by_role("menuitem", name="Details").click()
    drawer = amina.page.get_by_role("dialog", name="Details")
    expect(drawer.get_by_role("heading", name="Camille Poche")).to_be_visible()
    amina.check()
    drawer.get_by_role("button", name="Close").click()
    expect(drawer).to_have_count(0)
    assert amina.js("document.documentElement.scrollWidth") == 360
