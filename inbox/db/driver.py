"""An INSERT straight through the driver: what a webhook does with the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Dialect, bindparam
from sqlalchemy.orm import DeclarativeBase


@dataclass(frozen=True, slots=True)
class DriverInsert:
    """An INSERT as the driver takes it: its text, and for each parameter the name and the conversion of its type.

    `again` is the text of a repeat: the first attempt may have stored the row although its answer got lost.
    """

    text: str
    again: str
    columns: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    positional: bool

    @classmethod
    def of(cls, table: type[DeclarativeBase], row: Iterable[str], dialect: Dialect) -> DriverInsert:
        """For rows with these columns; the others are the server's to fill in."""
        mapped = table.__table__
        statement = mapped.insert().values({name: bindparam(name) for name in row})  # type: ignore[attr-defined]
        compiled = statement.compile(dialect=dialect)
        names = compiled.positiontup or list(row)
        columns = tuple((name, mapped.c[name].type.bind_processor(dialect)) for name in names)
        return cls(str(compiled), f"{compiled} ON CONFLICT DO NOTHING", columns, compiled.positiontup is not None)

    def bind(self, row: dict[str, Any]) -> Any:
        """`row` as the driver's parameters."""
        values = [(name, convert(row[name]) if convert else row[name]) for name, convert in self.columns]
        return tuple(value for _, value in values) if self.positional else dict(values)
