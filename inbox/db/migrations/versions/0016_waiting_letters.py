"""an index of the dead letters that were not replayed, which /health and /metrics count

Revision: 0016, after 0015
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_WAITING = sa.text("replayed_at IS NULL")


def upgrade() -> None:
    op.create_index(
        "ix_dead_letters_waiting", "dead_letters", ["replayed_at"], postgresql_where=_WAITING, sqlite_where=_WAITING
    )


def downgrade() -> None:
    op.drop_index("ix_dead_letters_waiting", "dead_letters", postgresql_where=_WAITING, sqlite_where=_WAITING)
