"""The predecessor's way to sign in, in a real browser, while Supabase goes away for two minutes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from sandbox import Sandbox
from tests.e2e import supabase_page
from tests.e2e.processes import flask, gunicorn, production
from tests.e2e.test_front_end import opened
from tests.page.browsers import tab
from tests.settings import APP_SECRET
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(supabase_page.NPM is None, reason="needs npm: apt-get install npm")

OUTAGE = 120.0  # seconds, of which none is waited for


@dataclass
class Desk:
    """Anna's browser, Inbox behind it, and Supabase."""

    page: Page
    supabase: Sandbox
    ahead: list[float]  #: of Supabase's clock, in seconds
    known: dict[str, str]

    def pass_(self, seconds: float) -> None:
        """Time passes, for the page and for Supabase."""
        self.ahead[0] += seconds
        self.page.evaluate(f"desk.pass({seconds})")

    def sign_in(self) -> str:
        """What the page is told that went wrong."""
        return str(self.page.evaluate("desk.signIn('anna@example.com', 'le pain')"))

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The status and the body of an answer."""
        return dict(self.page.evaluate("asked => desk.ask(...asked)", [method, path, body]))

    def polled(self, count: int) -> set[Any]:
        """What the next polls are answered."""
        before = self.page.evaluate("desk.polled.length")
        wait_until(lambda: self.page.evaluate("desk.polled.length") >= before + count, f"{count} polls")
        return set(self.page.evaluate(f"desk.polled.slice({before})"))


@pytest.fixture
def desk(sqlite_template: Path, tmp_path: Path, browser: Browser) -> Iterator[Desk]:
    """The page on an origin of its own, which CORS_ORIGINS names."""
    ahead = [-OUTAGE]  # the outage is played up to now: a token from the future would be refused
    shutil.copy(sqlite_template, tmp_path / "inbox.db")
    site = tmp_path / "site"
    site.mkdir()
    shutil.copy(supabase_page.script(tmp_path), site)
    supabase = Sandbox(app_secret=APP_SECRET, clock=lambda: time.time() + ahead[0])
    with supabase, supabase_page.origin(site) as address:
        environment = production(
            f"sqlite:///{tmp_path / 'inbox.db'}",
            supabase.url,
            tmp_path,
            WHATSAPP_APP_SECRET=APP_SECRET,
            WHATSAPP_VERIFY_TOKEN="verify-me",
            SUPABASE_URL=supabase.url,
            SUPABASE_KEY="sb_publishable_test",
            CORS_ORIGINS=address,
            WEB_CONCURRENCY="1",
            RATE_LIMIT="100000",
        )
        flask(environment, "db", "upgrade")
        key = flask(environment, "keys", "create", "--name", "first", "--role", "admin").strip().splitlines()[-1]
        with gunicorn(tmp_path / "web.log", environment) as (_process, url), tab(browser) as made:
            known = opened(url, key, supabase).known
            supabase_page.write(site, api=url, supabase=supabase.url, ahead=ahead[0])
            made.page.goto(f"{address}/index.html")
            yield Desk(made.page, supabase, ahead, known)


def test_the_page_goes_on_while_supabase_is_away_and_afterwards(desk: Desk) -> None:
    assert desk.sign_in() == ""
    assert desk.ask("GET", "/auth/me")["body"]["email"] == "anna@example.com"
    desk.page.evaluate(f"desk.poll('/conversations?account_id={desk.known['account']}')")
    assert desk.polled(3) == {200}

    outage = desk.supabase.fault("supabase", "status", code=503)
    for _ in range(4):
        desk.pass_(OUTAGE / 4)
        assert desk.polled(3) == {200}
    words = {"conversation_id": desk.known["conversation"], "content": "On est là."}
    assert desk.ask("POST", "/messages/send", words)["status"] == 202
    assert desk.sign_in() != "", "Supabase is away"

    desk.supabase.faults.remove(outage)
    wait_until(lambda: desk.page.evaluate("desk.renew()") == "", "a new token")
    assert desk.polled(3) == {200}
    thread = desk.ask("GET", f"/messages/{desk.known['conversation']}")["body"]
    assert "On est là." in [row["content_text"] for row in thread]
    assert set(desk.page.evaluate("desk.polled")) == {200}


def test_the_page_reads_our_404_although_it_is_on_another_origin(desk: Desk) -> None:
    lost = desk.ask("PATCH", "/nowhere")
    assert (lost["status"], lost["body"]["code"]) == (404, "not_found")
