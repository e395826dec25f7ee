"""what a process missed, since when an unknown send has been listened for, and how often a job has raised

Revision: 0008, after 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Without batches: SQLite would build the tables again.
    for name in ("stopped_at", "missed_at"):
        op.add_column("processes", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbox", sa.Column("listening_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("outbox", sa.Column("raised", sa.BigInteger(), server_default="0", nullable=False))
    failed = sa.text("state = 'failed'")
    op.create_index("ix_webhook_events_failed", "webhook_events", ["id"], postgresql_where=failed, sqlite_where=failed)


def downgrade() -> None:
    op.drop_index("ix_webhook_events_failed", table_name="webhook_events")
    for column in ("raised", "listening_from"):
        op.drop_column("outbox", column)
    for column in ("missed_at", "stopped_at"):
        op.drop_column("processes", column)
