"""The webhook's edge: handshake, signature, size, one INSERT and nothing else (I1)."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import sqlite3
from pathlib import Path

import psycopg
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from inbox import create_app
from inbox.config import Config
from inbox.db import Database
from inbox.models import Account, WebhookEvent
from inbox.runtime import runtime_of
from tests import servers
from tests.builders import sample, signed
from tests.settings import APP_SECRET

PATH = "/webhook/whatsapp"


def events(db: Database) -> list[WebhookEvent]:
    with db.reading() as session:
        return list(session.execute(select(WebhookEvent)).scalars())


# --- the handshake -----------------------------------------------------------------------------------------------


def handshake(client: FlaskClient, **query: str):  # type: ignore[no-untyped-def]
    given_query = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-me"}
    given_query |= {f"hub.{name}": value for name, value in query.items()}
    return client.get(PATH, query_string=given_query)


def test_the_challenge_is_echoed_as_plain_text(stranger: FlaskClient) -> None:
    response = handshake(stranger)
    assert (response.status_code, response.data, response.mimetype) == (200, b"1158201444", "text/plain")


@pytest.mark.parametrize(
    "query",
    [
        {"verify_token": "wrong"},
        {"verify_token": ""},
        {"verify_token": "\u00e9"},
        {"mode": "unsubscribe"},
        {"challenge": "<script>"},
        {"challenge": ""},
        {"challenge": "1" * 201},
    ],
)
def test_anything_else_is_refused(stranger: FlaskClient, query: dict[str, str]) -> None:
    assert handshake(stranger, **query).status_code == 403


def test_a_number_may_have_a_verify_token_of_its_own(stranger: FlaskClient, db: Database) -> None:
    with db.writing() as session:
        account = session.execute(select(Account)).scalar_one()
        account.verify_token_hash = hashlib.sha256(b"its-own").hexdigest()
    assert handshake(stranger, verify_token="its-own").status_code == 200


# --- the signature -----------------------------------------------------------------------------------------------


def test_a_good_signature_stores_the_bytes_as_they_came(stranger: FlaskClient, db: Database) -> None:
    body = sample("text_escaped_unicode")
    assert stranger.post(PATH, data=body, headers=signed(body, APP_SECRET)).status_code == 200
    (stored,) = events(db)
    assert (stored.body, stored.size, stored.state) == (body, len(body), "pending")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        "sha1=" + hmac.new(APP_SECRET.encode(), sample("text"), "sha1").hexdigest(),
        hmac.new(APP_SECRET.encode(), sample("text"), "sha256").hexdigest(),
        "sha256=" + hmac.new(b"another", sample("text"), "sha256").hexdigest(),
        "sha256=" + hmac.new(APP_SECRET.encode(), sample("text") + b" ", "sha256").hexdigest(),
        "sha256=" + hmac.new(APP_SECRET.encode(), sample("text"), "sha256").hexdigest().upper(),
        "sha256=\u00e9",
    ],
)
def test_a_wrong_signature_is_401_and_stores_nothing(stranger: FlaskClient, db: Database, header: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({"X-Hub-Signature-256": header} if header is not None else {})
    response = stranger.post(PATH, data=sample("text"), headers=headers)
    assert (response.status_code, response.json["code"]) == (401, "invalid_signature")
    assert events(db) == []


def test_several_secrets_are_accepted_while_one_is_replaced(config: Config) -> None:
    app = create_app(dataclasses.replace(config, whatsapp_app_secrets=("new", "old")))
    runtime = runtime_of(app)
    runtime.prepare_database()
    for secret in ("new", "old"):
        body = sample("text")
        assert app.test_client().post(PATH, data=body, headers=signed(body, secret)).status_code == 200
    runtime.close(0)


def test_production_without_a_secret_takes_nothing(config: Config) -> None:
    app = create_app(dataclasses.replace(config, env="production", whatsapp_app_secrets=()))
    runtime = runtime_of(app)
    runtime.prepare_database()
    response = app.test_client().post(PATH, data=sample("text"), headers=signed(sample("text"), ""))
    assert response.status_code == 401
    runtime.close(0)


# --- what is stored ----------------------------------------------------------------------------------------------


def post_signed(client: FlaskClient, body: bytes):  # type: ignore[no-untyped-def]
    return client.post(PATH, data=body, headers=signed(body, APP_SECRET))


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 50_000])
def test_a_signed_body_that_is_not_json_is_400(stranger: FlaskClient, db: Database, body: bytes) -> None:
    response = post_signed(stranger, body)
    assert (response.status_code, response.json["code"]) == (400, "not_json")
    assert events(db) == []


def test_three_megabytes_are_taken_and_more_than_four_refused(stranger: FlaskClient, db: Database) -> None:
    assert post_signed(stranger, b'"' + b"x" * 3_000_000 + b'"').status_code == 200
    response = post_signed(stranger, b'"' + b"x" * (4 * 1024 * 1024) + b'"')
    assert (response.status_code, response.json["code"]) == (413, "payload_too_large")
    assert len(events(db)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(st.binary(max_size=200), st.text(max_size=80))
def test_any_bytes_and_any_signature_give_2xx_or_4xx(stranger: FlaskClient, body: bytes, signature: str) -> None:
    header = signature.encode("latin-1", "ignore").decode("latin-1").replace("\r", "").replace("\n", "")
    assert stranger.post(PATH, data=body, headers={"X-Hub-Signature-256": header}).status_code in (400, 401)
    assert post_signed(stranger, body).status_code in (200, 400)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_request_path_holds_exactly_one_insert(stranger: FlaskClient, db: Database) -> None:
    """Counted by the driver: SQLite reports every statement it runs."""
    post_signed(stranger, sample("text"))
    statements: list[str] = []
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.set_trace_callback(statements.append)
    assert post_signed(stranger, sample("text")).status_code == 200
    (only,) = statements
    assert only.startswith("INSERT INTO webhook_events")


def test_postgresql_itself_sees_one_message_per_webhook(postgres: str, config: Config, tmp_path: Path) -> None:
    """The protocol, traced by libpq: after the first few (prepared by then), one Bind-Execute-Sync and no BEGIN."""
    name = f"inbox_trace_{tmp_path.name[-20:].replace('-', '_').lower()}"
    app = create_app(dataclasses.replace(config, database_url=servers.create_database(postgres, name)))
    runtime = runtime_of(app)
    runtime.prepare_database()
    for _ in range(8):
        post_signed(app.test_client(), sample("text"))
    with runtime.db.engine.connect() as connection, (tmp_path / "trace").open("w+b") as trace:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        raw.pgconn.trace(trace.fileno())
        connection.close()  # back to the pool, to be the one that is used
        post_signed(app.test_client(), sample("text"))
        raw.pgconn.untrace()
        trace.seek(0)
        sent = [
            line.split(b"\t")[3].split(b" ")[0] if line.count(b"\t") > 2 else line for line in trace if b"F\t" in line
        ]
    runtime.close(0)
    servers.drop_database(postgres, name)
    assert len([line for line in sent if b"Query" in line or b"Sync" in line]) == 1
