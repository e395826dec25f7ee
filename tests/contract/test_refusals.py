"""What no route takes: unknown fields, parameters given twice, types that would have to be guessed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inbox.web.openapi.operations import Operation, operations
from tests.contract.conformance import OPEN, document_of

Part = dict[str, Any]


@pytest.fixture
def database_url(sqlite_template: Any, tmp_path: Any) -> str:
    """One kind is enough: nothing here gets as far as a database."""
    (tmp_path / "inbox.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'inbox.db'}"


def call(client: FlaskClient, operation: Operation, query: str = "", body: Any = None) -> Part:
    """The problem that is answered."""
    path = operation.path
    for name in operation.placeholders:
        path = path.replace(f"{{{name}}}", str(uuid4()))
    data = None if body is None else json.dumps(body)
    response = client.open(path + query, method=operation.method, data=data, content_type="application/json")
    problem: Part = response.get_json()
    assert response.status_code == 400, (operation.method, operation.path, problem)
    return problem


def pointers(problem: Part) -> dict[str, str]:
    return {each["pointer"]: each["problem"] for each in problem["errors"]}


def private(app: Flask) -> list[Operation]:
    found = [operation for operation in operations(app) if not operation.public]
    assert len(found) > 30
    return found


def overlooks(operation: Operation) -> bool:
    """True when the route takes parameters that it does not know, and does nothing with them."""
    query = operation.contract.query
    return query is not None and query.model_config.get("extra") == "allow"


def test_every_route_refuses_parameters_it_does_not_know_by_name(app: Flask, client: FlaskClient) -> None:
    for operation in private(app):
        if operation.contract.body is None and not overlooks(operation):
            refused = pointers(call(client, operation, "?surprise=1"))
            assert refused["?surprise"] == "is not a field of this request", operation


def test_only_the_shells_of_the_inbox_overlook_parameters_they_do_not_know(app: Flask, client: FlaskClient) -> None:
    assert {operation.path for operation in private(app) if overlooks(operation)} == {
        "/inbox",
        "/inbox/{conversation_id}",
    }
    assert client.get("/inbox?surprise=1").status_code == 200


def test_public_routes_overlook_parameters_they_do_not_know(app: Flask, stranger: FlaskClient) -> None:
    for path in ("/health/live", "/openapi.json", "/docs"):
        assert stranger.get(f"{path}?cachebuster=1").status_code == 200


def test_every_parameter_given_twice_is_refused_by_name(app: Flask, client: FlaskClient) -> None:
    asked = 0
    for operation in private(app):
        for name in operation.contract.query.model_fields if operation.contract.query is not None else ():
            assert pointers(call(client, operation, f"?{name}=1&{name}=1"))[f"?{name}"] == "is given more than once"
            asked += 1
    assert asked > 20


@pytest.mark.parametrize("text", ["5.0", "1_0", " 5", "+5", "five", "", "0x5", "5e0"])
def test_whole_numbers_in_a_query_are_digits_alone(client: FlaskClient, text: str) -> None:
    response = client.get("/accounts", query_string={"limit": text})
    assert (response.status_code, [*pointers(response.get_json())]) == (400, ["?limit"])


@pytest.mark.parametrize("text", ["yes", "on", "1", "True", "t", ""])
def test_switches_in_a_query_are_true_or_false(client: FlaskClient, text: str) -> None:
    response = client.get("/admin/incidents", query_string={"open": text})
    assert pointers(response.get_json()) == {"?open": "must be true or false"}


def test_every_bad_parameter_is_named_at_once(client: FlaskClient) -> None:
    response = client.get("/conversations?limit=x&unread=maybe&q=a&q=b&what=1&updated_since=0")
    assert {*pointers(response.get_json())} == {
        *("?limit", "?unread", "?q", "?what", "?updated_since", "?account_id"),
    }


def with_surprise(app: Flask, *, is_open: bool) -> Iterator[tuple[Operation, Part]]:
    """Routes with a body, and one with a field that nobody knows."""
    document = document_of(app)
    for operation in private(app):
        if operation.contract.body is None or ((operation.method, operation.path) in OPEN) != is_open:
            continue
        content = document["paths"][operation.path][operation.method.lower()]["requestBody"]["content"]
        yield operation, {**content["application/json"]["example"], "sur~pri/se": 1}


def test_bodies_refuse_fields_they_do_not_know_by_pointer(app: Flask, client: FlaskClient) -> None:
    for operation, body in with_surprise(app, is_open=False):
        assert pointers(call(client, operation, body=body))["/sur~0pri~1se"] == "is not a field of this request"


def test_bodies_of_the_predecessors_page_ignore_fields_they_do_not_know(app: Flask, client: FlaskClient) -> None:
    opened = list(with_surprise(app, is_open=True))
    assert {(operation.method, operation.path) for operation, _ in opened} == OPEN
    for operation, body in opened:
        path = operation.path
        for name in operation.placeholders:
            path = path.replace(f"{{{name}}}", str(uuid4()))
        answer = client.open(path, method=operation.method, json=body)
        assert "sur~0pri~1se" not in answer.text, operation
        assert answer.status_code in (200, 201, 404) or answer.get_json()["code"] != "validation_error", operation


def test_no_body_guesses_types(app: Flask, client: FlaskClient) -> None:
    """Text is no number and no truth value, and the other way round."""
    document, tried = document_of(app), 0
    for operation in private(app):
        if operation.contract.body is None:
            continue
        content = document["paths"][operation.path][operation.method.lower()]["requestBody"]["content"]
        example = content["application/json"]["example"]
        for name, value in example.items():
            wrong = {bool: "true", int: str(value), str: 5}.get(type(value))
            if wrong is not None:
                problem = call(client, operation, body={**example, name: wrong})
                assert any(each.startswith(f"/{name}") for each in pointers(problem)), (operation, name)
                tried += 1
    assert tried > 15


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "not_json"),
        ("{", "not_json"),
        ("NaN", "not_json"),
        ('{"favorite": NaN}', "not_json"),
        ('{"favorite": 1e999}', "not_json"),
        ('{"favorite": true, "favorite": true}', "not_json"),
        ("\ufeff{}", "not_json"),
        ("[" * 100 + "]" * 100, "json_too_complex"),
        ("[]", "validation_error"),
        ("null", "validation_error"),
    ],
)
def test_what_is_not_json_is_said_so(client: FlaskClient, body: str, code: str) -> None:
    path = f"/conversations/{uuid4()}/favorite"
    response = client.post(path, data=body.encode(), content_type="application/json")
    assert (response.status_code, response.get_json()["code"]) == (400, code)


def test_text_that_no_database_can_store_is_named_where_it_is(client: FlaskClient) -> None:
    body = {"template_config": {"faq": [{"question": "a"}, {"question": "a\0b", "answer": "\ud800"}]}}
    response = client.put(f"/bot/profile/{uuid4()}", json=body)
    assert {*pointers(response.get_json())} == {"/template_config/faq/1/question", "/template_config/faq/1/answer"}


@pytest.mark.parametrize(
    "time",
    [
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-11-20T09:00:00.123456789Z",
        "2026-11-20T09:00:00 01:00",
    ],
)
def test_every_time_of_rfc_3339_can_be_asked_for(client: FlaskClient, time: str) -> None:
    response = client.get("/conversations", query_string={"account_id": str(uuid4()), "updated_since": time})
    assert response.get_json()["code"] == "account_not_found"


@pytest.mark.parametrize("time", ["0", "1795165200", "2026-11-20", "2026-11-20T09:00:00", "2026-02-30T00:00:00Z", ""])
def test_what_is_no_time_of_rfc_3339_is_refused(client: FlaskClient, time: str) -> None:
    response = client.get("/conversations", query_string={"account_id": str(uuid4()), "updated_since": time})
    assert [*pointers(response.get_json())] == ["?updated_since"]


def test_a_cursor_of_a_time_that_no_clock_holds_is_refused(client: FlaskClient) -> None:
    forged = base64.urlsafe_b64encode(f"0001-01-01T00:00:00+01:00/{uuid4().hex}".encode()).decode().rstrip("=")
    response = client.get("/accounts", query_string={"cursor": forged})
    assert [*pointers(response.get_json())] == ["?cursor"]


def test_a_cursor_is_one_of_ours_or_a_time(client: FlaskClient) -> None:
    asked = {"account_id": str(uuid4()), "cursor": "2026-11-20T09:00:00+01:00"}
    assert client.get("/conversations", query_string=asked).get_json()["code"] == "account_not_found"
    for wrong in ("2026-11-20T09:00:00", "12:30", "yesterday"):
        refused = client.get("/conversations", query_string={**asked, "cursor": wrong})
        assert [*pointers(refused.get_json())] == ["?cursor"], wrong
