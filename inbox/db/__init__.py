"""The database: sessions, whole transactions, and what is said differently to SQLite and to PostgreSQL."""

from inbox.db.engine import Database, normalise_url
from inbox.db.queries import chosen, fixed, found_by, insert, one_of, one_of_pairs
from inbox.db.transactions import database_breaker, whole_transaction

__all__ = [
    "Database",
    "chosen",
    "database_breaker",
    "fixed",
    "found_by",
    "insert",
    "normalise_url",
    "one_of",
    "one_of_pairs",
    "whole_transaction",
]
