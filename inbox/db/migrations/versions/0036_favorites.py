"""conversations among the favourites, newest first: for the list that shows them alone

Revision: 0036, after 0035
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_FAVORITE = sa.text("is_favorite")


def upgrade() -> None:
    op.create_index(
        "ix_conversations_favorite",
        "conversations",
        ["account_id", "updated_at", "id"],
        postgresql_where=_FAVORITE,
        sqlite_where=_FAVORITE,
    )


def downgrade() -> None:
    op.drop_index("ix_conversations_favorite", "conversations")
