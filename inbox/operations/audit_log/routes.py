"""Who changed what, over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.operations.audit_log import service
from inbox.operations.audit_log.schemas import AuditQuery, AuditRow
from inbox.web import answer_page, contract, principal, requires, runtime

bp = Blueprint("audit_log", __name__)


@bp.get("/audit-log")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: list[AuditRow]})
def list_audit_log(query: AuditQuery) -> Response:
    """Who changed what, and when; newest first."""
    return answer_page(AuditRow, service.list_entries(runtime().db, principal(), query))
