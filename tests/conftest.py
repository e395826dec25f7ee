"""Fixtures: databases of both kinds, an app over them, builders for webhooks."""

from __future__ import annotations

import dataclasses
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.config import Config
from inbox.db import Database, migrations
from inbox.logs import set_request_id
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests import servers
from tests.contract.conformance import ConformingClient
from tests.log_scan import log_scan  # noqa: F401 (around every test)

APP_SECRET = "test_app_secret_0001"
BACKENDS = ["sqlite", "postgresql"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--steps", type=int, default=0, help="so many new steps in tests/outbox/test_machine.py")


@pytest.fixture(autouse=True)
def _no_request_yet() -> None:
    """Each test begins as a thread does: the id of the work before it must not show in its log and its calls."""
    set_request_id("")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server on which tests may create databases."""
    with servers.postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """The address of a Redis server."""
    with servers.redis_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[str]:
    """The name of a migrated, empty database to copy."""
    name = f"inbox_template_{uuid.uuid4().hex[:12]}"
    db = Database(servers.create_database(postgres, name))
    migrations.upgrade(db)
    db.close()
    yield name
    servers.drop_database(postgres, name)


@pytest.fixture(scope="session")
def postgres_databases(postgres: str, postgres_template: str) -> Iterator[servers.Databases]:
    """Copies of the template, to take and to give back."""
    made = servers.Databases(postgres, postgres_template)
    yield made
    made.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy."""
    path = tmp_path_factory.mktemp("template") / "inbox.db"
    db = Database(f"sqlite:///{path}")
    migrations.upgrade(db)
    with db.writing() as session:
        session.connection().exec_driver_sql("PRAGMA user_version")
    db.close()
    return path


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated, empty database; every test that asks for one runs on both kinds."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        shutil.copy(template, tmp_path / "inbox.db")
        yield f"sqlite:///{tmp_path / 'inbox.db'}"
        return
    databases: servers.Databases = request.getfixturevalue("postgres_databases")
    url = databases.take()
    yield url
    databases.give_back(url)


@pytest.fixture
def config(database_url: str, tmp_path: Path) -> Config:
    """Settings for an app whose work the test does step by step: no dispatcher, upstreams that refuse."""
    return Config(
        env="development",
        instance_path=tmp_path,
        database_url=database_url,
        secret_key="x" * 40,
        encryption_keys=(Fernet.generate_key().decode(),),
        dispatcher=False,
        log_format="text",
        whatsapp_app_secrets=(APP_SECRET,),
        whatsapp_verify_token="verify-me",
        whatsapp_phone_number_id="200000000000001",
        whatsapp_access_token="test-access-token",
        whatsapp_phone_number="33700000000",
        whatsapp_api_url="http://127.0.0.1:9/v26.0",
        gemini_api_url="http://127.0.0.1:9/v1beta",
        gemini_api_key="test-gemini-key",
        bot_debounce=0.0,
    )


@pytest.fixture
def app(config: Config) -> Iterator[Flask]:
    """The application with its default account."""
    made = create_app(config)
    made.testing = True
    made.test_client_class = ConformingClient
    runtime = runtime_of(made)
    runtime.prepare_database()
    yield made
    assert runtime.close(5)


@pytest.fixture
def runtime(app: Flask) -> Runtime:
    return runtime_of(app)


@pytest.fixture
def db(runtime: Runtime) -> Database:
    return runtime.db


@pytest.fixture
def client(app: Flask, db: Database) -> FlaskClient:
    """A client that calls as an administrator."""
    made = app.test_client()
    key = keys.create(db, name="Test admin", role=Role.ADMIN)
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    return made


@pytest.fixture
def stranger(app: Flask) -> FlaskClient:
    """A client without credentials."""
    return app.test_client()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """The simulated upstreams on a port of their own. Webhooks go nowhere until a test says where."""
    with Sandbox(app_secret=APP_SECRET, status_delays=(0.0, 0.0, 0.0)) as running:
        yield running


@pytest.fixture
def live_config(config: Config, sandbox: Sandbox) -> Config:
    """Settings whose upstreams are the sandbox."""
    return dataclasses.replace(
        config,
        whatsapp_api_url=f"{sandbox.url}/v26.0",
        gemini_api_url=f"{sandbox.url}/v1beta",
        supabase_url=sandbox.url,
        supabase_key="sb_publishable_test",
    )


@pytest.fixture
def live(live_config: Config) -> Iterator[Runtime]:
    """Services over the sandbox; the test works their crews step by step."""
    made = create_app(live_config)
    runtime = runtime_of(made)
    runtime.prepare_database()
    yield runtime
    assert runtime.close(5)


# --- what this machine cannot run --------------------------------------------------------------------------------


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with what could not run here, and how to make it run."""
    reasons = {str(report.longrepr[2]).removeprefix("Skipped: ") for report in terminalreporter.getreports("skipped")}
    if reasons:
        terminalreporter.section("could not run here")
        for reason in sorted(reasons):
            terminalreporter.line(reason)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI nothing is skipped: a missing service is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("INBOX_CI") and reporter is not None and reporter.getreports("skipped") and exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
