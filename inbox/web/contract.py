"""What routes take and answer, written down once: checked at run time, and the source of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Response, current_app
from spectree import SpecTree
from spectree.plugins.base import Context
from spectree.plugins.flask_plugin import FlaskPlugin

from inbox.errors import DomainError
from inbox.schemas import Query, ValidationProblem
from inbox.web.requests import checked_body, checked_query, read_json

_View = TypeVar("_View", bound=Callable[..., Any])


class _Plugin(FlaskPlugin):
    """Spectree with our reading of requests; answers are checked against their models in tests only."""

    def request_validation(self, request: Any, query: Any, json: Any, *_unused: Any) -> None:
        request.context = Context(
            checked_query(query or Query) if query or not _is_public(request.endpoint) else None,
            checked_body(json, read_json()) if json else None,
            None,
            None,
            None,
        )

    def validate_response(self, resp: Any, resp_model: Any, skip_validation: bool, force_resp_serialize: bool) -> Any:
        if isinstance(resp, Response) and resp.direct_passthrough:
            return resp, None  # a file on its way: looking at it would mean to hold all of it
        skip = skip_validation or not current_app.testing
        response, error = super().validate_response(resp, resp_model, skip, force_resp_serialize)
        if error is not None:
            raise error  # an answer that breaks its own contract is a bug: fail the test
        return response, error


def _is_public(endpoint: str) -> bool:
    """Public routes overlook parameters they do not know: probes, scrapers and Meta may add their own."""
    return str(getattr(current_app.view_functions[endpoint], "decision", "")).startswith("public")


spec = SpecTree(
    "flask",
    backend=_Plugin,
    annotations=True,
    mode="strict",
    validation_error_status=400,
    validation_error_model=ValidationProblem,
)


def raises(*errors: type[DomainError]) -> Callable[[_View], _View]:
    """The route answers these errors of its own, beside those that follow from its other decorators."""

    def decorate(view: _View) -> _View:
        view.raised = errors  # type: ignore[attr-defined]
        return view

    return decorate


def described(**parts: Any) -> Callable[[_View], _View]:
    """Parts of the route's OpenAPI operation that no decorator can tell: media types that are not JSON, raw bodies."""

    def decorate(view: _View) -> _View:
        view.described = parts  # type: ignore[attr-defined]
        return view

    return decorate
