"""The demo's minute: what breaks, what becomes of it, and a score of zeros."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.e2e.processes import running
from tests.page.browsers import LAN
from tests.page.modules import run
from tests.waiting import free_port, wait_until

pytestmark = pytest.mark.timeout(300)
QUIET = "1000"  # seconds between customers who write by themselves


STAGE = """
    const said = [], called = [];
    let looks = 0;
    words.loadWords('en', (await import('/words/status-en.js')).default);
    const api = {
        get: async (_path, { q }) => ({ body: [{ id: q, bot_silent_reason: q === '33610000001' ? 'paused' : null }] }),
        post: async (path, body) => called.push([path, body.enabled ?? null]),
    };
    await minute.play({ api, accountId: 'a', breakIt: async () => {}, mend: async () => {},
        write: async (_text, who) => called.push(['write', who?.phone ?? null]), say: (text) => said.push(text),
        score: async () => given[Math.min(looks++, given.length - 1)], pause: async () => {},
        signal: new AbortController().signal });
    return [called.slice(0, 2), said.at(-1), looks];
"""
CALM = {"waiting": 0, "twice": 0, "lost": 0}


@pytest.mark.parametrize(
    ("scores", "end", "looks"),
    [
        ([CALM | {"waiting": 2}, CALM], "Nobody was forgotten, and nobody was answered twice.", 2),
        ([CALM | {"waiting": 2}], "2 customers still wait", 11),
        ([CALM | {"lost": 1}], "something went wrong", 1),
    ],
)
def test_the_minute_begins_with_the_bot_at_work_and_ends_with_what_the_score_says(
    core: Page, scores: list[dict[str, int]], end: str, looks: int
) -> None:
    called, last, looked = run(core, "words demo/minute", STAGE, scores)
    assert called == [["/conversations/33610000001/bot", True], ["write", None]]
    assert end in last
    assert looked == looks


def test_the_minute_ends_with_nobody_forgotten_and_nobody_answered_twice(browser: Browser, tmp_path: Path) -> None:
    command = ["-m", "flask", "--app", "wsgi", "demo", "--port", str(free_port()), "--pace", QUIET]
    with running(command, tmp_path / "demo.log", {"TMPDIR": str(tmp_path)}) as demo:
        told = wait_until(lambda: demo.output() if "Stop: Ctrl-C" in demo.output() else "", "the demo to greet")
        link = told.strip().splitlines()[0]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/demo/enter/[\w-]+", link)
        context = browser.new_context(locale="en-GB", viewport={"width": 1440, "height": 900})
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(link.replace("127.0.0.1", LAN))
        assert page.url.endswith("/inbox")
        assert page.evaluate("[isSecureContext, 'locks' in navigator, 'serviceWorker' in navigator]") == [False] * 3
        assert "has been used" in requests.get(link, timeout=10, headers={"Accept": "text/html"}).text
        page.get_by_role("button", name="Demo").click()
        page.get_by_role("button", name="See it in one minute").click()
        for words in ("A customer writes", "Gemini goes away", "answer gets lost", "Gemini comes back", "Nobody was"):
            expect(page.locator(".demo-said")).to_contain_text(words, timeout=60_000)
        for name in ("waiting", "twice", "lost", "our_errors"):
            expect(page.locator(f"[data-score={name}] dd")).to_have_text("0", timeout=90_000)
        field = page.get_by_label("Write as a customer").bounding_box()
        assert field is not None
        assert field["y"] + field["height"] <= 900  # nothing of the drawer is below the window
        assert int(page.locator("[data-score=wrote] dd").inner_text()) >= 3
        page.goto(page.url.partition("/inbox")[0] + "/settings/numbers")
        expect(page.get_by_role("button", name="Add a number")).to_be_visible()  # the drawer left the page its words
        assert problems == []
        context.close()
