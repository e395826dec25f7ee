"""Values of any JSON a stranger may send, as what they should be or as nothing."""

from __future__ import annotations

from typing import Any

from inbox.db.clean import JSON


def as_text(value: JSON) -> str | None:
    """`value` as text: strings that are not blank, and numbers (ids are sometimes printed as numbers)."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return None


def as_dict(value: JSON) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: JSON) -> list[Any]:
    """`value` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []
