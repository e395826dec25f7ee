"""roles of the installation's own, beside those that are built in

Revision: 0009, after 0008

Back again, whatever was given by a role of the installation's own is taken: grants go, keys are revoked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_MADE = datetime(2026, 11, 29, tzinfo=UTC)
_BUILT_IN = {
    "admin": (UUID("01900000-0000-7000-8000-000000000001"), "Does everything."),
    "manager": (UUID("01900000-0000-7000-8000-000000000002"), "Reads, and writes to customers."),
    "viewer": (UUID("01900000-0000-7000-8000-000000000003"), "Reads."),
}
_LIST = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)
_EVERYWHERE = sa.text("account_id IS NULL")


def upgrade() -> None:
    roles = op.create_table(
        "roles",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("permissions", _LIST, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_roles")),
        sa.UniqueConstraint("slug", name=op.f("uq_roles_slug")),
    )
    op.bulk_insert(
        roles,
        [
            {
                "id": id_,
                "slug": slug,
                "name": slug.title(),
                "description": description,
                "permissions": None,
                "created_at": _MADE,
                "updated_at": _MADE,
            }
            for slug, (id_, description) in _BUILT_IN.items()
        ],
    )
    for table in ("role_grants", "api_keys"):
        op.add_column(table, sa.Column("role_id", sa.Uuid(), nullable=True))
        _copy(table, "role_id", "role", {slug: id_ for slug, (id_, _) in _BUILT_IN.items()})
    with op.batch_alter_table("role_grants", schema=None) as batch_op:
        batch_op.drop_index("uq_role_grants_account")
        batch_op.drop_index("uq_role_grants_everywhere", postgresql_where=_EVERYWHERE, sqlite_where=_EVERYWHERE)
        batch_op.drop_column("role")
        batch_op.alter_column("role_id", existing_type=sa.Uuid(), nullable=False)
        batch_op.create_foreign_key(op.f("fk_role_grants_role_id"), "roles", ["role_id"], ["id"])
        batch_op.create_index("ix_role_grants_role", ["role_id"], unique=False)
        _unique(batch_op, "role_id")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_column("role")
        batch_op.create_foreign_key(op.f("fk_api_keys_role_id"), "roles", ["role_id"], ["id"], ondelete="SET NULL")


def downgrade() -> None:
    for table in ("role_grants", "api_keys"):
        op.add_column(table, sa.Column("role", sa.String(length=16), nullable=True))
        _copy(table, "role", "role_id", {id_: slug for slug, (id_, _) in _BUILT_IN.items()})
    grants, keys = (
        sa.table(name, sa.column("role"), sa.column("revoked_at", sa.DateTime(timezone=True)))
        for name in ("role_grants", "api_keys")
    )
    op.execute(sa.delete(grants).where(grants.c.role.is_(None)))
    ended = sa.func.coalesce(keys.c.revoked_at, sa.literal(_MADE, sa.DateTime(timezone=True)))
    op.execute(sa.update(keys).where(keys.c.role.is_(None)).values(role="viewer", revoked_at=ended))
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("fk_api_keys_role_id"), type_="foreignkey")
        batch_op.drop_column("role_id")
        batch_op.alter_column("role", existing_type=sa.String(length=16), nullable=False)
    with op.batch_alter_table("role_grants", schema=None) as batch_op:
        batch_op.drop_index("uq_role_grants_account")
        batch_op.drop_index("uq_role_grants_everywhere", postgresql_where=_EVERYWHERE, sqlite_where=_EVERYWHERE)
        batch_op.drop_index("ix_role_grants_role")
        batch_op.drop_constraint(op.f("fk_role_grants_role_id"), type_="foreignkey")
        batch_op.drop_column("role_id")
        batch_op.alter_column("role", existing_type=sa.String(length=16), nullable=False)
        _unique(batch_op, "role")
    op.drop_table("roles")


def _copy(table: str, into: str, of: str, values: dict[Any, Any]) -> None:
    """Fill the new column by the old one."""
    types: dict[str, Any] = {"role_id": sa.Uuid(), "role": sa.String(16)}
    rows = sa.table(table, sa.column(into, types[into]), sa.column(of, types[of]))
    for old, new in values.items():
        op.execute(sa.update(rows).where(rows.c[of] == old).values({into: new}))


def _unique(batch_op: BatchOperations, column: str) -> None:
    batch_op.create_index("uq_role_grants_account", ["user_id", column, "account_id"], unique=True)
    batch_op.create_index(
        "uq_role_grants_everywhere",
        ["user_id", column],
        unique=True,
        postgresql_where=_EVERYWHERE,
        sqlite_where=_EVERYWHERE,
    )
