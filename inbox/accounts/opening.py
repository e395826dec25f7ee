"""The hours of a number: read, set and taken away."""

from __future__ import annotations

from uuid import UUID

from inbox.accounts.hours import HoursBody, HoursRow, hours_row
from inbox.accounts.service import require_account
from inbox.auth import audit
from inbox.auth.access import Access
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.outbox import jobs


def get_hours(db: Database, access: Access, account_id: UUID) -> HoursRow:
    """The hours, and how it is now. Raises AccountNotFound, PermissionDenied."""
    with db.reading() as session:
        return hours_row(require_account(session, access, account_id), db.now(session))


@whole_transaction(idempotent=True)
def set_hours(db: Database, access: Access, account_id: UUID, body: HoursBody | None) -> HoursRow:
    """Give a number these hours, or none. What the bot has put off until it opens is looked at again.

    Raises AccountNotFound, PermissionDenied.
    """
    wanted = None if body is None else body.model_dump(mode="json")
    with db.writing() as session:
        account = require_account(session, access, account_id, lock=True)
        now = db.now(session)
        if account.hours != wanted:
            account.hours, account.updated_at = wanted, now
            what = "hours.updated" if wanted else "hours.removed"
            audit.record(session, access.principal, what, now, target=account.id, account_id=account.id)
            jobs.look_again(session, account.id, now)
        return hours_row(account, now)
