"""hours of a number, and who has been told that it is closed

Revision: 0030, after 0026
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0026"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.add_column("whatsapp_accounts", sa.Column("hours", _JSON, nullable=True))
    op.add_column("conversations", sa.Column("away_told_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("conversations", "away_told_at")
    op.drop_column("whatsapp_accounts", "hours")
