"""Every statement that a PostgreSQL server was asked, by its own log."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

#: What the server has to be told. `%u` is the role, by which the benchmark tells processes apart.
SETTINGS = ("log_statement=all", "log_line_prefix=@%u@", "log_parameter_max_length=0")
_ENTRY = re.compile(r"^@(\w*)@", re.MULTILINE)
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)", re.DOTALL)
_PARAMETER = re.compile(r"\$\d+(?:::(?:TIMESTAMP WITH(?:OUT)? TIME ZONE|\w+)(?:\(\d+\))?(?:\[\])?)?")
_AROUND = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET |SHOW |LISTEN)", re.IGNORECASE)
_TIME = re.compile(r"^SELECT (clock_timestamp|now|statement_timestamp)\(\)$", re.IGNORECASE)


@dataclass(frozen=True)
class Asked:
    """The statements of one role, each with how often."""

    statements: Counter[str] = field(default_factory=Counter)

    @property
    def all(self) -> int:
        """Every statement, those around a transaction included."""
        return self.statements.total()

    @property
    def around(self) -> int:
        """BEGIN, COMMIT, SET and their kind: no work of their own."""
        return self._count(_AROUND)

    @property
    def time(self) -> int:
        """Those that only ask what time it is."""
        return self._count(_TIME)

    def __add__(self, other: Asked) -> Asked:
        return Asked(self.statements + other.statements)

    def without(self, kind: re.Pattern[str]) -> Asked:
        """All but statements that begin like this."""
        return Asked(Counter({text: count for text, count in self.statements.items() if not kind.match(text)}))

    def _count(self, kind: re.Pattern[str]) -> int:
        return sum(count for text, count in self.statements.items() if kind.match(text))


class StatementLog:
    """Reads on where it stopped last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size

    def since_last_look(self) -> dict[str, Asked]:
        """What each role has asked since."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            raw = file.read()
        whole = raw[: raw.rfind(b"\n") + 1]
        self._read += len(whole)
        found: dict[str, Asked] = {}
        _, *parts = _ENTRY.split(whole.decode(errors="replace"))
        for role, entry in zip(parts[::2], parts[1::2], strict=True):
            if statement := _STATEMENT.match(entry):
                found.setdefault(role, Asked()).statements[_shape(statement[1])] += 1
        return found


def _shape(statement: str) -> str:
    """The statement on one line; lists of parameters of any length look alike."""
    line = re.sub(r"\s+", " ", statement).strip().rstrip(";")
    line = _PARAMETER.sub("?", line)
    line = re.sub(r"\((\?, )*\?\)(, \((\?, )*\?\))*", "(?…)", line)
    return re.sub(r"SET LOCAL (\w+) = \d+", r"SET LOCAL \1", line)
