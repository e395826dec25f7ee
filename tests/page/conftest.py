"""A browser for each worker of the tests, and pages in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.page.browsers import Browsers
from tests.page.desk import Desk
from tests.page.shop import Shop, open_shop
from tests.page.static import static_server
from tests.servers import Databases


@pytest.fixture(scope="session")
def static_url() -> Iterator[str]:
    """The page's files, served without an application."""
    with static_server() as url:
        yield url


@pytest.fixture(scope="session")
def _modules(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", timezone_id="Europe/Paris")
    yield context.new_page()
    context.close()


@pytest.fixture
def core(_modules: Page, static_url: str) -> Iterator[Page]:
    """An empty page that can import the modules of `core/`. What goes wrong in it fails the test."""
    problems: list[str] = []

    def note(error: Error) -> None:
        problems.append(str(error))

    _modules.on("pageerror", note)
    _modules.goto(static_url)
    yield _modules
    _modules.remove_listener("pageerror", note)
    assert problems == []


# --- the whole page ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _shop(postgres_databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(postgres_databases, tmp_path_factory.mktemp("shop"), lambda _asked: "Oui, jusqu'à 19 h.") as shop:
        yield shop


@pytest.fixture
def shop(_shop: Shop) -> Iterator[Shop]:
    """The running shop. What a test breaks is whole again for the next one."""
    yield _shop
    _shop.calm()


@pytest.fixture(scope="session")
def _browsers(browser: Browser, _shop: Shop) -> Iterator[Browsers]:
    made = Browsers(browser, _shop)
    yield made
    made.close()


@pytest.fixture
def desk(shop: Shop, _browsers: Browsers) -> Iterator[Callable[..., Desk]]:
    """Make a desk: a signed-in person with a browser of their own. Whatever goes wrong in it fails the test."""
    made: list[Desk] = []

    def sit_down(name: str = "Amina", **options: Any) -> Desk:
        made.append(_browsers.sit_down(shop.person(name), options))
        return made[-1]

    yield sit_down
    try:
        for each in made:
            each.check()
    finally:
        for each in made:
            _browsers.leave(each)
