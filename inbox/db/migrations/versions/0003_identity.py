"""users, roles, sessions, audit; assigned conversations; deleted accounts

Revision: 0003, after 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(length=16), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("target_id", sa.String(length=255), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column(
            "details", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column("request_id", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.create_index("ix_audit_log_newest", ["at", "id"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("subject", name=op.f("uq_users_subject")),
    )
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.create_index("ix_users_page", ["created_at", "id"], unique=False)

    op.create_table(
        "permission_overrides",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("permission", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["whatsapp_accounts.id"],
            name=op.f("fk_permission_overrides_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_permission_overrides_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_permission_overrides")),
    )
    with op.batch_alter_table("permission_overrides", schema=None) as batch_op:
        batch_op.create_index("uq_permission_overrides_account", ["user_id", "permission", "account_id"], unique=True)
        batch_op.create_index(
            "uq_permission_overrides_everywhere",
            ["user_id", "permission"],
            unique=True,
            postgresql_where=sa.text("account_id IS NULL"),
            sqlite_where=sa.text("account_id IS NULL"),
        )

    op.create_table(
        "role_grants",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["whatsapp_accounts.id"], name=op.f("fk_role_grants_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_role_grants_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_role_grants")),
    )
    with op.batch_alter_table("role_grants", schema=None) as batch_op:
        batch_op.create_index("uq_role_grants_account", ["user_id", "role", "account_id"], unique=True)
        batch_op.create_index(
            "uq_role_grants_everywhere",
            ["user_id", "role"],
            unique=True,
            postgresql_where=sa.text("account_id IS NULL"),
            sqlite_where=sa.text("account_id IS NULL"),
        )

    op.create_table(
        "user_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_user_sessions")),
        sa.UniqueConstraint("hash", name=op.f("uq_user_sessions_hash")),
    )
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.create_index("ix_user_sessions_expired", ["expires_at"], unique=False)
        batch_op.create_index("ix_user_sessions_user", ["user_id"], unique=False)

    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "account_ids",
                sa.JSON(none_as_null=True).with_variant(
                    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
                ),
                nullable=True,
            )
        )
        batch_op.add_column(sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))

    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("assigned_to", sa.Uuid(), nullable=True))
        batch_op.create_index(
            "ix_conversations_assigned",
            ["assigned_to", "account_id", "updated_at", "id"],
            unique=False,
            postgresql_where=sa.text("assigned_to IS NOT NULL"),
            sqlite_where=sa.text("assigned_to IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_conversations_needs_human",
            ["account_id", "updated_at", "id"],
            unique=False,
            postgresql_where=sa.text("needs_human"),
            sqlite_where=sa.text("needs_human"),
        )
        batch_op.create_index(
            "ix_conversations_unread",
            ["account_id", "updated_at", "id"],
            unique=False,
            postgresql_where=sa.text("unread_count > 0"),
            sqlite_where=sa.text("unread_count > 0"),
        )

    with op.batch_alter_table("whatsapp_accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("whatsapp_accounts", schema=None) as batch_op:
        batch_op.drop_column("deleted_at")

    with op.batch_alter_table("conversations", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_conversations_unread",
            postgresql_where=sa.text("unread_count > 0"),
            sqlite_where=sa.text("unread_count > 0"),
        )
        batch_op.drop_index(
            "ix_conversations_needs_human", postgresql_where=sa.text("needs_human"), sqlite_where=sa.text("needs_human")
        )
        batch_op.drop_index(
            "ix_conversations_assigned",
            postgresql_where=sa.text("assigned_to IS NOT NULL"),
            sqlite_where=sa.text("assigned_to IS NOT NULL"),
        )
        batch_op.drop_column("assigned_to")

    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_column("expires_at")
        batch_op.drop_column("account_ids")

    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.drop_index("ix_user_sessions_user")
        batch_op.drop_index("ix_user_sessions_expired")

    op.drop_table("user_sessions")
    with op.batch_alter_table("role_grants", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_role_grants_everywhere",
            postgresql_where=sa.text("account_id IS NULL"),
            sqlite_where=sa.text("account_id IS NULL"),
        )
        batch_op.drop_index("uq_role_grants_account")

    op.drop_table("role_grants")
    with op.batch_alter_table("permission_overrides", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_permission_overrides_everywhere",
            postgresql_where=sa.text("account_id IS NULL"),
            sqlite_where=sa.text("account_id IS NULL"),
        )
        batch_op.drop_index("uq_permission_overrides_account")

    op.drop_table("permission_overrides")
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_index("ix_users_page")

    op.drop_table("users")
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.drop_index("ix_audit_log_newest")

    op.drop_table("audit_log")
