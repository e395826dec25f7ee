"""How far back a change may still appear: what makes a position among changes exact.

A row's change time is taken before its transaction commits, so a later commit can carry an earlier time, and a client
that asks for "everything since the newest change I saw" would miss it for good. The horizon is a time that no change
still to come can be below. Ask for it in a statement of its own, *before* the rows are read.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, text

from inbox.clock import to_milliseconds, utc_now

#: On SQLite, where nobody tells who is writing: longer than any transaction of ours lasts.
LONGEST_WRITE = timedelta(seconds=30)

#: Transactions of this application alone (a backup may take hours, and changes nothing). The server's view of other
#: roles has no times, so all processes of an installation have to use one role. statement_timestamp() is from before
#: the view is read: a transaction that begins in between takes its times later than that.
_POSTGRESQL = text(
    """
    SELECT least(statement_timestamp(), min(xact_start)) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND application_name = current_setting('application_name')
    """
)


def settled(connection: Connection) -> datetime:
    """Changes below this time are all there: a client that goes on from the newest of them misses nothing.

    On SQLite there is one writer at a time, whose times are not below what is stored: all that is there counts.
    """
    return horizon(connection) if connection.dialect.name == "postgresql" else datetime.max.replace(tzinfo=UTC)


def horizon(connection: Connection) -> datetime:
    """No change that is not yet visible will have a time before this one. Whole milliseconds."""
    if connection.dialect.name != "postgresql":
        return utc_now() - LONGEST_WRITE
    return to_milliseconds(connection.execute(_POSTGRESQL).scalar_one())
