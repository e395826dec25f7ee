"""what WhatsApp says of a number: quality, limit, name, restrictions

Revision: 0021, after 0020
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.add_column("whatsapp_accounts", sa.Column("reputation", _JSON, nullable=True))


def downgrade() -> None:
    op.drop_column("whatsapp_accounts", "reputation")
