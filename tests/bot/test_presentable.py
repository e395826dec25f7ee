"""What leaves in the bot's name: WhatsApp's marks, no foreign link, never empty, never too long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.bot.presentable import presentable
from inbox.bot.schemas import ProfileContent
from inbox.gateways.whatsapp.text import is_visible

PROFILE = ProfileContent.model_validate(
    {
        "knowledge_base": "Le pain se garde quatre jours. https://boulangerie.example.com/pain",
        "address": "1 rue du Test, bonjour@boulangerie.example.com, +33 1 00 00 00 01",
        "template_config": {"links": {"site": "https://www.boulangerie.example.com"}},
    }
)
SITE = "https://boulangerie.example.com/pain"
FOREIGN = "https://www.example-bakery.test/menu"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (f"See {SITE}.", f"See {SITE}."),
        ("Go to https://evil.example.net/x?d=1 now", "Go to now"),
        ("www.evil.example.net or www.boulangerie.example.com", "or www.boulangerie.example.com"),
        ("Go to evil.example.net/b or EVIL.EXAMPLE.NET now.", "Go to now."),
        ("Write to mail@evil.example.net, thief@evil.com or ask.", "Write to or ask."),
        ("Call or www.evil.example.net or come", "Call or come"),
        ("See evil.com or evil.net or https://evil.org. Bye", "See. Bye"),
        ("Visit boulangerie.example.com/pain or BONJOUR@boulangerie.example.com.",) * 2,
        ("Other: jour@boulangerie.example.com", "Other:"),
        (
            "At 9.30 (menu.pdf?), Thanks.See you, e.g. 5.50eur, node.js/x",
            "At 9.30 (menu.pdf?), Thanks.See you, e.g. 5.50eur,",
        ),
        ('[menu][1] and [bread][2]\n\n[1]: https://evil.example.net/b "t"\n[2]: ' + SITE, f"menu and bread: {SITE}"),
        ("[menu][1] is [new][]\n[menu]: evil.example.net\nBye", "menu is new\nBye"),
        (f"Our site (or {FOREIGN}) is new; not ({FOREIGN}).", "Our site (or) is new; not."),
        ("No links.", "No links."),
        (f"Here it is: [our menu]({FOREIGN}) - enjoy!", "Here it is: our menu - enjoy!"),
        ("Here it is: [our menu]()", "Here it is: our menu"),
        ("[a](javascript:alert(1)) ![b](data:image/png;base64,AA) [c](/menu)", "a b c"),
        (f"[our bread]({SITE})", f"our bread: {SITE}"),
        (f"[{SITE}]({SITE}) <{SITE}>", f"{SITE} {SITE}"),
        (f"- {FOREIGN}\n- ok", "- ok"),
        (
            "[Write](mailto:bonjour@boulangerie.example.com) or [write](mailto:thief@evil.example)",
            "Write: bonjour@boulangerie.example.com or write",
        ),
    ],
)
def test_only_links_of_the_business_leave_and_no_hole_stays(answer: str, shown: str) -> None:
    assert presentable(answer, PROFILE) == shown


@pytest.mark.parametrize(
    "answer",
    ["", " \n", "\u200b", "\u200e\u202e", "\u3164", "\u2800", FOREIGN, "www.example-bakery.test", f"**{FOREIGN}**"]
    + ["\x00", "\ufffd", "\ud83d", "\x00\ufffd\x07", "&#0;", "<!-- hidden -->", "<!-- never closed", "<b></b>"]
    + ["[1]: https://evil.example.net/b", "evil.example.net/b", "mail@evil.example.net", "<script>alert(1)</script>"]
    + [
        f"[]({FOREIGN})",
        f"- {FOREIGN}",
        f"`{FOREIGN}`",
        f"({FOREIGN}).",
        "http://[",
        "---",
        "***",
        "> ",
        "...",
        "** **",
    ]
    + ["https://boulangerie.example.com.evil.net", "https://boulangerie.example.com@evil.net/"],
)
def test_an_answer_of_which_nobody_sees_anything_is_empty(answer: str) -> None:
    assert presentable(answer, PROFILE) == ""


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (
            "**Opening hours**\n* Mon: 9-17\n### Prices\n__Bread__ ~~3~~ 2 EUR",
            "*Opening hours*\n- Mon: 9-17\n\n*Prices*\n*Bread* ~3~ 2 EUR",
        ),
        ("Already *bold* and _italic_ and ~gone~.", "Already *bold* and _italic_ and ~gone~."),
        ("***both*** and *it is **bold** here*", "_*both*_ and _it is *bold* here_"),
        ("**Price: **5 EUR, **注意：**请", "*Price:* 5 EUR, *注意：*请"),
        ("**two\nlines**", "*two*\n*lines*"),
        ("1) flour\n2) water\n   * warm", "1. flour\n2. water\n   - warm"),
        ("| Day | Hours |\n|---|---|\n| Mon | 9-17 |\n| Sun | |", "*Day | Hours*\n- Mon | 9-17\n- Sun"),
        ("Before\n---\nafter", "Before\nafter"),
        ("> as you said\n\nYes.", "> as you said\n\nYes."),
        ("```python\n2 ** 3\n```", "```\n2 ** 3\n```"),
        ("Use `bread --now`", "Use `bread --now`"),
        ("[Monday]: 9-17", "[Monday]: 9-17"),
        (
            "5 * 3 * 2 EUR, snake_case_name, 10 % & more, a < b > c",
            "5 * 3 * 2 EUR, snake_case_name, 10 % & more, a < b > c",
        ),
        ("Line one\nline two\n\n\n\nline three", "Line one\nline two\n\nline three"),
        ("Two\\*stars, one<br>break, &amp; an entity", "Two*stars, one\nbreak, & an entity"),
        ("\\*\\*escaped\\*\\*", "*escaped*"),
        ("# *Deep* heading", "*Deep heading*"),
        ("👍", "👍"),
        ("Good\x00 \ufffdday\ud83d!", "Good day!"),
        ("Yes <!-- hidden -->, we\n<!-- a\n\nb -->\ndo<!-- x -->.", "Yes, we\ndo."),
        ("<p>A <b>bold</b> word</p><i>x</i> <customer_message>y</customer_message>", "A bold word\nx y"),
        ("2 ** 3 is 8", "2 ** 3 is 8"),
        ("Cut **short", "Cut short"),
        (f"**{SITE}** and __see {SITE}__, _{SITE}_", f"{SITE} and see {SITE}, {SITE}"),
        (f"{SITE}/Sarah_Jessica_Parker/__a__/~~b~~", f"{SITE}/Sarah_Jessica_Parker/__a__/~~b~~"),
        ("**_a_** __*b*__ ___c___ _**d**_ *__e__*", "*_a_* *_b_* _*c*_ _*d*_ _*e*_"),
    ],
)
def test_markdown_becomes_the_marks_of_whatsapp(answer: str, shown: str) -> None:
    assert presentable(answer, PROFILE) == shown


def test_a_long_answer_ends_with_a_sentence() -> None:
    shown = presentable("Ein Satz mit vielen Worten. " * 200 + "Ende.", PROFILE)
    assert 3900 < len(shown) <= 4096
    assert shown.endswith("Worten.")


def test_a_long_answer_without_sentences_ends_with_a_word() -> None:
    shown = presentable("wort " * 2000, PROFILE)
    assert shown.endswith("wort…")
    assert len(presentable("x" * 9000, PROFILE)) <= 4096


PIECES = [
    *("**", "*", "__", "_", "~~", "~", "`", "```", "\n", "\n\n", "# ", "### ", "- ", "* ", "1. ", "2) ", "> ", "---"),
    *(
        "| a | b |\n|--|--|\n",
        "| c |",
        "[",
        "]",
        "(",
        ")",
        "](",
        "[menu](",
        "!",
        "\\",
        "<br>",
        "&amp;",
        "&#42;",
        "<",
        ">",
    ),
    *(
        " ",
        "  ",
        "    ",
        "\t",
        "word",
        "Ein Satz.",
        "été",
        "\u200b",
        "\u00a0",
        SITE,
        FOREIGN,
        "www.evil.test",
        "mailto:",
    ),
    *(
        "[x]: /y",
        "[1]: https://evil.test/b",
        "<!--",
        "-->",
        "evil.com",
        "a@evil.com",
        "<b>",
        "\x00",
        "\ud83d",
        "👍",
        "。",
        ":",
        "…",
    ),
]
answers = st.text(max_size=400) | st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
long_answers = st.tuples(answers, st.integers(1, 400)).map(lambda made: (made[0] * made[1])[:12_000])
HOLES = re.compile(r"\[[^\[\]\n]*\]\([ \t]*\)|(?<![\w*])\*\*\w[^*\n]*\w\*\*(?![\w*])|^#{1,6} ", re.MULTILINE)


def outside_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`]*`", "code", text, flags=re.DOTALL)


@settings(deadline=None)  # one of 12,000 stars may take a while on a busy machine
@given(answers | long_answers)
def test_whatever_the_model_says_what_leaves_can_be_seen_and_sent(answer: str) -> None:
    shown = presentable(answer, PROFILE)
    assert len(shown) <= 4096
    assert shown == "" or is_visible(shown)
    assert not re.search("[\x00\ufffd\ud800-\udfff]|<!--|(?<![\\w@-])evil[.]com(?![\\w@-])", shown)
    assert all("boulangerie.example.com" in link for link in re.findall(r"(?:https?://|www\.)\w\S*", shown))


@settings(deadline=None)  # one of 12,000 stars may take a while on a busy machine
@given(answers | long_answers)
def test_what_leaves_is_what_would_leave_of_it(answer: str) -> None:
    shown = presentable(answer, PROFILE)
    assert presentable(shown, PROFILE) == shown


@settings(deadline=None)  # one of 12,000 stars may take a while on a busy machine
@given(answers)
def test_no_markdown_and_no_hole_of_it_leaves(answer: str) -> None:
    assert not HOLES.search(outside_code(presentable(answer, PROFILE)))


@given(st.lists(st.text("abc déf.,!?:;%€'é", min_size=1, max_size=60), min_size=1, max_size=6))
def test_plain_words_leave_as_they_are(lines: list[str]) -> None:
    # A blank behind each full stop: "ab.cd" is a domain.
    text = "\n".join(re.sub(r"\.(?=\w)", ". ", line).strip() for line in lines if is_visible(line))
    assert presentable(text, PROFILE) in (text, "")
