"""The audit log, read."""

from __future__ import annotations

from sqlalchemy import select

from inbox.db import Database
from inbox.db.paging import Cursor, Page, newest_first
from inbox.models import AuditEntry
from inbox.operations.audit_log.schemas import ActorInfo, AuditQuery, AuditRow


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
    return Page([_row(row[0]) for row in page.rows], page.next)


def _row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        id=entry.id,
        at=entry.at,
        actor=ActorInfo(kind=entry.actor_kind, id=entry.actor_id, name=entry.actor_name),
        action=entry.action,
        target_id=entry.target_id,
        account_id=entry.account_id,
        details=entry.details,
        request_id=entry.request_id,
    )
