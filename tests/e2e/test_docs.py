"""The page of the API in a real browser, under the content security policy that every answer has."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.e2e.browser import PROGRAM, browser
from tests.e2e.processes import gunicorn
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Chromium: apt-get install chromium")

STRICT = ("default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'")
_SHOWN = "document.querySelectorAll('.opblock').length"


def test_the_page_shows_every_operation_and_needs_nothing_from_elsewhere(
    installation: dict[str, str], tmp_path: Path
) -> None:
    with gunicorn(tmp_path / "web.log", {**installation, "DISPATCHER": "off"}) as (_, url):
        document = requests.get(f"{url}/openapi.json", timeout=30).json()
        policy = requests.get(f"{url}/docs", timeout=30).headers["Content-Security-Policy"]
        assert all(part in policy.split("; ") for part in STRICT)
        with browser(tmp_path / "profile") as page:
            page.open(f"{url}/docs")
            expected = sum(len(item) for item in document["paths"].values())
            wait_until(lambda: page.evaluate(_SHOWN) == expected, f"{expected} operations", 60)
            assert "keys create" in page.evaluate("document.querySelector('header').innerText")
            page.evaluate("document.querySelector('#operations-conversations-list_conversations button').click()")
            wait_until(
                lambda: page.evaluate("document.querySelector('.opblock-body .parameters') !== null"), "one opened"
            )
            tried = page.evaluate("document.querySelectorAll('.try-out__btn').length")
            page.evaluate("document.querySelector('#operations-messages-send_message button').click()")
            wait_until(lambda: page.evaluate("document.querySelectorAll('.opblock.is-open').length") == 2, "two opened")
            assert (tried, page.evaluate("document.querySelectorAll('.try-out__btn').length")) == (1, 1)
            page.evaluate("document.querySelector('#operations-health-get_liveness button').click()")
            for button in ("try-out__btn", "execute"):  # to try one: the answer is shown
                found = f"document.querySelector('#operations-health-get_liveness .{button}')"
                wait_until(lambda found=found: page.evaluate(f"{found} !== null"), button)  # type: ignore[misc]
                page.evaluate(f"{found}.click()")
            shown = "document.querySelector('#operations-health-get_liveness .live-responses-table')?.innerText ?? ''"
            wait_until(lambda: '"alive"' in page.evaluate(shown), "the answer")
            assert page.problems == []
            assert {urlsplit(each).netloc for each in page.requests if not each.startswith("data:")} == {
                urlsplit(url).netloc
            }
