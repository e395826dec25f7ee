"""Every kind of message that WhatsApp knows has a bubble that says what it is, and so have those it will know."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.samples import customer_of, send_message, send_samples, wamid_of
from tests.page.shop import Customer, Shop
from tests.waiting import wait_until

#: Sample → what its bubble shows.
SEEN: dict[str, tuple[str, ...]] = {
    "text": ("Bonjour",),
    "text_very_long": ("Ligne très longue", "Read more"),
    "text_escaped_unicode": ("déjà vu",),
    "text_markup_injection": ("<img src=x onerror=alert(1)>", "{{7*7}}"),
    "text_forwarded": ("Forwarded", "Info transférée"),
    "text_referral_ad": ("From an advertisement", "Écrivez-nous", "Promo rentrée", "Je veux en savoir plus"),
    "text_product_inquiry": ("About a product", "SKU-TEST-1", "Disponible en bleu ?"),
    "image_caption": ("Photo du colis abîmé",),
    "audio_voice": ("1×",),
    "document": ("facture 2026-11 é.pdf", "PDF"),
    "location": ("Atelier Essai", "1 rue du Test, 75000 Paris", "Open in OpenStreetMap"),
    "contacts": ("Dr. Alix Modèle", "Modèle SARL", "+33 6 00 00 00 09", "alix@example.test", "Sans Numéro"),
    "button_quick_reply": ("Confirmer",),
    "interactive_button_reply": ("Matin",),
    "interactive_list_reply": ("Livraison express", "Demain avant midi"),
    "interactive_nfm_reply": ("rdv: 2026-11-30",),
    "unsupported_poll": ("A message this page cannot show (poll_creation)",),
    "future_unknown_type": ("A message this page cannot show (hologram)",),
    "call_missed": ("Missed call",),
}


def test_every_kind_of_message_is_shown_for_what_it_is(shop: Shop, desk: Callable[..., Desk]) -> None:
    send_samples(shop, *SEEN)
    camille = customer_of(shop, "0001", "Camille Essai", len(SEEN))
    amina = _reads(desk, camille)
    for name, texts in SEEN.items():
        bubble = amina.thread.locator(f'li[data-key="{_id(camille, wamid_of(name))}"]')
        for text in texts:
            expect(bubble, name).to_contain_text(text)
    assert amina.js("document.querySelectorAll('.bubble img[src^=x]').length") == 0


def test_an_order_is_a_list_with_its_sum(shop: Shop, desk: Callable[..., Desk]) -> None:
    send_samples(shop, "order_without_note")
    found = wait_until(lambda: shop.find("33655000003"), "the conversation of Ada")
    amina = _reads(desk, Customer(shop, "33655000003", "Ada Probe", found["id"]))
    order = amina.thread.locator("table", has_text="BAG-01")
    expect(order).to_contain_text("CRO-02")
    expect(order.locator("tfoot")).to_contain_text("€6.60")


def test_what_was_deleted_says_so_and_what_was_edited_too(shop: Shop, desk: Callable[..., Desk]) -> None:
    paul = shop.customer("Paul Petit", "Pour quatre", "Pour cinq")
    first, second = (row["wa_message_id"] for row in paul.messages()[:2])
    amina = desk("Amina").opens(paul)
    send_message(shop, paul, type="revoke", revoke={"original_message_id": first})
    better = {"type": "text", "text": {"body": "Pour six"}}
    send_message(shop, paul, type="edit", edit={"original_message_id": second, "message": better})
    amina.sees("This message was deleted.")
    expect(amina.bubble("Pour six")).to_contain_text("edited")


def test_a_system_message_is_told_without_a_bubble(shop: Shop, desk: Callable[..., Desk]) -> None:
    ines = shop.customer("Inès Martin", "Bonjour")
    amina = desk("Amina").opens(ines)
    send_message(shop, ines, type="system", system={"body": "Inès changed her phone", "type": "customer_changed"})
    told = amina.thread.locator("li.entry-told", has_text="Inès changed her phone")
    expect(told).to_be_visible()
    assert told.locator(".bubble").count() == 0


def _reads(desk: Callable[..., Desk], customer: Customer) -> Desk:
    """Somebody at a screen so high that the whole thread is on it. WhatsApp does not have the files of the samples."""
    amina = desk("Amina", viewport={"width": 1440, "height": 3000})
    amina.refuses(503)
    amina.refuses(404)
    amina.opens(customer)
    expect(amina.thread.locator("li[data-key]").first).to_be_visible()
    return amina


def _id(customer: Customer, wamid: str) -> str:
    return next(row["id"] for row in customer.messages() if row["wa_message_id"] == wamid)
