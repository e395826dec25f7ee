"""Fills a migrated, empty PostgreSQL database with as many conversations and messages as asked for.

The server makes the rows itself (`generate_series`), so no row crosses a socket. Indexes and foreign keys are dropped
before and made again after, from their own definitions: they are those of the migrations, whatever these say. What is
random is seeded, so that two runs make alike data.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

BYTES_PER_MESSAGE, BYTES_PER_CONVERSATION = 1100, 1800  # on disk: rows, indexes, and the log of writing them
SPARE = 5_000_000_000  # bytes of the disk that are left to others
ACCOUNTS = 6  # the first has nine tenths of everything, the others share the rest
PARTS = 8  # the messages are made in so many slices of time
HANDS = 2  # connections that make slices and indexes at once
#: One word of each message is its own, all others are everybody's.
SENTENCE = "'Could you tell me whether the order ' || substr(noise, 20, 6) || ' is ready, and until when I may come?'"
_TABLES = ("contacts", "conversations", "messages", "annotations")


class Progress:
    """A bar on stderr; nothing where nobody looks."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._began = steps, 0, time.monotonic()

    def step(self, what: str) -> None:
        """One more step is done."""
        self._done += 1
        if sys.stderr.isatty() or self._done == self._steps:
            full = 30 * self._done // self._steps
            line = f"\r[{'#' * full}{'.' * (30 - full)}] {time.monotonic() - self._began:4.0f} s  {what:<40}"
            print(line, end="\n" if self._done == self._steps else "", file=sys.stderr, flush=True)


def require_space(url: str, conversations: int, messages: int) -> None:
    """Say what the run needs on the server's disk, and stop when it is not there. Raises SystemExit."""
    need = conversations * BYTES_PER_CONVERSATION + messages * BYTES_PER_MESSAGE
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT setting FROM pg_settings WHERE name = 'data_directory'").fetchone()
    folder = Path(row[0]) if row and Path(row[0]).exists() else Path("/")  # not shown to everybody
    free = shutil.disk_usage(folder).free
    print(f"needs about {need / 1e9:.1f} GB in {folder}; {free / 1e9:.1f} GB are free", file=sys.stderr)
    if free < need + SPARE:
        raise SystemExit("That is too little. Ask for less with --conversations and --messages.")


@dataclass(frozen=True)
class Filler:
    """One database to fill; see the module."""

    url: str
    conversations: int
    messages: int
    text: str = SENTENCE  #: SQL for the text of a message

    def run(self) -> None:
        """Fill it. Afterwards its statistics are up to date and nothing is left to be vacuumed."""
        rules = self._rules()
        progress = Progress(4 + PARTS + len(rules) + len(_TABLES))
        for rule in sorted(rules, key=lambda rule: rule.kind != "f"):  # first what refers to the others
            self._one(rule.drop)
        progress.step("emptied of indexes")
        self._one(_ACCOUNTS, count=ACCOUNTS)
        self._one(_THREADS, conversations=self.conversations, length=0.3 * self.messages / self.conversations)
        progress.step("threads")
        self._one(_CONTACTS)
        page = 80 / self.conversations  # a small database, too, has enough of each kind for a whole page
        self._one(_CONVERSATIONS, unread=max(0.02, page), human=max(0.005, page))
        progress.step("conversations")
        self._parts(progress)
        self._one("DROP TABLE threads")
        self._again(rules, progress)
        self._one(_REACTIONS)
        progress.step("reactions")
        for table in _TABLES:
            self._one(f"VACUUM (ANALYZE) {table}")
            progress.step(f"analyzed {table}")

    def _rules(self) -> list[_Rule]:
        """The tables' constraints that cost while filling, and their indexes."""
        with psycopg.connect(self.url) as connection:
            rows = connection.execute(_RULES, {"tables": list(_TABLES)}).fetchall()
        return [_Rule(*row) for row in rows]

    def _parts(self, progress: Progress) -> None:
        """The messages, in order of time as they would have come: a thread's are far apart on disk."""

        def part(number: int) -> None:
            self._one(_MESSAGES.replace("{text}", self.text), low=number / PARTS, high=(number + 1) / PARTS)
            progress.step(f"messages, part {number + 1} of {PARTS}")

        with ThreadPoolExecutor(HANDS) as hands:
            list(hands.map(part, range(PARTS)))

    def _again(self, rules: Sequence[_Rule], progress: Progress) -> None:
        """Primary keys first, foreign keys last."""

        def make(rule: _Rule) -> None:
            self._one(rule.create)
            progress.step(rule.name)

        with ThreadPoolExecutor(HANDS) as hands:
            for kinds in ("p", "u", "f"):
                some = [rule for rule in rules if (rule.kind or "u") in kinds]
                # Two at once on one table would wait for each other, so each hand takes a table's in turn.
                list(hands.map(make, sorted(some, key=lambda rule: rule.place)))

    def _one(self, statement: str, **values: Any) -> None:
        with psycopg.connect(self.url, autocommit=True, options=_SETTINGS) as connection:
            connection.execute(statement, values or None)


_SETTINGS = (
    "-c maintenance_work_mem=256MB -c work_mem=256MB -c synchronous_commit=off -c jit=off"
    " -c max_parallel_maintenance_workers=0"
)


@dataclass(frozen=True)
class _Rule:
    """A constraint or an index, and how to make it again. `kind` as in pg_constraint.contype; None: an index."""

    table: str
    name: str
    kind: str | None
    create: str
    place: int

    @property
    def drop(self) -> str:
        if self.kind is None:
            return f"DROP INDEX {self.name}"
        return f"ALTER TABLE {self.table} DROP CONSTRAINT {self.name}"


_RULES = """
SELECT r.relname, c.conname, c.contype::text,
       format('ALTER TABLE %%I ADD CONSTRAINT %%I %%s', r.relname, c.conname, pg_get_constraintdef(c.oid)),
       row_number() OVER (PARTITION BY r.relname ORDER BY c.conname)
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid LEFT JOIN pg_class f ON f.oid = c.confrelid
WHERE c.contype IN ('p', 'u', 'f') AND (r.relname = ANY(%(tables)s) OR f.relname = ANY(%(tables)s))
UNION ALL
SELECT r.relname, i.relname, NULL, pg_get_indexdef(i.oid), row_number() OVER (PARTITION BY r.relname ORDER BY i.relname)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class r ON r.oid = x.indrelid
WHERE r.relname = ANY(%(tables)s) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid)
"""

_ACCOUNTS = """
INSERT INTO whatsapp_accounts (id, name, phone_number_id, bot_auto_on, created_at, updated_at)
SELECT md5('account ' || n)::uuid, 'Number ' || n, (300000000000000 + n)::text, false, now(), now()
FROM generate_series(0, %(count)s - 1) n
"""

#: One row per conversation. Lengths follow a power law: most threads are short, a few have thousands of messages.
_THREADS = """
CREATE UNLOGGED TABLE threads AS
SELECT n,
       md5('account ' || CASE WHEN n %% 10 > 0 THEN 0 ELSE 1 + n / 10 %% 5 END)::uuid AS account_id,
       (lpad(to_hex((extract(epoch FROM started) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || 'a'
         || substr(noise, 4, 15))::uuid AS conversation_id,
       md5('contact ' || n)::uuid AS contact_id,
       least(5000, ceil(%(length)s / power(u, 0.7)))::int AS length,
       started,
       date_trunc('milliseconds', started + (newest - started) * power(v, 0.3)) AS newest,
       mark
FROM (
    SELECT n, u, v, mark, md5(n::text) AS noise, now() AS newest,
           date_trunc('milliseconds', now() - interval '500 days' * power(w, 1.5)) AS started
    FROM (
        SELECT n, 1 - random() AS u, random() AS v, random() AS w, random() AS mark
        FROM (SELECT setseed(0.5)) seed, generate_series(1, %(conversations)s) n OFFSET 0
    ) numbers
) times
"""

_NAMES = (
    "ARRAY['Camille','Léa','Noah','Zoë','Søren','Łukasz','Amélie','João','Nuñez','Maria','Anna','Mohammed','Ali','Elif',"
    "'Ольга','Дмитрий','Наталья','محمد','فاطمة','田中','佐藤','王伟','李娜','김민준','अमित','प्रिया','สมชาย','Nguyễn','Ελένη','Giorgos']"
)
_FAMILIES = (
    "ARRAY['Martin','Bernard','Dubois','Müller','Weiß','Kowalski','García','Silva','Rossi','Haddad','Yılmaz','Иванов',"
    "'Петрова','علي','太郎','花子','芳','敏','서연','शर्मा','ใจดี','Văn','Παπαδόπουλος','O''Brien','van Dijk','Jones']"
)

_CONTACTS = f"""
INSERT INTO contacts (id, account_id, phone, username, display_name, created_at, updated_at)
SELECT contact_id, account_id, (33600000000 + n)::text,
       CASE WHEN n % 20 = 0 THEN 'user.' || substr(md5(n::text), 1, 10) END,
       ({_NAMES})[1 + n / 10 % 30] || ' ' || ({_FAMILIES})[1 + n / 7 % 26] || ' ' || substr(md5(n::text), 1, 4),
       started, started
FROM threads ORDER BY started
"""

_CONVERSATIONS = """
INSERT INTO conversations (id, account_id, contact_id, status, is_group, is_favorite, unread_count, bot_enabled,
                           needs_human, needs_human_reason, assigned_to, epoch, last_message, last_inbound_at,
                           updated_at, changed_at, created_at, last_position, asked_through, answered_through,
                           waiting_since, last_message_id)
SELECT conversation_id, account_id, contact_id,
       CASE WHEN mark < 0.8 THEN 'open' WHEN mark < 0.82 THEN 'pending' ELSE 'done' END,
       n %% 50 = 0, n %% 40 = 0, CASE WHEN mark < %(unread)s THEN 1 + n %% 4 ELSE 0 END, false,
       mark >= 1 - %(human)s, CASE WHEN mark >= 1 - %(human)s THEN 'declined' END,
       CASE WHEN mark BETWEEN 0.3 AND 0.31 THEN md5('user ' || n %% 7)::uuid END,
       1, 'Thank you, I will come by tomorrow at ten and bring the papers you asked for.', newest,
       newest, newest, started, length, length - 1, length, CASE WHEN mark < %(unread)s THEN newest END,
       (lpad(to_hex((extract(epoch FROM newest) * 1000)::bigint), 12, '0') || '7' || substr(md5(n || '/0'), 1, 3) || 'b'
         || substr(md5(n || '/0'), 4, 15))::uuid
FROM threads ORDER BY started
"""

_MESSAGES = """
INSERT INTO messages (id, account_id, conversation_id, direction, message_type, content_text, payload, timestamp,
                      stored_at, wa_message_id, author_kind, author_id, author_name, status, attempts, sent_at,
                      position, awaits_answer)
SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(noise, 1, 3) || 'b'
         || substr(noise, 4, 15))::uuid,
       account_id, conversation_id, CASE WHEN ours THEN 'outbound' ELSE 'inbound' END, 'text',
       {text},
       '{}', at, at, 'wamid.HBgLMzM2' || noise, CASE WHEN ours THEN 'bot' ELSE 'customer' END,
       CASE WHEN ours THEN NULL ELSE contact_id::text END, CASE WHEN ours THEN NULL ELSE 'Camille Martin' END,
       CASE WHEN ours THEN 'read' ELSE 'received' END, 0, CASE WHEN ours THEN at END, position, NOT ours
FROM (
    SELECT account_id, conversation_id, contact_id, at, length - k AS position, k %% 2 = 0 AS ours,
           md5(n || '/' || k) AS noise
    FROM (
        SELECT t.*, k, date_trunc('milliseconds', newest - (newest - started) * k / length) AS at
        FROM threads t CROSS JOIN LATERAL generate_series(0, length - 1) k
    ) each
    WHERE at >= (now() - interval '500 days') + interval '500 days' * %(low)s
      AND (at < (now() - interval '500 days') + interval '500 days' * %(high)s OR %(high)s = 1)
    ORDER BY at OFFSET 0
) ordered
"""

#: To two messages in a hundred.
_REACTIONS = """
INSERT INTO annotations (id, account_id, wa_message_id, target_wa_id, kind, actor, content, timestamp)
SELECT md5('reaction ' || id)::uuid, account_id, wa_message_id || '.r', wa_message_id, 'reaction', 'business',
       '{"emoji": "👍"}', timestamp
FROM messages TABLESAMPLE bernoulli (2) REPEATABLE (1)
"""
