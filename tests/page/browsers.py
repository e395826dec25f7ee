"""Browsers for the tests of the page: kept with their cookies and files, so that no test loads everything anew."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, StorageState, expect, sync_playwright

from tests.page.desk import WATCH, Desk
from tests.page.shop import PASSWORD, Person, Shop

#: The first needs less than half of the processor time: it has no window, and none of what belongs to one.
PROGRAM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or shutil.which("google-chrome")
#: Milliseconds that something may take on a machine that is busy with other things.
PATIENCE = 30_000
#: Another name of this machine, to which browsers grant only what plain http has on a local network.
LAN = "lan.test"
_FLAGS = ["--disable-dev-shm-usage", "--disable-gpu", "--no-sandbox", f"--host-resolver-rules=MAP {LAN} 127.0.0.1"]
USUAL: dict[str, Any] = {
    "locale": "en-GB",
    "timezone_id": "Europe/Paris",
    "viewport": {"width": 1440, "height": 900},
}


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, without a window. One at a time in a process."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=PROGRAM, args=_FLAGS)
        yield made
        made.close()


@dataclass
class Tab:
    """One tab in a browser of its own, and what it did."""

    page: Page
    requests: list[str] = field(default_factory=list)  #: addresses
    problems: list[str] = field(default_factory=list)  #: errors and warnings of the console, exceptions

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._console)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert"):
            self.problems.append(message.text)


@contextlib.contextmanager
def tab(browser: Browser) -> Iterator[Tab]:
    """A tab that shares nothing with others."""
    context = browser.new_context(**USUAL)
    yield Tab(context.new_page())
    context.close()


class Browsers:
    """One for each person and kind of window; nobody shares one at the same time."""

    def __init__(self, browser: Browser, shop: Shop) -> None:
        self._browser, self._shop = browser, shop
        self._signed_in: dict[str, StorageState] = {}
        self._free: dict[str, list[BrowserContext]] = {}

    def sit_down(self, person: Person, options: dict[str, Any]) -> Desk:
        """A desk at which the person is signed in."""
        settings = {**USUAL, **options}
        kind = f"{person.name} {sorted(settings.items())}"
        free = self._free.get(kind)
        context = free.pop() if free else self._new(person, settings)
        if context.request.get(f"{self._shop.url}/auth/me").status == 401:
            who = {"email": person.email, "password": PASSWORD}
            signed_in = context.request.post(f"{self._shop.url}/auth/login", data=who)
            assert signed_in.ok, signed_in.text()
            self._signed_in[person.name] = context.storage_state()
        return Desk(self._shop, person, context, kind)

    def _new(self, person: Person, settings: dict[str, Any]) -> BrowserContext:
        context = self._browser.new_context(storage_state=self._signed_in.get(person.name), **settings)
        context.add_init_script(WATCH)
        return context

    def leave(self, desk: Desk) -> None:
        """Close the tabs and forget what they kept. A browser that a test has bent is thrown away."""
        if desk.bent or desk.page.is_closed():
            desk.context.close()
            return
        session = desk.context.new_cdp_session(desk.page)
        kept = {"origin": self._shop.url, "storageTypes": "indexeddb,local_storage"}
        for page in desk.context.pages:
            page.goto("about:blank")
        session.send("Storage.clearDataForOrigin", kept)
        for page in desk.context.pages:
            page.close()
        desk.context.clear_permissions()
        desk.context.clear_cookies(name="inbox_account")  # which number was open: others look at the shop's own
        self._free.setdefault(desk.kind, []).append(desk.context)

    def close(self) -> None:
        for contexts in self._free.values():
            for context in contexts:
                context.close()
