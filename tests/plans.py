"""Catching the statements that run, and what the database says it does for them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import event

from inbox.db import Database
from inbox.models import Base

#: Tables of an installation that stay small, whatever it does. Of all others nothing may be read as a whole.
SMALL = {
    *("whatsapp_accounts", "bot_profiles", "api_keys", "processes", "leases", "resets", "cool_downs", "roles"),
    *("labels", "canned_replies", "presences", "assignment_turns", "template_syncs", "webhook_endpoints"),
    *("knowledge_sources", "bot_profile_versions", "bot_questions", "contact_fields"),
}
GROWING = set(Base.metadata.tables) - SMALL
PAGE = 501  # rows of the longest page, and one
_HOLDS_ONLY_IT = re.compile("_(pending|failed|untold|waiting|needs_human|closing)$")  # partial indexes
SEARCHED = {"ix_contacts_search"}  # of trigrams: each is in many rows, so these are for parts of words only
WALKED = 2000  # rows of a list that may be read and left out, to fill a page of those that match


@dataclass(frozen=True)
class Ran:
    """A statement with the values it had, as the driver got them."""

    text: str
    values: Any


@contextmanager
def caught(db: Database) -> Iterator[list[Ran]]:
    """The statements that run meanwhile, each text once."""
    found: dict[str, Ran] = {}

    def note(_connection: Any, _cursor: Any, text: str, values: Any, _context: Any, many: bool) -> None:
        if text.split(None, 1)[0] in ("SELECT", "WITH", "UPDATE", "DELETE"):
            found.setdefault(text, Ran(text, values[0] if many else values))

    statements: list[Ran] = []
    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(db.engine, "before_cursor_execute", note)
        statements += found.values()


def problems(db: Database, ran: list[Ran]) -> list[str]:
    """What is wrong with the plans of these statements."""
    wrong = _wrong_on_postgres if db.is_postgres else _wrong_on_sqlite
    return [f"{each.text}\n  → {problem}" for each in ran for plan in plans(db, each) for problem in wrong(each, plan)]


def plans(db: Database, ran: Ran) -> Iterator[str]:
    """What the database says it does: on SQLite the steps by line, on PostgreSQL two plans as JSON."""
    if db.is_postgres:
        yield from _postgres_plans(db, ran)
        return
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {ran.text}", ran.values).all()
    yield "\n".join(row[-1] for row in rows)


def _wrong_on_sqlite(ran: Ran, plan: str) -> Iterator[str]:
    paged = "LIMIT" in ran.text and any(re.search(rf"\b{table}\b", ran.text) for table in GROWING)
    for step in plan.splitlines():
        scanned = re.match(r"SCAN (\w+)(.*)", step)
        # a page in the order of an index, or an index that holds only what is looked for
        read_off = scanned and "USING INDEX" in scanned[2] and (paged or _HOLDS_ONLY_IT.search(scanned[2]))
        if (scanned and scanned[1] in GROWING and not read_off) or (paged and step == "USE TEMP B-TREE FOR ORDER BY"):
            yield step


def _postgres_plans(db: Database, ran: Ran) -> Iterator[str]:
    """For these values, and for any values, as a prepared statement gets it. Reads are really made, to count rows."""
    names: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        if found[1] not in names:
            names.append(found[1])
        return f"${names.index(found[1]) + 1}"

    text = re.sub(r"%\((\w+)\)s", numbered, ran.text).replace("%%", "%")
    reads = not re.search(r"\b(INSERT INTO|UPDATE|DELETE FROM)\b", text)  # a CTE may write, and a reader lock
    asked = sql.SQL("EXPLAIN (FORMAT JSON{}) EXECUTE plan").format(sql.SQL(", ANALYZE" if reads else ""))
    if names:
        asked += sql.SQL("({})").format(sql.SQL(", ").join(sql.Literal(ran.values[name]) for name in names))
    address = db.url.render_as_string(hide_password=False).replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True, options="-c timezone=UTC") as connection:
        connection.execute(f"PREPARE plan AS {text}")  # type: ignore[call-overload]
        for mode in ("force_custom_plan", "force_generic_plan"):
            connection.execute(f"SET plan_cache_mode = {mode}")
            (row,) = connection.execute(asked).fetchall()
            yield json.dumps({mode: row[0][0]["Plan"]})


def _wrong_on_postgres(_ran: Ran, plan: str) -> Iterator[str]:
    for mode, top in json.loads(plan).items():
        for node in _nodes(top):
            if problem := _wrong(node):
                yield f"{mode}: {problem}"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def _wrong(node: dict[str, Any]) -> str | None:
    table, kind = node.get("Relation Name"), node["Node Type"]
    if kind == "Seq Scan" and table in GROWING:
        return f"reads all of {table}"
    if "Sort" in kind and _rows(node["Plans"][0]) > PAGE:
        return f"sorts {_rows(node['Plans'][0])} rows"
    if node.get("Index Name") in SEARCHED and "~~" not in (condition := node.get("Index Cond", "")):
        return f"looks for {condition} in {node['Index Name']}, which takes longer the more there is"
    left_out = node.get("Rows Removed by Filter", 0) * node.get("Actual Loops", 1)
    if left_out > WALKED and table in GROWING:
        return f"reads {left_out} rows of {table} in vain"
    return None


def _rows(node: dict[str, Any]) -> int:
    return int(node.get("Actual Rows", node["Plan Rows"]))
