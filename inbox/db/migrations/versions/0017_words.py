"""an index for the words of messages, on PostgreSQL

Revision: 0017, after 0016

SQLite looks at each message instead: a full-text table beside it would be kept by triggers, which a migration that
makes the table anew (as those of SQLite do) would lose without a sound.
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# As in inbox.db.words when this was written. Another choice of letters needs a migration that makes the index anew.
_LETTERS, _PLAIN = "ßıłđø", "silod"
_SIGNS = "@/.:_+&<~%?=#;’«»“”…–—\u00a0\u202f-"
_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0326\u0327\u0328"

# The account is a word as well, one that nobody can write: the index finds words of one account, not of all.
# Classes of signs, since translate() looks through its list for every letter: 90 us for a message instead of 15.
_FUNCTION = f"""
CREATE FUNCTION message_words(account uuid, content text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT array_to_tsvector(ARRAY['@' || account::text]) || to_tsvector('pg_catalog.simple'::regconfig, translate(
    regexp_replace(regexp_replace(lower(normalize(left(content, 20000), NFD)), '[{_ACCENTS}]', '', 'g'),
                   '[{_SIGNS}]', ' ', 'g'),
    '{_LETTERS}', '{_PLAIN}'))
$$
"""


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    op.get_bind().exec_driver_sql(_FUNCTION.replace("%", "%%"))
    op.execute("CREATE INDEX ix_messages_words ON messages USING gin (message_words(account_id, content_text))")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP INDEX ix_messages_words")
        op.execute("DROP FUNCTION message_words(uuid, text)")
