"""Rows of different accounts could live on different servers: every table of customers' data says whose each row is,
and no rule of uniqueness reaches over accounts. docs/scaling.md says what that is for."""

from __future__ import annotations

import pytest
from sqlalchemy import inspect

from inbox.db import Database

TENANT = "account_id"

#: Tables without an account, and why that is right. Small ones would be copied to every server.
SHARED = {
    "alembic_version": "of the schema",
    "whatsapp_accounts": "the accounts themselves: their id is the account",
    "users": "people may work for several accounts",
    "roles": "of the installation",
    "user_sessions": "of a user",
    "api_keys": "a key may be for several accounts",
    "audit_log": "also tells of what belongs to no account; an entry about one names it",
    "role_grants": "without an account: for all of them",
    "permission_overrides": "without an account: for all of them",
    "webhook_events": "raw bytes, kept before anybody has read whose they are; one webhook may hold several accounts'",
    "dead_letters": "what could not be read may not say whose it is",
    "leases": "of processes",
    "processes": "of processes",
    "resets": "of processes",
    "samples": "of the whole installation",
    "incidents": "of upstreams, which all accounts share",
    "incident_conversations": "only counts, and is empty when nothing is wrong",
    "cool_downs": "of an upstream's quota, which all accounts share",
    "drafts": "small, and only asked for with a conversation at hand; its account can be filled in from there",
    "conversation_labels": "small, and only asked for with a conversation or a label at hand, which name the account",
}

#: Uniqueness that does not name the account although its table does, and why it still never reaches over two.
WITHIN_ONE = {
    ("conversations", "contact_id"): "a contact belongs to one account",
    ("outbox", "message_id"): "a message belongs to one account",
    ("outbox", "conversation_id"): "a conversation belongs to one account",
    ("outbox", "conversation_id, kind"): "a conversation belongs to one account",
    ("media_files", "message_id"): "a message belongs to one account",
    ("webhook_deliveries", "seq"): "one server gives it out, for its own rows",
    ("knowledge_passages", "seq"): "one server gives it out, for its own rows",
    ("lanes", "conversation_id"): "a conversation belongs to one account",
    ("notes", "client_key, conversation_id"): "a conversation belongs to one account",
    ("presences", "conversation_id, user_id"): "a conversation belongs to one account",
    ("conversation_readers", "user_id, conversation_id"): "a conversation belongs to one account",
}


def unique_sets(db: Database, table: str) -> set[str]:
    """The columns of every unique constraint and index, and of the primary key unless it is an id of our own making."""
    seen = inspect(db.engine)
    found = [tuple(seen.get_pk_constraint(table)["constrained_columns"])]
    found += [tuple(rule["column_names"]) for rule in seen.get_unique_constraints(table)]
    found += [tuple(index["column_names"]) for index in seen.get_indexes(table) if index["unique"]]
    # An id is 74 random bits and a time: nobody has to look at another account's rows to know that it is new.
    return {", ".join(columns) for columns in found if columns != ("id",)}


@pytest.fixture
def tables(db: Database) -> set[str]:
    """Without what SQLite keeps its index of words in, which is no server's but its own."""
    return {name for name in inspect(db.engine).get_table_names() if not name.startswith("knowledge_words")}


def owned(db: Database, tables: set[str]) -> dict[str, bool]:
    """The tables that name the account, and whether every row has to."""
    columns = {table: {each["name"]: each for each in inspect(db.engine).get_columns(table)} for table in tables}
    return {table: not these[TENANT]["nullable"] for table, these in columns.items() if TENANT in these}


def test_every_table_of_customers_data_says_whose_each_row_is(db: Database, tables: set[str]) -> None:
    always = {table for table, needed in owned(db, tables).items() if needed}
    assert tables - always - SHARED.keys() == set(), "give the table account_id, or say in SHARED why it has none"


def test_no_rule_of_uniqueness_reaches_over_accounts(db: Database, tables: set[str]) -> None:
    always = {table for table, needed in owned(db, tables).items() if needed}
    over = {
        (table, columns)
        for table in always
        for columns in unique_sets(db, table)
        if TENANT not in columns.split(", ") and (table, columns) not in WITHIN_ONE
    }
    assert over == set(), "add account_id to it, or say in WITHIN_ONE why it cannot reach over two accounts"


def test_nothing_is_excused_that_is_not_there(db: Database, tables: set[str]) -> None:
    assert SHARED.keys() - tables == set()
    assert {pair for pair in WITHIN_ONE if pair[1] not in unique_sets(db, pair[0])} == set()
