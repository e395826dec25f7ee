"""The pictures of the README, taken of the running page. `pytest --pictures` makes those in docs/pictures anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.desk import Desk
from tests.page.samples import send_message
from tests.page.shop import Customer, Shop
from tests.waiting import wait_until

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MOST_BYTES = 150_000
NUMBER = "200000000000777"
MINUTE = 60

#: Who wrote what, and how many minutes ago; the last ones stand at the top of the list.
OTHERS = [
    ("33610000021", "Inès Martin", 95, "Merci pour tout, à samedi !"),
    ("447700900023", "Alice Byrne", 52, "Is the lemon tart for six people?"),
    ("34600000024", "Lucía Ortega", 41, "¿A qué hora cierran hoy?"),
    ("447700900026", "Tom Okafor", 24, "How much is a birthday cake for eight?"),
    ("33610000025", "Lila Haddad", 18, "Vos croissants sont au beurre ?"),
]


@pytest.fixture
def bakery(shop: Shop) -> Iterator[Shop]:
    """The same shop with a number of its own for the pictures: a bakery on an ordinary afternoon."""
    body = {"name": "Boulangerie du Canal", "phone_number_id": NUMBER, "phone_number": "+33 1 40 00 00 00"}
    made = shop.ask("POST", "/accounts", json=body | {"access_token": "a-token-of-the-simulator", "bot_auto_on": False})
    assert made.ok, made.text
    whole, shop.account = shop.account, made.json()["id"]
    yield shop
    shop.account = whole


def _writes(shop: Shop, phone: str, name: str, minutes: float, text: str | None, **more: object) -> Customer:
    made = Customer(shop, phone, name)
    at = int(time.time() - minutes * MINUTE)
    shop.sandbox.customer_writes(phone, text, name=name, timestamp=at, phone_number_id=NUMBER, **more)
    made.conversation = wait_until(lambda: shop.find(phone), f"the conversation of {name}")["id"]
    return made


def _furnish(shop: Shop) -> Customer:
    """People who write, a colleague who answers, one who needs a person; the one to look at."""
    for phone, name, minutes, text in OTHERS:
        _writes(shop, phone, name, minutes, text)
    _writes(shop, "33610000022", "Noé Lambert", 12, None, type="audio", content={"voice": True})
    camille = _writes(shop, "33610000020", "Camille Roux", 9, "Hello, do you still have rye bread?")
    send_message(shop, camille, number_id=NUMBER, type="text", text={"body": "I would need two loaves for tonight."})
    return camille


SIZES = {"inbox": (1360, 800, "light"), "inbox-dark": (1000, 700, "dark"), "phone": (360, 720, "light")}


def test_the_pictures_of_the_readme_can_be_taken(
    bakery: Shop, desk: Callable[..., Desk], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    camille = _furnish(bakery)
    folder = PICTURES if request.config.getoption("--pictures") else tmp_path
    folder.mkdir(exist_ok=True)
    for name, (width, height, scheme) in SIZES.items():
        amina = desk("Amina", viewport={"width": width, "height": height}, color_scheme=scheme).opens(camille)
        if name == "inbox":
            _answers(amina, camille)
        expect(amina.bubble("Perfect, I will be there")).to_be_visible()
        expect(amina.bubble("Prefers it well baked.")).to_be_visible()
        amina.page.mouse.move(width // 2, 4)
        amina.page.screenshot(path=folder / f"{name}.png")
        assert (folder / f"{name}.png").stat().st_size < MOST_BYTES


def _answers(amina: Desk, camille: Customer) -> None:
    amina.sends("Good afternoon Camille! Yes, two loaves are waiting for you under your name.")
    amina.page.get_by_role("tab", name="Note").click()
    amina.types("Prefers it well baked.")
    amina.button("Add note").click()
    amina.page.get_by_role("tab", name="Reply").click()
    expect(amina.bubble("two loaves are waiting").locator('[aria-label="Delivered"]')).to_be_visible(timeout=20_000)
    camille.writes("Perfect, I will be there at six. Thank you!", phone_number_id=NUMBER)


def test_the_readme_shows_pictures_that_are_there() -> None:
    shown = {path.name for path in PICTURES.glob("*.png")}
    assert shown == {"inbox.png", "inbox-dark.png", "phone.png"}
    assert all(path.stat().st_size < MOST_BYTES for path in PICTURES.glob("*.png"))
