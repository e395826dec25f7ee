"""Pages of other origins (CORS_ORIGINS): which may call us, and what their scripts may read."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, Response, request
from flask_cors import CORS

#: What scripts of other origins may read.
_EXPOSED = [
    "Accept-Ranges",
    "Content-Disposition",
    "Content-Range",
    "ETag",
    "Link",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "Retry-After",
    "X-Request-Id",
]
_PREFLIGHT_KEPT = 600  # seconds


def register(app: Flask, origins: Iterable[str]) -> None:
    """Let pages of `origins` call us. Preflights are answered before routing.

    A browser reports a refused preflight as a network error: the page would never see our 404 or 405, nor its words.
    """
    CORS(app, origins=list(origins), expose_headers=_EXPOSED, max_age=_PREFLIGHT_KEPT)
    app.before_request(_preflight)


def _preflight() -> Response | None:
    """The answer to a preflight; Flask-CORS adds what the origin may do."""
    asked = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
    return Response() if asked else None
