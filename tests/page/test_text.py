"""What customers write becomes a tree, never markup, in one pass over it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page

from tests.page.modules import run


def parse(page: Page, text: str) -> Any:
    """The tree, short: a text is a string, anything else [type, content]."""
    body = """const short = (node) => node.type === 'text' ? node.text
                  : node.type === 'link' ? ['link', node.text, node.href]
                  : [node.type, node.nodes ? node.nodes.map(short) : node.text];
              return text.parse(given).map(short);"""
    return run(page, "text", body, text)


def link(address: str) -> list[str]:
    return ["link", address, address]


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", []),
        ("Bonjour", ["Bonjour"]),
        ("*gras*", [["bold", ["gras"]]]),
        ("a *b* c", ["a ", ["bold", ["b"]], " c"]),
        ("*_both_*", [["bold", [["italic", ["both"]]]]]),
        ("~no~ `code *x*`", [["strike", ["no"]], " ", ["code", "code *x*"]]),
        ("```\nline *1*\nline 2\n``` after", [["block", "line *1*\nline 2"], " after"]),
        ("```open", ["```open"]),
        ("2*3*4", ["2*3*4"]),
        ("snake_case_name", ["snake_case_name"]),
        ("* not bold *", ["* not bold *"]),
        ("*over\nlines*", ["*over\nlines*"]),
        ("*a _b* c_", [["bold", ["a _b"]], " c_"]),
        ("**", ["**"]),
        ("*one* and *two*", [["bold", ["one"]], " and ", ["bold", ["two"]]]),
        ("(*x*)", ["(", ["bold", ["x"]], ")"]),
        ("<b>x</b><script>alert(1)</script>", ["<b>x</b><script>alert(1)</script>"]),
        ("see https://a.example/b?c=d.", ["see ", link("https://a.example/b?c=d"), "."]),
        ("(https://a.example/x)", ["(", link("https://a.example/x"), ")"]),
        ("https://a.example/x_(y)", [link("https://a.example/x_(y)")]),
        ("*https://a.example/x*", [["bold", [link("https://a.example/x")]]]),
        ("https://a.example/_x_/*y*z", [link("https://a.example/_x_/*y*z")]),
        ("javascript:alert(1)", ["javascript:alert(1)"]),
        ("https://name:word@a.example/", ["https://name:word@a.example/"]),
        ("https://", ["https://"]),
    ],
)
def test_marks_and_links_are_read_as_whatsapp_does(core: Page, text: str, tree: Any) -> None:
    assert parse(core, text) == tree


def test_a_host_of_mixed_scripts_is_shown_as_it_is_looked_up(core: Page) -> None:
    ((_, shown, href),) = parse(core, "https://раypal.example/x")
    assert shown == href == "https://xn--ypal-43d9g.example/x"


def test_a_host_of_one_script_is_shown_as_it_is_written(core: Page) -> None:
    ((_, shown, href),) = parse(core, "https://пример.example/")
    assert shown == "https://пример.example/"
    assert href.startswith("https://xn--")


def plain(tree: Any) -> str:
    """All letters of a tree, without its marks."""
    if isinstance(tree, str):
        return tree
    kind, content, *_ = tree
    return content if kind in ("link", "code", "block") else "".join(map(plain, content))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("ab *_~`\n.<&https://x"), max_size=60))
def test_nothing_of_a_text_is_lost_but_its_marks(core: Page, text: str) -> None:
    shown = "".join(map(plain, parse(core, text)))
    marks = "*_~`\n"
    assert [sign for sign in shown if sign not in marks] == [sign for sign in text if sign not in marks]


@pytest.mark.parametrize("piece", ["*", "_a ", "*a_b~", "`", "```", "https://x", "a\n", "😀", "("])
def test_long_texts_take_time_by_their_length_alone(core: Page, piece: str) -> None:
    """65,000 characters of the worst kind: a pass that looked back would take minutes."""
    body = "const from = performance.now(); text.parse(given); text.folded(given); return performance.now() - from"
    assert run(core, "text", body, (piece * 65_000)[:65_000]) < 2000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", None),
        ("x" * 1500, None),
        ("line\n" * 19 + "end", None),
        ("line\n" * 30, "line\n" * 19 + "line"),
        ("x" * 1501, "x" * 1500),
        ("word " * 400, ("word " * 400)[:1499]),
        ("x" * 1499 + "😀", "x" * 1499),
    ],
)
def test_long_texts_are_folded_at_20_lines_or_1500_characters(core: Page, text: str, shown: str | None) -> None:
    assert run(core, "text", "return text.folded(given)", text) == shown


def test_marks_of_direction_in_names_are_shown_by_name(core: Page) -> None:
    found = run(core, "text", "return text.nameParts(given)", "facture\u202egpj.exe")
    assert found == [{"text": "facture"}, {"control": "RLO"}, {"text": "gpj.exe"}]


def test_a_name_in_a_sentence_turns_nothing_around_it(core: Page) -> None:
    """It is isolated, and what it brings to leave that again is taken from it."""
    found = run(core, "text", "return text.isolated(given)", "\u05d3\u05df \u2069(2)\u202e")
    assert found == "\u2068\u05d3\u05df (2)\u2069"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Camille Roux", "CR"),
        ("anna", "A"),
        ("Élodie de la Tour", "ÉT"),
        ("vera@example.com", "V"),
        ("@anna_b", "AB"),
        ("+33 6 12 34 56 78", "78"),
        ("😀", "?"),
        ("\u202eabc", "A"),
        ("", "?"),
    ],
)
def test_initials_are_letters_of_the_name_or_the_last_digits_of_the_number(core: Page, name: str, letters: str) -> None:
    assert run(core, "ui/small", "return small.initials(given)", name) == letters


@pytest.mark.parametrize(("text", "length"), [("", 0), ("Été", 3), ("👍👍", 2), ("a\n👩‍🍳", 5)])
def test_a_text_is_as_long_as_our_server_counts(core: Page, text: str, length: int) -> None:
    assert run(core, "text", "return text.lengthOf(given)", text) == length == len(text)
