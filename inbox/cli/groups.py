"""Commands that use the database: each says in one line that it cannot be used."""

from __future__ import annotations

import logging
from typing import Any

import click
from flask.cli import AppGroup

from inbox.errors import DatabaseUnavailable


class DatabaseGroup(AppGroup):
    """A group of such commands. What a person typed is answered by the message alone, without log lines around it."""

    def invoke(self, context: click.Context) -> Any:
        """As the base class. Raises ClickException for a database that is away."""
        unavailable = logging.getLogger("inbox.db.transactions")
        unavailable.disabled = True
        try:
            return super().invoke(context)
        except DatabaseUnavailable:
            raise click.ClickException("The database cannot be used; see: flask --app wsgi doctor") from None
        finally:
            unavailable.disabled = False
