"""GET /metrics."""

from __future__ import annotations

from flask import Blueprint, Response, request

from inbox.errors import InvalidCredentials, MetricsOff
from inbox.operations.metrics.page import CONTENT_TYPE
from inbox.web import contract, public, runtime

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@public("Prometheus proves itself by METRICS_TOKEN, which opens nothing else")
@contract(
    "health",
    {200: None},
    raises=[InvalidCredentials, MetricsOff],
    described={"responses": {"200": {"content": {"text/plain": {"schema": {"type": "string"}}}}}},
)
def get_metrics() -> Response:
    """Every number, for Prometheus. 404 while METRICS_TOKEN is not set."""
    page = runtime().metrics
    if not page.exists:
        raise MetricsOff
    if not page.may_be_read_with(request.headers.get("Authorization", "")):
        raise InvalidCredentials
    return Response(page.text(), content_type=CONTENT_TYPE)
