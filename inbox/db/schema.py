"""Which schema the database has, and whether it is the one this code was written for."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable

from sqlalchemy import exc, inspect, text
from sqlalchemy.orm import Session

from inbox.db.engine import Database
from inbox.models import SCHEMA

log = logging.getLogger(__name__)

_NO_TABLE = "42P01"
LOOK_EVERY = 5.0  # seconds between two looks of one process


def schema_version(session: Session) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    try:
        found: str | None = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except exc.DBAPIError as error:
        if not _is_missing(error, session):
            raise
        return None
    return found


def _is_missing(error: exc.DBAPIError, session: Session) -> bool:
    """True when it failed because there is no such table. PostgreSQL says so, and could not be asked any more."""
    if isinstance(error.orig, sqlite3.Error):
        return not inspect(session.connection()).has_table("alembic_version")
    return getattr(error.orig, "sqlstate", None) == _NO_TABLE


def mismatch(found: str | None) -> tuple[str, str] | None:
    """What is wrong with a schema of this revision, and what to do; None when it is this code's."""
    if found == SCHEMA:
        return None
    if found is not None and found > SCHEMA:
        what = f"the schema is {found}, newer than the {SCHEMA} of this release"
        return what, "Run the newer release, or take the schema back with it first."
    what = f"the schema is {found}, this release needs {SCHEMA}" if found else "there are no tables yet"
    return what, "Run: flask --app wsgi db upgrade"


class SchemaGate:
    """Lets work be claimed only while the schema is ours: work done on another one would be done wrongly."""

    def __init__(self, db: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._db = db
        self._clock = clock
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._open = True

    def is_open(self) -> bool:
        """True while the schema is the one this code was written for. Raises DatabaseUnavailable."""
        with self._lock:
            if self._clock() - self._looked >= LOOK_EVERY:
                with self._db.reading() as session:
                    found = schema_version(session)
                self._note(found)
            return self._open

    def look(self, session: Session) -> tuple[str, str] | None:
        """Look now, whenever the last time was: what is wrong, and what to do. Raises DatabaseUnavailable."""
        found = schema_version(session)
        with self._lock:
            self._note(found)
        return mismatch(found)

    def _note(self, found: str | None) -> None:
        self._looked = self._clock()
        before, wrong = self._open, mismatch(found)
        self._open = wrong is None
        if before and wrong is not None:
            extra = {"schema": found, "needed": SCHEMA, "do": wrong[1]}
            log.error("the schema is not this release's: no work is done", extra=extra)
        elif self._open and not before:
            log.info("the schema is this release's again")
