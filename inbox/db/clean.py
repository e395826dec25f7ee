"""Values that both databases can store, out of any JSON that somebody else wrote: webhooks and upstreams' answers."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any

JSON = Any  # what json.loads gives: dict, list, str, int, float, bool or None

MAX_ID = 512  # characters of an id that WhatsApp gave; those we know have about 60

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MAX_DEPTH = 100
#: Escaped U+0000 and surrogates, raw surrogates, and the zero bytes of any encoding but UTF-8.
_SUSPECT = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\x00")


class TooDeep(ValueError):
    """The value is nested deeper than any real webhook."""


def load(body: bytes) -> JSON:
    """The JSON in `body`, cleaned. Raises ValueError (not JSON, or deeper than any real webhook) or RecursionError."""
    value = json.loads(body, parse_constant=_nothing, parse_float=_finite)
    # Most webhooks hold nothing to clean, and looking costs a tenth of cleaning.
    if _SUSPECT.search(body) or body.count(b"{") + body.count(b"[") > _MAX_DEPTH:
        return clean_json(value)
    return value


def _nothing(_name: str) -> None:
    """NaN and Infinity are not JSON; Python reads them, PostgreSQL refuses them."""


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def clean_text(value: str) -> str:
    """`value` with U+0000 and lone surrogates replaced by U+FFFD: PostgreSQL stores neither."""
    if "\x00" in value:
        value = value.replace("\x00", _REPLACEMENT)
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def short_id(given: str) -> str:
    """`given`, or for one of more than MAX_ID characters its beginning and its hash: as unique, always the same.

    So a send whose id does not fit is still recognised by its statuses, whose ids are shortened in the same way.
    """
    if len(given) <= MAX_ID:
        return given
    digest = hashlib.sha256(given.encode()).hexdigest()
    return f"{given[: MAX_ID - len(digest)]}{digest}"


def clean_json(value: JSON, depth: int = 0) -> JSON:
    """`value` with all its strings and keys cleaned and non-finite numbers as None. Raises TooDeep."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if depth > _MAX_DEPTH:
        raise TooDeep(f"nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        return {clean_text(key): clean_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [clean_json(item, depth + 1) for item in value]
    return value


def unstorable(value: JSON, pointer: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where `value` holds text that would have to be cleaned: for those who are told instead."""
    if isinstance(value, str):
        if clean_text(value) != value:
            yield pointer
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from unstorable(key, pointer)
            yield from unstorable(item, (*pointer, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from unstorable(item, (*pointer, str(number)))
