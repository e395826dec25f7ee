"""What people write is shown as they wrote it: never as markup, never turning the page around, however long."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.page.desk import Desk
from tests.page.modules import run
from tests.page.samples import send_message
from tests.page.shop import Shop
from tests.waiting import wait_until

MARKUP = '<img src=x onerror="window.hit=1"><script>window.hit=1</script>${window.hit=1}{{7*7}}</textarea>'
OVERRIDE = "\u202egnp.exe\u202c"


def test_markup_is_text_wherever_a_customer_can_write_it(shop: Shop, desk: Callable[..., Desk]) -> None:
    """In names, texts, file names, captions, buttons, places, cards, quotes and advertisements."""
    eve = shop.customer(f"Eve {MARKUP}", MARKUP)
    first = eve.messages()[0]["wa_message_id"]
    reply = {"id": MARKUP, "title": MARKUP, "description": MARKUP}
    for message in (
        {"type": "document", "document": {"id": "1", "mime_type": "text/html", "filename": MARKUP, "caption": MARKUP}},
        {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": reply}},
        {"type": "location", "location": {"latitude": 1, "longitude": 2, "name": MARKUP, "address": MARKUP}},
        {"type": "contacts", "contacts": [{"name": {"formatted_name": MARKUP}, "phones": [{"phone": MARKUP}]}]},
        {"type": "button", "button": {"text": MARKUP, "payload": MARKUP}},
        {"type": MARKUP[:60], MARKUP[:60]: {}},
        {"type": "text", "text": {"body": MARKUP}, "context": {"id": first, "from": eve.phone}},
        {"type": "text", "text": {"body": "last"}, "referral": {"headline": MARKUP, "body": MARKUP}},
    ):
        send_message(shop, eve, **message)
    wait_until(lambda: len(eve.messages()) == 9, "all messages of Eve")
    amina = desk("Amina", viewport={"width": 1440, "height": 2400}).opens(eve)
    expect(amina.bubble("last")).to_be_visible()
    assert amina.js("window.hit ?? null") is None
    assert amina.js("document.querySelectorAll('#thread img[src=x], #thread script, .list img').length") == 0
    expect(amina.thread.get_by_role("heading", name="Eve <img src=x")).to_be_visible()
    amina.most_shift = 0.1  # the field grows by a line, and no key was pressed for it
    amina.field.fill(MARKUP)
    expect(amina.field).to_have_value(MARKUP)


def test_marks_that_turn_the_text_are_shown_and_turn_nothing(shop: Shop, desk: Callable[..., Desk]) -> None:
    bob = shop.customer(f"Bob {OVERRIDE} fin", "Bonjour")
    document = {"id": "1", "mime_type": "application/pdf", "filename": f"facture{OVERRIDE}.pdf"}
    send_message(shop, bob, type="document", document=document)
    amina = desk("Amina").opens(bob)
    for place in (amina.row(bob), amina.thread.get_by_role("heading", level=2), amina.bubble("facture")):
        expect(place.locator(".control", has_text="RLO").first).to_be_visible()
        assert "\u202e" not in place.inner_text()


def test_each_paragraph_runs_its_own_way(shop: Shop, desk: Callable[..., Desk]) -> None:
    """Arabic begins at the right and English at the left, in one message; the time is not in their way."""
    layla = shop.customer("ليلى", "مرحبا، رقم الطلب 4521\nHello, order 4521")
    amina = desk("Amina").opens(layla)
    words = amina.bubble("Hello, order 4521").locator(".words")
    lefts = words.evaluate(
        """(element) => {
            const text = element.firstChild, range = document.createRange(), box = element.getBoundingClientRect();
            const line = (from, to) => {
                range.setStart(text, from);
                range.setEnd(text, to);
                const all = [...range.getClientRects()];
                const [left, right] = [all.map((each) => each.left), all.map((each) => each.right)];
                return [Math.min(...left) - box.left, box.right - Math.max(...right)];
            };
            const end = text.data.indexOf('\\n');
            return { arabic: line(0, end), english: line(end + 1, text.data.length) };
        }"""
    )
    assert lefts["arabic"][1] < 2
    assert lefts["english"][0] < 2
    meta = words.locator(".meta").bounding_box()
    bubble = amina.bubble("Hello, order 4521").locator(".bubble").bounding_box()
    assert meta
    assert bubble
    assert meta["x"] + meta["width"] <= bubble["x"] + bubble["width"]


#: As long as WhatsApp lets anybody write, and longer.
LONG = {
    "many words": "mot " * 16_250,
    "one word": "x" * 10_000,
    "emoji": "🍞" * 3000,
    "links": "\n".join(f"voir https://example.test/{number}" for number in range(500)),
    "marks": "*" * 5000 + "_" * 5000,
    "lines": "a\n" * 2000,
}


def test_long_texts_are_folded_and_break_nothing(shop: Shop, desk: Callable[..., Desk]) -> None:
    leo = shop.customer("Léo Grand", *(f"{name}: {text}" for name, text in LONG.items()))
    amina = desk("Amina").opens(leo)
    amina.is_crowded()
    for name in LONG:
        bubble = amina.thread.locator("li.entry-customer", has_text=f"{name}: ").last
        bubble.get_by_role("button", name="Read more").click()
        expect(bubble.get_by_role("button", name="Read more")).to_have_count(0)
    wide = amina.js(
        "[document.scrollingElement.scrollWidth > innerWidth,"
        " [...document.querySelectorAll('.bubble')].some((each) => each.scrollWidth > each.clientWidth + 1)]"
    )
    assert wide == [False, False]


def test_a_text_ten_times_as_long_makes_ten_times_as_many_nodes(core: Page) -> None:
    """65,000 characters of marks, brackets and links."""
    body = """const steps = (size) => {
                  const one = '*a_b~c`d https://e.example/(f ';
                  const long = one.repeat(Math.ceil(size / one.length)).slice(0, size);
                  let count = 0;
                  const walk = (nodes) => nodes.forEach((node) => { count += 1; if (node.nodes) walk(node.nodes); });
                  walk(text.parse(long));
                  return count;
              };
              return [steps(6500), steps(65000)];"""
    few, many = run(core, "text", body)
    assert many <= few * 11
