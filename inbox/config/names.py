"""Variables whose names look like a setting's and are none: somebody has mistyped one, and it would pass in silence."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher, get_close_matches

#: Words that begin our names and hardly anybody else's: what begins with one of them is meant for us.
_OURS = ("INBOX_", "WHATSAPP_", "GEMINI_", "RESILIENCE_", "KNOWLEDGE_")
_ALIKE = 0.9  # of 1.0; what platforms set beside ours (SUPABASE_DB_URL) reaches 0.89
_WORDS_ALIKE = 0.75
_ONE_WORD_ALIKE = 0.65  # where all others are the same: URI is URL (0.67), and USER is not (0.57)


def mistyped(given: Iterable[str], known: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Names of `given` that are not `known` but resemble one: pairs of both, in order.

    One that is not given itself comes first: of two that are, nobody reads the mistyped one all the same.
    """
    given = set(given)
    free = sorted(set(known).difference(given))
    found = ((name, _meant(name, free) or _meant(name, sorted(known))) for name in sorted(given.difference(known)))
    return tuple((name, meant) for name, meant in found if meant)


def _meant(name: str, known: Collection[str]) -> str | None:
    """The one that `name` resembles most, by the first rule that finds any."""
    rules = (_same_letters, _alike, _but_one_word, _cut_short, _of_us)
    fitting = next((found for rule in rules if (found := rule(name, known))), [])
    return max(fitting, key=lambda each: _likeness(name, each), default=None)


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


def _same_letters(name: str, known: Collection[str]) -> list[str]:
    """GEMINI_APIKEY, database_url."""
    bare = name.replace("_", "").upper()
    return [each for each in known if each.replace("_", "") == bare]


def _alike(name: str, known: Collection[str]) -> list[str]:
    return get_close_matches(name, known, n=1, cutoff=_ALIKE)


def _but_one_word(name: str, known: Collection[str]) -> list[str]:
    """REDIS_URI, RESILIENCE_RETRIES."""
    words = name.split("_")
    return [each for each in known if len(words) > 1 and _differ_a_little(words, each.split("_"))]


def _differ_a_little(words: list[str], others: list[str]) -> bool:
    """True when they are the same but for one, and that is alike."""
    if len(words) != len(others):
        return False
    different = [pair for pair in zip(words, others, strict=True) if pair[0] != pair[1]]
    return len(different) == 1 and _likeness(*different[0]) >= _ONE_WORD_ALIKE


def _cut_short(name: str, known: Collection[str]) -> list[str]:
    """BOT_DEBOUNCE; one word alone is anybody's."""
    return [each for each in known if "_" in name and each.startswith(f"{name}_")]


def _of_us(name: str, known: Collection[str]) -> list[str]:
    """Those that have a word for each of this name's words."""
    if not name.startswith(_OURS):
        return []
    return [each for each in known if all(_has_word(each, word) for word in name.split("_"))]


def _has_word(name: str, word: str) -> bool:
    words = name.split("_")
    return any(word.startswith(each) for each in words) or bool(
        get_close_matches(word, words, n=1, cutoff=_WORDS_ALIKE)
    )
