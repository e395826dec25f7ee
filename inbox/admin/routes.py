"""What operators see and do over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response
from spectree import Response as Answers

from inbox.admin import service
from inbox.admin.audit_log.routes import bp as audit_log
from inbox.admin.dead_letters.routes import bp as dead_letters
from inbox.admin.keys.routes import bp as keys
from inbox.admin.schemas import CacheDone, CacheRow, CircuitDone, CircuitRow, IncidentQuery
from inbox.admin.users.routes import bp as users
from inbox.api import access, answer, answer_page, raises, requires, services, spec
from inbox.auth.access import Permission
from inbox.errors import CircuitBreakerNotFound
from inbox.health.incidents import IncidentRow
from inbox.paging import Page

bp = Blueprint("admin", __name__, url_prefix="/admin")
for part in (users, keys, audit_log, dead_letters):
    bp.register_blueprint(part)


@bp.get("/circuit-breakers")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=list[CircuitRow]), tags=["admin"])
def list_circuit_breakers() -> Response:
    """Every circuit breaker, with its state in each live process."""
    return answer_page(CircuitRow, Page(service.circuit_breakers(services())))


@bp.post("/circuit-breakers/<name>/reset")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@raises(CircuitBreakerNotFound)
@spec.validate(resp=Answers(HTTP_200=CircuitDone), tags=["admin"])
def reset_circuit_breaker(name: str) -> Response:
    """Close a circuit: in this process at once, in the others within 5 s."""
    service.reset_circuit_breaker(services(), access().principal, name)
    return answer(CircuitDone(name=name))


@bp.get("/cache/stats")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=CacheRow), tags=["admin"])
def cache_stats() -> Response:
    """How the cache of bot profiles does, in all processes together and in each."""
    return answer(service.cache_stats(services()))


@bp.post("/cache/clear")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=CacheDone), tags=["admin"])
def clear_cache() -> Response:
    """Forget every cached profile: in this process at once, in the others within 5 s."""
    return answer(CacheDone(complete=service.clear_cache(services(), access().principal)))


@bp.get("/incidents")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=list[IncidentRow]), tags=["admin"])
def list_incidents(query: IncidentQuery) -> Response:
    """Which upstream was ill, from when to when, and what it affected; newest first."""
    return answer_page(IncidentRow, service.list_incidents(services(), query))
