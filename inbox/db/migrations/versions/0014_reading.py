"""who waits since when, which message is the newest, what people make of a conversation, and what each has read

Revision: 0014, after 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_WAITS = sa.text("waiting_since IS NOT NULL")
_PUT_AWAY = sa.text("status <> 'open'")
_CLOSED = sa.text("status = 'closed'")
_BEHIND = sa.text("beyond_team > 0")

_NEWEST = """
UPDATE conversations SET last_message_id = (
    SELECT messages.id FROM messages WHERE messages.conversation_id = conversations.id
    ORDER BY messages.timestamp DESC, messages.id DESC LIMIT 1
)
"""
_WAITING = """
UPDATE conversations SET waiting_since = (
    SELECT min(messages.timestamp) FROM messages
    WHERE messages.conversation_id = conversations.id AND messages.awaits_answer
      AND messages.position > conversations.answered_through
)
WHERE asked_through > answered_through
"""


def upgrade() -> None:
    op.add_column("conversations", sa.Column("last_message_id", sa.Uuid(), nullable=True))
    op.add_column("conversations", sa.Column("waiting_since", sa.DateTime(timezone=True), nullable=True))
    op.add_column("conversations", sa.Column("answered_before_done", sa.BigInteger(), nullable=True))
    op.add_column("conversations", sa.Column("asked_before_done", sa.String(length=64), nullable=True))
    op.drop_index("ix_conversations_closed", "conversations", postgresql_where=_CLOSED, sqlite_where=_CLOSED)
    op.execute("UPDATE conversations SET status = 'done' WHERE status = 'closed'")
    op.execute(_NEWEST)
    op.execute(_WAITING)
    _index("ix_conversations_waiting", ["account_id", "waiting_since", "id"], _WAITS)
    _index("ix_conversations_unanswered", ["account_id", "updated_at", "id"], _WAITS)
    _index("ix_conversations_put_away", ["account_id", "status", "updated_at", "id"], _PUT_AWAY)
    op.create_table(
        "conversation_readers",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("beyond_team", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_conversation_readers_user_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_conversation_readers_conversation_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["whatsapp_accounts.id"],
            name=op.f("fk_conversation_readers_account_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "conversation_id", name=op.f("pk_conversation_readers")),
    )
    op.create_index("ix_conversation_readers_conversation", "conversation_readers", ["conversation_id"])
    op.create_index(
        "ix_conversation_readers_behind",
        "conversation_readers",
        ["user_id", "account_id"],
        postgresql_where=_BEHIND,
        sqlite_where=_BEHIND,
    )


def downgrade() -> None:
    op.drop_table("conversation_readers")
    for name, condition in (("waiting", _WAITS), ("unanswered", _WAITS), ("put_away", _PUT_AWAY)):
        op.drop_index(f"ix_conversations_{name}", "conversations", postgresql_where=condition, sqlite_where=condition)
    op.execute("UPDATE conversations SET status = 'closed' WHERE status = 'done'")
    op.execute("UPDATE conversations SET status = 'open' WHERE status = 'pending'")
    _index("ix_conversations_closed", ["account_id", "updated_at", "id"], _CLOSED)
    for column in ("asked_before_done", "answered_before_done", "waiting_since", "last_message_id"):
        op.drop_column("conversations", column)


def _index(name: str, columns: list[str], condition: sa.TextClause) -> None:
    op.create_index(name, "conversations", columns, postgresql_where=condition, sqlite_where=condition)
