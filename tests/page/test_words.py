"""The page's words: the same in every language, all of them used, none missing, and no sentence elsewhere."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from inbox.operations import doctor
from inbox.page.assets import LANGUAGES, ROOT, STATIC, WORDS

ALL = {language: json.loads((WORDS / f"{language}.json").read_text()) for language in LANGUAGES}
DOCTOR = Path(doctor.__file__).parent
KEYS = set(ALL["en"])
#: Plural forms by language, as `Intl.PluralRules` names those that a count of things can have.
FORMS = {"en": {"one", "other"}, "fr": {"one", "many", "other"}}
_PLURAL = re.compile(r"\.(one|many|other|two|few|zero)$")
_NARROW, _NO_BREAK = "\u202f", "\u00a0"


def own_scripts() -> Iterator[Path]:
    """Scripts of ours; vendored ones have no words."""
    yield from (path for path in sorted(STATIC.rglob("*.js")) if "vendor" not in path.parts)


def sources() -> Iterator[tuple[Path, str]]:
    """Whatever may name a key."""
    files = [*own_scripts(), *sorted((ROOT / "templates").glob("*.html")), *sorted(ROOT.rglob("*.py"))]
    yield from ((path, path.read_text()) for path in files)


def slots(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_language_has_the_same_keys() -> None:
    base = {_PLURAL.sub("", key) for key in KEYS}
    for language, words in ALL.items():
        assert {_PLURAL.sub("", key) for key in words} == base, language


def test_counted_words_have_the_forms_of_their_language() -> None:
    for language, words in ALL.items():
        for key in {key.rpartition(".")[0] for key in words if key.endswith(".one")}:
            found = {form for form in FORMS[language] if f"{key}.{form}" in words}
            assert {"one", "other"} <= found, (language, key)


def test_each_sentence_has_the_same_slots_in_every_language() -> None:
    for key in KEYS:
        if not _PLURAL.search(key):  # "one" may be said without its number
            assert {frozenset(slots(words[key])) for words in ALL.values()} == {frozenset(slots(ALL["en"][key]))}, key


def test_files_are_sorted_and_have_one_key_a_line() -> None:
    for language, words in ALL.items():
        text = (WORDS / f"{language}.json").read_text()
        assert list(words) == sorted(words), language
        assert len(text.splitlines()) == len(words) + 2, language


@pytest.mark.parametrize("mark", "?!:;»")
def test_french_has_a_narrow_space_before_its_high_marks(mark: str) -> None:
    for key, text in ALL["fr"].items():
        for found in re.finditer(re.escape(mark), text):
            before = text[: found.start()][-1:]
            clock = mark == ":" and before.isdigit() and text[found.end() :][:1].isdigit()
            assert before in (_NARROW, _NO_BREAK, "?", "!", "") or clock or "://" in text, f"{key}: {text}"


def test_french_uses_its_own_apostrophe_and_quotation_marks() -> None:
    wrong = {key: text for key, text in ALL["fr"].items() if "'" in text or '"' in text or "“" in text}
    assert wrong == {}


_NAMED = re.compile(
    r"""(?<![\w.])(?:t|has|plural|say)\(\s*["'`]([\w.]+)["'`]"""  # t("key"): the whole key
)
_BEGUN = re.compile(r"""["'`]((?:[a-z_]+\.)+)(?:\$\{|\{|["'`]\s*[+~])""")  # `key.${…}`: how a key begins


def named() -> dict[str, Path]:
    return {key: path for path, text in sources() for key in _NAMED.findall(text)}


def test_every_key_that_is_named_has_words() -> None:
    known = KEYS | {_PLURAL.sub("", key) for key in KEYS}
    assert {key: str(path) for key, path in named().items() if key not in known} == {}


def test_every_word_is_used() -> None:
    text = "\n".join(source for _, source in sources())
    begun = set(_BEGUN.findall(text))
    unused = [
        key
        for key in sorted(KEYS)
        if not any(f"{mark}{each}{mark}" in text for each in (key, _PLURAL.sub("", key)) for mark in "\"'")
        and not any(key.startswith(prefix) for prefix in begun)
    ]
    assert unused == []


def test_every_finding_of_a_number_has_its_sentence() -> None:
    """The API gives codes; whoever adds one adds its words."""
    trees = [ast.parse((DOCTOR / name).read_text()) for name in ("whatsapp.py", "findings.py", "__init__.py")]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    places = {"ok": 2, "warning": 3, "problem": 3}
    codes = {
        call.args[place].value
        for call in calls
        if (place := places.get(getattr(call.func, "id", ""), 99)) < len(call.args)
        and isinstance(call.args[place], ast.Constant)
    }
    assert len(codes) > 20
    assert {f"set.check.found.{code}" for code in codes} - KEYS == set()


_SENTENCE = re.compile(r">\s*[A-Z][a-z]+ [a-z]+[^<>{}$`]*<|(?:label|title|placeholder|hint|alt)=\"[A-Z][a-z]+[^\"]*\"")


def test_no_sentence_stands_in_code_or_markup() -> None:
    for path in [*own_scripts(), *sorted((ROOT / "templates").glob("*.html"))]:
        if path.parent.name != "parts":  # the specimens show made-up people
            assert _SENTENCE.findall(path.read_text()) == [], path.name
