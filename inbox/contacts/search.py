"""Finding contacts by a part of their name or number, among a million, without relying on a planner's guess.

Few match: look them up, then their rows, then sort. Many match: walk the list in its own order until a page is full.
Each way takes seconds where the other is right, and a planner can only guess which it is, so we look first. All
bounded: by FEW look-ups, or by one pass over the contacts for words that the trigrams of ix_contacts_search do not
help with.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, any_, bindparam, func, literal, or_, select
from sqlalchemy.dialects import postgresql

from inbox.models import CONTACTS

FEW = 2000  # matches to look up; a walk meets one of more than that soon enough, among a million
_TRIGRAM = 3  # characters


def narrowed(
    connection: Connection, statement: Select[Any], contact_id: Any, account_id: UUID, words: str | None
) -> Select[Any]:
    """`statement`, which joins contacts, for those of the account who match; `contact_id` is its column for them."""
    if not words:
        return statement
    few = _few(connection, account_id, words)
    if few is None:
        return statement.where(_matches(words))
    return statement.where(contact_id == any_(literal(few, postgresql.ARRAY(contact_id.type))))


def _few(connection: Connection, account_id: UUID, words: str) -> list[UUID] | None:
    """The contacts who match; None when a walk is the better way.

    That is when they are more than FEW, when the whole account is not larger, and on SQLite, which has no trigrams.
    The planner sees no limit inside of MATERIALIZED, so it does not hope to meet the first ones soon; and no account,
    so it does not read a million index entries to leave out the other accounts.
    """
    if connection.dialect.name != "postgresql":
        return None
    if connection.execute(_SIZE, {"account_id": account_id}).scalar_one() <= FEW:
        return None
    matching = select(CONTACTS.c.id, CONTACTS.c.account_id).where(_matches(words, looked_up=True))
    everybodys = matching.cte("matching").prefix_with("MATERIALIZED")
    ours = select(everybodys.c.id).where(everybodys.c.account_id == account_id).limit(FEW + 1)
    found = connection.execute(ours).scalars().all()
    return list(found) if len(found) <= FEW else None


_SIZE = select(func.count()).select_from(
    select(CONTACTS.c.id).where(CONTACTS.c.account_id == bindparam("account_id")).limit(FEW + 1).subquery()
)


def _matches(words: str, *, looked_up: bool = False) -> ColumnElement[bool]:
    """Contacts whose name, username or number holds `words`.

    `looked_up`: words without a trigram must not look as if the index had them, for it would be read from end to end.
    """
    plain = looked_up and len(words) < _TRIGRAM
    name, username, phone = (
        column.concat("") if plain else column
        for column in (CONTACTS.c.display_name, CONTACTS.c.username, CONTACTS.c.phone)
    )
    return or_(
        name.icontains(words, autoescape=True),
        username.icontains(words, autoescape=True),
        phone.contains(words.lstrip("+"), autoescape=True),
    )
