"""SQLite's file: its modes are ours, and nothing is stored into one that was deleted."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from inbox.config import Config
from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.models import WebhookEvent
from inbox.runtime import Runtime
from inbox.webhooks.routes import new_event
from tests.builders import signed, text_message, webhook
from tests.conftest import APP_SECRET


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """In this file SQLite alone."""
    shutil.copy(sqlite_template, tmp_path / "inbox.db")
    return f"sqlite:///{tmp_path / 'inbox.db'}"


@pytest.fixture
def careless_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def count(db: Database) -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).select_from(WebhookEvent)).scalar_one()


@pytest.mark.usefixtures("careless_umask")
def test_the_file_and_its_folder_are_for_us_alone_whatever_the_umask_says(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'new folder' / 'a # name.db'}")
    with db.writing() as session:
        session.connection().exec_driver_sql("CREATE TABLE t (x)")
    folder = tmp_path / "new folder"
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == dict.fromkeys(
        ("a # name.db", "a # name.db-wal", "a # name.db-shm"), 0o600
    )
    db.close()


def test_a_file_of_an_earlier_release_is_taken_from_others(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "inbox.db").chmod(0o644)
    db = Database(database_url)
    assert count(db) == 0
    assert mode(tmp_path / "inbox.db") == 0o600
    db.close()


def test_a_webhook_that_comes_after_the_file_was_deleted_is_journaled(
    runtime: Runtime, db: Database, stranger: FlaskClient, config: Config, sqlite_template: Path
) -> None:
    body = webhook(messages=[text_message()])
    path = Path(str(db.url.database))
    path.unlink()
    for _ in range(2):
        response = stranger.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))
        assert response.status_code == 503
    assert not path.exists()
    assert runtime.journal.depth().events == 2
    assert stranger.get("/health/ready").status_code == 503
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    shutil.copy(sqlite_template, path)  # the operator's backup
    runtime.db.breaker.reset()
    runtime.journal.drain()
    assert count(db) == 2


def test_another_file_in_its_place_is_used_at_once(database_url: str, tmp_path: Path, sqlite_template: Path) -> None:
    db = Database(database_url)
    db.insert_alone(WebhookEvent, new_event(b"{}"))
    assert count(db) == 1
    db.close()
    shutil.copy(sqlite_template, tmp_path / "other.db")
    (tmp_path / "other.db").replace(tmp_path / "inbox.db")
    assert count(db) == 0
    db.close()


def test_a_place_where_no_file_can_be_made_is_a_database_that_is_away() -> None:
    db = Database("sqlite:////proc/no/such/inbox.db")
    with pytest.raises(DatabaseUnavailable):
        count(db)
    db.close()
