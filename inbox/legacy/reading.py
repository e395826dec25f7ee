"""Values of the predecessor's rows, whatever they look like. What makes no sense is None.

A row comes as the JSON that PostgreSQL makes of it, so no type of a column is relied on.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from inbox.clock import to_milliseconds
from inbox.config import phone_digits
from inbox.db.clean import clean_text

Row = dict[str, Any]

_OURS = UUID("5b0f8c0e-6f0e-4c8e-9f57-2a8f6c1d9b3e")  # names the ids that are made of theirs
_FIRST = datetime(2009, 1, 1, tzinfo=UTC)  # WhatsApp's first year: an earlier time was no time
_CLOCKS_DIFFER = timedelta(days=1)
_MILLISECONDS = 1e11  # a number of seconds so large would be in the year 5138
_YES = frozenset({"true", "t", "1", "yes", "y", "on"})
_NO = frozenset({"false", "f", "0", "no", "n", "off"})
_LARGEST = 1_000_000
#: What stands before and behind a number in the addresses of other programs.
_BEFORE, _BEHIND = ("whatsapp:", "tel:"), ("@s.whatsapp.net", "@c.us")
_OF_GROUPS = "@g.us"
_MARKS = dict.fromkeys(map(ord, "/\u200e\u2009\u2010\u2011\u202a\u202c\u202f"))  # within what people copy


def kept_id(value: object) -> UUID | None:
    """The id, where it is one of ours already."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def made_id(*parts: object) -> UUID:
    """An id made of theirs: the same parts always give the same."""
    return uuid5(_OURS, "\n".join(map(str, parts)))


def text(value: object, most: int | None = None) -> str | None:
    """Text without blanks around it, at most so many characters; None for none."""
    if value is None or isinstance(value, bool):
        return None
    found = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return clean_text(found).strip()[:most] or None


def line(value: object, most: int) -> str | None:
    """Text that stands in one line."""
    found = "".join(each if each.isprintable() else " " for each in text(value) or "")
    return text(" ".join(found.split()), most)


def flag(value: object, default: bool = False) -> bool:
    """Yes or no, however it was written."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    return word in _YES or (default and word not in _NO)


def count(value: object) -> int:
    """A number of things: 0 for what is none."""
    try:
        number = float(str(value))
    except ValueError:
        return 0
    return int(min(max(number, 0.0), _LARGEST)) if math.isfinite(number) else 0


def moment(value: object, now: datetime) -> datetime | None:
    """A time in UTC; one without a zone is UTC already, as the predecessor's servers were. Also Unix times."""
    if value is None or isinstance(value, bool):
        return None
    try:
        found = _moment(value)
    except (ValueError, OverflowError, OSError):
        return None
    return to_milliseconds(found) if _FIRST <= found <= now + _CLOCKS_DIFFER else None


def _moment(value: object) -> datetime:
    word = str(value).strip()
    try:
        number = float(word)
    except ValueError:
        found = datetime.fromisoformat(word)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return datetime.fromtimestamp(number / 1000 if number > _MILLISECONDS else number, UTC)


def phone(value: object) -> str | None:
    """A phone number as digits with its country code. One that begins with 0 lacks it, and nobody can tell which."""
    word = text(value, 100)
    if word is None:
        return None
    word = word.lower()
    for mark in _BEFORE:
        word = word.removeprefix(mark)
    for mark in _BEHIND:
        word = word.removesuffix(mark)
    word = "".join(str(int(each)) if each.isdecimal() else each for each in word.replace("(0)", ""))
    word = word.translate(_MARKS).strip().removeprefix("00")
    try:
        return phone_digits(word)
    except ValueError:
        return None


def group(value: object, *, told: bool) -> str | None:
    """The id of a group; `told`: the row says that it is one."""
    word = text(value, 255)
    if word is None or not (told or word.endswith(_OF_GROUPS)):
        return None
    return word.removesuffix(_OF_GROUPS) or None
