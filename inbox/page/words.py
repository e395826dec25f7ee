"""The page's words: one flat file for each language, which templates and browsers share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from inbox.page.assets import LANGUAGES, WORDS


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    language: str
    sentences: Mapping[str, str]

    def say(self, key: str, /, **slots: object) -> str:
        """The sentence of `key` with its slots filled. Raises KeyError for what is not there."""
        return self.sentences[key].format_map(slots)

    def has(self, key: str) -> bool:
        """True when there is a sentence of that key."""
        return key in self.sentences


def words(language: str, *, fresh: bool = False) -> Words:
    """The words of one of LANGUAGES; `fresh` reads them again, for people who work on them."""
    if fresh:
        _words.cache_clear()
    return _words(language)


@cache
def _words(language: str) -> Words:
    if language not in LANGUAGES:
        raise ValueError(f"no words in {language!r}")
    return Words(language, json.loads((WORDS / f"{language}.json").read_text()))
