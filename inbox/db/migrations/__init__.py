"""The schema's history (Alembic), applied under a lock, in one transaction, on SQLite and PostgreSQL."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from inbox.db import Database

log = logging.getLogger(__name__)

_LOCK = 0x1B0C5  # advisory lock key, arbitrary but ours
_LOCK_TIMEOUT = "60s"


def upgrade(db: Database, revision: str = "head") -> bool:
    """Bring the schema to `revision`. True when something was applied. Safe to run from several places at once."""
    if revision == "head" and is_current(db):
        return False
    return _locked(db, revision, command.upgrade)


def downgrade(db: Database, revision: str) -> bool:
    """Take the schema back to `revision` ("base" removes everything). True when something was undone."""
    return _locked(db, revision, command.downgrade)


def is_current(db: Database) -> bool:
    """True when the database is at the newest revision this code knows."""
    with db.reading() as session:
        return _revision(session.connection()) == head()


def head() -> str | None:
    """The newest revision this code knows."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()


def _locked(db: Database, revision: str, change: object) -> bool:
    assert callable(change)
    with db.writing(patient=True) as session:
        connection = session.connection()
        if db.is_postgres:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = _revision(connection)
        config = _alembic()
        config.attributes["connection"] = connection
        change(config, revision)
        after = _revision(connection)
    if before != after:
        log.info("schema changed from %s to %s", before or "nothing", after or "nothing")
    return before != after


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config
