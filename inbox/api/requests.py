"""Reading and checking what a client sent."""

from __future__ import annotations

import json as jsonlib
from typing import Any

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from inbox.errors import FieldProblem, InvalidRequest, NotJSON, PayloadTooLarge

MAX_BODY = 1024 * 1024  # bytes of a JSON request


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


def idempotency_key(in_body: str | None) -> str | None:
    """The key of this request, from the header or the body. Raises InvalidRequest when they differ."""
    header = request.headers.get("Idempotency-Key", "").strip() or None
    if header is not None and (len(header) > 255 or not header.isprintable()):
        raise InvalidRequest([FieldProblem("Idempotency-Key", "must be 1 to 255 printable characters")])
    if header and in_body and header != in_body:
        raise InvalidRequest([FieldProblem("/client_key", "differs from the Idempotency-Key header; send one of them")])
    return header or in_body
