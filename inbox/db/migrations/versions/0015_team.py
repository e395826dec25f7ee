"""what a team keeps beside its conversations: notes, labels, canned replies, drafts, presence

Revision: 0015, after 0014
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_KEYED = sa.text("client_key IS NOT NULL")


def _time(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of(table: str, column: str, kind: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{kind}.id"], name=op.f(f"fk_{table}_{column}"), ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("author_kind", sa.String(16), nullable=False),
        sa.Column("author_id", sa.String(64), nullable=False),
        sa.Column("author_name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("client_key", sa.String(255), nullable=True),
        _time("created_at"),
        _time("edited_at", nullable=True),
        _time("deleted_at", nullable=True),
        _time("changed_at"),
        _of("notes", "account_id", "whatsapp_accounts"),
        _of("notes", "conversation_id", "conversations"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    op.create_index("ix_notes_thread", "notes", ["conversation_id", "created_at", "id"])
    op.create_index("ix_notes_changed", "notes", ["conversation_id", "changed_at", "id"])
    op.create_index(
        "uq_notes_client_key",
        "notes",
        ["client_key", "conversation_id"],
        unique=True,
        postgresql_where=_KEYED,
        sqlite_where=_KEYED,
    )
    _create_words("labels", "name", sa.Column("color", sa.BigInteger(), nullable=False))
    _create_words("canned_replies", "shortcut", sa.Column("text", sa.Text(), nullable=False))
    op.create_table(
        "conversation_labels",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("label_id", sa.Uuid(), nullable=False),
        _of("conversation_labels", "conversation_id", "conversations"),
        _of("conversation_labels", "label_id", "labels"),
        sa.PrimaryKeyConstraint("conversation_id", "label_id", name=op.f("pk_conversation_labels")),
    )
    op.create_index("ix_conversation_labels_label", "conversation_labels", ["label_id", "conversation_id"])
    op.create_table(
        "drafts",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("reply_to", sa.Uuid(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        _time("changed_at"),
        _of("drafts", "conversation_id", "conversations"),
        _of("drafts", "user_id", "users"),
        sa.PrimaryKeyConstraint("conversation_id", "user_id", "mode", name=op.f("pk_drafts")),
    )
    op.create_index("ix_drafts_old", "drafts", ["changed_at"])
    op.create_table(
        "presences",
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("doing", sa.String(8), nullable=False),
        _time("said_at"),
        _of("presences", "conversation_id", "conversations"),
        _of("presences", "user_id", "users"),
        sa.PrimaryKeyConstraint("conversation_id", "user_id", name=op.f("pk_presences")),
    )
    op.create_index("ix_presences_newest", "presences", ["account_id", "said_at"])


def _create_words(table: str, word: str, column: sa.Column[object]) -> None:
    """A table of what an account finds by a word, whose spelling in capitals makes no difference."""
    op.create_table(
        table,
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column(word, sa.String(40), nullable=False),
        sa.Column(f"{word}_key", sa.String(160), nullable=False),
        column,
        _time("created_at"),
        _time("changed_at"),
        _of(table, "account_id", "whatsapp_accounts"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("account_id", f"{word}_key", name=op.f(f"uq_{table}_account_id_{word}_key")),
    )


def downgrade() -> None:
    for table in ("presences", "drafts", "conversation_labels", "canned_replies", "labels", "notes"):
        op.drop_table(table)
