"""Values that both databases can store, out of any JSON a stranger may send."""

from __future__ import annotations

import math
from typing import Any

JSON = Any  # what json.loads gives: dict, list, str, int, float, bool or None

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MAX_DEPTH = 100


class TooDeep(ValueError):
    """The value is nested deeper than any real webhook."""


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
