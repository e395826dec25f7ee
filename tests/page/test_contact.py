"""Beside a conversation: what the team notes of the contact, and blocking."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop
from tests.waiting import wait_until


def test_a_detail_is_written_and_a_contact_blocked(shop: Shop, desk: Callable[..., Desk]) -> None:
    path = f"/accounts/{shop.account}/contact-fields"
    for body in ({"name": "Allergies", "kind": "text"}, {"name": "Taille", "kind": "choice", "choices": ["S", "L"]}):
        assert shop.ask("POST", path, json=body).ok
    zoe = shop.customer("Zoé Bloc", "Bonjour")
    amina = desk("Amina").opens(zoe)
    amina.page.get_by_label("Allergies").fill("noix")
    amina.page.keyboard.press("Enter")
    amina.page.get_by_label("Taille").select_option("L")
    contact = f"/contacts/{zoe.row()['contact_id']}"

    def written() -> list[str]:
        return sorted(shop.ask("GET", contact).json()["fields"].values())

    wait_until(lambda: written() == ["L", "noix"], "both details are written")
    amina.button("Block").first.click()
    amina.sees("You have blocked Zoé Bloc")
    expect(amina.field).to_have_count(0)
    zoe.writes("Réponds !")
    expect(amina.bubble("Réponds !")).to_be_visible()
    assert zoe.row()["unread_count"] == 0
    amina.button("Unblock").first.click()
    expect(amina.field).to_be_visible()
