"""indexes for closed conversations and, on PostgreSQL with pg_trgm, for searching contacts

Revision: 0004, after 0003
"""

from __future__ import annotations

import logging

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

log = logging.getLogger(__name__)

_SEARCH = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX IF NOT EXISTS ix_contacts_search ON contacts USING gin "
    "(display_name gin_trgm_ops, username gin_trgm_ops, phone gin_trgm_ops)",
)


def upgrade() -> None:
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.create_index(
            "ix_conversations_closed",
            ["account_id", "updated_at", "id"],
            unique=False,
            postgresql_where=sa.text("status = 'closed'"),
            sqlite_where=sa.text("status = 'closed'"),
        )
    if op.get_bind().dialect.name == "postgresql":
        _index_for_search()


def _index_for_search() -> None:
    """Try. Without it a search finds the same, by reading all contacts of the account."""
    connection = op.get_bind()
    try:
        with connection.begin_nested():
            for statement in _SEARCH:
                connection.execute(sa.text(statement))
    except sa.exc.DBAPIError as error:
        said = str(error.orig).splitlines()[0]
        log.warning(
            "no index for searching contacts: pg_trgm cannot be used (%s). A search reads all contacts of its account; "
            "to mend it, run as a user who may: %s",
            said,
            "; ".join(_SEARCH),
        )


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":  # the extension stays: others may use it
        op.execute("DROP INDEX IF EXISTS ix_contacts_search")
    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_conversations_closed",
            postgresql_where=sa.text("status = 'closed'"),
            sqlite_where=sa.text("status = 'closed'"),
        )
