"""Contacts, a page at a time, and what the wire shows of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Select, bindparam, select

from inbox.accounts.service import require_account, seen_by
from inbox.auth.access import Access
from inbox.contacts import search
from inbox.contacts.identity import name_shown
from inbox.contacts.schemas import ContactQuery, ContactRow
from inbox.db import Database
from inbox.db.paging import Cursor, Page, behind, following, place
from inbox.db.queries import Values
from inbox.models import ACCOUNTS, CONTACTS, Contact

CONTACT: tuple[Any, ...] = (
    CONTACTS.c.id,
    CONTACTS.c.account_id,
    CONTACTS.c.display_name,
    CONTACTS.c.phone.label("whatsapp_number"),
    CONTACTS.c.username,
    CONTACTS.c.group_id,
    CONTACTS.c.marketing_stopped_at,
    CONTACTS.c.created_at,
)
_rows = TypeAdapter(list[ContactRow])


def list_contacts(db: Database, access: Access, query: ContactQuery) -> Page[ContactRow]:
    """Newest first. Raises AccountNotFound, PermissionDenied, TooManyRequests."""
    if query.account_id is not None:
        access.require(query.account_id)
    cursor = Cursor.decode(query.cursor)
    statement = _contacts(cursor is not None)
    with search.turn(access.principal.id, query.q), db.querying() as connection:
        found: list[Values] = []
        for account_id in [query.account_id] if query.account_id else _visible(connection, access):
            values = {"account_id": account_id, **place(cursor, query.limit)}
            found += search.listed(connection, statement, values, CONTACTS.c.id, account_id, query.q)
            found = sorted(found, key=_place, reverse=True)[: query.limit + 1]
    if not found and query.account_id is not None:
        with db.reading() as session:
            require_account(session, access, query.account_id)
    return Page(contact_rows(found[: query.limit]), following(found, query.limit, "created_at"))


def _visible(connection: Connection, access: Access) -> Sequence[UUID]:
    """The numbers whose contacts the caller may see: few, so each is asked by its own index."""
    return connection.execute(select(ACCOUNTS.c.id).where(seen_by(access))).scalars().all()


def _place(values: Values) -> tuple[Any, Any]:
    return values["created_at"], values["id"]


@cache
def _contacts(cursor: bool) -> Select[Any]:
    statement = (
        select(*CONTACT)
        .join(ACCOUNTS, CONTACTS.c.account_id == ACCOUNTS.c.id)
        .where(CONTACTS.c.account_id == bindparam("account_id"), ACCOUNTS.c.deleted_at.is_(None))
        .order_by(CONTACTS.c.created_at.desc(), CONTACTS.c.id.desc())
        .limit(bindparam("rows"))
    )
    return statement.where(behind(CONTACTS.c.created_at, CONTACTS.c.id)) if cursor else statement


def contact_rows(found: Iterable[Values]) -> list[ContactRow]:
    """Contacts."""
    return _rows.validate_python(
        [
            {
                **values,
                "display_name": name_shown(values["display_name"], values["username"]),
                "is_group": values["group_id"] is not None,
            }
            for values in found
        ]
    )


def shown_name(contact: Contact) -> str | None:
    """What to call a contact."""
    return name_shown(contact.display_name, contact.username)
