"""Finding contacts by a part of their name or number, among a million, without relying on a planner's guess.

Words of three characters or more are found anywhere in a name, a username or a number; shorter ones where those begin:
no index helps with two letters in the middle of a word.

Few match: look them up, then their rows, then sort. Many match: walk the list in its own order until a page is full.
Each way takes seconds where the other is right, and a planner can only guess which it is, so we look first. All
bounded: by FEW look-ups, or by one pass over the contacts, on SQLite for longer words that hardly anybody has. Of such
passes few are made at a time, callers taking turns (`turn`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    any_,
    bindparam,
    func,
    literal,
    or_,
    select,
    union,
)
from sqlalchemy.dialects import postgresql

from inbox.db.queries import Values, values_of
from inbox.errors import TooManyRequests, UpstreamBusy
from inbox.models import CONTACTS
from inbox.resilience import Bulkhead

FEW = 2000  # matches to look up; a walk meets one of more than that soon enough, among a million
_TRIGRAM = 3  # characters
_LAST = "\U0010ffff"  # sorts behind every character that text has
#: Who waits holds a thread, so few may: somebody who sends sixteen searches at once keeps four, and others read on.
_SEARCHES = Bulkhead("searches", 2, line=2, patience=1.0)


@contextmanager
def turn(caller: str, words: str | None) -> Iterator[None]:
    """Around a search, before a connection is taken. Raises TooManyRequests."""
    if not words:
        yield
        return
    try:
        leave = _SEARCHES.enter(caller)
    except UpstreamBusy as busy:
        headers = {"Retry-After": str(round(busy.retry_after or 1))}
        raise TooManyRequests("Too many searches at once. Try again in a second.", headers=headers) from None
    try:
        yield
    finally:
        leave()


def listed(
    connection: Connection,
    statement: Select[Any],
    values: Mapping[str, Any],
    contact_id: Any,
    account_id: UUID,
    words: str | None,
) -> list[Values]:
    """Rows of `statement`, which joins contacts, for those of the account who match; `contact_id` is its column."""
    words = (words or "").strip()
    if words:
        postgres = connection.dialect.name == "postgresql"
        few = _few(connection, account_id, words, postgres=postgres)
        if few is not None and not few:
            return []
        statement = statement.where(_theirs(contact_id, few, words, postgres=postgres))
    return values_of(connection.execute(statement, values))


def _theirs(contact_id: Any, few: Sequence[UUID] | None, words: str, *, postgres: bool) -> ColumnElement[bool]:
    if few is None:
        return or_(*_beginning(words, postgres=postgres)) if _is_short(words) else _holding(words)
    if postgres:
        return cast("ColumnElement[bool]", contact_id == any_(literal(few, postgresql.ARRAY(contact_id.type))))
    return cast("ColumnElement[bool]", contact_id.in_(few))


def _is_short(words: str) -> bool:
    return len(words) < _TRIGRAM


def _few(connection: Connection, account_id: UUID, words: str, *, postgres: bool) -> Sequence[UUID] | None:
    """The contacts who match; None when a walk is the better way.

    That is when they are more than FEW, and for longer words when the whole account is not larger, or on SQLite, which
    has no trigrams.
    """
    if _is_short(words):
        ours = _beginners(account_id, words, postgres=postgres)
    elif not postgres or connection.execute(_SIZE, {"account_id": account_id}).scalar_one() <= FEW:
        return None
    else:
        ours = _holders(account_id, words)
    found = connection.execute(ours).scalars().all()
    return found if len(found) <= FEW else None


_SIZE = select(func.count()).select_from(
    select(CONTACTS.c.id).where(CONTACTS.c.account_id == bindparam("account_id")).limit(FEW + 1).subquery()
)


def number_column(dialect: str) -> ColumnElement[str]:
    """The telephone number, as ix_contacts_number has it.

    Whoever looks up numbers has to say it like this: as it is stored it is also in ix_contacts_search, which PostgreSQL
    thinks cheap for several numbers that a kept plan does not know yet, and which takes 16 ms among 4,000 that begin
    alike.
    """
    return CONTACTS.c.phone.collate("C") if dialect == "postgresql" else CONTACTS.c.phone


def _beginners(account_id: UUID, words: str, *, postgres: bool) -> Any:
    """Statement: who begins with `words`, each column by its own index."""
    each = [
        select(select(CONTACTS.c.id).where(CONTACTS.c.account_id == account_id, begins).limit(FEW + 1).subquery())
        for begins in _beginning(words, postgres=postgres)
    ]
    return union(*each).limit(FEW + 1)


def _beginning(words: str, *, postgres: bool) -> list[ColumnElement[bool]]:
    """That the name, the username or the number begins with `words`: as ix_contacts_name and its like have them."""
    number = words.lstrip("+")
    phone = number_column("postgresql" if postgres else "sqlite")
    return [
        _in_range(CONTACTS.c.display_name, words, postgres=postgres),
        _in_range(CONTACTS.c.username, words, postgres=postgres),
        and_(phone >= number, phone < number + _LAST),
    ]


def _in_range(column: Any, words: str, *, postgres: bool) -> ColumnElement[bool]:
    """Compared without regard to case; on SQLite, as everywhere there, of ASCII letters."""
    folded = func.lower(column).collate("C") if postgres else column.collate("NOCASE")
    first = func.lower(words) if postgres else literal(words)
    return and_(folded >= first, folded < first.concat(_LAST))


def _holders(account_id: UUID, words: str) -> Any:
    """Statement: who has `words` anywhere, by the trigrams of ix_contacts_search.

    The planner sees no limit inside of MATERIALIZED, so it does not hope to meet the first ones soon; and no account,
    so it does not read a million index entries to leave out the other accounts.
    """
    matching = select(CONTACTS.c.id, CONTACTS.c.account_id).where(_holding(words))
    everybodys = matching.cte("matching").prefix_with("MATERIALIZED")
    return select(everybodys.c.id).where(everybodys.c.account_id == account_id).limit(FEW + 1)


def _holding(words: str) -> ColumnElement[bool]:
    return or_(
        CONTACTS.c.display_name.icontains(words, autoescape=True),
        CONTACTS.c.username.icontains(words, autoescape=True),
        CONTACTS.c.phone.contains(words.lstrip("+"), autoescape=True),
    )
