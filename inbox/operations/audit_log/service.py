"""The audit log, read."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from inbox.auth.access import Permission, Principal
from inbox.db import Database
from inbox.db.paging import Cursor, Page, newest_first
from inbox.models import Account, AuditEntry, Contact, Conversation, Message, Note, User
from inbox.operations.audit_log.schemas import ActorInfo, AuditQuery, AuditRow

_IS_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


def list_entries(db: Database, reader: Principal, query: AuditQuery) -> Page[AuditRow]:
    """Newest first: all, or what was done by one actor, in one way, to one account."""
    wanted = select(AuditEntry)
    if query.action is not None:
        wanted = wanted.where(AuditEntry.action == query.action)
    if query.actor_id is not None:
        wanted = wanted.where(AuditEntry.actor_id == query.actor_id)
    if query.account_id is not None:
        wanted = wanted.where(AuditEntry.account_id == query.account_id)
    with db.reading() as session:
        page = newest_first(
            session, wanted, AuditEntry.at, AuditEntry.id, limit=query.limit, cursor=Cursor.decode(query.cursor)
        )
        entries = [row[0] for row in page.rows]
        names = _names(session, reader, {entry.target_id for entry in entries if entry.target_id})
    return Page([_row(entry, names.get(entry.target_id or "")) for entry in entries], page.next)


def _names(session: Session, reader: Principal, targets: set[str]) -> dict[str, str]:
    """What is called something, by its id: people, numbers, and contacts that the reader may see, also of a
    conversation, a message or a note."""
    ids = {UUID(target) for target in targets if _IS_ID.fullmatch(target)}
    if not ids:
        return {}
    people = select(User.id, func.coalesce(User.name, User.email)).where(User.id.in_(ids))
    numbers = select(Account.id, Account.name).where(Account.id.in_(ids))
    named: dict[UUID, str | None] = {id_: name for query in (people, numbers) for id_, name in session.execute(query)}
    for query in _contacts():
        for id_, account_id, name, phone in session.execute(query.where(query.selected_columns[0].in_(ids))):
            if reader.may(Permission.CONVERSATIONS_VIEW, account_id):
                named[id_] = name or (phone and f"+{phone}")
    return {str(id_): name for id_, name in named.items() if name}


def _contacts() -> list[Select[UUID, UUID, str | None, str | None]]:
    """Whom an id is about: that of a contact, or of what belongs to their conversation."""
    who = (Contact.account_id, Contact.display_name, Contact.phone)
    threads = select(Conversation.id, *who).join(Contact, Contact.id == Conversation.contact_id)
    return [
        select(Contact.id, *who),
        threads,
        *(
            threads.join(table, table.conversation_id == Conversation.id).with_only_columns(table.id, *who)
            for table in (Message, Note)
        ),
    ]


def _row(entry: AuditEntry, target_name: str | None) -> AuditRow:
    return AuditRow(
        id=entry.id,
        at=entry.at,
        actor=ActorInfo(kind=entry.actor_kind, id=entry.actor_id, name=entry.actor_name),
        action=entry.action,
        target_id=entry.target_id,
        target_name=target_name,
        account_id=entry.account_id,
        details=entry.details,
        request_id=entry.request_id,
    )
