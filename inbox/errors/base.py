"""The root of the tree, and what a wrong setting raises."""

from __future__ import annotations


class InboxError(Exception):
    """Root of everything this program raises on purpose."""


class ConfigError(InboxError):
    """A setting is missing or wrong. Names the variable and what to do, never prints its value."""

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable}: {problem}")
        self.variable = variable


class BadValue(ValueError):
    """A value that cannot be taken: `str()` says what is to be changed, for people.

    `code` is stable and says the same to programs; `values` are what a sentence of it in another language needs.
    """

    def __init__(self, code: str, problem: str, **values: str | float) -> None:
        super().__init__(problem)
        self.code = code
        self.values = values


class UnknownSchema(InboxError):
    """A version of the schema that this release does not know. Says what to do."""
