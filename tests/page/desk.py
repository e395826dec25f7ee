"""A person at the page: what they do, and everything that goes wrong in their browser meanwhile."""

from __future__ import annotations

import re
from datetime import datetime
from importlib import resources
from typing import Any

from playwright.sync_api import BrowserContext, CDPSession, ConsoleMessage, Locator, Page, expect

from tests.page.shop import Customer, Person, Shop

AXE = (resources.files("axe_playwright_python") / "axe.min.js").read_text()
#: Ends when every animation has that ends at all.
_SETTLED = """() => Promise.all(
    document.getAnimations().filter((each) => each.effect.getComputedTiming().endTime < 5000)
        .map((each) => each.finished.catch(() => null))
)"""
#: What an interface may not have: WCAG 2.2 A and AA, and axe's own best practices are advice only.
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
MOST_SHIFT = 0.02  # of the layout, after the page has loaded

#: Counts what moves by itself once the page is there, and what the policy refuses. Rows and bubbles move with what is
#: written: tests/page/test_moving.py holds which may, and when.
WATCH = """
    window.__shift = 0;
    window.__moved = [];
    window.__refused = [];
    addEventListener('securitypolicyviolation', (event) => {
        window.__refused.push(`${event.violatedDirective} ${event.blockedURI}`);
    });
    const scrolls = ({ node, previousRect: at }) => {
        const box = (node?.nodeType === 1 ? node : node?.parentElement)?.closest('.list-scroll, .thread-scroll');
        if (box || node?.isConnected) return box;
        return [...document.querySelectorAll('.list-scroll, .thread-scroll')].some((each) => {
            const { x, y, right, bottom } = each.getBoundingClientRect();
            return at.x >= x && at.x < right && at.y >= y && at.y < bottom; // a row that has gone: where it was
        });
    };
    const told = ({ node, previousRect: from, currentRect: to }) => {
        return `${[from.x, from.y, to.x, to.y].map(Math.round)} ${node?.outerHTML?.slice(0, 120)}`;
    };
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
            if (entry.hadRecentInput || document.documentElement.dataset.ready !== '') continue;
            if (entry.sources.every(scrolls)) continue;
            window.__shift += entry.value;
            window.__moved.push(entry.value, ...entry.sources.map(told));
        }
    }).observe({ type: 'layout-shift', buffered: true });
"""


class Desk:
    """One tab of a person. `problems` gathers what the browser complains of; `allow` says what a test expects of it."""

    def __init__(self, shop: Shop, person: Person, context: BrowserContext, kind: str = "") -> None:
        self.shop, self.person, self.context, self.kind = shop, person, context, kind
        self.most_shift = MOST_SHIFT
        self.looked_through = True
        self.bent = False  #: the browser is not as it was made, so no other test may have it
        self.problems: list[str] = []
        self.requests: list[str] = []  #: "GET /changes" and so on, without queries
        self._allowed: list[str] = []
        self._device: CDPSession | None = None
        self.page = self._watched(context.new_page())

    def _watched(self, page: Page) -> Page:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("request", lambda request: self.requests.append(f"{request.method} {_path(request.url)}"))
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"{message.type}: {message.text} {message.location.get('url', '')}")

    def allow(self, *patterns: str) -> None:
        """Complaints that this test causes on purpose: the browser notes each failed request."""
        self._allowed += patterns

    def refuses(self, status: int) -> None:
        """The server will refuse something with this status on purpose."""
        self.allow(rf"status of {status}\b")

    def loses_network(self) -> None:
        """Requests will fail on purpose."""
        self.allow(r"net::ERR_")

    def prepares(self, script: str) -> None:
        """Run a script in every page before its own, here and in tabs to come."""
        self.context.add_init_script(script)
        self.bent = True

    def sets_clock(self, time: datetime) -> None:
        """The device's clock shows another time, and goes on from there."""
        self.page.clock.install(time=time)
        self.bent = True

    def sets_zone(self, zone: str) -> None:
        """The device is somewhere else now. The desk was made with `timezone_id=None`, or its zone would stay."""
        self._device = self._device or self.context.new_cdp_session(self.page)
        self._device.send("Emulation.setTimezoneOverride", {"timezoneId": zone})
        self.bent = True

    def another_tab(self) -> Desk:
        """A second tab in the same browser. What goes wrong in it counts as well."""
        other = Desk(self.shop, self.person, self.context)
        other.problems, other._allowed = self.problems, self._allowed
        return other

    def is_crowded(self) -> None:
        """So much is shown that looking through all of it takes too long."""
        self.looked_through = False

    # --- what people do ------------------------------------------------------------------------------------------

    def goes_to(self, path: str = "/inbox") -> Desk:
        self.page.goto(self.shop.url + path)
        self.page.wait_for_selector("html[data-ready]")
        return self

    def opens(self, customer: Customer) -> Desk:
        """The conversation by its address."""
        return self.goes_to(f"/inbox/{customer.conversation}")

    @property
    def list(self) -> Locator:
        """The list of conversations."""
        return self.page.locator("nav.list, .list").first

    def row(self, customer: Customer) -> Locator:
        return self.page.locator(f'a[href*="{customer.conversation}"]').first

    @property
    def thread(self) -> Locator:
        return self.page.locator("#thread")

    def bubble(self, text: str) -> Locator:
        """The bubble with this text in the open thread."""
        return self.thread.locator("li", has_text=text).last

    def mark(self, text: str) -> Locator:
        """The mark of how far our message with this text is; its title says it in words."""
        return self.bubble(text).locator(".ticks").last

    def is_marked(self, text: str, word: str, seconds: float = 15) -> None:
        expect(self.mark(text)).to_have_attribute("title", re.compile(f"^{re.escape(word)}"), timeout=seconds * 1000)

    @property
    def strip(self) -> Locator:
        """The one line above list and thread."""
        return self.page.locator(".inbox-strip")

    @property
    def field(self) -> Locator:
        """The composer's field."""
        return self.thread.locator("textarea").last

    def types(self, text: str) -> None:
        self.field.click()
        self.page.keyboard.insert_text(text)

    def sends(self, text: str) -> None:
        """Write a reply and press Enter."""
        self.types(text)
        self.page.keyboard.press("Enter")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def sees(self, text: str | re.Pattern[str], seconds: float = 10) -> None:
        expect(self.page.get_by_text(text).first).to_be_visible(timeout=seconds * 1000)

    def hides(self) -> None:
        """Somebody looks at something else."""
        self._looks("hidden")

    def shows(self) -> None:
        """They look at the page again."""
        self._looks("visible")

    def _looks(self, state: str) -> None:
        self.js(
            """(state) => {
                Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
                document.hasFocus = () => state === 'visible';
                document.dispatchEvent(new Event('visibilitychange'));
            }""",
            state,
        )

    def js(self, expression: str, argument: Any = None) -> Any:
        return self.page.evaluate(expression, argument)

    def heap(self) -> float:
        """Bytes that the page's objects take, after what is not needed has gone."""
        session = self.context.new_cdp_session(self.page)
        session.send("HeapProfiler.collectGarbage")
        used = session.send("Runtime.getHeapUsage")["usedSize"]
        session.detach()
        return float(used)

    # --- what must not go wrong ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Nothing went wrong: no complaint of the browser, nothing refused by the policy, nothing moved by itself."""
        if self.page.is_closed() or self.page.url == "about:blank":
            return
        wrong = [each for each in self.problems if not any(re.search(one, each) for one in self._allowed)]
        assert not wrong, wrong
        refused, shift = self.js("window.__refused ?? []"), self.js("window.__shift ?? 0")
        assert not refused, refused
        assert shift <= self.most_shift, f"the layout shifted by {shift}: {self.js('window.__moved')}"
        assert not self.js("document.querySelectorAll('#app > .starting').length"), "the shell still says it is loading"
        barriers = self.axe() if self.looked_through else []
        assert not barriers, barriers

    def axe(self) -> list[str]:
        """What is seriously wrong for those who do not see or point, as axe finds it."""
        self.page.evaluate(f"() => {{ {AXE}; }}")
        self.page.evaluate(_SETTLED)  # a colour on its way to another is no contrast that anybody meets
        found = self.page.evaluate("(rules) => axe.run(document, rules)", _RULES)
        return [
            f"{each['id']}: {node['html'][:150]} {node['any'][:1] and node['any'][0]['message'][:150]}"
            for each in found["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"][:3]
        ]


def _path(url: str) -> str:
    return re.sub(r"^https?://[^/]+", "", url).partition("?")[0]
