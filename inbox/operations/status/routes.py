"""What was, over HTTP. GET /status stands with the page of that address."""

from __future__ import annotations

from flask import Blueprint, Response

from inbox.operations.status import service as status
from inbox.operations.status.schemas import HistoryQuery, HistoryRow
from inbox.web import answer, contract, member, runtime

bp = Blueprint("status", __name__)


@bp.get("/status/history")
@member
@contract("health", {200: HistoryRow})
def get_history(query: HistoryQuery) -> Response:
    """Calls of the upstreams by minute, over all processes, and what was away in the last day."""
    return answer(status.history(runtime().db, query.minutes))
