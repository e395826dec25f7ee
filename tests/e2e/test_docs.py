"""The page of the API in a real browser, under the content security policy that every answer has."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Browser, expect

from tests.e2e.processes import gunicorn
from tests.page.browsers import tab

STRICT = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'")


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(
    installation: dict[str, str], tmp_path: Path, browser: Browser
) -> None:
    with gunicorn(tmp_path / "web.log", {**installation, "DISPATCHER": "off"}) as (_, url), tab(browser) as docs:
        document = requests.get(f"{url}/openapi.json", timeout=30).json()
        policy = requests.get(f"{url}/docs", timeout=30).headers["Content-Security-Policy"]
        assert all(part in policy.split("; ") for part in STRICT)
        page = docs.page
        page.goto(f"{url}/docs")
        operations = [each["tags"][0] for item in document["paths"].values() for each in item.values()]
        expect(page.locator(".opblock-tag")).to_have_count(len(set(operations)), timeout=60_000)
        for tag, count in Counter(operations).items():
            heading = page.locator(f'.opblock-tag[data-tag="{tag}"]')
            heading.dispatch_event("click")
            expect(page.locator(".opblock")).to_have_count(count)
            heading.dispatch_event("click")
            expect(page.locator(".opblock")).to_have_count(0)
        for tag in ("conversations", "messages", "health"):
            page.locator(f'.opblock-tag[data-tag="{tag}"]').dispatch_event("click")
        expect(page.locator("header")).to_contain_text("keys create")
        page.locator("#operations-conversations-list_conversations button").first.dispatch_event("click")
        expect(page.locator(".opblock-body .parameters")).to_have_count(1)
        expect(page.locator(".try-out__btn")).to_have_count(1)
        page.locator("#operations-messages-send_message button").first.dispatch_event("click")
        expect(page.locator(".opblock.is-open")).to_have_count(2)
        expect(page.locator(".try-out__btn")).to_have_count(1)
        probe = page.locator("#operations-health-get_liveness")
        probe.locator("button").first.dispatch_event("click")
        for button in (".try-out__btn", ".execute"):  # to try one: the answer is shown
            probe.locator(button).dispatch_event("click")
        expect(probe.locator(".live-responses-table")).to_contain_text('"alive"')
        assert docs.problems == []
        assert {urlsplit(each).netloc for each in docs.requests if not each.startswith("data:")} == {
            urlsplit(url).netloc
        }
