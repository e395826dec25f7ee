"""What every answer tells browsers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from inbox import create_app
from inbox.config import Config
from inbox.runtime import runtime_of
from inbox.web.headers import HEADERS


@pytest.fixture
def database_url(sqlite_template: Any, tmp_path: Any) -> str:
    """On SQLite: nothing here depends on the database."""
    (tmp_path / "inbox.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'inbox.db'}"


def assert_told(response: Any) -> None:
    assert {name: response.headers.get(name) for name in HEADERS} == HEADERS


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("GET", "/accounts", 401),
        ("GET", "/nowhere", 404),
        ("DELETE", "/health", 405),
        ("POST", "/webhook/whatsapp", 401),
        ("GET", "/webhook/whatsapp", 403),
        ("HEAD", "/health/live", 200),
    ],
)
def test_every_answer_has_them(stranger: FlaskClient, method: str, path: str, status: int) -> None:
    response = stranger.open(path, method=method)
    assert response.status_code == status
    assert_told(response)
    assert response.headers["Cache-Control"] == "no-store"


def test_answers_to_callers_too_also_304_and_500(app: Flask, client: FlaskClient) -> None:
    found = client.get("/accounts")
    assert_told(found)
    assert found.headers["Cache-Control"] == "private, no-cache"
    same = client.get("/accounts", headers={"If-None-Match": found.headers["ETag"]})
    assert same.status_code == 304
    assert_told(same)
    app.testing = False
    app.view_functions["accounts.list_accounts"] = lambda: 1 / 0
    broken = client.get("/accounts")
    assert broken.status_code == 500
    assert_told(broken)
    app.testing = True


def test_scripts_come_from_us_and_nobody_frames_us() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_a_route_may_be_stricter(app: Flask) -> None:
    @app.get("/strict")
    def strict() -> Response:
        return Response("x", headers={"Content-Security-Policy": "sandbox", "Cache-Control": "max-age=60"})

    response = app.test_client().get("/strict")
    assert response.headers["Content-Security-Policy"] == "sandbox"
    assert response.headers["Cache-Control"] == "max-age=60"


@pytest.mark.parametrize(
    ("env", "scheme", "told"),
    [("production", "https", True), ("production", "http", False), ("development", "https", False)],
)
def test_browsers_are_told_to_stay_on_https_where_they_are(config: Config, env: Any, scheme: str, told: bool) -> None:
    app = create_app(dataclasses.replace(config, env=env, trusted_proxy_count=1))
    response = app.test_client().get("/health/live", headers={"X-Forwarded-Proto": scheme})
    assert ("Strict-Transport-Security" in response.headers) is told
    runtime_of(app).close(5)
