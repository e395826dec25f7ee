"""the request or job that wrote a message, so that its road can be told

Revision: 0018, after 0017
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("request_id", sa.String(200), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "request_id")
