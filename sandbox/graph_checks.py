"""The checks that the bodies of Graph requests share. Each raises GraphError.

Meta, "Error codes": a required parameter that is missing is 131008, a value out of bounds 131009, a misspelt name 100.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.graph_errors import GraphError

JSON = Mapping[str, Any]


def an_object(value: Any, name: str, keys: set[str]) -> JSON:
    """The value, which is an object with no other keys than these."""
    if not isinstance(value, Mapping):
        raise GraphError(131009, f"The parameter {name} must be an object")
    only(value, keys, name)
    return value


def only(value: JSON, keys: set[str], name: str) -> None:
    if unknown := sorted(set(value) - keys):
        raise GraphError(100, f'Unexpected key "{unknown[0]}" on param "{name}"')


def require(value: JSON, *names: str) -> None:
    for name in names:
        if value.get(name) is None:
            raise GraphError(131008, f"The parameter {name} is required")


def text(value: JSON, name: str, shortest: int, longest: int) -> str:
    """A required string; lengths are in code points, as Meta does not say what it counts."""
    require(value, name)
    found = value[name]
    if not isinstance(found, str):
        raise GraphError(131009, f"The parameter {name} must be a string")
    if not shortest <= len(found) <= longest:
        raise GraphError(131009, f"The parameter {name} must have {shortest} to {longest} characters")
    return found


def optional_text(value: JSON, name: str, shortest: int, longest: int) -> str | None:
    return text(value, name, shortest, longest) if value.get(name) is not None else None


def a_list(value: JSON, name: str, fewest: int, most: int) -> list[Any]:
    require(value, name)
    found = value[name]
    if not isinstance(found, list) or not fewest <= len(found) <= most:
        raise GraphError(131009, f"The parameter {name} must be a list of {fewest} to {most}")
    return found
