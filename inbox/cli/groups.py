"""Commands that use the database: each says in one line why it cannot be used."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import psycopg
from flask.cli import AppGroup

from inbox.db.faults import describe, original
from inbox.errors import DatabaseUnavailable, UnknownSchema
from inbox.logs import redact


class DatabaseGroup(AppGroup):
    """A group of such commands. What a person typed is answered by the message alone, without log lines around it."""

    def invoke(self, context: click.Context) -> Any:
        """As the base class. Raises as `telling_trouble`."""
        with telling_trouble():
            return super().invoke(context)


@contextmanager
def telling_trouble() -> Iterator[None]:
    """Raises ClickException for a database that is away, or of a newer release."""
    unavailable = logging.getLogger("inbox.db.transactions")
    unavailable.disabled = True
    try:
        yield
    except DatabaseUnavailable as error:
        raise click.ClickException(f"The database cannot be used{_why(error)}; see: flask --app wsgi doctor") from None
    except UnknownSchema as error:
        raise click.ClickException(str(error)) from None
    finally:
        unavailable.disabled = False


def _why(error: DatabaseUnavailable) -> str:
    """The driver's one line, in brackets, without what looks like a secret. Empty when no driver said anything."""
    cause: BaseException | None = error
    while isinstance(cause, DatabaseUnavailable):
        cause = cause.__cause__
    cause = original(cause)
    return f" ({redact(describe(cause))})" if isinstance(cause, psycopg.Error | sqlite3.Error) else ""
