"""The audit log, read."""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.db import Database
from inbox.db.paging import Cursor, Page, newest_first
from inbox.models import Account, AuditEntry, User
from inbox.operations.audit_log.schemas import ActorInfo, AuditQuery, AuditRow

_IS_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")


def list_entries(db: Database, query: AuditQuery) -> Page[AuditRow]:
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
        names = _names(session, {entry.target_id for entry in entries if entry.target_id})
    return Page([_row(entry, names.get(entry.target_id or "")) for entry in entries], page.next)


def _names(session: Session, targets: set[str]) -> dict[str, str]:
    """What people and numbers are called, by their ids; what else was changed has none."""
    ids = {UUID(target) for target in targets if _IS_ID.fullmatch(target)}
    if not ids:
        return {}
    people = select(User.id, func.coalesce(User.name, User.email)).where(User.id.in_(ids))
    numbers = select(Account.id, Account.name).where(Account.id.in_(ids))
    found = [*session.execute(people), *session.execute(numbers)]
    return {str(id_): name for id_, name in found if name is not None}


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
