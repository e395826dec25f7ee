"""What a person sees of a text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.gateways.whatsapp.text import is_visible

UNSEEN = [
    "",
    " ",
    "\n\t",
    "\u200b",
    "\u200e\u200f\u202e",
    "\u3164",
    "\u2800\u2800",
    "\ufeff",
    "\u00ad",
    "\ufe0f",
    "\u2060",
]
SEEN = ["a", "é", ".", "👋", "❤️", "👨‍👩‍👧", "سلام", "\u200bx", "한", "٣"]


@pytest.mark.parametrize("text", UNSEEN)
def test_blanks_fillers_and_direction_marks_show_nothing(text: str) -> None:
    assert not is_visible(text)


@pytest.mark.parametrize("text", SEEN)
def test_letters_signs_and_emoji_show(text: str) -> None:
    assert is_visible(text)


@given(st.text(max_size=20), st.sampled_from(UNSEEN))
def test_invisible_characters_around_a_text_change_nothing(text: str, unseen: str) -> None:
    assert is_visible(unseen + text + unseen) == is_visible(text)
