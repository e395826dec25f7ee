"""Finding people and what was said; and coming back."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.shop import Shop

Sits = Callable[..., Desk]


def test_a_search_leads_to_its_message_and_back(shop: Shop, desk: Sits) -> None:
    texts = [f"Ligne {number} sans rien de rare" for number in range(30)]
    camille = shop.customer("Camille Trouvée", "Il me faudrait un kouglof pour samedi", *texts)
    other = shop.customer("Leïla Kouglof", "Bonjour")
    amina = desk("Amina").goes_to()
    amina.page.keyboard.press("/")
    amina.page.keyboard.insert_text("kouglof")
    found = amina.page.get_by_role("region", name="What was found")
    expect(found.get_by_role("link", name="Leïla Kouglof")).to_be_visible()
    hit = found.get_by_role("link", name="Camille Trouvée")
    expect(hit.locator("mark")).to_have_text("kouglof")
    hit.click()
    bubble = amina.bubble("Il me faudrait un kouglof")
    expect(bubble).to_be_in_viewport()
    expect(bubble.locator(".bubble-lit")).to_have_count(1)
    assert "q=kouglof" in amina.page.url
    found.get_by_role("link", name="Leïla Kouglof").click()
    expect(amina.thread.get_by_role("heading", name="Leïla Kouglof")).to_be_visible()
    amina.page.go_back()
    expect(amina.thread.get_by_role("heading", name="Camille Trouvée")).to_be_visible()
    expect(hit).to_be_visible()
    amina.page.reload()
    expect(hit).to_be_visible()
    amina.page.get_by_role("searchbox").focus()
    amina.page.keyboard.press("Escape")
    expect(found).to_have_count(0)
    expect(amina.row(camille)).to_be_visible()
    assert "q=" not in amina.page.url
    assert other.row()["status"] == "open"


def test_keys_walk_from_the_field_through_what_was_found(shop: Shop, desk: Sits) -> None:
    shop.customer("Odile Flèche", "Une tarte amandine")
    amina = desk("Amina").goes_to()
    amina.page.keyboard.press("/")
    amina.page.keyboard.insert_text("amandine")
    expect(amina.page.locator(".found a.hit")).to_be_visible()
    amina.page.keyboard.press("ArrowDown")
    amina.page.wait_for_function("document.activeElement?.matches('.found a.hit')")
    amina.page.keyboard.press("Escape")
    expect(amina.page.locator(".list a.row:focus")).to_have_count(1)  # the list is back
    amina.page.keyboard.press("/")
    amina.page.keyboard.insert_text("amandine")
    expect(amina.page.locator(".found a.hit")).to_be_visible()
    amina.page.keyboard.press("ArrowDown")
    amina.page.wait_for_function("document.activeElement?.matches('.found a.hit')")
    amina.page.keyboard.press("ArrowUp")
    amina.page.wait_for_function("document.activeElement?.matches('.search input')")
    amina.page.keyboard.press("Enter")
    expect(amina.bubble("Une tarte amandine")).to_be_in_viewport()


def test_nothing_found_is_said_in_words(shop: Shop, desk: Sits) -> None:
    amina = desk("Amina", locale="fr-FR").goes_to()
    amina.page.get_by_role("searchbox").fill("zzxqj")
    amina.sees(
        "Personne ne s’appelle « zzxqj », et aucun message ne le contient.".replace("« ", "«\u202f").replace(
            " »", "\u202f»"
        )
    )


def test_a_search_that_fails_says_so_and_the_next_letter_asks_again(shop: Shop, desk: Sits) -> None:
    shop.customer("Paul Panne", "Une brioche")
    amina = desk("Amina").goes_to()
    amina.loses_network()
    amina.page.route("**/search?**", lambda route: route.abort())
    amina.page.get_by_role("searchbox").fill("paul pann")
    amina.sees("The search did not work.")
    amina.page.unroute("**/search?**")
    amina.page.get_by_role("searchbox").press_sequentially("e")
    expect(amina.page.get_by_role("link", name="Paul Panne")).to_be_visible()


def test_what_a_customer_writes_is_found_as_text(shop: Shop, desk: Sits) -> None:
    shop.customer("Mal Intention", "<img src=x onerror=alert(1)> macaron \u202egnirts")
    amina = desk("Amina").goes_to()
    amina.page.get_by_role("searchbox").fill("macaron")
    hit = amina.page.locator(".found a.hit", has_text="macaron")
    expect(hit).to_contain_text("<img src=x onerror=alert(1)>")
    expect(hit.locator("img")).to_have_count(0)
