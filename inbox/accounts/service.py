"""Business numbers as they are seen. `adding`, `changes` and `removal` have the rest."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from inbox.accounts.reputation import reputation_row
from inbox.accounts.schemas import MOST_PEOPLE, AccountQuery, AccountRow, PersonRow
from inbox.auth.access import Access, Permission
from inbox.auth.hashing import token_hash
from inbox.auth.identities import who_may
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.db.paging import Cursor, Page, oldest_first
from inbox.errors import PermissionDenied
from inbox.gateways.whatsapp.pauses import in_words
from inbox.models import Account, User


def list_accounts(db: Database, access: Access, query: AccountQuery) -> Page[AccountRow]:
    """The numbers the caller may see, oldest first. There are few: the sort needs no index."""
    rows, cursor = _in_use().where(seen_by(access)), Cursor.decode(query.cursor)
    with db.reading() as session:
        page = oldest_first(session, rows, Account.created_at, Account.id, limit=query.limit, cursor=cursor)
        return Page([account_row(account) for account, _time, _id in page.rows], page.next)


def list_removed(db: Database, access: Access, query: AccountQuery, retention: timedelta) -> Page[AccountRow]:
    """The removed numbers that can be brought back, for `retention` after they were, in the same order.

    Raises PermissionDenied for a caller who may not bring any back.
    """
    if not access.principal.may_everywhere(Permission.ACCOUNTS_MANAGE):
        raise PermissionDenied.of(Permission.ACCOUNTS_MANAGE)
    cursor = Cursor.decode(query.cursor)
    with db.reading() as session:
        removed = Account.deleted_at > db.now(session) - retention, Account.purged_at.is_(None)
        rows = select(Account).where(*removed)
        page = oldest_first(session, rows, Account.created_at, Account.id, limit=query.limit, cursor=cursor)
        return Page([account_row(account, retention) for account, _time, _id in page.rows], page.next)


def get_account(db: Database, access: Access, account_id: UUID) -> AccountRow:
    """One number. Raises AccountNotFound, PermissionDenied."""
    with db.reading() as session:
        return account_row(require_account(session, access, account_id))


def list_people(db: Database, access: Access, account_id: UUID) -> Sequence[PersonRow]:
    """Who may answer for this number, by name. Raises AccountNotFound, PermissionDenied."""
    query = select(User).where(User.disabled_at.is_(None)).order_by(User.created_at, User.id).limit(MOST_PEOPLE)
    with db.reading() as session:
        require_account(session, access, account_id)
        users = session.execute(query).scalars().all()
        may = who_may(session, [user.id for user in users], Permission.MESSAGES_SEND, account_id)
        rows = [PersonRow.model_validate(user) for user in users if user.id in may]
    return sorted(rows, key=lambda row: ((row.name or row.email or "").casefold(), row.id))


def require_account(session: Session, access: Access, account_id: UUID, *, lock: bool = False) -> Account:
    """The number, if it is in use and the caller may do this to it. Raises AccountNotFound, PermissionDenied."""
    # The weaker lock lets rows that refer to the number come in meanwhile.
    account = session.get(Account, account_id, with_for_update={"key_share": True} if lock else None)
    if account is None or account.deleted_at is not None:
        raise access.missing_account()
    access.require(account_id)
    return account


def all_accounts(db: Database) -> Sequence[Account]:
    """Every number in use, oldest first: for commands, which see all."""
    with db.reading() as session:
        return session.execute(_in_use().order_by(Account.created_at, Account.id)).scalars().all()


def _in_use() -> Select[Account]:
    return select(Account).where(Account.deleted_at.is_(None))


def seen_by(access: Access) -> ColumnElement[bool]:
    """In SQL what Access.allows says of one."""
    principal = access.principal
    everywhere = principal.may_everywhere(access.permission)
    others = [each for each in principal.by_account if access.allows(each) is not everywhere]
    return Account.id.not_in(others) if everywhere else Account.id.in_(others)


def account_row(account: Account, retention: timedelta | None = None) -> AccountRow:
    """As the wire shows it. `retention`: how long a removed one can be brought back."""
    made = ("has_access_token", "has_verify_token", "paused_code", "reputation", "restorable_until")
    own = [name for name in AccountRow.model_fields if name not in made]
    plain = {name: getattr(account, name) for name in own}
    return AccountRow(
        has_access_token=account.access_token_encrypted is not None,
        has_verify_token=account.verify_token_hash is not None,
        paused_code=account.paused_reason,
        restorable_until=account.deleted_at + retention if account.deleted_at and retention else None,
        reputation=reputation_row(account.reputation, utc_now()),
        **plain | {"paused_reason": in_words(account.paused_reason)},
    )


def verify_token_matches(db: Database, config: Config, given: str) -> bool:
    """True when `given` is the verify token of the app or of one of the numbers. Compared in constant time."""
    digest = token_hash(given)
    query = select(Account.verify_token_hash).where(
        Account.verify_token_hash.is_not(None), Account.deleted_at.is_(None)
    )
    with db.reading() as session:
        known = [value for value in session.execute(query).scalars() if value]
    if config.whatsapp_verify_token:
        known.append(token_hash(config.whatsapp_verify_token))
    return sum(hmac.compare_digest(digest, candidate) for candidate in known) > 0  # all of them, whichever matches
