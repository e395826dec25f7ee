"""The schema's history: forward and back, from several places at once, equal to the models."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from inbox import migrations
from inbox.db import Database
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
        context = MigrationContext.configure(session.connection(), opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


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
