"""`flask --app wsgi logs …`: what became of one message."""

from __future__ import annotations

from datetime import timedelta

import click
from flask import current_app

from inbox.cli.groups import DatabaseGroup
from inbox.operations.road import explain, in_words
from inbox.runtime import runtime_of

log_commands = DatabaseGroup("logs", help="What became of one message.")


@log_commands.command("explain")
@click.argument("id_")
@click.option(
    "--days",
    type=click.FloatRange(0, 36500),
    default=14.0,
    show_default=True,
    help="How far back a request id of yours is looked for.",
)
def explain_one(id_: str, days: float) -> None:
    """Tell the road of a message across web, worker and WhatsApp, from the database.

    ID is an X-Request-Id, a message's id, or WhatsApp's id of it (wamid…). Shows no text that anybody wrote.
    """
    roads = explain(runtime_of(current_app).db, id_.strip(), timedelta(days=days))
    if not roads:
        raise click.ClickException(
            "No message and no entry of the audit log has this id. What only reads leaves no trace in the database."
        )
    for number, road in enumerate(roads):
        if number:
            click.echo()
        for line in in_words(road):
            click.echo(line)
