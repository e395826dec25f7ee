"""Coming in with a browser, with and without JavaScript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.page.shop import PASSWORD, Shop


@pytest.fixture
def visitor(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Somebody who is not signed in."""
    settings: dict[str, Any] = {"locale": "en-GB", **getattr(request, "param", {})}
    context = browser.new_context(**settings)
    yield context.new_page()
    context.close()


def _fills(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_who_wanted_a_conversation_comes_to_it(shop: Shop, visitor: Page) -> None:
    amina, eva = shop.person("Amina"), shop.customer("Eva Rossi", "Buongiorno")
    visitor.goto(f"{shop.url}/inbox/{eva.conversation}")
    expect(visitor.get_by_role("heading", level=1)).to_be_visible()
    _fills(visitor, amina.email, PASSWORD)
    expect(visitor.locator("#thread").get_by_text("Buongiorno")).to_be_visible()


def test_a_wrong_password_is_said_and_the_name_stays(shop: Shop, visitor: Page) -> None:
    amina = shop.person("Amina")
    visitor.goto(f"{shop.url}/sign-in")
    _fills(visitor, amina.email, "not this one")
    expect(visitor.get_by_role("alert")).to_be_visible()
    expect(visitor.get_by_label("E-mail")).to_have_value(amina.email)
    expect(visitor.get_by_label("Password")).to_have_value("")


@pytest.mark.parametrize("visitor", [{"java_script_enabled": False}], indirect=True)
def test_without_javascript_one_signs_in_and_is_told_what_is_missing(shop: Shop, visitor: Page) -> None:
    amina = shop.person("Amina")
    visitor.goto(f"{shop.url}/inbox")
    _fills(visitor, amina.email, PASSWORD)
    visitor.wait_for_url("**/inbox")
    assert "<noscript>" in visitor.content()  # which this browser does not draw when it is driven
    assert "The inbox needs JavaScript." in visitor.content()


def test_a_session_that_ends_is_begun_again_over_the_page(shop: Shop, visitor: Page) -> None:
    """What was being written is sent when its writer is back, by the same key."""
    amina, eva = shop.person("Amina"), shop.customer("Eva Rossi", "Buongiorno")
    visitor.goto(f"{shop.url}/inbox/{eva.conversation}")
    _fills(visitor, amina.email, PASSWORD)
    field = visitor.locator("#thread textarea")
    field.fill("Un attimo")
    asking: list[Route] = []
    # The message is what finds the session ended: no question does before it.
    visitor.route("**/changes?*", lambda route: asking.append(route))
    visitor.context.clear_cookies()
    field.press("Enter")
    again = visitor.get_by_role("dialog", name="Sign in again")
    expect(again).to_be_visible()
    visitor.unroute("**/changes?*")
    for question in asking:
        question.abort()
    again.get_by_label("Password").fill(PASSWORD)
    again.get_by_role("button", name="Sign in").click()
    expect(again).to_be_hidden()
    expect(visitor.locator("#thread li", has_text="Un attimo").locator('[aria-label="Delivered"]')).to_be_visible(
        timeout=20_000
    )
    assert [row["content_text"] for row in eva.messages()].count("Un attimo") == 1


@pytest.mark.parametrize("visitor", [{"locale": "fr-FR", "viewport": {"width": 360, "height": 740}}], indirect=True)
def test_a_colleague_chooses_a_password_of_their_own_and_is_told_why_one_is_weak(shop: Shop, visitor: Page) -> None:
    lea = shop.person("Lea")
    visitor.goto(f"{shop.url}/settings/me")
    visitor.get_by_label("Adresse e-mail").fill(lea.email)
    visitor.get_by_label("Mot de passe").fill(PASSWORD)
    visitor.get_by_role("button", name="Se connecter").click()
    change = visitor.get_by_role("button", name="Changer le mot de passe")
    current, new = visitor.get_by_label("Mot de passe actuel"), visitor.get_by_label("Nouveau mot de passe")
    for typed, given, told in (
        (
            PASSWORD,
            "Password1234",
            "Trop facile à deviner. Ajoutez un ou deux mots inattendus. Il ressemble à un mot de passe",
        ),
        (PASSWORD, "court", "De 12 à 1\u202f024 caractères."),
        ("pas celui-ci", "deux pains bien cuits", "Ce n’est pas votre mot de passe."),
    ):
        current.fill(typed)
        new.fill(given)
        change.click()
        expect(visitor.get_by_text(told)).to_be_visible()
    current.fill(PASSWORD)
    change.click()
    expect(visitor.get_by_text("Le mot de passe est changé.")).to_be_visible()
    expect(current).to_have_value("")
    visitor.get_by_label("Nom", exact=True).fill("Léa R.")  # the page goes on in its new session
    visitor.get_by_role("button", name="Enregistrer").click()
    expect(visitor.get_by_text("Enregistré")).to_be_visible()
    visitor.context.clear_cookies()
    visitor.goto(f"{shop.url}/sign-in")
    visitor.get_by_label("Adresse e-mail").fill(lea.email)
    visitor.get_by_label("Mot de passe").fill("deux pains bien cuits")
    visitor.get_by_role("button", name="Se connecter").click()
    visitor.wait_for_url("**/inbox")
