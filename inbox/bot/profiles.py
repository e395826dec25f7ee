"""Bot profiles: read through the cache by version, written by PUT."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.bot.profile_cache import ProfileCache
from inbox.bot.schemas import ProfileContent, ProfileRow
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.models import Account, BotProfile

NO_PROFILE = 0  # the version of an account that has none


def get_profile(db: Database, access: Access, account_id: UUID) -> ProfileRow:
    """The profile as it is stored. Raises AccountNotFound, PermissionDenied."""
    with db.reading() as session:
        require_account(session, access, account_id)
        row = session.execute(select(BotProfile).where(BotProfile.account_id == account_id)).scalar_one_or_none()
    if row is None:
        return ProfileRow(id=None, account_id=account_id, updated_at=None)
    return ProfileRow(id=row.id, account_id=account_id, updated_at=row.updated_at, **row.content)


@whole_transaction(idempotent=True)
def put_profile(db: Database, access: Access, account_id: UUID, content: ProfileContent) -> ProfileRow:
    """Replace the fields that `content` sets. The next answer in every process uses them: the version is another."""
    with db.writing() as session:
        require_account(session, access, account_id)
        # The account's row is the lock: two first PUTs must not both insert.
        session.get_one(Account, account_id, with_for_update={"key_share": True})
        now = db.now(session)
        query = select(BotProfile).where(BotProfile.account_id == account_id).with_for_update()
        row = session.execute(query).scalar_one_or_none()
        if row is None:
            row = BotProfile(id=new_id(), account_id=account_id, version=NO_PROFILE, updated_at=now)
            session.add(row)
        before = row.content or {}
        kept = {name: value for name, value in before.items() if name not in content.model_fields_set}
        row.content = {**kept, **content.model_dump(mode="json")}
        row.version += 1
        row.updated_at = now
        changed = sorted(name for name in {*before, *row.content} if before.get(name) != row.content.get(name))
        audit.record(
            session, access.principal, "profile.replaced", now, target=row.id, account_id=account_id, changed=changed
        )
    return ProfileRow(id=row.id, account_id=account_id, updated_at=row.updated_at, **row.content)


def cached_profile(db: Database, cache: ProfileCache, account_id: UUID, version: int) -> ProfileContent:
    """The content of the version that the caller has just read from the database; a newer one if it was just edited.

    Raises DatabaseUnavailable.
    """
    return ProfileContent.model_validate(cache.get(account_id, version, lambda: _load(db, account_id)))


def current_version(session: Session, account_id: UUID) -> int:
    """The version of the account's profile; NO_PROFILE when there is none."""
    query = select(BotProfile.version).where(BotProfile.account_id == account_id)
    return session.execute(query).scalar_one_or_none() or NO_PROFILE


def _load(db: Database, account_id: UUID) -> tuple[int, dict[str, Any]]:
    """The version and its content, in one statement: read apart, an edit could come between the two."""
    with db.reading() as session:
        query = select(BotProfile.version, BotProfile.content).where(BotProfile.account_id == account_id)
        row = session.execute(query).one_or_none()
    return (NO_PROFILE, {}) if row is None else (row.version, row.content)
