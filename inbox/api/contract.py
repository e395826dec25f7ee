"""What routes take and answer, written down once: checked at run time, and the source of the OpenAPI document."""

from __future__ import annotations

from typing import Any

from flask import current_app
from spectree import SpecTree
from spectree.plugins.base import Context
from spectree.plugins.flask_plugin import FlaskPlugin

from inbox.api.requests import checked, read_json
from inbox.schemas import ValidationProblem


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
