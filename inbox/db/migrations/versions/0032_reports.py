"""how long customers waited

Revision: 0032, after 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0032"
down_revision = "0028"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
_ANSWERS = sa.text("answered_after IS NOT NULL")


def upgrade() -> None:
    op.add_column("messages", sa.Column("answered_after", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_messages_answers",
        "messages",
        ["account_id", "stored_at"],
        postgresql_where=_ANSWERS,
        sqlite_where=_ANSWERS,
    )
    op.add_column("conversations", sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE conversations SET opened_at = waiting_since WHERE waiting_since IS NOT NULL")
    op.add_column("whatsapp_accounts", sa.Column("reported_through", sa.Date(), nullable=True))
    op.create_table(
        "resolutions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("done_by", sa.String(64), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["whatsapp_accounts.id"], name=op.f("fk_resolutions_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_resolutions_conversation_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolutions")),
    )
    op.create_index("ix_resolutions_account", "resolutions", ["account_id", "done_at"])
    op.create_index("ix_resolutions_conversation", "resolutions", ["conversation_id", "done_at"])
    op.create_table(
        "report_days",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("measure", sa.String(16), nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("counts", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["whatsapp_accounts.id"], name=op.f("fk_report_days_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "day", "measure", "who", name=op.f("pk_report_days")),
    )


def downgrade() -> None:
    op.drop_table("report_days")
    op.drop_table("resolutions")
    op.drop_column("whatsapp_accounts", "reported_through")
    op.drop_column("conversations", "opened_at")
    op.drop_index("ix_messages_answers", "messages")
    op.drop_column("messages", "answered_after")
