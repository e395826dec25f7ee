"""Every error in one shape (RFC 9457), and the request's id on every answer."""

from __future__ import annotations

import json as jsonlib
import logging
import re
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from inbox.errors import DomainError
from inbox.logs import request_id, set_request_id

log = logging.getLogger(__name__)

_INSTANCE = 500  # characters: a path may have 8,190, which escaped are six times as many
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:@=+-]{20,200}\Z")


def register(app: Flask) -> None:
    """Request ids and problem+json for every error, on every route."""
    app.before_request(_begin)
    app.after_request(_end)
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(InternalServerError, _our_fault)


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    set_request_id(given if _REQUEST_ID.match(given) else "")


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = request_id()
    return response


def _problem(status: int, code: str, title: str, extra: dict[str, Any] | None = None) -> Response:
    body = {
        "type": f"urn:inbox:error:{code}",
        "title": title,
        "status": status,
        "detail": code,
        "instance": request.path[:_INSTANCE],
        "code": code,
        "request_id": request_id(),
        **(extra or {}),
    }
    return Response(jsonlib.dumps(body), status, mimetype="application/problem+json")


def _domain_error(error: DomainError) -> Response:
    response = _problem(error.status, error.code, error.message, error.extra)
    response.headers.extend(error.headers)
    return response


def _http_error(error: HTTPException) -> Response:
    """Werkzeug's own errors (unknown path, wrong method …) in our shape."""
    status, said = error.code or 500, error.description or error.name
    if isinstance(error, NotFound):
        said = "There is nothing at this address. /openapi.json lists all of them; ids are UUIDs."
    elif isinstance(error, MethodNotAllowed):
        said = f"This address takes {', '.join(sorted(error.valid_methods or ()))}."
    code = re.sub(r"\W+", "_", error.name.lower())
    response = _problem(status, code, said)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _our_fault(error: InternalServerError) -> Response:
    cause = error.original_exception
    log.error("unhandled error", exc_info=cause, extra={"path": request.path, "method": request.method})
    return _problem(500, "internal_error", "Something went wrong on our side. It was logged under this request id.")
