"""The predecessor's database, which is only read: one moment of it, some rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import IsolationLevel
from psycopg.sql import SQL, Composed, Identifier

from inbox.config import values
from inbox.db import clean, normalise_url
from inbox.db.engine import POOLER_MARK
from inbox.db.faults import describe
from inbox.db.postgres import TRANSPORT, WatchedConnection
from inbox.errors import ConfigError
from inbox.legacy.reading import Row
from inbox.logs import redact

FETCHED = 500  #: rows at once
_SECONDS = 300  # for one statement: some sort the whole table
_OUR_OWN = frozenset({"alembic_version", "outbox", "lanes"})
_NEEDED = frozenset({"whatsapp_accounts", "conversations", "messages"})


class SourceError(Exception):
    """The source cannot be read, in words for who named it."""


class _Connection(WatchedConnection):
    limit = _SECONDS + 30.0


class Source:
    """Tables by name, with their columns. `tables` are those that may be read."""

    def __init__(self, connection: psycopg.Connection[Any], schema: str, tables: Mapping[str, frozenset[str]]) -> None:
        self.tables = tables
        self._connection = connection
        self._schema = schema
        self._cursors = 0

    def table(self, name: str) -> Identifier:
        """A table as it stands in a statement."""
        return Identifier(self._schema, name)

    def has(self, table: str, *columns: str) -> bool:
        """True when there is such a table with all of these columns."""
        return table in self.tables and self.tables[table].issuperset(columns)

    def count(self, table: str) -> int:
        """How many rows it has."""
        found = self._connection.execute(SQL("SELECT count(*) FROM {}").format(self.table(table))).fetchone()
        return int(found[0]) if found else 0

    def rows(self, query: Composed) -> Iterator[tuple[Any, ...]]:
        """What a query finds, fetched as it is asked for."""
        self._cursors += 1
        with self._connection.cursor(f"inbox_{self._cursors}") as cursor:
            cursor.itersize = FETCHED
            cursor.execute(query)
            yield from cursor


@contextmanager
def opened(url: str, schema: str) -> Iterator[Source]:
    """The source for the time of the block. Raises SourceError, also for what goes wrong inside."""
    address = _address(url)
    try:
        with _Connection.connect(address, prepare_threshold=None, **TRANSPORT) as connection:
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            for setting, value in (
                ("statement_timeout", f"{_SECONDS}s"),
                ("idle_in_transaction_session_timeout", "30min"),
                ("row_security", "off"),  # rows that would be hidden are an error, and not as if they were not there
            ):
                connection.execute(SQL("SET LOCAL {} = {}").format(Identifier(setting), value))
            yield Source(connection, schema, _checked(_tables(connection, schema), schema))
    except psycopg.Error as error:
        raise SourceError(f"The predecessor's database cannot be read ({redact(describe(error))}).") from error


def _address(url: str) -> str:
    try:
        found = normalise_url(values.database_address(url))
    except (ConfigError, ValueError):
        found = None
    if found is None or found.get_backend_name() != "postgresql":
        raise SourceError(
            "--from must be an address such as postgresql://user:password@host/name, with special characters of the "
            "password percent-encoded."
        )
    plain = found.difference_update_query([POOLER_MARK]).set(drivername="postgresql")
    return plain.render_as_string(hide_password=False)


def _tables(connection: psycopg.Connection[Any], schema: str) -> dict[str, frozenset[str]]:
    query = """
        SELECT c.relname, array_agg(a.attname::text)
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege(c.oid, 'SELECT')
        GROUP BY c.relname
    """
    return {name: frozenset(columns) for name, columns in connection.execute(query, (schema,))}


def _checked(tables: dict[str, frozenset[str]], schema: str) -> dict[str, frozenset[str]]:
    if tables.keys() >= _OUR_OWN:
        raise SourceError("That is a database of Inbox itself; --from is the predecessor's.")
    if not tables.keys() & _NEEDED:
        named = ", ".join(sorted(_NEEDED))
        raise SourceError(f"The schema {schema} has none of the tables {named} that this user may read.")
    return tables


def row_of(json: object) -> Row | None:
    """A row out of its JSON; None when it cannot be read."""
    try:
        found = clean.load(str(json).encode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
