"""The colours, computed again from the file that has them, by the formula of WCAG 2."""

from __future__ import annotations

import re

import pytest

from inbox.page.assets import STATIC

TOKENS = (STATIC / "style" / "tokens.css").read_text()
PAIRS = {
    name: (light, dark)
    for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#[0-9A-F]+), (#[0-9A-F]+)\);", TOKENS)
}
SURFACES = ("canvas", "surface", "raised")
HUES = tuple(f"hue-{number}" for number in range(8))
#: What is written in a colour, and on what.
TEXT = {
    "ink": (*SURFACES, "sunken", "customer", "us", "bot", "note", "mark", "danger-soft", "warn-soft", *HUES),
    "ink-2": (*SURFACES, "sunken", "customer", "us", "bot"),
    "ink-3": (*SURFACES, "customer", "us"),
    "accent": ("canvas", "surface", "raised"),
    "on-accent": ("accent",),
    "accent-ink": ("accent-soft",),
    "bot-ink": ("bot", "surface"),
    "note-ink": ("note", "surface"),
    "danger": ("surface", "canvas", "danger-soft"),
    "warn": ("surface", "canvas", "warn-soft"),
    "ok": ("surface", "ok-soft"),
    "info": ("surface", "info-soft"),
    "surface": ("ink", "danger", "warn"),  # a notice of what has been done; counts that warn
    "tick-read": ("us", "surface"),
}
#: What has to be seen as a shape: edges of fields, the ring of the focus.
CONTROLS = {"line-strong": ("surface", "canvas"), "focus": SURFACES, "accent": SURFACES}


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_the_formula_is_the_right_one() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.005)


def weak(pairs: dict[str, tuple[str, ...]], least: float) -> list[str]:
    return [
        f"{name} on {ground}, {theme}: {contrast(PAIRS[name][at], PAIRS[ground][at]):.2f}"
        for name, grounds in pairs.items()
        for ground in grounds
        for at, theme in enumerate(("light", "dark"))
        if contrast(PAIRS[name][at], PAIRS[ground][at]) < least
    ]


def test_text_can_be_read_in_both_themes() -> None:
    assert weak(TEXT, 4.5) == []


def test_controls_can_be_seen_in_both_themes() -> None:
    assert weak(CONTROLS, 3.0) == []


def test_every_colour_has_a_light_and_a_dark_one() -> None:
    declared = set(re.findall(r"--([\w-]+): light-dark", TOKENS))
    see_through = {"hover", "press", "veil"}
    assert declared == set(PAIRS)
    assert see_through <= declared
    assert not re.findall(r"#[0-9A-Fa-f]{3,8}\b", re.sub(r"light-dark\([^)]*\)|--shadow:[^;]*;", "", TOKENS))


def test_no_other_style_has_a_colour_of_its_own() -> None:
    for path in (STATIC / "style").glob("*.css"):
        if path.name != "tokens.css":
            assert re.findall(r"#[0-9A-Fa-f]{3,8}\b|\brgba?\(|\bhsla?\(", path.read_text()) == [], path.name


def test_every_token_that_a_style_names_is_there() -> None:
    declared = set(re.findall(r"(--[\w-]+):", TOKENS))
    for path in (STATIC / "style").glob("*.css"):
        text = path.read_text()
        own = set(re.findall(r"(--[\w-]+):", text))
        assert set(re.findall(r"var\((--[\w-]+)\)", text)) - declared - own == set(), path.name
