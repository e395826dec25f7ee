"""when a message changed, and which conversations are gone: what GET /changes needs

Revision: 0007, after 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("UPDATE messages SET changed_at = stored_at")
    # A release that does not know the column goes on inserting while this one is being rolled out.
    clock = "clock_timestamp()" if op.get_bind().dialect.name == "postgresql" else "CURRENT_TIMESTAMP"
    with op.batch_alter_table("messages") as batch_op:
        batch_op.alter_column(
            "changed_at", existing_type=sa.DateTime(timezone=True), nullable=False, server_default=sa.text(clock)
        )
        batch_op.create_index("ix_messages_changed", ["conversation_id", "changed_at", "id"])
    op.create_table(
        "gone_conversations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["whatsapp_accounts.id"],
            name=op.f("fk_gone_conversations_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gone_conversations")),
    )
    op.create_index("ix_gone_conversations_changed", "gone_conversations", ["account_id", "changed_at"])


def downgrade() -> None:
    op.drop_table("gone_conversations")
    with op.batch_alter_table("messages") as batch_op:
        batch_op.drop_index("ix_messages_changed")
        batch_op.drop_column("changed_at")
