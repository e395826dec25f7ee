"""The OpenAPI document: valid, complete, and readable."""

from __future__ import annotations

from collections import Counter
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from inbox.version import VERSION
from inbox.web.openapi.operations import operations
from tests.contract.conformance import OPEN, PLACEHOLDER

Part = dict[str, Any]


#: The document is the same over every database.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def document(stranger: FlaskClient) -> Part:
    answer: Part = stranger.get("/openapi.json").get_json()
    return answer


def each_operation(document: Part) -> list[tuple[str, str, Part]]:
    return [(path, method, made) for path, item in document["paths"].items() for method, made in item.items()]


def test_it_is_a_valid_openapi_31_document(document: Part) -> None:
    validate(document)
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", VERSION)


def test_it_has_every_route_with_its_methods_and_no_other(app: Flask, document: Part) -> None:
    registered = {
        (PLACEHOLDER.sub(r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in each_operation(document)} == registered


def test_every_operation_says_what_it_is_by_a_name_of_its_own(document: Part) -> None:
    names = Counter(made["operationId"] for _, _, made in each_operation(document))
    assert [name for name, times in names.items() if times > 1] == []
    for path, method, made in each_operation(document):
        assert made["summary"].endswith((".", "?")), (path, method)
        assert len(made["tags"]) == 1, (path, method)
    assert all(tag["description"] for tag in document["tags"])


def test_what_follows_from_a_decision_is_in_every_operation(app: Flask, document: Part) -> None:
    for operation in operations(app):
        made = document["paths"][operation.path][operation.method.lower()]
        codes = {status: _codes(document, answer) for status, answer in made["responses"].items()}
        assert "overloaded" in codes["503"]
        assert (made["security"] == []) == operation.public
        if not operation.public:
            assert {"missing_token", "invalid_token"} <= codes["401"], operation
            assert {"identity_unavailable", "database_timeout"} <= codes["503"], operation
            assert ("csrf_failed" in codes["403"]) == (operation.method != "GET"), operation
            assert ("permission_denied" in codes["403"]) >= (operation.permission is not None), operation
        if operation.contract.body is not None:
            assert {"validation_error", "not_json"} <= codes["400"], operation
            assert codes["413"] == {"payload_too_large"}, operation
        if operation.conditional:
            assert "304" in codes, operation


def _codes(document: Part, answer: Part) -> set[str]:
    named = answer.get("$ref", "").rpartition("/")[2]
    answer = document["components"]["responses"][named] if named else answer
    problem = answer.get("content", {}).get("application/problem+json")
    return set(problem["schema"]["properties"]["code"]["enum"]) if problem else set()


def test_every_example_is_what_its_schema_allows(document: Part) -> None:
    checked = 0
    for where, schema, example in _examples(document, "#"):
        rooted = {**schema, "components": document["components"]}
        errors = jsonschema_rs.Draft202012Validator(rooted, validate_formats=True).iter_errors(example)
        assert [f"{where}: {error.message} at {error.instance_path}" for error in errors] == []
        checked += 1
    assert checked > 100


def _examples(part: Any, where: str) -> list[tuple[str, Part, Any]]:
    """Every pair of a schema and an example of it, anywhere below."""
    if isinstance(part, list):
        return [found for number, inner in enumerate(part) for found in _examples(inner, f"{where}/{number}")]
    if not isinstance(part, dict):
        return []
    mine = [part["example"]] if "example" in part and "schema" in part else []
    if "examples" in part and isinstance(part["examples"], dict) and "schema" in part:
        mine = [each["value"] for each in part["examples"].values()]
    inner = [found for key, value in part.items() if key != "example" for found in _examples(value, f"{where}/{key}")]
    return [(where, part["schema"], example) for example in mine] + inner


def test_every_body_and_every_row_has_an_example(document: Part) -> None:
    for path, method, made in each_operation(document):
        contents = [made.get("requestBody", {}), *made["responses"].values()]
        for content in (each["content"] for each in contents if "content" in each):
            media = content.get("application/json", {"example": None})
            assert "example" in media or path == "/openapi.json", (path, method)


def test_no_two_schemas_are_of_one_model(document: Part) -> None:
    names = document["components"]["schemas"]
    assert [name for name in names if name.endswith(("-Input", "-Output")) or "__" in name] == []


def test_requests_take_no_other_fields(document: Part) -> None:
    schemas = document["components"]["schemas"]
    for path, method, made in each_operation(document):
        schema = made.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if "$ref" in schema and (method.upper(), path) not in OPEN:
            assert schemas[schema["$ref"].rpartition("/")[2]]["additionalProperties"] is False


def test_it_is_for_everybody_and_is_not_sent_twice(stranger: FlaskClient) -> None:
    first = stranger.get("/openapi.json")
    assert (first.status_code, first.headers["Cache-Control"]) == (200, "public, max-age=300")
    again = stranger.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
