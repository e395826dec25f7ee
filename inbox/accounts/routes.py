"""Business numbers over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response
from spectree import Response as Answers

from inbox.accounts import service
from inbox.accounts.schemas import AccountRow
from inbox.api import access, answer_page, requires, services, spec
from inbox.auth.access import Permission
from inbox.paging import Page
from inbox.schemas import Problem

bp = Blueprint("accounts", __name__)


@bp.get("/accounts")
@requires(Permission.ACCOUNTS_VIEW)
@spec.validate(
    resp=Answers(HTTP_200=list[AccountRow], HTTP_401=Problem, HTTP_403=Problem, HTTP_503=Problem), tags=["accounts"]
)
def list_accounts() -> Response:
    """The business numbers the caller may see."""
    rows = service.list_accounts(services().db, access())
    return answer_page(AccountRow, Page([AccountRow.model_validate(row) for row in rows]))
