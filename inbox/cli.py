"""`flask --app wsgi …`: migrations, keys, the worker."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path

import click
from cryptography.fernet import Fernet
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from inbox import create_app, services_of
from inbox.accounts.service import ensure_default
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.clock import rfc3339
from inbox.config import Config

log = logging.getLogger(__name__)

db_commands = AppGroup("db", help="The database schema.")
key_commands = AppGroup("keys", help="API keys.")


def register(app: Flask) -> None:
    """Add the commands to `app`."""
    for command in (db_commands, key_commands, worker, demo):
        app.cli.add_command(command)


def prepare_flask_run(app: Flask) -> None:
    """Under `flask run`: migrate in development, and let the dispatcher work from the start, not the first request."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run":
        return
    if context.params.get("debug") and os.environ.get("WERKZEUG_RUN_MAIN") != "true":
        return  # the reloader's parent serves nothing
    services = services_of(app)
    if not services.config.production:
        services.prepare_database()
    if services.config.dispatcher:
        services.start_dispatcher()
        atexit.register(services.close)


@db_commands.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date, and the default account in line with the environment. Safe to repeat."""
    changed = services_of(current_app).prepare_database()
    click.echo("The schema was upgraded." if changed else "The schema is up to date.")


@db_commands.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Take the schema back to REVISION ("base" removes every table)."""
    from inbox import migrations

    changed = migrations.downgrade(services_of(current_app).db, revision)
    click.echo("The schema was taken back." if changed else "Nothing to do.")


@key_commands.command("create")
@click.option("--name", required=True, help="What the key is for.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value)
def create_key(name: str, role: str) -> None:
    """Make a key and print it: it cannot be shown again."""
    made = keys.create(services_of(current_app).db, name=name, role=Role(role))
    click.echo(made.secret)


@key_commands.command("list")
def list_keys() -> None:
    """Show all keys: when made, role, the part that identifies each, and whether it still works."""
    for key in keys.listed(services_of(current_app).db):
        state = f"revoked {_day(key.revoked_at)}" if key.revoked_at else "valid"
        click.echo(f"{_day(key.created_at)}  {key.role:8}  {key.prefix}…  {state}  {key.name}")


@key_commands.command("revoke")
@click.argument("prefix")
def revoke_key(prefix: str) -> None:
    """Revoke the key that `keys list` shows as PREFIX."""
    count = keys.revoke(services_of(current_app).db, prefix.rstrip("…"))
    if not count:
        raise click.ClickException("No valid key begins like that; see: flask --app wsgi keys list")
    click.echo("Revoked.")


def _day(moment: datetime) -> str:
    return rfc3339(moment)[:10]


@click.command("worker")
@with_appcontext
def worker() -> None:
    """Run the dispatcher alone, until SIGTERM or Ctrl-C; then finish what is begun, within 20 s."""
    services = services_of(current_app)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ensure_default(services.db, services.config, services.cipher)
    services.start_dispatcher()
    ended.wait()
    if not services.close():
        raise click.ClickException("Some work did not end in time; its leases bring it back.")


def wants_demo() -> bool:
    """True when the command line asks for the demo, which brings its own settings and needs none."""
    return "flask" in Path(sys.argv[0]).parts[-2:] and "demo" in sys.argv[1:]


def demo_config() -> Config:
    """Settings of the process that only arranges the demo: it reads and keeps nothing."""
    return Config(env="development", encryption_keys=(Fernet.generate_key().decode(),), dispatcher=False)


@click.command("demo")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Where the inbox listens.")
@click.option("--seconds", type=click.FloatRange(min=1), help="End by itself after so many seconds.")
@click.option(
    "--pace", default=5.0, show_default=True, help="Average pause between two customers' messages, in seconds."
)
def demo(port: int, seconds: float | None, pace: float) -> None:
    """Show a living inbox: a bakery, customers who write, simulated upstreams. Needs nothing but Python."""
    from inbox.sandbox import demo as show

    logging.disable(logging.INFO)  # the app's own process logs; this one only arranges things
    try:
        show.run(port, lambda config: services_of(create_app(config)), seconds=seconds, pace=pace)
    except show.DemoError as error:
        raise click.ClickException(str(error)) from None
