"""The page's budgets: what a visit weighs, how quick a key is, what open tabs cost the server.

    python -m tests.benchmarks.page [--tabs 100] [--seconds 20] [--rows 10000]

Everything runs on this machine: PostgreSQL, gunicorn with two processes of eight threads, the simulator, Chromium.
Sizes are those of the wire; times are of this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import requests
from playwright.sync_api import BrowserContext, Page

from inbox.db import Database, migrations
from tests.benchmarks.open_loop import percentile
from tests.page.browsers import Browsers, chromium
from tests.page.desk import Desk
from tests.page.many import TO_THE_END, fill_list
from tests.page.shop import PASSWORD, Shop, open_shop
from tests.servers import Databases, create_database, drop_database, postgres_server

PACE = 1.5  # seconds until the next question of a tab in use, when one was answered at once
WAITS = 8  # seconds that its questions can wait at the server
KB = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rows", type=int, default=10_000)
    asked = parser.parse_args()
    with _shop() as shop, chromium() as browser:
        browsers = Browsers(browser, shop)
        print("| what | measured | budget |\n| --- | --- | --- |")
        for what, measured, budget in [
            *_visits(shop, browsers),
            *_keys(shop, browsers, asked.rows),
            *_quiet_polls(shop, asked.tabs, asked.seconds),
        ]:
            print(f"| {what} | {measured} | {budget} |", flush=True)
        browsers.close()


@contextlib.contextmanager
def _shop() -> Iterator[Shop]:
    with postgres_server() as server, tempfile.TemporaryDirectory() as folder:
        template = f"inbox_template_{uuid.uuid4().hex[:12]}"
        with contextlib.closing(Database(create_database(server, template))) as db:
            migrations.upgrade(db)
        databases = Databases(server, template)
        try:
            with open_shop(databases, Path(folder), lambda _asked: "Oui.") as shop:
                yield shop
        finally:
            databases.close()
            drop_database(server, template)


# --- what a visit weighs -----------------------------------------------------------------------------------------


def _visits(shop: Shop, browsers: Browsers) -> Iterator[tuple[str, str, str]]:
    """The first visit loads what its first look needs, then the rest; a later one the shell alone."""
    for number in range(50):
        shop.customer(f"Client {number}", "Avez-vous du pain de seigle ?")
    amina = browsers.sit_down(shop.person("Amina"), {})
    first, idle = _weight(amina)
    yield "first visit, all on the wire", f"{sum(first.values()) / KB:.0f} KB", "≤ 150 KB"
    for kind, most in (("font", 48), ("script", 71), ("style", 14), ("document", 10), ("image", 6)):
        yield f"of it: {kind}", f"{first.get(kind, 0) / KB:.1f} KB", f"≤ {most} KB"
    yield "scripts that come after it, in idle time", f"{idle.get('script', 0) / KB:.1f} KB", "–"
    later, _ = _weight(amina)
    yield "later visit", f"{sum(later.values()) / KB:.1f} KB in {len(later)} kinds", "≤ 15 KB, one request"
    browsers.leave(amina)
    noe = browsers.sit_down(shop.person("Noé"), {})
    opened, _ = _weight(noe, f"/inbox/{shop.customer('Camille Roux', 'Bonjour').conversation}")
    yield "first visit to a thread with its details, scripts", f"{opened['script'] / KB:.1f} KB", "–"
    browsers.leave(noe)


def _weight(desk: Desk, path: str = "/inbox") -> tuple[dict[str, float], dict[str, float]]:
    """Bytes on the wire by kind: until half a second after the page stood, and in five seconds after that."""
    session = desk.context.new_cdp_session(desk.page)
    session.send("Network.enable")
    kinds: dict[str, str] = {}
    weights: dict[str, float] = {}

    def came(event: dict[str, Any]) -> None:
        kinds[event["requestId"]] = event["type"].lower()

    def ended(event: dict[str, Any]) -> None:
        kind = kinds.get(event["requestId"], "")
        if kind in ("font", "script", "style", "stylesheet", "document", "image", "other", "manifest"):
            name = {"stylesheet": "style"}.get(kind, kind)
            weights[name] = weights.get(name, 0) + event["encodedDataLength"]

    session.on("Network.responseReceived", came)
    session.on("Network.loadingFinished", ended)
    desk.goes_to(path)
    desk.page.wait_for_timeout(500)
    first, weights = weights, {}
    desk.page.wait_for_timeout(5000)
    session.detach()
    return tuple({kind: weight for kind, weight in each.items() if weight > 0} for each in (first, weights))


# --- how quick a key is ------------------------------------------------------------------------------------------

#: Milliseconds from each key until its letter is painted, and the longest task meanwhile.
TIMES = """
    window.painted = [];
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
    }).observe({ type: 'longtask' });
    document.querySelector('textarea').addEventListener('keydown', () => {
        const from = performance.now();
        requestAnimationFrame(() => setTimeout(() => window.painted.push(performance.now() - from), 0));
    });
"""


def _keys(shop: Shop, browsers: Browsers, rows: int) -> Iterator[tuple[str, str, str]]:
    """Typing with a full list beside the field."""
    account = fill_list(shop.customer("Camille Roux", "Bonjour"), rows)
    amina = browsers.sit_down(shop.person("Amina"), {}).goes_to(f"/inbox?account_id={account}")
    amina.js(TO_THE_END, "Client 1")
    yield f"objects of the page with {rows:,} rows", f"{amina.heap() / KB / KB:.0f} MB", "≤ 120 MB"
    amina.js("document.querySelector('.list-scroll').scrollTop = 0")
    amina.page.locator(
        "a.row", has_text=f"Client {rows}"
    ).click()  # the newest: those at the end are closed to free text
    amina.field.click()
    ours, floor = _painted(amina.page), _floor(amina.page.context)
    yield f"key to letter with {rows:,} rows, P95", f"{percentile(ours, 0.95):.1f} ms", "≤ 16 ms"
    yield "the same in a bare text field", f"{percentile(floor, 0.95):.1f} ms", "a frame is 16.7 ms"
    medians = [statistics.median(each) for each in (ours, floor)]
    yield "medians of both", f"{medians[0]:.1f}; {medians[1]:.1f} ms", "–"
    yield "longest task while typing", f"{amina.js('window.longest'):.0f} ms", "≤ 50 ms"
    browsers.leave(amina)


def _painted(page: Page) -> list[float]:
    """Milliseconds from each key in the field that has the focus until its letter is painted."""
    page.evaluate(f"() => {{ {TIMES} }}")
    page.keyboard.type("Oui, il en reste trois, et du pain de seigle aussi. " * 4, delay=40)
    painted: list[float] = page.evaluate("window.painted")
    return painted


def _floor(context: BrowserContext) -> list[float]:
    """The same where there is nothing but a field: what the browser and its frames take."""
    page = context.new_page()
    page.set_content("<textarea autofocus></textarea>")
    page.locator("textarea").click()
    painted = _painted(page)
    page.close()
    return painted


# --- what open tabs cost -----------------------------------------------------------------------------------------


def _quiet_polls(shop: Shop, tabs: int, seconds: float) -> Iterator[tuple[str, str, str]]:
    """So many tabs in use, in an inbox in which nothing happens."""
    person = shop.person("Amina")
    session = requests.Session()
    token = session.post(f"{shop.url}/auth/login", json={"email": person.email, "password": PASSWORD}).json()["token"]
    signed_in = {"Authorization": f"Bearer {token}"}
    began = session.get(f"{shop.url}/changes", params={"account_id": shop.account}, headers=signed_in, timeout=30)
    query = {"account_id": shop.account, "since": began.json()["next"], "wait": WAITS}
    quiet = session.get(f"{shop.url}/changes", params=query, headers=signed_in, timeout=30)
    size = len(quiet.content) + sum(len(name) + len(value) + 4 for name, value in quiet.headers.items())
    yield "quiet poll", f"{quiet.status_code}, {size} bytes with headers", "204, ≤ 1 KB"
    web = [process for process in psutil.Process(shop.process.child.pid).children() if process.is_running()]
    idle = _used(web)
    _pause(seconds)
    rest = _used(web) - idle
    took: list[float] = []  # seconds, beyond those that the question could wait
    lock = threading.Lock()

    def tab(number: int) -> int:
        """One tab, which asks as the page does, like all the others at its own moment."""
        mine = requests.Session()
        until, asked = time.monotonic() + seconds, 0
        _pause(PACE * number / tabs)
        while time.monotonic() < until:
            at = time.monotonic()
            answer = mine.get(f"{shop.url}/changes", params=query, headers=signed_in, timeout=30)
            assert answer.status_code in (200, 204), answer.text
            asked += 1
            waited = time.monotonic() - at
            with lock:
                took.append(waited - WAITS if waited >= WAITS else waited)
            if waited < WAITS:
                _pause(PACE)
        return asked

    before = _used(web)
    with ThreadPoolExecutor(tabs) as all_tabs:
        polls = sum(all_tabs.map(tab, range(tabs)))
    cost = max(0.0, _used(web) - before - rest)
    yield f"CPU for each question, {tabs} tabs", f"{cost / polls * 1000:.2f} ms", "≤ 0.6 ms"
    yield f"{tabs} tabs in use", f"{cost / seconds * 100:.1f} % of a core", "≤ 10 % of a core"
    busy = sum(took) / seconds
    yield "threads held by them on average", f"{busy:.2f} of 16", "–"
    yield "answer beyond the wait, median", f"{statistics.median(took) * 1000:.1f} ms", "–"


def _used(processes: list[psutil.Process]) -> float:
    """Seconds of CPU that they have taken."""
    return sum(sum(process.cpu_times()[:2]) for process in processes)


_never = threading.Event()


def _pause(seconds: float) -> None:
    _never.wait(seconds)


if __name__ == "__main__":
    main()
