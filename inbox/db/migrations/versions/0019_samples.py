"""what each process's calls came to, minute by minute, for the status page

Revision: 0019, after 0018
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.create_table(
        "samples",
        sa.Column("process_id", sa.Uuid(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("figures", _JSON, nullable=False),
        sa.PrimaryKeyConstraint("process_id", "minute", name=op.f("pk_samples")),
    )
    op.create_index("ix_samples_minute", "samples", ["minute"])


def downgrade() -> None:
    op.drop_table("samples")
