"""The schema's history: forward and back, from several places at once, equal to the models."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, make_url

from inbox.db import Database, migrations
from inbox.models import SCHEMA, Base
from tests import servers


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without tables."""
    if request.param == "sqlite":
        db = Database(f"sqlite:///{tmp_path / 'x.db'}")
        yield db
        db.close()
        return
    admin: str = request.getfixturevalue("postgres")
    name = f"inbox_empty_{uuid.uuid4().hex[:12]}"
    db = Database(servers.create_database(admin, name))
    yield db
    db.close()
    servers.drop_database(admin, name)


def tables(db: Database) -> set[str]:
    return set(inspect(db.engine).get_table_names()) - {"alembic_version"}


def test_the_migrated_schema_is_the_models_own(empty: Database) -> None:
    migrations.upgrade(empty)
    with empty.reading() as session:
        opts = {"compare_type": True, "include_object": belongs_to_all}
        context = MigrationContext.configure(session.connection(), opts=opts)
        assert compare_metadata(context, Base.metadata) == []


def belongs_to_all(_object: object, name: str | None, *_rest: object) -> bool:
    """False for what only a PostgreSQL with pg_trgm has."""
    return name != "ix_contacts_search"


def test_upgrading_is_idempotent_and_says_whether_it_did_anything(empty: Database) -> None:
    assert migrations.upgrade(empty) is True
    assert migrations.upgrade(empty) is False
    assert migrations.is_current(empty)


def test_forward_and_back_leaves_nothing(empty: Database) -> None:
    migrations.upgrade(empty)
    assert tables(empty) == set(Base.metadata.tables)
    assert migrations.downgrade(empty, "base") is True
    assert tables(empty) == set()
    assert migrations.upgrade(empty) is True
    assert tables(empty) == set(Base.metadata.tables)


def test_many_releases_at_once_migrate_once(empty: Database) -> None:
    results: list[bool] = []
    threads = [threading.Thread(target=lambda: results.append(migrations.upgrade(empty))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, False, False, True]


def test_the_code_names_the_newest_migration() -> None:
    assert migrations.head() == SCHEMA


def test_without_the_right_to_make_an_extension_only_the_index_for_searching_is_missing(
    postgres: str, caplog: pytest.LogCaptureFixture
) -> None:
    name = f"inbox_plain_{uuid.uuid4().hex[:12]}"
    admins = servers.create_database(postgres, name)
    url = make_url(admins).set(username=name, password=name)
    _run(postgres, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    _run(admins, f"GRANT ALL ON SCHEMA public TO {name}")
    db = Database(url.render_as_string(hide_password=False))
    try:
        assert migrations.upgrade(db)
        assert tables(db) == set(Base.metadata.tables)
        assert "CREATE EXTENSION IF NOT EXISTS pg_trgm" in caplog.text
        assert migrations.downgrade(db, "0003")
    finally:
        db.close()
        servers.drop_database(postgres, name)
        _run(postgres, f"DROP ROLE {name}")


def _run(address: str, statement: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]
