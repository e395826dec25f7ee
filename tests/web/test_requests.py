"""What clients may send: sizes, encodings, and any bytes at all."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbox.schemas import Body
from inbox.web.requests import MAX_PROBLEMS
from tests.web.test_json_text import JSON

ID = "019a8f3e-2f5c-7c11-9a55-8a2c3d4e5f60"
PATH = f"/conversations/{ID}/favorite"


@pytest.fixture
def database_url(sqlite_template: Any, tmp_path: Any) -> str:
    """On SQLite: what is refused here does not reach the database."""
    (tmp_path / "inbox.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'inbox.db'}"


def refused(response: Any) -> tuple[int, str]:
    return response.status_code, response.json["code"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" * 60 + b"]" * 60, "json_too_complex"),
        (b"[" + b"1," * 30_000 + b"1]", "json_too_complex"),
        (b'{"favorite":true,"favorite":false}', "not_json"),
        (b'{"favorite":' + b"1" * 10_000 + b"}", "not_json"),
        (b"\xef\xbb\xbf" + b'{"favorite":true}', "not_json"),
        ('{"favorite":true}'.encode("utf-16"), "not_json"),
        (b'{"favorite":1e400}', "not_json"),
        (b"", "not_json"),
    ],
)
def test_a_body_that_is_too_much_or_not_quite_json(client: FlaskClient, body: bytes, code: str) -> None:
    assert refused(client.post(PATH, data=body, content_type="application/json")) == (400, code)


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8"])
def test_utf_8_may_be_said_or_not(client: FlaskClient, content_type: str) -> None:
    response = client.post(PATH, data=b'{"favorite":true}', content_type=content_type)
    assert refused(response) == (404, "conversation_not_found")


def test_another_character_set_or_a_compressed_body_is_refused(client: FlaskClient) -> None:
    latin = client.post(PATH, data=b"{}", content_type="application/json; charset=latin-1")
    packed = client.post(
        PATH, data=gzip.compress(b"{}"), content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert refused(latin) == refused(packed) == (400, "unsupported_encoding")


def test_a_body_that_is_too_large_is_refused_unread(client: FlaskClient) -> None:
    body = Unread(Body.MAX_BYTES + 1)
    response = client.post(PATH, content_type="application/json", environ_overrides=body.sent(body.size))
    assert refused(response) == (413, "payload_too_large")
    assert body.taken == 0


def invented(number: int) -> bytes:
    """A body of so many members that no request has."""
    return json.dumps({f"m{each}": 0 for each in range(number)}).encode()


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (invented(MAX_PROBLEMS - 2), "Some fields are not valid."),
        (invented(5000), "Some fields are not valid; here are 100 of them."),
        (json.dumps(["\0"] * 4000).encode(), "Some fields are not valid; here are 100 of them."),
        (json.dumps({"x" * 60_000: 0}).encode(), "Some fields are not valid."),
        (json.dumps({"x" * 30_000: {"y" * 30_000: "\0"}}).encode(), "Some fields are not valid."),
    ],
)
def test_of_many_problems_a_hundred_are_told_and_the_answer_stays_short(
    stranger: FlaskClient, body: bytes, title: str
) -> None:
    response = stranger.post("/auth/login", data=body, content_type="application/json")
    assert refused(response) == (400, "validation_error")
    assert response.json["title"] == title
    assert len(response.json["errors"]) <= MAX_PROBLEMS
    assert len(response.data) < 64 * 1024


def test_so_are_those_of_a_query(client: FlaskClient) -> None:
    response = client.get("/conversations?" + "&".join(f"a{number}" for number in range(1000)))
    assert refused(response) == (400, "validation_error")
    assert len(response.json["errors"]) == MAX_PROBLEMS


@pytest.mark.parametrize("path", ["/auth/login", PATH])
def test_a_request_of_a_megabyte_costs_no_more_than_refusing_it(client: FlaskClient, path: str) -> None:
    body = Unread(1_000_000)
    response = client.post(path, content_type="application/json", environ_overrides=body.sent(body.size))
    assert (refused(response), body.taken) == ((413, "payload_too_large"), 0)


def test_a_webhook_that_is_too_large_is_refused_unread(stranger: FlaskClient) -> None:
    body = Unread(4 * 1024 * 1024 + 1)
    headers = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    response = stranger.post("/webhook/whatsapp", headers=headers, environ_overrides=body.sent(body.size))
    assert refused(response) == (413, "payload_too_large")
    assert body.taken == 0


def test_of_one_that_does_not_say_how_large_it_is_no_more_is_read_than_may_be(stranger: FlaskClient) -> None:
    body = Unread(40 * 1024 * 1024)
    response = stranger.post("/webhook/whatsapp", environ_overrides=body.sent(""))
    assert refused(response) in [(413, "payload_too_large"), (401, "invalid_signature")]
    assert body.taken <= 4 * 1024 * 1024


class Unread:
    """A body that counts what is taken of it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        size = self.size - self.taken if size < 0 else min(size, self.size - self.taken)
        self.taken += size
        return b"x" * size

    def sent(self, length: object) -> dict[str, Any]:
        """What makes it the body of a request, as gunicorn passes one on."""
        return {"wsgi.input": self, "wsgi.input_terminated": True, "CONTENT_LENGTH": str(length)}


# --- anything at all ---------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_make_any_route_fail(client: FlaskClient, app: Flask, data: st.DataObject) -> None:
    """Signed in or not, whatever the body is: 2xx to 4xx, and never 5xx."""
    rules = [rule for rule in app.url_map.iter_rules() if (rule.methods or set()) & {"POST", "PUT", "PATCH"}]
    rule = data.draw(st.sampled_from(rules))
    path = rule.build(dict.fromkeys(rule.arguments, ID))[1]  # type: ignore[index]
    if path == "/auth/logout":
        return
    body = data.draw(st.binary(max_size=200) | JSON.map(_encoded))
    kind = data.draw(st.sampled_from(["application/json", "application/json; charset=utf-16", "text/plain", ""]))
    for method in sorted((rule.methods or set()) & {"POST", "PUT", "PATCH"}):
        response = client.open(path, method=method, data=body, content_type=kind)
        assert response.status_code < 500, (method, path, response.text)


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()
