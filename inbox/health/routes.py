"""GET /health, /health/live, /health/ready."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from inbox import __version__
from inbox.api import public, services
from inbox.clock import rfc3339
from inbox.errors import DatabaseUnavailable
from inbox.health.probes import Snapshot

bp = Blueprint("health", __name__)

_WHY = "platforms and people must see the state without credentials; it names states, never errors"


@bp.get("/health/live")
@public(_WHY)
def live() -> Response:
    """The process is there. Touches nothing."""
    return jsonify(status="alive")


@bp.get("/health/ready")
@public(_WHY)
def ready() -> tuple[Response, int] | Response:
    """200 when the database is there and migrated, else 503: send no traffic here."""
    try:
        migrated = services().migrated()
    except DatabaseUnavailable:
        return jsonify(status="not_ready", reason="database"), 503
    if not migrated:
        return jsonify(status="not_ready", reason="migrations"), 503
    return jsonify(status="ready")


@bp.get("/health")
@public(_WHY)
def health() -> tuple[Response, int]:
    """The state of everything we depend on; 503 only while the database is away."""
    snapshot = services().health.snapshot()
    body = {
        "status": snapshot.status,
        "timestamp": rfc3339(snapshot.taken_at),
        "version": __version__,
        "dependencies": _dependencies(snapshot),
        "outbox": _outbox(snapshot),
        "cache": {"hit_ratio": services().profiles.hit_ratio},
    }
    return jsonify(body), 503 if snapshot.status == "error" else 200


def _dependencies(snapshot: Snapshot) -> dict[str, Any]:
    return {
        name: {
            "status": dependency.status,
            "latency_ms": dependency.latency_ms,
            "since": rfc3339(dependency.since) if dependency.since else None,
        }
        for name, dependency in snapshot.dependencies.items()
    }


def _outbox(snapshot: Snapshot) -> dict[str, Any] | None:
    outbox = snapshot.outbox
    if outbox is None:
        return None
    return {
        "waiting": outbox.waiting,
        "oldest_s": round(outbox.oldest_s, 1),
        "unconfirmed": outbox.unconfirmed,
        "dead_letters": outbox.dead_letters,
    }
