"""what each user has chosen for themselves

Revision: 0013, after 0012
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    kind = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column("users", sa.Column("preferences", kind, nullable=False, server_default=sa.text("'{}'")))


def downgrade() -> None:
    op.drop_column("users", "preferences")
