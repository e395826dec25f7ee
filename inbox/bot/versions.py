"""Versions of a profile: each that was saved, looked at and brought back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, defer

from inbox.accounts.service import require_account
from inbox.auth.access import Access
from inbox.bot.profiles import MOST_VERSIONS, save
from inbox.bot.schemas import ProfileInEffect, ProfileRow, VersionAuthor, VersionRow, VersionWhole
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import VersionNotFound
from inbox.models import BotProfileVersion


def list_versions(db: Database, access: Access, account_id: UUID) -> list[VersionRow]:
    """Those of a number, the newest first. Raises AccountNotFound, PermissionDenied."""
    of_it = select(BotProfileVersion).where(BotProfileVersion.account_id == account_id)
    newest = of_it.order_by(BotProfileVersion.version.desc()).limit(MOST_VERSIONS)
    with db.reading() as session:
        require_account(session, access, account_id)
        found = session.execute(newest.options(defer(BotProfileVersion.content, raiseload=True)))
        return [VersionRow(**_told(row)) for row in found.scalars()]


def get_version(db: Database, access: Access, version_id: UUID) -> VersionWhole:
    """One, with what was in it. Raises VersionNotFound."""
    with db.reading() as session:
        row = _found(session, access, version_id)
    return VersionWhole(**_told(row), profile=ProfileInEffect.model_validate(row.content))


@whole_transaction
def restore_version(db: Database, access: Access, version_id: UUID) -> ProfileRow:
    """Save the profile as it was then. Raises VersionNotFound."""
    with db.writing() as session:
        row = _found(session, access, version_id)
        now, content = db.now(session), row.content
        return save(
            session, access, row.account_id, lambda _: content, now, action="profile.restored", version=row.version
        )


def _found(session: Session, access: Access, version_id: UUID) -> BotProfileVersion:
    row = session.get(BotProfileVersion, version_id)
    if row is None or not access.allows(row.account_id):
        raise VersionNotFound
    require_account(session, access, row.account_id)
    return row


def _told(row: BotProfileVersion) -> dict[str, Any]:
    author = VersionAuthor(kind=row.actor_kind, id=row.actor_id, name=row.actor_name)
    own = ("id", "account_id", "version", "changed", "created_at")
    return {name: getattr(row, name) for name in own} | {"author": author}
