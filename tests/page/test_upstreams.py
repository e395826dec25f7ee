"""WhatsApp or Gemini go away, refuse, or lose an answer: the page says so, and everything ends as it should."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlalchemy import update

from inbox.clock import utc_now
from inbox.db import Database
from inbox.models import Conversation
from inbox.outbox import window
from tests.page.desk import Desk
from tests.page.shop import Customer, Shop
from tests.waiting import wait_until

Desks = Callable[..., Desk]


def last_wrote(customer: Customer, ago: timedelta) -> None:
    """As if the customer's last message were older than it is."""
    with closing(Database(customer.shop.database_url)) as db, db.writing() as session:
        wanted = update(Conversation).where(Conversation.id == customer.conversation)
        session.execute(wanted.values(last_inbound_at=utc_now() - ago, changed_at=db.now(session)))


def gemini_goes_away(shop: Shop) -> None:
    """No answer of Gemini's, for several customers: then its circuit opens."""
    shop.sandbox.fault("gemini", "status", code=503)
    for name in ("Alix", "Basile", "Clara", "Denis", "Elsa", "Farid"):
        shop.customer(name, "Vous livrez ?", bot=True)


def test_gemini_goes_away_while_somebody_writes_and_nothing_touches_their_text(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Avez-vous du pain de seigle ?")
    amina = desk("Amina").opens(camille)
    amina.types("Oui, il en re")
    gemini_goes_away(shop)
    expect(amina.strip).to_contain_text("The bot cannot answer just now. You can.", timeout=30_000)
    assert amina.js("document.activeElement.tagName") == "TEXTAREA"
    expect(amina.field).to_have_value("Oui, il en re")
    amina.page.keyboard.type("ste.")
    amina.page.keyboard.press("Enter")
    camille.receives("Oui, il en reste.")


def test_while_whatsapp_is_away_replies_wait_and_leave_in_order(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    shop.sandbox.fault("whatsapp", "status", code=503)
    texts = ["Un", "Deux", "Trois"]
    for text in texts:
        amina.sends(text)
    for text in texts:
        amina.is_marked(text, "Queued")
    assert camille.received() == []
    shop.sandbox.clear_faults()
    for text in texts:
        amina.is_marked(text, "Delivered", 60)
    camille.receives(*texts)
    assert [row["content_text"] for row in camille.messages()][-3:] == texts


def test_an_answer_that_got_lost_shows_doubt_then_proof_and_is_delivered_once(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    shop.sandbox.fault("webhook", "delay", seconds=2.5, match={"to": camille.phone})
    shop.sandbox.fault("whatsapp", "close_after", times=1, match={"to": camille.phone})
    amina.sends("Il en reste trois.")
    amina.is_marked("Il en reste trois.", "Not confirmed")
    amina.is_marked("Il en reste trois.", "Delivered", 30)
    camille.receives("Il en reste trois.")


def test_without_proof_a_person_decides_whether_to_send_again(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    shop.sandbox.fault("webhook", "drop", match={"to": camille.phone})
    shop.sandbox.fault("whatsapp", "close_after", times=1, match={"to": camille.phone})
    amina.sends("Il en reste trois.")
    amina.is_marked("Il en reste trois.", "Not confirmed")
    again = amina.button("Send again").first
    expect(again).to_be_visible(timeout=60_000)
    again.click()
    amina.sees("The customer may get this twice. Send again?")
    shop.sandbox.clear_faults()
    amina.page.get_by_role("dialog").get_by_role("button", name="Send again").click()
    amina.is_marked("Il en reste trois.", "Delivered", 30)
    camille.receives("Il en reste trois.", "Il en reste trois.")


@pytest.mark.parametrize(
    ("code", "reason", "again"),
    [
        (131049, "WhatsApp withheld the message. Try again after 24 hours.", True),
        (131026, "The customer cannot be reached", False),
    ],
)
def test_a_refused_message_says_why_and_offers_the_next_step(
    shop: Shop, desk: Desks, code: int, reason: str, again: bool
) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    shop.sandbox.customer(camille.phone, fails_with=code)
    amina = desk("Amina").opens(camille)
    amina.sends("Il en reste trois.")
    amina.is_marked("Il en reste trois.", "Not sent")
    expect(amina.bubble("Il en reste trois.")).to_contain_text(f"Not sent: {reason}")
    buttons = amina.bubble("Il en reste trois.").get_by_role("button")
    names = [each for each in buttons.all_inner_texts() if each.strip()]
    assert ("Send again" in names, "Copy text" in names) == (again, True)
    shop.sandbox.customer(camille.phone, fails_with=None)
    if again:
        amina.bubble("Il en reste trois.").get_by_role("button", name="Send again").click()
        amina.is_marked("Il en reste trois.", "Delivered")
        camille.receives("Il en reste trois.")


def test_the_window_closes_while_somebody_writes_and_their_text_stays(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.types("Il en reste")
    last_wrote(camille, timedelta(hours=23))
    expect(amina.thread).to_contain_text("Free text until")
    last_wrote(camille, timedelta(hours=26))
    expect(amina.thread).to_contain_text("Camille Roux last wrote 26 hrs ago. WhatsApp only allows templates now.")
    expect(amina.field).to_have_count(0)
    amina.context.grant_permissions(["clipboard-read", "clipboard-write"])
    amina.button("Copy draft").click()
    assert amina.js("navigator.clipboard.readText()") == "Il en reste"
    sends_a_template(amina, camille)
    camille.writes("Vous êtes là ?")
    expect(amina.field).to_have_value("Il en reste")


def sends_a_template(amina: Desk, camille: Customer) -> None:
    """Look for one, fill it in, read it as the customer will, and send it."""
    amina.button("Choose a template").click()
    dialog = amina.page.get_by_role("dialog", name="Choose a template")
    dialog.get_by_role("searchbox").fill("PARCEL")
    dialog.get_by_role("button", name="parcel_sent").click()
    for label, value in (("Title {{1}}", "77"), ("Text {{1}}", "Camille"), ("Text {{2}}", "Friday")):
        dialog.get_by_label(label).fill(value)
    expect(dialog.get_by_role("figure")).to_contain_text("Dear Camille, your parcel comes on Friday.")
    expect(dialog.get_by_role("button", name="Send template")).to_be_disabled()
    dialog.get_by_label("End of the address (Follow it)").fill("77")
    dialog.get_by_role("button", name="Send template").click()
    expect(dialog).to_have_count(0)
    expect(amina.bubble("Dear Camille")).to_contain_text("Template · Utility")
    camille.receives("Dear Camille, your parcel comes on Friday.")


def test_a_window_that_closed_unseen_brings_the_text_back_into_the_field(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    amina.refuses(409)
    amina.page.route("**/changes*", lambda route: route.fulfill(status=204))  # the page does not hear of it in time
    amina.page.wait_for_load_state("networkidle")  # nor by what it asked before
    last_wrote(camille, timedelta(hours=26))
    amina.sends("Il en reste trois.")
    expect(amina.field).to_have_value("Il en reste trois.")
    assert camille.received() == []


def test_a_paused_number_says_so_and_its_replies_wait_until_it_is_resumed(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Bonjour")
    amina = desk("Amina").opens(camille)
    shop.pause(True)
    try:
        expect(amina.thread).to_contain_text("Replies wait until WhatsApp lets this number send again.")
        expect(amina.strip).to_contain_text("This number is paused.")
        expect(amina.strip.get_by_role("link", name="Open Numbers")).to_be_visible()
        amina.sends("Il en reste trois.")
        amina.is_marked("Il en reste trois.", "Queued: this number is paused")
        assert camille.received() == []
        last_wrote(camille, timedelta(hours=23, minutes=20))
        with closing(Database(shop.database_url)) as db, db.writing() as session:
            window.watch_windows(session, db.now(session))  # as the shop does by itself, once a minute
        expect(amina.strip).to_contain_text("Your reply to Camille Roux still waits, and WhatsApp takes it only until")
        expect(amina.bubble("Il en reste trois.")).to_contain_text("Still waiting. WhatsApp accepts it until")
        amina.page.get_by_role("link", name="Inbox").first.click()
        amina.strip.get_by_role("button", name="Open").click()
        expect(amina.bubble("Il en reste trois.")).to_be_visible()
        last_wrote(camille, timedelta(0))
    finally:
        shop.pause(False)
    amina.is_marked("Il en reste trois.", "Delivered", 30)
    camille.receives("Il en reste trois.")


def test_the_bot_answers_and_steps_aside_when_a_person_sends(shop: Shop, desk: Desks) -> None:
    camille = shop.customer("Camille Roux", "Vous êtes ouverts ?", bot=True)
    amina = desk("Amina").opens(camille)
    expect(amina.bubble("Oui, jusqu'à 19 h.")).to_be_visible(timeout=20_000)
    amina.sees(re.compile("Sending takes over from the bot for 30 min"))
    amina.sends("Et le dimanche aussi.")
    expect(amina.thread).to_contain_text("Bot paused until")
    wait_until(lambda: camille.row()["bot_silent_reason"] == "paused", "the bot to step aside")
    camille.receives("Oui, jusqu'à 19 h.", "Et le dimanche aussi.")
