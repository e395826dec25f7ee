"""versions of bot profiles, and questions to try them with

Revision: 0028, after 0027
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_LIST = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)
_DATA = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
_TIME = sa.DateTime(timezone=True)
#: What is saved already is the first version that is known of; nobody can tell who saved it.
_KNOWN = """
INSERT INTO bot_profile_versions (id, account_id, version, content, changed, actor_kind, actor_name, created_at)
SELECT id, account_id, version, content, '[]', 'system', '', updated_at FROM bot_profiles
"""


def upgrade() -> None:
    op.create_table(
        "bot_profile_versions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("content", _DATA, nullable=False),
        sa.Column("changed", _LIST, nullable=False),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(64), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        _account("bot_profile_versions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bot_profile_versions")),
        sa.UniqueConstraint("account_id", "version", name=op.f("uq_bot_profile_versions_account_id_version")),
    )
    op.create_table(
        "bot_questions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.String(500), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        _account("bot_questions"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bot_questions")),
        sa.UniqueConstraint("account_id", "text", name=op.f("uq_bot_questions_account_id_text")),
    )
    op.execute(_KNOWN)


def _account(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_account_id_whatsapp_accounts")
    return sa.ForeignKeyConstraint(["account_id"], ["whatsapp_accounts.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    op.drop_table("bot_questions")
    op.drop_table("bot_profile_versions")
