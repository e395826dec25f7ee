"""What WhatsApp takes as a text, and whether a person sees anything of one."""

from __future__ import annotations

import unicodedata

MAX_TEXT = 4096  # characters (Meta, Send messages: text)

#: Letters, symbols and marks that are drawn as nothing: fillers of Hangul, the empty Braille cell, vowels of Khmer.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159")
_UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})  # general categories: controls, marks of direction, blanks


def is_visible(text: str) -> bool:
    """True when `text` shows at least one character: not only blanks, direction marks, fillers, variation selectors."""
    return any(_seen(character) for character in text)


def _seen(character: str) -> bool:
    if character in _BLANK or unicodedata.category(character) in _UNSEEN:
        return False
    return not ("\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef")
