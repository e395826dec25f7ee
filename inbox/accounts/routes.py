"""Business numbers over HTTP."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from flask import Blueprint, Response

from inbox.accounts import adding, changes, opening, removal, service
from inbox.accounts.hours import HoursBody, HoursRow
from inbox.accounts.schemas import (
    AccountBody,
    AccountGone,
    AccountMade,
    AccountPatch,
    AccountQuery,
    AccountRow,
    PersonRow,
)
from inbox.auth.access import Permission
from inbox.db.paging import Page
from inbox.errors import AccountBeingRemoved, AccountExists
from inbox.web import access, answer, answer_page, contract, idempotency_key, requires, runtime

bp = Blueprint("accounts", __name__)


@bp.get("/accounts")
@requires(Permission.ACCOUNTS_VIEW)
@contract("accounts", {200: list[AccountRow]})
def list_accounts(query: AccountQuery) -> Response:
    """The business numbers the caller may see, oldest first; or those that were removed and can be brought back."""
    if query.removed:
        return answer_page(AccountRow, service.list_removed(runtime().db, access(), query, _retention()))
    return answer_page(AccountRow, service.list_accounts(runtime().db, access(), query))


@bp.get("/accounts/<uuid:account_id>")
@requires(Permission.ACCOUNTS_VIEW)
@contract("accounts", {200: AccountRow})
def get_account(account_id: UUID) -> Response:
    """One business number."""
    return answer(service.get_account(runtime().db, access(), account_id))


@bp.get("/accounts/<uuid:account_id>/people")
@requires(Permission.CONVERSATIONS_VIEW)
@contract("accounts", {200: list[PersonRow]})
def list_people(account_id: UUID) -> Response:
    """Who may be given conversations of this number, by name. Of an installation's first 250 users."""
    return answer_page(PersonRow, Page(service.list_people(runtime().db, access(), account_id)))


@bp.post("/accounts")
@requires(Permission.ACCOUNTS_MANAGE, everywhere=True)
@contract("accounts", {200: AccountMade, 201: AccountMade}, raises=[AccountExists, AccountBeingRemoved])
def create_account(json: AccountBody) -> Response:
    """Add a business number. The same call once more changes nothing (200); other values are refused (409).

    One that was removed comes back with its conversations (`restored`); what it had not sent then stays unsent.
    """
    idempotency_key(None)  # the phone_number_id is the key; one in the header has to be well-formed all the same
    made = adding.create(runtime().db, runtime().cipher, access(), json, _retention())
    row = AccountMade(**made.row.model_dump(), restored=made.restored)
    return answer(row, 201 if made.created else 200)


@bp.patch("/accounts/<uuid:account_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("accounts", {200: AccountRow})
def update_account(account_id: UUID, json: AccountPatch) -> Response:
    """Change some fields; null takes a value out. A new access_token resumes a number that lacked a good one."""
    row = changes.update(runtime().db, runtime().cipher, access(), account_id, json)
    return answer(row)


@bp.delete("/accounts/<uuid:account_id>")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("accounts", {200: AccountGone})
def delete_account(account_id: UUID) -> Response:
    """Put a business number out of use at once. It can be brought back for a time, by adding it again."""
    until = removal.delete(runtime().db, access(), account_id, _retention())
    return answer(AccountGone(id=account_id, restorable_until=until))


@bp.get("/accounts/<uuid:account_id>/hours")
@requires(Permission.ACCOUNTS_VIEW)
@contract("accounts", {200: HoursRow})
def get_hours(account_id: UUID) -> Response:
    """When a number is open, and whether it is now."""
    return answer(opening.get_hours(runtime().db, access(), account_id))


@bp.put("/accounts/<uuid:account_id>/hours")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("accounts", {200: HoursRow})
def set_hours(account_id: UUID, json: HoursBody) -> Response:
    """Say when a number is open, what customers are told who write outside of that, and what the bot does then."""
    return answer(opening.set_hours(runtime().db, access(), account_id, json))


@bp.delete("/accounts/<uuid:account_id>/hours")
@requires(Permission.ACCOUNTS_MANAGE)
@contract("accounts", {200: HoursRow})
def delete_hours(account_id: UUID) -> Response:
    """Let a number be open always."""
    return answer(opening.set_hours(runtime().db, access(), account_id, None))


def _retention() -> timedelta:
    return timedelta(days=runtime().config.account_retention_days)
