"""What operators see and do, over all processes."""

from __future__ import annotations

from inbox.auth.access import Principal
from inbox.db import Database
from inbox.db.paging import Cursor, Page
from inbox.errors import CircuitBreakerNotFound, DatabaseUnavailable
from inbox.operations import incidents, processes
from inbox.operations.admin_schemas import CacheRow, CircuitRow, IncidentQuery, ProcessCache, ProcessCircuit, ProcessRow
from inbox.operations.incidents import IncidentRow
from inbox.operations.processes import Seen
from inbox.operations.reporter import CACHE, Reporter


def circuit_breakers(reporter: Reporter) -> list[CircuitRow]:
    """Every circuit breaker with its state in each live process."""
    everybody = _everybody(reporter)
    return [_circuit(name, everybody) for name in sorted(reporter.watch.breakers)]


def reset_circuit_breaker(reporter: Reporter, actor: Principal, name: str) -> None:
    """Close the circuit here at once, in the other processes with their next report.

    Raises CircuitBreakerNotFound, or DatabaseUnavailable when only this process could be told.
    """
    if name not in reporter.watch.breakers:
        raise CircuitBreakerNotFound
    reporter.reset(name, actor)


def cache_stats(reporter: Reporter) -> CacheRow:
    """The profile cache, summed over the live processes and for each of them."""
    everybody = _everybody(reporter)
    counts = [each.report.cache for each in everybody]
    return CacheRow(
        hits=sum(count.hits for count in counts),
        misses=sum(count.misses for count in counts),
        loads=sum(count.loads for count in counts),
        size=sum(count.size for count in counts),
        ratio=processes.hit_ratio(everybody),
        processes=[
            ProcessCache(
                **each.report.cache.model_dump(),
                ratio=processes.hit_ratio([each]),
                process=_process(each),
            )
            for each in everybody
        ],
    )


def clear_cache(reporter: Reporter, actor: Principal) -> bool:
    """Forget every profile here at once, in the other processes with their next report.

    False when Redis is used and was not reached. Raises DatabaseUnavailable when only this process could be told.
    """
    return reporter.reset(CACHE, actor)


def list_incidents(db: Database, query: IncidentQuery) -> Page[IncidentRow]:
    """Incidents, newest first."""
    return incidents.list_incidents(
        db,
        limit=query.limit,
        cursor=Cursor.decode(query.cursor),
        upstream=query.upstream,
        open_only=query.open,
    )


def _everybody(reporter: Reporter) -> list[Seen]:
    """The live processes, this one as of now. While the database is away, this one alone."""
    me = reporter.myself()
    try:
        with reporter.db.reading() as session:
            known = processes.seen(session, reporter.db.now(session))
    except DatabaseUnavailable:
        known = []
    return processes.everybody(me, known)


def _circuit(name: str, everybody: list[Seen]) -> CircuitRow:
    rows = [
        ProcessCircuit(**each.report.circuits[name].model_dump(), process=_process(each))
        for each in everybody
        if name in each.report.circuits
    ]
    return CircuitRow.model_validate(
        {"name": name, "state": processes.worst_circuit(name, everybody).state, "processes": rows}
    )


def _process(each: Seen) -> ProcessRow:
    who = each.who
    return ProcessRow(
        id=who.id, kind=who.kind, host=who.host, pid=who.pid, started_at=who.started_at, seen_at=each.seen_at
    )
