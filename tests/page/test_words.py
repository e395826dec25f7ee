"""The page's words: the same in every language, all of them used, none missing, and no sentence elsewhere."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from flask import Flask

from inbox.auth.passwords import SAID
from inbox.bot.handover import _WORDS as HANDED_OVER
from inbox.errors import DomainError
from inbox.operations import doctor
from inbox.page.assets import LANGUAGES, ROOT, STATIC, WORDS
from inbox.schemas import Body, Query

ALL = {language: json.loads((WORDS / f"{language}.json").read_text()) for language in LANGUAGES}
DOCTOR = Path(doctor.__file__).parent
INBOX = ROOT.parent
KEYS = set(ALL["en"])
#: Plural forms by language, as `Intl.PluralRules` names those that a count of things can have.
FORMS = {"en": {"one", "other"}, "fr": {"one", "many", "other"}}
_PLURAL = re.compile(r"\.(one|many|other|two|few|zero)$")
Each = TypeVar("Each")
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


def test_english_uses_its_own_apostrophe() -> None:
    assert {key: text for key, text in ALL["en"].items() if "'" in text} == {}


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


#: What pydantic can say of each part of a request's model, and of a limit that the part has.
TOLD: dict[str, set[str]] = {
    **{each: set() for each in ("any", "default", "definition-ref", "definitions", "is-instance", "json-or-python")},
    **{each: set() for each in ("lax-or-strict", "function-after", "function-before", "no-info", "nullable", "union")},
    "bool": {"bool_parsing", "bool_type"},
    "date": {"date_from_datetime_inexact", "date_from_datetime_parsing", "date_parsing", "date_type"},
    "datetime": set(),  # ours read the text before: `not_a_time`
    "dict": {"dict_type"},
    "enum": {"enum"},
    "float": {"float_type"},
    "int": {"int_parsing", "int_type"},
    "list": {"list_type"},
    "literal": {"literal_error"},
    "model": {"model_type"},
    "model-field": {"missing"},
    "model-fields": {"extra_forbidden"},
    "str": {"string_type"},
    "tagged-union": {"union_tag_invalid", "union_tag_not_found"},
    "uuid": {"uuid_parsing", "uuid_type"},
    "ge": {"greater_than_equal"},
    "le": {"less_than_equal"},
    "lt": {"less_than"},
    "pattern": {"string_pattern_mismatch"},
}
#: Codes that nobody reads on the page, so that it has no words for them.
UNSPOKEN = {
    "types and members of a body, which the page writes itself": {
        "bool_parsing", "bool_type", "date_type", "dict_type", "extra_forbidden", "list_type", "model_type",
        "union_tag_invalid", "union_tag_not_found",
    },
    "parameters and headers, which the page writes itself": {
        "given_twice", "not_a_cursor", "not_a_key", "not_a_position", "not_combinable", "two_keys", "wrong_piece",
    },
    "of keys alone": {"outlives_your_key"},
}  # fmt: skip


#: Problems that nobody reads on the page, so that it has no words for them.
UNSEEN = {
    "said where one signs in": {"email_not_confirmed", "form_expired", "not_a_member", "user_disabled"},
    "answered by the page itself": {
        "csrf_failed", "draft_conflict", "invalid_token", "media_too_large",
        "overtaken", "resync", "upload_incomplete", "upload_offset",
    },
    "of what the page writes or leaves out": {
        "idempotency_key_reused", "json_too_complex", "not_json", "range_not_satisfiable", "unsupported_encoding",
    },
    "of keys and other programs": {
        "invalid_signature", "metrics_off", "missing_token", "not_a_user", "not_exchangeable",
    },
}  # fmt: skip


def subclasses(model: type[Each]) -> Iterator[type[Each]]:
    for each in model.__subclasses__():
        yield each
        yield from subclasses(each)


def told(part: Any) -> set[str]:
    """The types of error that pydantic has for a part of a schema."""
    if isinstance(part, (list, tuple)):
        return set().union(*map(told, part))
    if not isinstance(part, dict):
        return set()
    kind = part.get("type")
    own = TOLD[kind] if isinstance(kind, str) else set()
    limits = {name for name in part if part[name] is not None}
    own = own.union(*(TOLD[name] for name in ("ge", "le", "lt", "pattern") if name in limits))
    length = "string_too" if kind == "str" else "too"
    own |= {f"{length}_{word}" for word, name in (("long", "max_length"), ("short", "min_length")) if name in limits}
    inner = [value for name, value in part.items() if name not in ("metadata", "serialization")]
    return own.union(*map(told, inner))


def own_codes(path: Path) -> Iterator[str]:
    """Those that a module of ours gives a FieldProblem or a BadValue."""
    for call in ast.walk(ast.parse(path.read_text())):
        place = {"FieldProblem": 1, "BadValue": 0, "_bad": 0}.get(getattr(getattr(call, "func", None), "id", ""))
        if place is not None and isinstance(code := call.args[place], ast.Constant):
            yield code.value


def test_every_code_of_a_wrong_field_has_its_sentence(app: Flask) -> None:
    """The API gives codes; whoever adds one adds its words, or says here why nobody reads them."""
    models = [*subclasses(Body), *subclasses(Query)]
    given = set().union(*(told(model.__pydantic_core_schema__) for model in models))
    assert len(models) > 80
    given |= {code for path in INBOX.rglob("*.py") for code in own_codes(path)} | set(SAID)
    unspoken = set().union(*UNSPOKEN.values())
    spoken = {key.removeprefix("field.").removesuffix(".other") for key in KEYS if key.startswith("field.")}
    spoken = {key for key in spoken if not key.endswith(".one")}
    assert (given - unspoken - spoken, spoken - given, unspoken - given, unspoken & spoken) == (set(),) * 4


def test_every_problem_has_its_sentence(app: Flask) -> None:
    """What is gone and what cannot be done just now have one for all of their kind."""
    problems = {each for each in subclasses(DomainError) if each.__module__.startswith("inbox.")}
    read = {each.code for each in problems if each.status < 500 and not each.code.endswith("_not_found")}
    unseen = set().union(*UNSEEN.values())
    spoken = {key.removeprefix("problem.") for key in KEYS if key.startswith("problem.")}
    assert len(problems) > 60
    assert (read - spoken - unseen, unseen - read, unseen & spoken) == (set(),) * 3


def test_what_a_validator_refuses_has_a_code() -> None:
    """A bare ValueError would be a `value_error`, which says nothing."""
    for path in INBOX.rglob("*.py"):
        if path.name in ("schemas.py", "shapes.py", "hours.py", "addresses.py"):
            assert "raise ValueError" not in path.read_text(), path


def test_every_reason_of_ours_why_a_message_failed_has_its_sentence() -> None:
    """Codes of ours are words; numbers are WhatsApp's, and an unknown one is told in its own."""
    calls = [node for path in INBOX.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    errors = [call for call in calls if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "StatusError"]
    ours = {call.args[0].value for call in errors if call.args and isinstance(call.args[0], ast.Constant)} - {None}
    assert {"contact_blocked", "reply_window_closed"} < ours
    assert {f"meta.{code}" for code in ours} <= KEYS


def test_whoever_asks_why_the_bot_is_silent_is_told_what_to_do() -> None:
    """A few words stand in the list; the details have a sentence for each, and one of its own for each hand-over."""
    reasons = {key.removeprefix("person.") for key in KEYS if key.startswith("person.")} - {"other"}
    assert set(HANDED_OVER) <= reasons
    assert {key.removeprefix("details.why.") for key in KEYS if key.startswith("details.why.")} == reasons


_SENTENCE = re.compile(r">\s*[A-Z][a-z]+ [a-z]+[^<>{}$`]*<|(?:label|title|placeholder|hint|alt)=\"[A-Z][a-z]+[^\"]*\"")


def test_no_sentence_stands_in_code_or_markup() -> None:
    for path in [*own_scripts(), *sorted((ROOT / "templates").glob("*.html"))]:
        if path.parent.name != "parts":  # the specimens show made-up people
            assert _SENTENCE.findall(path.read_text()) == [], path.name


def test_a_key_begins_with_words_of_its_own() -> None:
    """Of a key that begins with a variable, no test could tell whether it has words."""
    begun = re.compile(r"(?<![\w.])(?:t|has|plural|say)\(\s*`\$\{(?!key\b)")
    assert [path.name for path in own_scripts() if begun.search(path.read_text())] == []
