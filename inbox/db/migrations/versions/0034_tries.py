"""what attempts to send a message came to, so that its road can be told when it was accepted after all

Revision: 0034, after 0033
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_LIST = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)


def upgrade() -> None:
    op.add_column("messages", sa.Column("tries", _LIST, nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "tries")
