"""positions inside a conversation, given out under its lock, in the place of clocks

Revision: 0005, after 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WAITING = sa.text("awaits_answer")

# By our clock, as before this revision: the best that is known of old messages.
_POSITIONS = """
UPDATE messages SET position = ranked.position, awaits_answer = ranked.awaits_answer
FROM (
    SELECT id, row_number() OVER (PARTITION BY conversation_id ORDER BY stored_at, id) AS position,
           author_kind = 'customer' AND message_type <> 'sticker' AS awaits_answer
    FROM messages
) AS ranked
WHERE ranked.id = messages.id
"""
_CONVERSATIONS = """
UPDATE conversations SET last_position = known.last_position, asked_through = known.asked_through,
       answered_position = known.answered_position, person_replied_at = known.person_replied_at
FROM (
    SELECT m.conversation_id, max(m.position) AS last_position,
           coalesce(max(CASE WHEN m.awaits_answer THEN m.position END), 0) AS asked_through,
           coalesce(max(CASE WHEN m.stored_at <= c.answered_through THEN m.position END), 0) AS answered_position,
           max(CASE WHEN m.author_kind = 'agent' THEN m.timestamp END) AS person_replied_at
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
    GROUP BY m.conversation_id
) AS known
WHERE known.conversation_id = conversations.id
"""
_HANDED_OVER = "UPDATE conversations SET handed_over_at = last_inbound_at WHERE needs_human"
_TIMES = """
UPDATE conversations SET answered_at = known.answered_at
FROM (
    SELECT m.conversation_id, max(m.stored_at) AS answered_at
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
    WHERE m.position <= c.answered_through
    GROUP BY m.conversation_id
) AS known
WHERE known.conversation_id = conversations.id
"""


def upgrade() -> None:
    # Without batches: SQLite would build the tables again, and dropping the old one deletes what refers to it.
    for name in ("last_position", "asked_through", "answered_position"):
        op.add_column("conversations", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    for name in ("person_replied_at", "handed_over_at"):
        op.add_column("conversations", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("position", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("messages", sa.Column("awaits_answer", sa.Boolean(), nullable=False, server_default=sa.false()))
    for statement in (_POSITIONS, _CONVERSATIONS, _HANDED_OVER):
        op.execute(statement)
    op.drop_column("conversations", "answered_through")
    op.alter_column("conversations", "answered_position", new_column_name="answered_through")
    op.create_index(
        "ix_messages_waiting",
        "messages",
        ["conversation_id", "position"],
        postgresql_where=_WAITING,
        sqlite_where=_WAITING,
    )


def downgrade() -> None:
    op.drop_index("ix_messages_waiting", "messages", postgresql_where=_WAITING, sqlite_where=_WAITING)
    op.add_column("conversations", sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(_TIMES)
    for name in ("last_position", "asked_through", "answered_through", "person_replied_at", "handed_over_at"):
        op.drop_column("conversations", name)
    op.alter_column("conversations", "answered_at", new_column_name="answered_through")
    for name in ("position", "awaits_answer"):
        op.drop_column("messages", name)
