"""Holds every answer that passes through a test client against the OpenAPI document."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from inbox.web.openapi.document import document

#: What the predecessor's page writes, with bodies that its older and newer builds word differently.
OPEN = {
    ("POST", "/accounts"),
    ("POST", "/conversations/{conversation_id}/favorite"),
    ("POST", "/conversations/{conversation_id}/bot"),
    ("POST", "/messages/send"),
    ("PUT", "/bot/profile/{account_id}"),
    ("POST", "/admin/roles"),
    ("PUT", "/admin/roles/{role_id}"),
    ("POST", "/admin/users/{user_id}/status"),
    ("PUT", "/admin/users/{user_id}/roles"),
    ("PUT", "/admin/users/{user_id}/overrides"),
}

Part = dict[str, Any]
_documents: dict[int, Part] = {}
_validators: dict[tuple[int, tuple[Any, ...]], Any] = {}


def document_of(app: Flask) -> Part:
    """The document of `app`; applications of one test run have the same routes, so it is made once for each number."""
    number = len(list(app.url_map.iter_rules()))
    if number not in _documents:
        _documents[number] = document(app, session_cookie="inbox_session")
    return _documents[number]


PLACEHOLDER = re.compile(r"<(?:[^:<>]+:)?(\w+)>")  #: of a path, as werkzeug writes it


class ConformingClient(FlaskClient):
    """A test client that fails when an answer is not what the document says. Errors count as answers."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        check(self.application, response)
        return response


def check(app: Flask, response: TestResponse) -> None:
    """Fails unless the document knows this status of this route, with its headers, its media type and its schema."""
    method, path = response.request.method, response.request.path
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method, return_rule=True)
    except HTTPException:
        return
    if method == "OPTIONS" or not hasattr(app.view_functions[rule.endpoint], "decision"):
        return  # Flask's own answer; a route that only a test has
    whole = document_of(app)
    item = whole["paths"][PLACEHOLDER.sub(r"{\1}", rule.rule)]
    operation = item["get" if method == "HEAD" else method.lower()]
    what = f"{method} {rule.rule}: {response.status_code}"
    assert str(response.status_code) in operation["responses"], f"{what} is not in the document: {response.text}"
    answer = _resolved(whole, operation["responses"][str(response.status_code)])
    for name, header in answer.get("headers", {}).items():
        assert name in response.headers or not _resolved(whole, header).get("required"), f"{what} lacks {name}"
    content = answer.get("content", {})
    if method == "HEAD" or not content:
        return
    media_type = response.mimetype if response.mimetype in content else "*/*"
    assert media_type in content, f"{what} is {response.mimetype}, not of {[*content]}"
    if response.is_json and "schema" in content[media_type]:
        place = (rule.rule, method, response.status_code, media_type)
        errors = _validator(whole, place, content[media_type]["schema"]).iter_errors(response.json)
        problems = [f"{'/'.join(map(str, error.instance_path))}: {error.message}" for error in errors]
        assert not problems, f"{what}: {problems}"


def _resolved(whole: Part, part: Part) -> Part:
    for step in part["$ref"].removeprefix("#/").split("/") if "$ref" in part else ():
        whole = whole[step]
    return whole if "$ref" in part else part


def _validator(whole: Part, place: tuple[Any, ...], schema: Part) -> Any:
    """Compiled once for each place in each document."""
    if (id(whole), place) not in _validators:
        rooted = {**schema, "components": whole["components"]}
        _validators[id(whole), place] = jsonschema_rs.Draft202012Validator(rooted, validate_formats=True)
    return _validators[id(whole), place]
