"""messages with a text, newest first: for searches of words that many of them have

Revision: 0035, after 0034
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

_WRITTEN = sa.text("content_text <> ''")


def upgrade() -> None:
    op.create_index(
        "ix_messages_written",
        "messages",
        ["account_id", "timestamp", "id"],
        postgresql_where=_WRITTEN,
        sqlite_where=_WRITTEN,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_written", "messages")
