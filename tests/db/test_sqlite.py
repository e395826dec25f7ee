"""SQLite's file: its modes are ours, and nothing is stored into one that was deleted or replaced."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, func, select

from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.models import WebhookEvent
from inbox.runtime import Runtime
from inbox.webhooks.routes import new_event
from tests.builders import signed, text_message, webhook
from tests.settings import APP_SECRET


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


def test_threads_that_open_a_new_file_at_once_do_not_take_it_for_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database(f"sqlite:///{tmp_path / 'new.db'}")
    look = db._file._identity

    def look_before_another_thread_makes_it() -> tuple[int, int] | None:
        found = look()
        monkeypatch.undo()
        with db.reading() as session:
            session.connection()
        return found

    monkeypatch.setattr(db._file, "_identity", look_before_another_thread_makes_it)
    with db.reading() as session:
        session.connection()
    assert db._file.complaint() is None
    assert look() is not None
    db.close()


def vacuum_into(path: Path, copy: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))


def test_a_webhook_that_comes_after_the_file_was_deleted_is_journaled(
    runtime: Runtime, db: Database, stranger: FlaskClient, tmp_path: Path
) -> None:
    body = webhook(messages=[text_message()])
    path = Path(str(db.url.database))
    path.rename(tmp_path / "aside.db")
    for _ in range(2):
        response = stranger.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))
        assert response.status_code == 503
    assert not path.exists()
    assert runtime.journal.depth().events == 2
    assert stranger.get("/health/ready").status_code == 503
    (tmp_path / "aside.db").rename(path)
    runtime.db.breaker.reset()
    runtime.journal.drain()
    assert count(db) == 2


def test_nothing_is_acknowledged_once_another_file_is_in_its_place_until_a_restart(
    runtime: Runtime,
    db: Database,
    client: FlaskClient,
    stranger: FlaskClient,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = webhook(messages=[text_message()])
    path = Path(str(db.url.database))
    assert client.get("/health/ready").status_code == 200
    vacuum_into(path, tmp_path / "backup.db")
    (tmp_path / "backup.db").replace(path)
    assert stranger.post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET)).status_code == 503
    assert client.get("/health/ready").status_code == 503
    told = "inbox.db was replaced while in use; stop the processes, then restore"
    health = stranger.get("/health")
    assert (health.status_code, health.json["dependencies"]["database"]["reason"]) == (503, told)  # type: ignore[index]
    assert [record.levelname for record in caplog.records if record.getMessage() == told] == ["ERROR"]
    db.close()
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
    restarted = Database(f"sqlite:///{path}")
    restarted.insert_alone(WebhookEvent, new_event(b"{}"))
    assert count(restarted) == 1
    restarted.close()


def test_the_first_file_is_used_again_once_it_is_back(database_url: str, tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "inbox.db"
    db = Database(database_url)
    db.insert_alone(WebhookEvent, new_event(b"{}"))
    path.rename(tmp_path / "aside.db")
    shutil.copy(sqlite_template, path)
    with pytest.raises(DatabaseUnavailable):
        count(db)
    with pytest.raises(DatabaseUnavailable):
        db.insert_alone(WebhookEvent, new_event(b"{}"))
    (tmp_path / "aside.db").replace(path)
    assert count(db) == 1
    db.close()


def test_a_transaction_during_which_the_file_is_replaced_is_not_acknowledged(
    database_url: str, tmp_path: Path, sqlite_template: Path
) -> None:
    db = Database(database_url)
    shutil.copy(sqlite_template, tmp_path / "other.db")
    with pytest.raises(DatabaseUnavailable) as caught, db.writing() as session:
        session.add(WebhookEvent(**new_event(b"{}")))
        session.flush()
        (tmp_path / "inbox.db").rename(tmp_path / "aside.db")
        (tmp_path / "other.db").replace(tmp_path / "inbox.db")
    assert not caught.value.in_doubt
    (tmp_path / "aside.db").replace(tmp_path / "inbox.db")
    assert count(db) == 0
    db.close()


def test_a_file_that_is_replaced_during_the_commit_leaves_it_in_doubt(
    database_url: str, tmp_path: Path, sqlite_template: Path
) -> None:
    db = Database(database_url)
    shutil.copy(sqlite_template, tmp_path / "other.db")

    def replace(_connection: object) -> None:
        (tmp_path / "other.db").replace(tmp_path / "inbox.db")

    event.listen(db.engine, "commit", replace)
    with pytest.raises(DatabaseUnavailable) as caught, db.writing() as session:
        session.add(WebhookEvent(**new_event(b"{}")))
    assert caught.value.in_doubt
    db.close()


def test_a_place_where_no_file_can_be_made_is_a_database_that_is_away() -> None:
    db = Database("sqlite:////proc/no/such/inbox.db")
    with pytest.raises(DatabaseUnavailable):
        count(db)
    db.close()
