"""`flask --app wsgi …`: migrations, keys, the worker, what an operator asks."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import click
from cryptography.fernet import Fernet
from flask import Flask, current_app
from flask.cli import with_appcontext

from inbox.accounts import service as accounts
from inbox.accounts.adding import ensure_default
from inbox.accounts.changes import resume
from inbox.accounts.rotation import rotate_keys
from inbox.auth.access import OPERATOR
from inbox.cli.groups import DatabaseGroup
from inbox.cli.legacy import import_legacy
from inbox.cli.logs import log_commands
from inbox.cli.people import day, key_commands, role_commands, user_commands
from inbox.clock import utc_now
from inbox.config import Config, values
from inbox.db import Database, storage
from inbox.db.schema import LOOK_EVERY, schema_version
from inbox.errors import ConfigError, DatabaseUnavailable
from inbox.gateways.whatsapp.pauses import in_words
from inbox.models import SCHEMA
from inbox.operations import processes
from inbox.operations import text as operator
from inbox.operations.dead_letters import service as dead_letters
from inbox.operations.doctor import Finding, Level, examine, examine_numbers, problem
from inbox.operations.doctor.database import no_file
from inbox.operations.incidents import list_incidents
from inbox.operations.restored import after_restore
from inbox.operations.watch import DATABASE
from inbox.resilience import UPSTREAMS
from inbox.runtime import runtime_of

log = logging.getLogger(__name__)

INCIDENTS_SHOWN = 200
REPLAYS = 200  # transactions of one command: what fails again at once must not keep it busy for ever

db_commands = DatabaseGroup("db", help="The database schema.")
account_commands = DatabaseGroup("accounts", help="Business numbers.")
letter_commands = DatabaseGroup("dead-letters", help="What came in and could not be stored.")


_GROUPS = db_commands, user_commands, role_commands, key_commands, account_commands, letter_commands, log_commands


def register(app: Flask) -> None:
    """Add the commands to `app`."""
    for command in (*_GROUPS, import_legacy, worker, incidents, doctor, demo):
        app.cli.add_command(command)


def prepare_flask_run(app: Flask) -> None:
    """Under `flask run`: migrate in development, and let the dispatcher work from the start, not the first request."""
    context = click.get_current_context(silent=True)
    if context is None or context.info_name != "run":
        return
    if context.params.get("debug") and os.environ.get("WERKZEUG_RUN_MAIN") != "true":
        return  # the reloader's parent serves nothing
    runtime = runtime_of(app)
    if not runtime.config.production:
        runtime.prepare_database()
    runtime.start()
    atexit.register(runtime.close)


@db_commands.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date, and the default account in line with the environment. Safe to repeat."""
    changed = runtime_of(current_app).prepare_database()
    click.echo("The schema was upgraded." if changed else "The schema is up to date.")


@db_commands.command("downgrade")
@click.argument("revision", required=False)
@click.option("--yes", is_flag=True, help='Do not ask before "base" removes every table.')
def downgrade(revision: str | None, yes: bool) -> None:
    """Downgrade the schema to REVISION, for example: db downgrade 0011 ("base" removes every table)."""
    if revision is None:
        raise click.UsageError('Say to which revision, for example: db downgrade 0011 ("base" removes every table).')
    if revision == "base" and not yes:
        click.confirm("This removes every table with all that is in it. Go on?", abort=True)
    from inbox.db import migrations

    changed = migrations.downgrade(runtime_of(current_app).db, revision)
    click.echo("The schema was downgraded." if changed else "Nothing to do.")


@db_commands.command("current")
def current() -> None:
    """Show the schema's revision, and the one that this release needs. Changes nothing."""
    db = runtime_of(current_app).db
    if (missing := no_file(db)) is not None:
        raise click.ClickException(f"The database is missing: {missing.found}")
    with db.reading() as session:
        found = schema_version(session)
    click.echo(f"{found or 'There are no tables yet'}; this release needs {SCHEMA}.")


@db_commands.command("restored")
@click.option("--yes", is_flag=True, help="Also while processes of this inbox seem to run.")
def restored(yes: bool) -> None:
    """Run once after a backup was put back, before any process starts: leave to people what may have been done since.

    Replies and answers that were waiting when the backup was made are not sent by themselves; all sessions end.
    """
    runtime = runtime_of(current_app)
    with runtime.db.reading() as session:
        running = sum(each.live for each in processes.seen(session, runtime.db.now(session)))
    if running and not yes:
        raise click.ClickException(
            f"{operator.some(running, 'process is', 'processes are')} running on this database. Stop them first; or say"
            " --yes if the backup was made less than a minute ago."
        )
    left = after_restore(runtime.db, runtime.ingest_settings)
    replies = operator.some(left.sends, "reply is", "replies are")
    questions = operator.some(left.answers, "question is left", "questions are left")
    webhooks = operator.some(left.webhooks, "webhook was", "webhooks were")
    click.echo(f"{replies} unconfirmed, {questions} to people.")
    click.echo(f"{webhooks} read, {operator.some(left.sessions, 'session')} ended. Now start the processes.")


@account_commands.command("list")
def list_accounts() -> None:
    """Show all numbers, and why one is paused."""
    for account in accounts.all_accounts(runtime_of(current_app).db):
        state = "sending"
        if account.paused_at is not None:
            state = f"paused {day(account.paused_at)}: {in_words(account.paused_reason)}"
        click.echo(f"{account.phone_number_id}  {account.phone_number or '-':15}  {state}")


@account_commands.command("resume")
@click.argument("phone_number_id")
@click.option("--new-token", is_flag=True, help="Ask for a new access token (or read it from a pipe) and store it.")
def resume_account(phone_number_id: str, new_token: bool) -> None:
    """Let a paused number send again: what waited leaves at once, in order."""
    runtime = runtime_of(current_app)
    token = _token() if new_token else None
    if not resume(runtime.db, runtime.cipher, phone_number_id, token):
        raise click.ClickException("There is no such number; see: flask --app wsgi accounts list")
    click.echo("Resumed.")
    config = runtime.config
    if token and phone_number_id == config.whatsapp_phone_number_id and token != config.whatsapp_access_token:
        click.echo("WHATSAPP_ACCESS_TOKEN replaces this token when a process starts: put the new one there as well.")


@account_commands.command("check")
@click.argument("phone_number_id", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def check_accounts(phone_number_id: str | None, as_json: bool) -> None:
    """Ask WhatsApp whether one number, or every number, is set up correctly. Exit code 1 when there is a problem."""
    with _quiet():
        findings = examine_numbers(runtime_of(current_app), phone_number_id)
    if not findings:
        raise click.ClickException("There is no such number; see: flask --app wsgi accounts list")
    raise SystemExit(_tell(findings, as_json=as_json))


@account_commands.command("rotate-keys")
def rotate_account_keys() -> None:
    """Encrypt every stored access token with the first of ENCRYPTION_KEYS. Safe to repeat.

    Exit code 1 when there are tokens that none of the keys can read.
    """
    runtime = runtime_of(current_app)
    done = rotate_keys(runtime.db, runtime.cipher)
    click.echo(f"{done.rotated} re-encrypted, {done.current} already current, {len(done.unreadable)} cannot be read.")
    for phone_number_id in done.unreadable:
        click.echo(f"None of ENCRYPTION_KEYS can read the token of {phone_number_id}; it was left as it is.")
    if done.unreadable:
        raise click.ClickException("Add the missing key to ENCRYPTION_KEYS, or: accounts resume NUMBER --new-token")


@letter_commands.command("replay")
@click.option("--reason", help="Only those with this reason; without it webhooks that were set aside whole as well.")
def replay_letters(reason: str | None) -> None:
    """Try all again, oldest first, after what was wrong is mended. A message is stored once, however often."""
    letters = failed = 0
    for _ in range(REPLAYS):
        done = dead_letters.replay_dead_letters(runtime_of(current_app).db, OPERATOR, reason)
        letters, failed = letters + done.dead_letters, failed + done.failed_webhooks
        if not done.more:
            break
    both = f"{operator.some(letters, 'dead letter')} and {operator.some(failed, 'webhook')}"
    click.echo(f"{both} are put back; a dispatcher reads them.")


def _token() -> str:
    """An access token that was typed or piped."""
    try:
        return values.token(_secret("Access token"))
    except ValueError as error:
        raise click.ClickException(f"Access token {error}.") from None


def _secret(name: str) -> str:
    """What is typed without being shown, or the first line of a pipe."""
    given = click.prompt(name, hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise click.ClickException(f"{name} is empty.")
    return str(given).strip()


@click.command("worker")
@with_appcontext
def worker() -> None:
    """Run the dispatcher alone until SIGTERM or Ctrl-C, then finish the work in hand within 20 s."""
    runtime = runtime_of(current_app)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    _wait_for_tables(runtime.db, ended)
    if ended.is_set():
        return
    with contextlib.suppress(DatabaseUnavailable):  # logged; `db upgrade` does it too, and what waits can be worked off
        ensure_default(runtime.db, runtime.config, runtime.cipher)
    runtime.start("worker")
    ended.wait()
    if not runtime.close():
        raise click.ClickException(
            "Some work did not end within 20 s. Answers and files are taken up by a worker within a minute; a reply "
            "that was just being sent is not sent again unless WhatsApp's statuses show that it did not arrive."
        )


def _wait_for_tables(db: Database, ended: threading.Event) -> None:
    """Before the first `db upgrade` there is nothing to do, and to fail at it would count as an incident."""
    told = False
    while not ended.is_set():
        try:
            with db.reading() as session:
                if schema_version(session) is not None:
                    return
        except DatabaseUnavailable:
            return  # logged; the crews wait for it
        if not told:
            log.warning("there are no tables yet; work begins after: flask --app wsgi db upgrade")
        told = True
        ended.wait(LOOK_EVERY)


# --- what an operator asks ---------------------------------------------------------------------------------------


@click.command("incidents")
@click.option(
    "--upstream", type=click.Choice([*UPSTREAMS, DATABASE, storage.NAME]), help="Only incidents of this upstream."
)
@click.option("--open", "open_only", is_flag=True, help="Only incidents that are still open.")
@click.option(
    "--days", type=click.FloatRange(0, 36500), help="Only incidents that are open or ended within this many days."
)
@with_appcontext
def incidents(upstream: str | None, open_only: bool, days: float | None) -> None:
    """When each upstream was away, and what that affected; newest first."""
    since = utc_now() - timedelta(days=days) if days is not None else None
    db = runtime_of(current_app).db
    try:
        with _quiet():
            page = list_incidents(
                db, limit=INCIDENTS_SHOWN, upstream=upstream, open_only=open_only or None, since=since
            )
    except DatabaseUnavailable:
        raise click.ClickException("The database cannot be read; see: flask --app wsgi doctor") from None
    if not page.rows:
        click.echo("There were no such incidents." if upstream or open_only or since else "There were no incidents.")
        return
    for line in operator.table(page.rows):
        click.echo(line)
    if page.next is not None:
        click.echo(f"These are the newest {INCIDENTS_SHOWN}; GET /admin/incidents pages through all.")


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@with_appcontext
def doctor(as_json: bool) -> None:
    """Test everything the inbox depends on, and say what to do. Exit code 1 when there is a problem."""
    with _quiet():
        findings = examine(runtime_of(current_app))
    raise SystemExit(_tell(findings, as_json=as_json))


def _tell(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print findings; the exit code."""
    click.echo(operator.as_json(findings) if as_json else operator.as_text(findings))
    return int(any(finding.level is Level.PROBLEM for finding in findings))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without log lines between ours: they say the same, for other readers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


# --- the demo ----------------------------------------------------------------------------------------------------


def config_of_command() -> Config:
    """Settings from the environment, except for commands that have to work without good ones. Raises ConfigError."""
    if _wants("demo"):
        return demo_config()
    try:
        return Config.from_env()
    except ConfigError as error:
        if _asks_for_help():
            return demo_config()
        if not _wants("doctor"):
            raise
        setting = problem(
            "settings", str(error), "Correct it and run the doctor again; nothing else can be checked before."
        )
        raise SystemExit(_tell([setting], as_json="--json" in sys.argv)) from None


def _wants(command: str) -> bool:
    """True when the command line asks for this command."""
    return _is_flask() and command in sys.argv[1:]


def _asks_for_help() -> bool:
    """True when the command line is answered by a help text: also when it names no command, or a group alone."""
    given = sys.argv[1:]
    pairs = zip(["", *given], given, strict=False)
    words = [word for before, word in pairs if not word.startswith("-") and before not in _WITH_VALUE]
    alone = len(words) < 2 and {group.name for group in _GROUPS}.issuperset(words)
    return _is_flask() and ("--help" in given or alone)


_WITH_VALUE = ("--app", "-A", "--env-file", "-e")


def _is_flask() -> bool:
    return "flask" in Path(sys.argv[0]).parts[-2:]


def demo_config() -> Config:
    """Settings of a process that only arranges the demo, or shows a help text: it reads and keeps nothing."""
    return Config(env="development", encryption_keys=(Fernet.generate_key().decode(),), dispatcher=False)


@click.command("demo")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Where the inbox listens.")
@click.option("--seconds", type=click.FloatRange(min=1), help="Stop after this many seconds.")
@click.option(
    "--pace", default=5.0, show_default=True, help="Average pause between two customers' messages, in seconds."
)
def demo(port: int, seconds: float | None, pace: float) -> None:
    """Show a living inbox: a bakery, customers who write, simulated upstreams. Needs nothing but Python.

    Of your settings it keeps CORS_ORIGINS and WEBHOOKS_ALLOW_PRIVATE; everything else is its own, and gone at the end.
    """
    from inbox.demo import demo as show

    logging.disable(logging.INFO)  # the app's own process logs; this one only arranges things
    try:
        show.run(port, seconds=seconds, pace=pace)
    except show.DemoError as error:
        raise click.ClickException(str(error)) from None
