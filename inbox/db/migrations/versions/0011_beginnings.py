"""indexes for contacts whose name, username or number begins with a word too short for trigrams

Revision: 0011, after 0010
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_NAMES = {"ix_contacts_name": "display_name", "ix_contacts_username": "username"}


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    for index, column in _NAMES.items():
        folded = f'(lower({column}) COLLATE "C")' if postgres else f"{column} COLLATE NOCASE"
        op.execute(f"CREATE INDEX {index} ON contacts (account_id, {folded})")
    number = 'phone COLLATE "C"' if postgres else "phone"
    op.execute(f"CREATE INDEX ix_contacts_number ON contacts (account_id, {number})")


def downgrade() -> None:
    for index in (*_NAMES, "ix_contacts_number"):
        op.execute(f"DROP INDEX {index}")
