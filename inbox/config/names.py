"""Variables whose names look like a setting's and are none: somebody has mistyped one, and it would pass in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

#: Words that begin our names and hardly anybody else's: what begins with one of them is meant for us.
_OURS = ("INBOX_", "WHATSAPP_", "GEMINI_", "RESILIENCE_", "KNOWLEDGE_")
_ALIKE = 0.9  # of 1.0; what platforms set beside ours (SUPABASE_DB_URL) reaches 0.89
_WORDS_ALIKE = 0.75


def mistyped(given: Iterable[str], known: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Names of `given` that are not `known` but resemble one that is not given itself: pairs of both, in order."""
    given = set(given)
    free = [name for name in known if name not in given]
    strange = sorted(given.difference(known))
    return tuple((name, meant[0]) for name in strange if (meant := _alike(name, free) or _of_us(name, free)))


def _alike(name: str, known: Collection[str]) -> list[str]:
    return get_close_matches(name, known, n=1, cutoff=_ALIKE)


def _of_us(name: str, known: Collection[str]) -> list[str]:
    """One that has a word for each of this name's words."""
    if not name.startswith(_OURS):
        return []
    fitting = [each for each in known if all(_has_word(each, word) for word in name.split("_"))]
    return get_close_matches(name, fitting, n=1, cutoff=0.0)


def _has_word(name: str, word: str) -> bool:
    words = name.split("_")
    return any(word.startswith(each) for each in words) or bool(
        get_close_matches(word, words, n=1, cutoff=_WORDS_ALIKE)
    )
