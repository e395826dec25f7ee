"""The schema's history (Alembic), applied under a lock, in one transaction, on SQLite and PostgreSQL.

The release before goes on serving meanwhile. Who waits for a table's lock makes all others wait behind it, so nothing
waits for one for long: it begins again from the start, until nobody (a backup, a long query) is in the way.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, text

from inbox.db import Database
from inbox.db.faults import original
from inbox.errors import DatabaseUnavailable, UnknownSchema

log = logging.getLogger(__name__)

_LOCK = 0x1B0C5  # advisory lock key, arbitrary but ours
_TURN = "60s"  # that another one may take to migrate
_TABLE = "1s"  # for a table's lock: less than requests wait for one (DATABASE_LOCK_TIMEOUT)
_PAUSE = 2.0  # seconds in which those who had to wait come to their turn
_PATIENCE = 240.0  # seconds for all of it; systemd gives a start 300


def upgrade(db: Database, revision: str = "head") -> bool:
    """Bring the schema to `revision`. True when something was applied. Safe to run from several places at once.

    Raises UnknownSchema when a newer release has been here.
    """
    if revision == "head" and is_current(db):
        return False
    return _changed(db, revision, command.upgrade)


def downgrade(db: Database, revision: str) -> bool:
    """Take the schema back to `revision` ("base" removes everything). True when something was undone.

    Raises UnknownSchema when a newer release has been here, or there is no such revision.
    """
    return _changed(db, revision, command.downgrade)


def is_current(db: Database) -> bool:
    """True when the database is at the newest revision this code knows."""
    with db.reading() as session:
        return _revision(session.connection()) == head()


@cache
def head() -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def _changed(db: Database, revision: str, change: object) -> bool:
    until, pause = time.monotonic() + _PATIENCE, threading.Event()
    while True:
        try:
            return _locked(db, revision, change)
        except DatabaseUnavailable as error:
            held = isinstance(original(error.__cause__), LockNotAvailable)
            if not held or time.monotonic() > until:
                raise
        log.warning("somebody else holds what the schema's change needs; it begins again")
        pause.wait(_PAUSE)


def _locked(db: Database, revision: str, change: object) -> bool:
    assert callable(change)
    with db.writing(patient=True) as session:
        connection = session.connection()
        if db.is_postgres:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_TURN}'"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = '{_TABLE}'"))
        before = _revision(connection)
        config = _alembic()
        _check_known(config, before, revision)
        config.attributes["connection"] = connection
        change(config, revision)
        after = _revision(connection)
    if before != after:
        log.info("schema changed from %s to %s", before or "nothing", after or "nothing")
    return before != after


def _check_known(config: AlembicConfig, before: str | None, wanted: str) -> None:
    script = ScriptDirectory.from_config(config)
    known = {"head", "base", None, *(each.revision for each in script.walk_revisions())}
    if before not in known:
        ours = script.get_current_head()
        raise UnknownSchema(
            f"The schema is {before}, of a newer release; this one knows no later than {ours}. "
            f"Start the newer release, or take the schema back with it first: db downgrade {ours}"
        )
    if wanted not in known:
        raise UnknownSchema(f"There is no schema {wanted} in this release.")


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
