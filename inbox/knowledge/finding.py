"""The passages that fit a question best, by the database's own full-text search: one statement.

A word counts the more, the fewer passages of the number have it. PostgreSQL looks for each word from its beginning and
by its stem in the languages of the sources; SQLite for words that begin as it does, a long one without its ending.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, exists, text
from sqlalchemy.orm import Session

from inbox.db.words import words_of
from inbox.knowledge.languages import SMALL_WORDS
from inbox.models import KnowledgePassage, KnowledgeSource

MOST = 5  #: passages for one question
BUDGET = 5_000  #: characters of them together
_LEAST = 0.3  # of the best one's score: what fits less does not help
_SHORT = 3  # letters: such a word is looked for as it is


@dataclass(frozen=True, slots=True)
class Passage:
    """Of a source of this name. `url` is that of a page."""

    id: UUID
    page: int | None
    heading: str | None
    content: str
    name: str
    url: str | None

    @property
    def reference(self) -> dict[str, Any]:
        """What is kept of it with an answer."""
        return {"passage_id": str(self.id), "name": self.name, "page": self.page}


def knows_more(account_id: Any) -> ColumnElement[bool]:
    """Asks whether a number has passages at all."""
    source = KnowledgeSource
    return exists().where(source.account_id == account_id, source.passages > 0)


def best_passages(session: Session, account_id: UUID, question: str) -> list[Passage]:
    """The best first, at most MOST, within BUDGET; none when no passage has a word of the question."""
    words = [word for word in words_of(question) if word not in SMALL_WORDS]
    if not words:
        return []
    if session.get_bind().dialect.name == "postgresql":
        queries = [f"'{word}'" if len(word) <= _SHORT else f"'{word}':*" for word in words]
        values: dict[str, Any] = {"words": words, "queries": queries, "account": f"'@{account_id}'"}
        found = session.execute(_ON_POSTGRESQL, values | {"account_id": account_id, "most": MOST})
    else:
        asked = " OR ".join(map(_beginning, words))
        values = {"asked": f'(account : "{account_id.hex}") AND (content : ({asked}))'}
        found = session.execute(_ON_SQLITE, values | {"most": MOST})
    return list(_fitting(found.all()))


def _beginning(word: str) -> str:
    """The word, or those that begin like it. A long one has an ending, which differs."""
    if len(word) <= _SHORT or word.isdigit():
        return f'"{word}"'
    return f'"{word[: max(4, len(word) - 2)]}"*'


def _fitting(rows: Sequence[Any]) -> Iterator[Passage]:
    room = BUDGET
    for *values, score in rows:
        passage = Passage(*values)
        room -= len(passage.content)
        if room < 0 or score < _LEAST * rows[0].score:
            return
        yield passage


_ON_POSTGRESQL = text("""
WITH asked AS (
    SELECT word, nth, CAST(query AS tsquery) AS query
    FROM unnest(CAST(:words AS text[]), CAST(:queries AS text[])) WITH ORDINALITY AS given(word, query, nth)
), tried AS (
    SELECT nth, query FROM asked
    UNION ALL
    SELECT nth, plainto_tsquery(CAST('pg_catalog.' || language AS regconfig), word) FROM asked CROSS JOIN
        (SELECT DISTINCT language FROM knowledge_sources WHERE account_id = :account_id AND language <> 'simple') AS s
), hits AS (
    SELECT DISTINCT p.seq, tried.nth
    FROM tried CROSS JOIN LATERAL (
        SELECT seq FROM knowledge_passages WHERE words @@ (CAST(:account AS tsquery) && tried.query) OFFSET 0
    ) AS p
    WHERE numnode(tried.query) > 0
), weights AS (
    SELECT nth, ln(1 + count_all.passages / count(*)) AS weight FROM hits CROSS JOIN
        (SELECT sum(passages) AS passages FROM knowledge_sources WHERE account_id = :account_id) AS count_all
    GROUP BY nth, count_all.passages
), best AS (
    SELECT seq, CAST(sum(weight) AS double precision) AS score FROM hits JOIN weights USING (nth)
    GROUP BY seq ORDER BY score DESC, seq LIMIT :most
)
SELECT p.id, p.page, p.heading, p.content, s.name, s.url, best.score
FROM best JOIN knowledge_passages AS p USING (seq) JOIN knowledge_sources AS s ON s.id = p.source_id
ORDER BY best.score DESC, seq
""").bindparams(bindparam("account_id", type_=KnowledgeSource.account_id.type))

_ON_SQLITE = text("""
SELECT p.id, p.page, p.heading, p.content, s.name, s.url, -bm25(knowledge_words, 0.0, 1.0) AS score
FROM knowledge_words JOIN knowledge_passages AS p ON p.seq = knowledge_words.rowid
    JOIN knowledge_sources AS s ON s.id = p.source_id
WHERE knowledge_words MATCH :asked ORDER BY score DESC, p.seq LIMIT :most
""").columns(id=KnowledgePassage.id.type)
