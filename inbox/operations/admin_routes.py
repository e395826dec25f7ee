"""What operators see and do over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response

from inbox.auth.access import Permission
from inbox.db.paging import Page
from inbox.errors import CircuitBreakerNotFound
from inbox.operations import circuits as service
from inbox.operations.admin_schemas import CacheDone, CacheRow, CircuitDone, CircuitRow, IncidentQuery
from inbox.operations.audit_log.routes import bp as audit_log
from inbox.operations.dead_letters.routes import bp as dead_letters
from inbox.operations.incidents import IncidentRow
from inbox.users.keys.routes import bp as keys
from inbox.users.routes import bp as users
from inbox.web import access, answer, answer_page, contract, requires, runtime

bp = Blueprint("admin", __name__, url_prefix="/admin")
for part in (users, keys, audit_log, dead_letters):
    bp.register_blueprint(part)


@bp.get("/circuit-breakers")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: list[CircuitRow]})
def list_circuit_breakers() -> Response:
    """Every circuit breaker, with its state in each live process."""
    return answer_page(CircuitRow, Page(service.circuit_breakers(runtime().reporter)))


@bp.post("/circuit-breakers/<name>/reset")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: CircuitDone}, raises=[CircuitBreakerNotFound])
def reset_circuit_breaker(name: str) -> Response:
    """Close a circuit: in this process at once, in the others within 5 s."""
    service.reset_circuit_breaker(runtime().reporter, access().principal, name)
    return answer(CircuitDone(name=name))


@bp.get("/cache/stats")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: CacheRow})
def cache_stats() -> Response:
    """How the cache of bot profiles does, in all processes together and in each."""
    return answer(service.cache_stats(runtime().reporter))


@bp.post("/cache/clear")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: CacheDone})
def clear_cache() -> Response:
    """Forget every cached profile: in this process at once, in the others within 5 s."""
    return answer(CacheDone(complete=service.clear_cache(runtime().reporter, access().principal)))


@bp.get("/incidents")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@contract("admin", {200: list[IncidentRow]})
def list_incidents(query: IncidentQuery) -> Response:
    """When each upstream was away, and what that affected; newest first."""
    return answer_page(IncidentRow, service.list_incidents(runtime().db, query))
