"""In which of six languages something is written, by the small words that each has to itself."""

from __future__ import annotations

import re
from collections import Counter

from inbox.db.words import folded

_WORD = re.compile(r"[^\W\d_]+")
_MOST = 2000  # words that are looked at

#: By its code: how full-text search of PostgreSQL calls it.
CONFIGURATIONS = {
    "en": "english",
    "fr": "french",
    "es": "spanish",
    "de": "german",
    "it": "italian",
    "pt": "portuguese",
}
NO_LANGUAGE = "simple"  #: words are taken as they are
#: Other names of a language than its code.
NAMES = {
    "en": ("english", "anglais"),
    "fr": ("french", "français", "francais"),
    "es": ("spanish", "español", "espagnol"),
    "de": ("german", "deutsch", "allemand"),
    "it": ("italian", "italiano", "italien"),
    "pt": ("portuguese", "português", "portugais"),
}
_SMALL_WORDS = {
    "en": "the and is are of to you your we our for with what when how do does can have has it this that please hello",
    "fr": "le les des et est sont vous votre vos nous notre pour avec que qui quand comment où je une du au aux dans "
    "sur pas bonjour merci avez",
    "es": "el los las y es son usted su sus nosotros para con qué cuándo cómo dónde yo una del en por no hola gracias "
    "tiene tienen está",
    "de": "der die das und ist sind sie ihr ihre wir unser für mit was wann wie wo ich eine ein nicht auf im zu hallo "
    "danke haben kann",
    "it": "il lo gli e è sono lei suo sua noi nostro per con che cosa quando come dove io una del della di non ciao "
    "buongiorno grazie avete",
    "pt": "o os as e é são você seu sua nós nosso para com que quando como onde eu uma um do da em não olá obrigado "
    "obrigada têm está",
}
_LANGUAGES = {code: frozenset(words.split()) for code, words in _SMALL_WORDS.items()}
#: Words that say nothing of what a question is about, as `words_of` has them.
SMALL_WORDS = frozenset(folded(word) for words in _LANGUAGES.values() for word in words)


def code_of(name: str | None) -> str | None:
    """The code of a language that somebody has written as a word or a code; None for any other."""
    wanted = (name or "").strip().lower()
    for code, names in NAMES.items():
        if wanted and (wanted == code or wanted.startswith(f"{code}-") or wanted in names):
            return code
    return None


def language_of(text: str) -> str | None:
    """The code of the language that most of the small words in `text` are of; None when it is not clear."""
    words = Counter(_WORD.findall(text.lower())[:_MOST])
    found = sorted(((sum(words[each] for each in small), code) for code, small in _LANGUAGES.items()), reverse=True)
    (most, code), (second, _) = found[0], found[1]
    return code if most > second else None
