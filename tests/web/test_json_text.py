"""JSON from strangers, without a server."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.errors import JSONTooComplex, NotJSON
from inbox.web.json_text import DEPTH, VALUES, loads

PLAIN = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    PLAIN | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(JSON, st.booleans())
def test_whatever_is_json_is_read(value: object, ascii_only: bool) -> None:
    try:
        text = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # a lone surrogate
        return
    assert loads(text) == value


@pytest.mark.parametrize(("text", "value"), [(b"1.0", 1), (b"-2e3", -2000), (b"2.5", 2.5), (b"1e-1", 0.1)])
def test_a_whole_number_is_one_however_it_is_written(text: bytes, value: float) -> None:
    assert repr(loads(text)) == repr(value)


@given(st.binary())
def test_whatever_is_not_is_refused_in_words(text: bytes) -> None:
    with contextlib.suppress(NotJSON):
        loads(text)


@given(st.text(alphabet='[]{},:"\\1a', max_size=300))
def test_nor_does_anything_that_looks_like_it_fail_otherwise(text: str) -> None:
    with contextlib.suppress(NotJSON, JSONTooComplex):
        loads(text.encode())


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" * (opening != "[") + closing * depth).encode()


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_so_many_levels_and_no_more(opening: str, closing: str) -> None:
    loads(nested(DEPTH, opening, closing))
    with pytest.raises(JSONTooComplex):
        loads(nested(DEPTH + 1, opening, closing))
    with pytest.raises((NotJSON, JSONTooComplex)):
        loads(nested(100_000, opening, closing))


@pytest.mark.parametrize("each", [b"1", b'"a"', b"[]", b'{"a":1}'])
def test_so_many_values_and_no_more(each: bytes) -> None:
    loads(b"[" + b",".join([each] * 1000) + b"]")
    with pytest.raises(JSONTooComplex):
        loads(b"[" + b",".join([each] * VALUES) + b"]")


def test_marks_within_a_string_are_no_values() -> None:
    text = "[{,\\" * VALUES
    assert loads(json.dumps([text, "\\", '"']).encode()) == [text, "\\", '"']


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"\\u0062":2}}',
        b"1" * 10_000,
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-32-le"),
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b"{'a':1}",
        b"[1,]",
        b"\x1f\x8b\x08\x00",
    ],
)
def test_what_only_some_readers_take_is_refused(text: bytes) -> None:
    with pytest.raises(NotJSON):
        loads(text)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (b'{"a":1,"b":{"to":1,"to":2}}', '"to" more than once'),
        (b'{"a":NaN}', "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b'{"a":1,\n]', "line 2, column 1"),
    ],
)
def test_the_refusal_names_the_mistake(text: bytes, named: str) -> None:
    with pytest.raises(NotJSON, match=named):
        loads(text)


@pytest.mark.parametrize("text", [b'"' * 1_000_000, b'"' + b'\\"' * 500_000, b'["\\' * 300_000, b"[" * 1_000_000])
def test_no_text_takes_longer_for_being_hostile(text: bytes) -> None:
    """A pattern that went back would take hours; the time limit of tests is what would fail."""
    with pytest.raises((NotJSON, JSONTooComplex)):
        loads(text)
