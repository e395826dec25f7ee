"""webhooks that hold nothing but statuses wait behind customers' messages

Revision: 0010, after 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_PENDING = sa.text("state = 'pending'")


def upgrade() -> None:
    op.add_column("webhook_events", sa.Column("statuses_only", sa.Boolean(), server_default=sa.false(), nullable=False))
    _index(["statuses_only", "id"])


def downgrade() -> None:
    _index(["id"])
    op.drop_column("webhook_events", "statuses_only")


def _index(columns: list[str]) -> None:
    op.drop_index("ix_webhook_events_pending", table_name="webhook_events")
    op.create_index(
        "ix_webhook_events_pending",
        "webhook_events",
        columns,
        postgresql_where=_PENDING,
        sqlite_where=_PENDING,
    )
