"""replies that wait while the reply window closes

Revision: 0024, after 0023
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_MARKED = sa.text("window_closes_at IS NOT NULL")


def upgrade() -> None:
    op.add_column("messages", sa.Column("window_closes_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_messages_closing", "messages", ["account_id"], postgresql_where=_MARKED, sqlite_where=_MARKED)


def downgrade() -> None:
    op.drop_index("ix_messages_closing", "messages")
    op.drop_column("messages", "window_closes_at")
