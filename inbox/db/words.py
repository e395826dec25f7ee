"""What a search takes for the same word: without case, without accents, from its beginning.

PostgreSQL is told the same by `message_words` (migration 0017), whose index finds the messages; SQLite asks `holds` for
each. The places to light up are found here for both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

#: Letters that have no accent apart, with plain ones; signs that would be taken for a part of a word; and accents.
#: PostgreSQL looks through all of them for every letter of every message, so they are few.
LETTERS, PLAIN = "ßıłđø", "silod"
SIGNS = "@/.:_-+&<~%?=#;’«»“”…–—\u00a0\u202f"
ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0326\u0327\u0328"

_FOLDED = str.maketrans(LETTERS + SIGNS, PLAIN + " " * len(SIGNS), ACCENTS)
_WORD = re.compile(r"[^\W_]+")
_MOST = 10  # words of one search


def words_of(text: str) -> list[str]:
    """What is searched for: each word folded, the longest kept when there are many. Single letters are none."""
    found = {word for word in _WORD.findall(folded(text)) if len(word) > 1 or word.isdigit()}
    return sorted(found, key=len, reverse=True)[:_MOST]


def holds(text: str, words: str) -> bool:
    """True when every one of the folded `words`, with spaces between, begins a word of `text`."""
    spaced = f" {' '.join(_WORD.findall(folded(text)))}"
    return all(f" {word}" in spaced for word in words.split())


def lit(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where `words` begin and end in `text`, in UTF-16 units, as browsers count."""
    characters, places = [], []
    for place, character in enumerate(text):
        for letter in folded(character):
            characters.append(letter)
            places.append(place)
    for found in _WORD.finditer("".join(characters)):
        length = max((len(word) for word in words if found[0].startswith(word)), default=0)
        if length:
            begin, end = places[found.start()], places[found.start() + length - 1] + 1
            yield _units(text[:begin]), _units(text[:end])


def folded(text: str) -> str:
    """Without case, accents and signs."""
    return unicodedata.normalize("NFD", text).lower().translate(_FOLDED)


def _units(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)
