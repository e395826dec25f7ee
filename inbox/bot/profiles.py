"""Bot profiles: read through the cache by version, written by PUT."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.bot.profile_cache import ProfileCache
from inbox.bot.schemas import ProfileContent, ProfileRow, TemplateConfig
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.models import Account, BotProfile, BotProfileVersion

NO_PROFILE = 0  # the version of an account that has none
MOST_VERSIONS = 100  #: of a profile that are kept


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
        return save(session, access, account_id, lambda before: changed_by(content, before), db.now(session))


def save(
    session: Session,
    access: Access,
    account_id: UUID,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    now: datetime,
    *,
    action: str = "profile.replaced",
    **details: Any,
) -> ProfileRow:
    """Make the profile what `change` makes of it, and keep that as a version: of the MOST_VERSIONS newest."""
    # The account's row is the lock: two first PUTs must not both insert.
    session.get_one(Account, account_id, with_for_update={"key_share": True})
    query = select(BotProfile).where(BotProfile.account_id == account_id).with_for_update()
    row = session.execute(query).scalar_one_or_none()
    if row is None:
        row = BotProfile(id=new_id(), account_id=account_id, version=NO_PROFILE, updated_at=now)
        session.add(row)
    before = row.content or {}
    row.content = change(before)
    row.version += 1
    row.updated_at = now
    after = row.content
    changed = sorted(name for name in {*before, *after} if _in_effect(before, name) != _in_effect(after, name))
    _keep_version(session, access, row, changed, now)
    audit.record(
        session, access.principal, action, now, target=row.id, account_id=account_id, changed=changed, **details
    )
    return ProfileRow(id=row.id, account_id=account_id, updated_at=row.updated_at, **row.content)


def _in_effect(content: dict[str, Any], name: str) -> Any:
    """What a field comes to: one that was never set has its default."""
    value, field = content.get(name), ProfileContent.model_fields.get(name)
    if value is not None or field is None:
        return value
    default = field.get_default(call_default_factory=True)
    return {} if isinstance(default, TemplateConfig) else default


def _keep_version(session: Session, access: Access, row: BotProfile, changed: list[str], now: datetime) -> None:
    by = access.principal
    session.add(
        BotProfileVersion(
            id=new_id(),
            account_id=row.account_id,
            version=row.version,
            content=row.content,
            changed=changed,
            actor_kind=by.kind,
            actor_id=by.id or None,
            actor_name=by.name,
            created_at=now,
        )
    )
    old = BotProfileVersion.account_id == row.account_id, BotProfileVersion.version <= row.version - MOST_VERSIONS
    session.execute(delete(BotProfileVersion).where(*old), execution_options={"synchronize_session": False})


def changed_by(content: ProfileContent, before: dict[str, Any]) -> dict[str, Any]:
    """What a profile is after PUT: the fields that `content` does not name stay."""
    kept = {name: value for name, value in before.items() if name not in content.model_fields_set}
    return {**kept, **content.model_dump(mode="json")}


def cached_profile(db: Database, cache: ProfileCache, account_id: UUID, version: int) -> ProfileContent:
    """The content of the version that the caller has just read from the database; a newer one if it was just edited.

    Raises DatabaseUnavailable.
    """
    return ProfileContent.model_validate(cache.get(account_id, version, lambda: _load(db, account_id)))


def _load(db: Database, account_id: UUID) -> tuple[int, dict[str, Any]]:
    """The version and its content, in one statement: read apart, an edit could come between the two."""
    with db.reading() as session:
        query = select(BotProfile.version, BotProfile.content).where(BotProfile.account_id == account_id)
        row = session.execute(query).one_or_none()
    return (NO_PROFILE, {}) if row is None else (row.version, row.content)
