"""Fixtures: databases of both kinds, an app over them, builders for webhooks."""

from __future__ import annotations

import dataclasses
import gc
import os
import shutil
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zlib import crc32

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Dialect, Engine
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.config import Config
from inbox.db import Database, migrations, writes
from inbox.logs import set_request_id
from inbox.metrics.tally import Tally
from inbox.models import Base
from inbox.operations import reporter
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests import servers
from tests.callers import World, make_world
from tests.contract.conformance import ConformingClient
from tests.log_scan import log_scan  # noqa: F401 (around every test)
from tests.settings import APP_SECRET, BACKENDS, settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser


#: In CI the same examples each time, and fewer: what is new is sought where somebody can look at it.
hypothesis.settings.register_profile("ci", derandomize=True, max_examples=40, deadline=None, database=None)
if os.environ.get("INBOX_CI"):
    hypothesis.settings.load_profile("ci")

_compiled_rules: dict[tuple[object, ...], tuple[Any, ...]] = {}
_compile_rule = Rule.compile


def _compile_as_an_equal_rule(rule: Rule) -> None:
    """Werkzeug parses and compiles each rule of each app: 60 ms for ours, and tests make thousands."""
    key = (rule.rule, str(rule.defaults), rule.host, rule.subdomain, rule.merge_slashes)
    if key not in _compiled_rules:
        _compile_rule(rule)
        builders = (rule._build.__func__, rule._build_unknown.__func__)  # type: ignore[attr-defined]
        _compiled_rules[key] = (rule._parts, rule._trace, rule._converters, rule.arguments, *builders)
    rule._parts, rule._trace, rule._converters, rule.arguments, build, build_unknown = _compiled_rules[key]
    rule._build, rule._build_unknown = build.__get__(rule), build_unknown.__get__(rule)


Rule.compile = _compile_as_an_equal_rule  # type: ignore[method-assign]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="let tests/page/test_pictures.py make docs/pictures anew")
    parser.addoption("--steps", type=int, default=0, help="so many new steps in tests/outbox/test_machine.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mix the files, the same way each time: each worker then has some that compute, and some that wait."""
    items.sort(key=lambda item: crc32(item.path.relative_to(Path(__file__).parent).as_posix().encode()))


def pytest_collection_finish() -> None:
    """What is there now stays: later collections of garbage need not look through it each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_request_yet() -> None:
    """Each test begins as a thread does: the id of the work before it must not show in its log and its calls."""
    set_request_id("")


@pytest.fixture(autouse=True)
def _no_call_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins as a process does that has called nobody: how an upstream stands is told from calls as well."""
    tally = Tally()
    monkeypatch.setattr(sys.modules["inbox.gateways.http.exchange"], "tally", tally)  # its name is a function's, too
    monkeypatch.setattr(reporter, "tally", tally)


class _StatementsOfAllTests(LRUCache[Any, Any]):
    """Compiled statements, kept for each kind of database: tests make thousands of engines, and each compiled its own.

    What is kept belongs to the first dialect of its kind, or else all databases that ever were would stay with it.
    """

    _first: ClassVar[dict[str, Dialect]] = {}

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get((key[0].name, *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        compiled.dialect = self._first.setdefault(key[0].name, key[0])
        compiled.preparer = compiled.dialect.identifier_preparer
        super().__setitem__((key[0].name, *key[1:]), compiled)


_statements = _StatementsOfAllTests(10_000)
Engine._compiled_cache = property(lambda _engine: _statements, lambda _engine, _own: None)  # type: ignore[assignment]
for _mapper in Base.registry.mappers:
    _mapper._compiled_cache = _statements

#: Each keeps what it made for the last 128 dialects, and a dialect knows its engine's listeners.
_MADE_FOR_DIALECTS = [member for member in vars(PGDialect).values() if hasattr(member, "cache_clear")]


@pytest.fixture(autouse=True)
def _forget_dialects() -> Iterator[None]:
    """Keep nothing that was made for the dialect of this test's database: with it stays all that belonged to it.

    Hundreds of them make each full garbage collection stop everything for a second and more.
    """
    yield
    for made in [*_MADE_FOR_DIALECTS, writes._compiled, writes._together]:
        made.cache_clear()


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
def browser() -> Iterator[Browser]:
    """Chromium, one for all tests of a worker."""
    from tests.page.browsers import PROGRAM, chromium  # imported here: most tests need none of it

    if PROGRAM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium-headless-shell")
    with chromium() as made:
        yield made


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
    return settings(database_url, tmp_path)


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


@dataclasses.dataclass(frozen=True)
class _MadeWorld:
    file: Path
    ids: Mapping[str, str]
    tokens: Mapping[str, str]


@pytest.fixture(scope="session")
def made_world(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> _MadeWorld:
    """A file with somebody of each kind in it: to invite them takes ten times as long as to copy it."""
    file = tmp_path_factory.mktemp("world") / "inbox.db"
    shutil.copy(sqlite_template, file)
    made = create_app(settings(f"sqlite:///{file}", file.parent))
    runtime_of(made).prepare_database()
    world = make_world(made)
    assert runtime_of(made).close(5)
    return _MadeWorld(file, world.ids, world.tokens)


@pytest.fixture
def world(made_world: _MadeWorld, tmp_path: Path) -> Iterator[World]:
    """Somebody of each kind, on SQLite."""
    shutil.copy(made_world.file, tmp_path / "inbox.db")
    made = create_app(settings(f"sqlite:///{tmp_path / 'inbox.db'}", tmp_path))
    made.testing = True
    made.test_client_class = ConformingClient
    yield World(made, runtime_of(made), made_world.ids, made_world.tokens)
    assert runtime_of(made).close(5)


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
