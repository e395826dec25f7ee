"""`flask --app wsgi import-legacy`: take over what the predecessor holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from flask import current_app
from flask.cli import with_appcontext

from inbox.cli.groups import telling_trouble
from inbox.clock import utc_now
from inbox.legacy.moving import Move
from inbox.legacy.running import run
from inbox.legacy.source import SourceError, opened
from inbox.runtime import runtime_of

INCOMPLETE = 3  #: exit code: something was left out


@click.command("import-legacy")
@click.option(
    "--from",
    "url",
    required=True,
    metavar="URL",
    help="The predecessor's PostgreSQL; -: asked for, or read from a pipe.",
)
@click.option("--schema", default="public", show_default=True, help="Where its tables are.")
@click.option("--write", "writes", is_flag=True, help="Take it over. Without this it is only told what would be.")
@with_appcontext
def import_legacy(url: str, schema: str, writes: bool) -> None:
    """Take over numbers, people, contacts, conversations and messages of the predecessor, which is only read.

    Safe to repeat: what is here already stays as it is. Nothing is sent. Exit code 3: something was left out, and why.
    """
    runtime = runtime_of(current_app)
    with telling_trouble():
        if not runtime.migrated():
            raise click.ClickException("The schema is not up to date; run: flask --app wsgi db upgrade")
        try:
            with opened(_address() if url == "-" else url, schema) as source:
                report = run(
                    Move(runtime.db, runtime.cipher, runtime.config, source, utc_now(), writes=writes, progress=_bar)
                )
        except SourceError as error:
            raise click.ClickException(str(error)) from None
    for line in report.lines():
        click.echo("".join(each if each.isprintable() else "?" for each in line))  # ids come from elsewhere
    click.echo()
    click.echo("It is done." if writes else "Nothing was changed. To take it over, add --write")
    if not report.complete:
        raise SystemExit(INCOMPLETE)


def _address() -> str:
    """As it is typed without being shown, or the first line of a pipe."""
    if sys.stdin.isatty():
        return str(click.prompt("Address", hide_input=True)).strip()
    return sys.stdin.readline().strip()


@contextmanager
def _bar(name: str, rows: int) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=rows, label=f"{name:14}", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update
