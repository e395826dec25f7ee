"""What operators see and do over HTTP."""

from __future__ import annotations

from flask import Blueprint, Response
from spectree import Response as Answers

from inbox.admin import service
from inbox.admin.schemas import CacheDone, CacheRow, CircuitDone, CircuitRow, IncidentQuery
from inbox.api import answer, answer_page, requires, services, spec
from inbox.auth.access import Permission
from inbox.health.incidents import IncidentRow
from inbox.paging import Page
from inbox.schemas import Problem, ValidationProblem

bp = Blueprint("admin", __name__, url_prefix="/admin")

_REFUSALS = {"HTTP_401": Problem, "HTTP_403": Problem, "HTTP_503": Problem}


@bp.get("/circuit-breakers")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=list[CircuitRow], **_REFUSALS), tags=["admin"])
def list_circuit_breakers() -> Response:
    """Every circuit breaker, with its state in each live process."""
    return answer_page(CircuitRow, Page(service.circuit_breakers(services())))


@bp.post("/circuit-breakers/<name>/reset")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=CircuitDone, HTTP_404=Problem, **_REFUSALS), tags=["admin"])
def reset_circuit_breaker(name: str) -> Response:
    """Close a circuit: in this process at once, in the others within 5 s."""
    service.reset_circuit_breaker(services(), name)
    return answer(CircuitDone(name=name))


@bp.get("/cache/stats")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=CacheRow, **_REFUSALS), tags=["admin"])
def cache_stats() -> Response:
    """How the cache of bot profiles does, in all processes together and in each."""
    return answer(service.cache_stats(services()))


@bp.post("/cache/clear")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=CacheDone, **_REFUSALS), tags=["admin"])
def clear_cache() -> Response:
    """Forget every cached profile: in this process at once, in the others within 5 s."""
    return answer(CacheDone(complete=service.clear_cache(services())))


@bp.get("/incidents")
@requires(Permission.ROLES_MANAGE, everywhere=True)
@spec.validate(resp=Answers(HTTP_200=list[IncidentRow], HTTP_400=ValidationProblem, **_REFUSALS), tags=["admin"])
def list_incidents(query: IncidentQuery) -> Response:
    """Which upstream was ill, from when to when, and what it affected; newest first."""
    return answer_page(IncidentRow, service.list_incidents(services(), query))
