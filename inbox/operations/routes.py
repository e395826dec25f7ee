"""GET /health, /health/live, /health/ready."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, jsonify

from inbox.clock import rfc3339
from inbox.config import Config, DatabaseLimits, Policy
from inbox.errors import DatabaseUnavailable
from inbox.operations import processes
from inbox.operations.probes import Snapshot
from inbox.operations.processes import Circuit
from inbox.operations.schemas import Alive, HealthRow, NotReady, Ready
from inbox.operations.waiting import Outbox
from inbox.resilience import UPSTREAMS
from inbox.version import VERSION
from inbox.web import contract, public, runtime
from inbox.webhooks.ingest import Backlog
from inbox.webhooks.journal.journal import Journal

bp = Blueprint("health", __name__)

_WHY = "platforms and people must see the state without credentials; it names states, never errors"


@bp.get("/health/live")
@public(_WHY)
@contract("health", {200: Alive})
def get_liveness() -> Response:
    """The process is there. Touches nothing."""
    return jsonify(status="alive")


@bp.get("/health/ready")
@public(_WHY)
@contract("health", {200: Ready, 503: NotReady})
def get_readiness() -> tuple[Response, int] | Response:
    """200 when the database is there, migrated and takes writes, else 503: send no traffic here."""
    try:
        migrated = runtime().migrated()
    except DatabaseUnavailable:
        return jsonify(status="not_ready", reason="database"), 503
    if not migrated:
        return jsonify(status="not_ready", reason="migrations"), 503
    if not runtime().health.can_store():
        return jsonify(status="not_ready", reason="database"), 503
    return jsonify(status="ready")


@bp.get("/health")
@public(_WHY)
@contract("health", {200: HealthRow, 503: HealthRow})
def get_health() -> tuple[Response, int]:
    """The state of everything we depend on; 503 only while the database is away."""
    held = runtime()
    snapshot = held.health.snapshot()
    everybody = processes.everybody(held.reporter.myself(), snapshot.processes)
    circuits = {name: processes.worst_circuit(name, everybody) for name in held.watch.breakers}
    interrupted = any(circuit.interrupted for circuit in circuits.values())
    status = "degraded" if interrupted and snapshot.status == "ok" else snapshot.status
    body = {
        "status": status,
        "timestamp": rfc3339(snapshot.taken_at),
        "version": VERSION,
        "dependencies": _dependencies(snapshot),
        "circuit_breakers": {name: _circuit(name, circuit) for name, circuit in circuits.items()},
        "outbox": _rounded(snapshot.outbox),
        "webhooks": _rounded(snapshot.webhooks),
        "journal": _journal(held.journal, held.config),
        "processes": Counter(each.who.kind for each in everybody),
        "shed": sum(each.report.shed for each in everybody),
        "cache": {"hit_ratio": processes.hit_ratio(everybody)},
        "limits": {
            **{upstream.name: _limits(upstream.policy) for upstream in UPSTREAMS.values()},
            "database": _database_limits(held.config.database),
        },
        "switches": {name: "on" if on else "off" for name, on in held.config.switches.items()},
    }
    return jsonify(body), 503 if status == "error" else 200


def _journal(journal: Journal, config: Config) -> dict[str, Any]:
    trouble = journal.trouble()
    return {
        **asdict(journal.depth()),
        "lasts": config.platform is None and trouble is None,
        "reason": f"INBOX_INSTANCE_PATH {trouble.what}; {trouble.do}" if trouble else None,
    }


def _dependencies(snapshot: Snapshot) -> dict[str, Any]:
    return {
        name: {
            "status": dependency.status,
            "latency_ms": dependency.latency_ms,
            "since": rfc3339(dependency.since) if dependency.since else None,
            "reason": dependency.reason,
        }
        for name, dependency in snapshot.dependencies.items()
    }


def _circuit(name: str, circuit: Circuit) -> dict[str, Any]:
    """As it stands in the worst process. Without last_error: an anonymous caller sees states, not errors."""
    return {
        "name": name,
        "state": circuit.state,
        "failure_count": circuit.failure_count,
        "success_count": circuit.success_count,
        "opened_at": rfc3339(circuit.opened_at) if circuit.opened_at else None,
        "retry_in_s": circuit.retry_in_s,
    }


def _limits(policy: Policy) -> dict[str, Any]:
    return {
        "total_s": policy.total,
        "connect_s": policy.connect,
        "read_s": policy.read,
        "attempts": policy.attempts,
        "breaker_failures": policy.breaker_failures,
        "breaker_open_s": policy.breaker_open,
        "bulkhead": policy.bulkhead,
        "line": policy.line,
        "patience_s": policy.patience,
    }


def _database_limits(limits: DatabaseLimits) -> dict[str, Any]:
    return {
        "connect_s": limits.connect,
        "pool_s": limits.pool,
        "statement_s": limits.statement,
        "lock_s": limits.lock,
        "idle_s": limits.idle,
        "watchdog_s": limits.watchdog,
        "breaker_failures": limits.breaker_failures,
        "breaker_open_s": limits.breaker_open,
    }


def _rounded(waiting: Outbox | Backlog | None) -> dict[str, Any] | None:
    return {**asdict(waiting), "oldest_s": round(waiting.oldest_s, 1)} if waiting else None
