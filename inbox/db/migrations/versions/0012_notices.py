"""why the backup number could not be told of a hand-over

Revision: 0012, after 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_UNTOLD = sa.text("notice_error IS NOT NULL")


def upgrade() -> None:
    op.add_column("conversations", sa.Column("notice_error", sa.Text(), nullable=True))
    op.create_index("ix_conversations_untold", "conversations", ["id"], postgresql_where=_UNTOLD, sqlite_where=_UNTOLD)


def downgrade() -> None:
    op.drop_index("ix_conversations_untold", "conversations", postgresql_where=_UNTOLD, sqlite_where=_UNTOLD)
    op.drop_column("conversations", "notice_error")
