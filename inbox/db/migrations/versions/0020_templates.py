"""message templates, as WhatsApp tells them, and when they are asked for next

Revision: 0020, after 0019
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of_account(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_account_id")
    return sa.ForeignKeyConstraint(["account_id"], ["whatsapp_accounts.id"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "message_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("wa_template_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("category", sa.String(32), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("named", sa.Boolean(), nullable=False),
        sa.Column("definition", _JSON, nullable=False),
        _time("changed_at"),
        _of_account("message_templates"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_templates")),
        sa.UniqueConstraint(
            "account_id", "name", "language", name=op.f("uq_message_templates_account_id_name_language")
        ),
    )
    op.create_table(
        "template_syncs",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        _time("due_at"),
        _time("synced_at", nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        _of_account("template_syncs"),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_template_syncs")),
    )
    op.create_index("ix_template_syncs_due", "template_syncs", ["due_at"])


def downgrade() -> None:
    op.drop_table("template_syncs")
    op.drop_table("message_templates")
