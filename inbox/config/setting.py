"""One setting: a field of a frozen dataclass that knows its variable, the rule for its value, and what it means."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from inbox.config.values import Rule
from inbox.errors import ConfigError

_KEY = "setting"


@dataclasses.dataclass(frozen=True, slots=True)
class Setting:
    """`variable` may begin with "…": then it belongs to several upstreams. `shown`: the default as documents say it."""

    variable: str
    rule: Rule[Any]
    meaning: str
    shown: str

    def read(self, env: Mapping[str, str], prefix: str = "") -> Any:
        """The value of the variable; None when it is unset or empty. Raises ConfigError, which never shows it."""
        name = self.variable.replace("…", prefix)
        text = env.get(name, "").strip()
        if not text:
            return None
        try:
            return self.rule(text)
        except ValueError as error:
            raise ConfigError(name, str(error)) from None


def setting(
    variable: str, rule: Rule[Any], default: Any, meaning: str, *, shown: str | None = None, secret: bool = False
) -> Any:
    """A dataclass field with a setting. A `secret` stays out of repr()."""
    if shown is None:
        shown = _shown(default)
    told = Setting(variable, rule, meaning, shown)
    return dataclasses.field(default=default, repr=not secret, metadata={_KEY: told})


def _shown(default: Any) -> str:
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return "`on`" if default else "`off`"
    if isinstance(default, str):
        return f"`{default}`"
    return f"{default:g}" if isinstance(default, float) else str(default)


def settings_of(holder: type) -> Iterator[tuple[str, Setting]]:
    """The settings of a dataclass with the names of their fields, in the order they are declared."""
    for field in dataclasses.fields(holder):
        if _KEY in field.metadata:
            yield field.name, field.metadata[_KEY]


def read_all(holder: type, env: Mapping[str, str], prefix: str = "") -> dict[str, Any]:
    """What is set, by field. Raises ConfigError for the first bad one."""
    found = {name: each.read(env, prefix) for name, each in settings_of(holder)}
    return {name: value for name, value in found.items() if value not in (None, ())}
