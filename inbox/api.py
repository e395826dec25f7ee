"""What all JSON routes share: who may call, reading and checking requests, answers, errors, paging, ETags.

A route is a few lines: `@bp.get(…)`, `@requires(permission)` or `@public(why)`, `@spec.validate(…)`, one service
call. Errors map themselves (`register_errors`).
"""

from __future__ import annotations

import json as jsonlib
import logging
import re
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

from flask import Flask, Response, current_app, g, request
from pydantic import BaseModel, TypeAdapter, ValidationError
from spectree import SpecTree
from spectree.plugins.base import Context
from spectree.plugins.flask_plugin import FlaskPlugin
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge

from inbox.auth import keys
from inbox.auth.access import Access, Permission, Principal
from inbox.errors import (
    DomainError,
    FieldProblem,
    InvalidRequest,
    MissingCredentials,
    NotJSON,
    PayloadTooLarge,
    PermissionDenied,
)
from inbox.logs import request_id, set_request_id
from inbox.paging import Cursor, Page
from inbox.schemas import ValidationProblem

if TYPE_CHECKING:
    from inbox.services import Services

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024  # bytes of a JSON request
EXPOSED_HEADERS = ["ETag", "Link", "Retry-After", "X-Request-Id"]  # what scripts of other origins may read
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:@=+-]{20,200}\Z")
_View = TypeVar("_View", bound=Callable[..., Any])


def services() -> Services:
    """What create_app wired together."""
    return cast("Services", current_app.extensions["inbox"])


# --- who may call ------------------------------------------------------------------------------------------------


def requires(permission: Permission) -> Callable[[_View], _View]:
    """The route needs a known caller with `permission`, for at least one account; rows are checked by the service."""

    def decorate(view: _View) -> _View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            principal = _caller()
            if not principal.may(permission):
                raise PermissionDenied
            g.access = Access(principal, permission)
            return view(*args, **kwargs)

        checked.decision = permission  # type: ignore[attr-defined]  # a test walks all routes for it
        return cast("_View", checked)

    return decorate


def public(why: str) -> Callable[[_View], _View]:
    """Anybody may call the route; `why` says what makes that right."""

    def decorate(view: _View) -> _View:
        view.decision = f"public: {why}"  # type: ignore[attr-defined]
        return view

    return decorate


def access() -> Access:
    """The caller, with the permission this route asked for."""
    return cast("Access", g.access)


def _caller() -> Principal:
    """Who is calling. Raises MissingCredentials, InvalidCredentials, DatabaseUnavailable."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        raise MissingCredentials
    token = token.strip() if scheme.lower() == "bearer" else ""
    return keys.identify(services().db, token)


# --- requests ----------------------------------------------------------------------------------------------------


def read_json() -> Any:
    """The body as JSON. Raises NotJSON or PayloadTooLarge."""
    if not request.is_json:
        raise NotJSON
    try:
        return jsonlib.loads(request.get_data(), parse_constant=_no_constant)
    except RequestEntityTooLarge:
        raise PayloadTooLarge(f"The body is larger than {request.max_content_length} bytes.") from None
    except (ValueError, RecursionError):
        raise NotJSON from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def checked(model: type[BaseModel], value: Any, *, query: bool = False) -> BaseModel:
    """`value` as `model`. Raises InvalidRequest naming every bad field."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise InvalidRequest([_field_problem(details, query=query) for details in error.errors()]) from None


def _field_problem(details: Any, *, query: bool) -> FieldProblem:
    location = [str(part).replace("~", "~0").replace("/", "~1") for part in details["loc"]]
    problem = "is not a field of this request" if details["type"] == "extra_forbidden" else details["msg"]
    if query:
        return FieldProblem("?" + ".".join(location), problem)
    return FieldProblem("".join(f"/{part}" for part in location), problem)


class _Plugin(FlaskPlugin):
    """Spectree with our reading of requests; answers are checked against their models in tests only."""

    def request_validation(self, request: Any, query: Any, json: Any, *_unused: Any) -> None:
        values = {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}
        request.context = Context(
            checked(query, values, query=True) if query else None,
            checked(json, read_json()) if json else None,
            None,
            None,
            None,
        )

    def validate_response(self, resp: Any, resp_model: Any, skip_validation: bool, force_resp_serialize: bool) -> Any:
        skip = skip_validation or not current_app.testing
        response, error = super().validate_response(resp, resp_model, skip, force_resp_serialize)
        if error is not None:
            raise error  # an answer that breaks its own contract is a bug: fail the test
        return response, error


spec = SpecTree(
    "flask",
    backend=_Plugin,
    annotations=True,
    mode="strict",
    title="Inbox",
    version="0.1.0",
    openapi_version="3.1.0",
    validation_error_status=400,
    validation_error_model=ValidationProblem,
)


def idempotency_key(in_body: str | None) -> str | None:
    """The key of this request, from the header or the body. Raises InvalidRequest when they differ."""
    header = request.headers.get("Idempotency-Key", "").strip() or None
    if header is not None and (len(header) > 255 or not header.isprintable()):
        raise InvalidRequest([FieldProblem("Idempotency-Key", "must be 1 to 255 printable characters")])
    if header and in_body and header != in_body:
        raise InvalidRequest([FieldProblem("/client_key", "differs from the Idempotency-Key header; send one of them")])
    return header or in_body


# --- answers -----------------------------------------------------------------------------------------------------

_adapters: dict[type[BaseModel], TypeAdapter[Any]] = {}


def answer(row: BaseModel, status: int = 200) -> Response:
    """One row as JSON."""
    return Response(row.model_dump_json(), status, mimetype="application/json")


def answer_page(model: type[BaseModel], page: Page[Any]) -> Response:
    """A JSON array with the next page in the Link header, and 304 when the client has just this."""
    adapter = _adapters.setdefault(model, TypeAdapter(list[model]))  # type: ignore[valid-type]
    response = Response(adapter.dump_json(list(page.rows)), mimetype="application/json")
    if page.next is not None:
        response.headers["Link"] = f'<{_next_url(page.next)}>; rel="next"'
    return conditional(response)


def conditional(response: Response) -> Response:
    """Answer 304 when the client's ETag still holds. Rows are for their reader only, and only after asking us."""
    response.headers["Cache-Control"] = "private, no-cache"
    response.add_etag()
    return cast("Response", response.make_conditional(request))


def _next_url(cursor: Cursor) -> str:
    query: Sequence[tuple[str, str]] = [(k, v) for k, v in request.args.items(multi=True) if k != "cursor"]
    return f"{request.path}?{urlencode([*query, ('cursor', cursor.encode())])}"


# --- errors and the request's id ---------------------------------------------------------------------------------


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
        "instance": request.path,
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
    status = error.code or 500
    code = re.sub(r"\W+", "_", error.name.lower())
    response = _problem(status, code, error.description or error.name)
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _our_fault(error: InternalServerError) -> Response:
    cause = error.original_exception
    log.error("unhandled error", exc_info=cause, extra={"path": request.path, "method": request.method})
    return _problem(500, "internal_error", "Something went wrong on our side. It was logged under this request id.")
