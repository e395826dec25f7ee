"""JSON as RFC 8259 has it, in UTF-8, from strangers: refused early when it would cost more than it can be worth."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

from inbox.errors import JSONTooComplex, NotJSON

DEPTH = 50  # levels
_HOW = "Send JSON in UTF-8 with Content-Type: application/json."
_SHOWN = 100  # characters of a name
VALUES = 30_000  # the largest bot profile has 24,000

#: A string, or what is left of the text after a quotation mark that has no second. Takes no longer for being hostile.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def loads(text: bytes) -> Any:
    """What `text` says. Raises NotJSON, JSONTooComplex.

    NotJSON also for NaN, for a name that an object has twice (readers differ in which one they take), and for a
    number of more than 4300 digits (int() has this limit, because its time grows with the square).
    """
    check_size(text)
    try:
        value = json.loads(text.decode(), parse_float=_number, parse_constant=_no_constant, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise NotJSON(f"The body is not valid JSON: it cannot be read from {place} on. {_HOW}") from None
    except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
        raise NotJSON from None
    check_depth(value)
    return value


def check_size(text: bytes) -> None:
    """Before anything is built of it. Raises JSONTooComplex. Takes 1 ms for 1 MB of text, 45 ms for the worst."""
    if _marks(text) >= VALUES and _marks(_STRING.sub(b"", text)) >= VALUES:
        raise JSONTooComplex(f"The body holds more than {VALUES} values.")


def check_depth(value: Any) -> None:
    """Raises JSONTooComplex. json.loads itself raises RecursionError at the depth where it would become dangerous."""
    level = [value]
    for _ in range(DEPTH):
        level = [inner for each in level for inner in _inside(each) if isinstance(inner, dict | list)]
        if not level:
            return
    raise JSONTooComplex(f"The body is nested deeper than {DEPTH} levels.")


def _marks(text: bytes) -> int:
    """No fewer than there are values, but one."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _number(text: str) -> float | int:
    """1.0 is a whole number to JSON Schema, and so to clients."""
    value = float(text)
    return int(value) if value.is_integer() else value


def _no_constant(name: str) -> NoReturn:
    raise NotJSON(f"The body is not valid JSON: {name} is not a number there. Send a number or null.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = json.dumps(names.most_common(1)[0][0][:_SHOWN])
        raise NotJSON(f"The body is not valid JSON: an object has the name {twice} more than once. Send it once.")
    return made
