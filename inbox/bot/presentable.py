"""The model's answer as it may leave: WhatsApp's marks, no link the business did not write, no longer than it takes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from inbox.bot.addresses import addresses_of
from inbox.bot.marks import whatsapp_marks
from inbox.bot.schemas import ProfileContent
from inbox.gateways.whatsapp.text import MAX_TEXT, is_visible
from inbox.knowledge.finding import Passage

_ROUNDS = 5  # cutting may leave a mark open, and closing it may ask for another cut
_READ = 2 * MAX_TEXT  # characters: no more of an answer could leave, and reading hostile Markdown takes its square
_ROOM = 8  # characters kept free when cutting, for closing a mark
_SENTENCE_END = re.compile(r"[.!?\u2026][)\]\u00bb\u201d\"*_~]*(?=\s)|[\u3002\uff01\uff1f]|\n")
_CUT = "\u2026"


def presentable(answer: str, profile: ProfileContent, passages: Sequence[Passage] = ()) -> str:
    """The answer for the customer; empty when nothing is left of it that anybody could see.

    `passages`: what the model was given besides the profile.
    """
    address = addresses_of(profile, passages)
    text = _readable(answer[:_READ])
    for _ in range(_ROUNDS):
        shown = _cut(_readable(whatsapp_marks(text, address)))
        if shown == text:
            break
        text = shown
    return text if is_visible(text.strip("*_~`->. \n\t")) else ""


def _readable(text: str) -> str:
    """Without controls, half characters and U+FFFD, which stands for what could not be read."""
    return "".join(c for c in text if c in "\n\r\t" or (c != "\ufffd" and unicodedata.category(c) not in ("Cc", "Cs")))


def _cut(text: str) -> str:
    """`text` up to the last sentence that fits, else up to the last word."""
    if len(text) <= MAX_TEXT:
        return text
    room = text[: MAX_TEXT - _ROOM]
    ends = [end.end() for end in _SENTENCE_END.finditer(room)]
    if ends and ends[-1] > len(room) // 2:
        return room[: ends[-1]].rstrip()
    words, _, rest = room.rpartition(" ")
    return (words if len(rest) < len(room) // 2 else room).rstrip() + _CUT
