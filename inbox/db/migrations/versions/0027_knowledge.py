"""files, texts and web pages that a bot answers from

Revision: 0027, after 0031

Words are found by each database's own full-text search: on PostgreSQL in a column that it fills in itself, on SQLite in
a table beside (FTS5), which is filled where passages are written and loses rows by a trigger.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0031"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)
_DUE = sa.text("due_at IS NOT NULL")
# As in inbox.db.words when this was written.
_LETTERS, _PLAIN = "ßıłđø", "silod"
_SIGNS = "@/.:_+&<~%?=#;’«»“”…–—\u00a0\u202f-"
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0326\u0327\u0328"

# Each word as it is, without case and accents, and its stem in the language of the source; and the account, as in 0017.
# Nothing but functions of pg_catalog: a backup is restored without a search path.
_FUNCTION = f"""
CREATE FUNCTION passage_words(account uuid, language text, content text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array_to_tsvector(ARRAY['@' || account::text]) || to_tsvector('pg_catalog.simple'::regconfig, folded)
    || to_tsvector(('pg_catalog.' || language)::regconfig, folded)
FROM (SELECT translate(
    regexp_replace(regexp_replace(lower(normalize(content, NFD)), '[{_ACCENTS}]', '', 'g'),
                   '[{_SIGNS}]', ' ', 'g'),
    '{_LETTERS}', '{_PLAIN}') AS folded) AS plain
$$
"""  # noqa: S608 (signs and letters of ours)
_COLUMN = """
ALTER TABLE knowledge_passages ADD COLUMN words tsvector
GENERATED ALWAYS AS (passage_words(account_id, language, coalesce(heading, '') || ' ' || content)) STORED
"""
_TABLE = "CREATE VIRTUAL TABLE knowledge_words USING fts5(account, content, tokenize = 'unicode61')"
_TRIGGER = """
CREATE TRIGGER knowledge_passages_gone AFTER DELETE ON knowledge_passages
BEGIN DELETE FROM knowledge_words WHERE rowid = old.seq; END
"""


def upgrade() -> None:
    op.create_table(
        "knowledge_sources",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.String(2000), nullable=True),
        sa.Column("upload_id", sa.Uuid(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("problem", sa.String(32), nullable=True),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("passages", sa.BigInteger(), nullable=False),
        sa.Column("read_at", _TIME, nullable=True),
        sa.Column("due_at", _TIME, nullable=True),
        sa.Column("lease", sa.Uuid(), nullable=True),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("changed_at", _TIME, nullable=False),
        _account("knowledge_sources"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_knowledge_sources")),
        sa.UniqueConstraint("account_id", "url", name=op.f("uq_knowledge_sources_account_id_url")),
    )
    op.create_index(
        "ix_knowledge_sources_due", "knowledge_sources", ["due_at"], postgresql_where=_DUE, sqlite_where=_DUE
    )
    op.create_table(
        "knowledge_passages",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("page", sa.BigInteger(), nullable=True),
        sa.Column("heading", sa.Text(), nullable=True),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        _account("knowledge_passages"),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["knowledge_sources.id"],
            name=op.f("fk_knowledge_passages_source_id_knowledge_sources"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_knowledge_passages")),
        sa.UniqueConstraint("id", name=op.f("uq_knowledge_passages_id")),
    )
    op.create_index("ix_knowledge_passages_source", "knowledge_passages", ["source_id", "number"])
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_FUNCTION.replace("%", "%%"))
        op.execute(_COLUMN)
        op.execute("CREATE INDEX ix_knowledge_passages_words ON knowledge_passages USING gin (words)")
    else:
        op.execute(_TABLE)
        op.execute(_TRIGGER)


def _account(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_account_id_whatsapp_accounts")
    return sa.ForeignKeyConstraint(["account_id"], ["whatsapp_accounts.id"], name=name, ondelete="CASCADE")


def downgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    op.drop_table("knowledge_passages")
    op.drop_table("knowledge_sources")
    op.execute("DROP FUNCTION passage_words(uuid, text, text)" if postgres else "DROP TABLE knowledge_words")
