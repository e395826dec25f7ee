"""The audit log: who changed what. An entry is part of the transaction that makes the change."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from inbox.auth.access import Principal
from inbox.clock import new_id
from inbox.logs import request_id
from inbox.models import AuditEntry

_DETAIL = 500  # characters of one text


def record(
    session: Session,
    actor: Principal,
    action: str,
    now: datetime,
    *,
    target: UUID | str | None = None,
    account_id: UUID | None = None,
    **details: Any,
) -> None:
    """Note that `actor` did `action` (such as user.disabled) to `target`. `details` are plain values, never secrets."""
    entry = AuditEntry(
        id=new_id(),
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id or None,
        actor_name=actor.name[:_DETAIL],
        action=action,
        target_id=None if target is None else str(target)[:255],
        account_id=account_id,
        details={name: value[:_DETAIL] if isinstance(value, str) else value for name, value in details.items()},
        request_id=request_id()[:200],
    )
    session.add(entry)
