"""Addresses, sessions, transactions, and what happens when the database is away."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select, text

from inbox.config import DatabaseLimits
from inbox.db import Database, fixed, normalise_url
from inbox.db.faults import describe
from inbox.errors import ConfigError, DatabaseUnavailable
from inbox.models import Account, WebhookEvent
from inbox.webhooks.routes import new_event
from tests import servers
from tests.builders import the_account


@pytest.mark.parametrize(
    ("raw", "driver", "sslmode"),
    [
        ("postgres://u:p@db.example.com/inbox", "postgresql+psycopg", "require"),
        ("postgresql://u:p@10.0.0.5/inbox", "postgresql+psycopg", None),
        ("postgresql+psycopg2://u:p@localhost/inbox", "postgresql+psycopg", None),
        ("postgresql://u@/inbox?host=/run/postgresql", "postgresql+psycopg", None),
        ("postgres://u:p@db.example.com/inbox?sslmode=verify-full", "postgresql+psycopg", "verify-full"),
        (
            "postgres://postgres.ref:p%40ss@aws-0-eu-west-3.pooler.supabase.com:6543/postgres",
            "postgresql+psycopg",
            "require",
        ),
        ("sqlite:///x.db", "sqlite", None),
    ],
)
def test_every_spelling_of_an_address_is_taken(raw: str, driver: str, sslmode: str | None) -> None:
    url = normalise_url(raw)
    assert url.drivername == driver
    assert url.query.get("sslmode") == sslmode


@pytest.mark.parametrize("raw", ["mysql://h/d", "nonsense", "", "http://h/d"])
def test_other_addresses_are_refused_without_printing_them(raw: str) -> None:
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: must be"):
        normalise_url(raw)


def test_an_option_that_libpq_would_refuse_is_named_before_anything_connects() -> None:
    with pytest.raises(ConfigError, match=r"^DATABASE_URL: has the option 'schema', which libpq does not know"):
        normalise_url("postgresql://u:p@localhost/inbox?schema=public&connect_timeout=5")


def test_a_transaction_pooler_gets_no_prepared_statements_and_no_session_settings() -> None:
    pooled = Database("postgres://postgres.ref:p@aws-0-eu.pooler.supabase.com:6543/postgres")
    session_mode = Database("postgres://postgres.ref:p@aws-0-eu.pooler.supabase.com:5432/postgres")
    marked = Database("postgres://u:p@127.0.0.1:5432/postgres?pgbouncer=true&sslmode=disable")
    assert pooled.transaction_pooled
    assert marked.transaction_pooled
    assert not session_mode.transaction_pooled
    assert marked.url.query == {"sslmode": "disable"}  # the mark is the dashboard's, libpq would refuse it


def test_a_password_is_not_printed() -> None:
    assert "hunter2" not in repr(Database("postgresql://u:hunter2@h/d"))


def test_a_write_is_all_or_nothing(db: Database) -> None:
    name = the_account(db).name
    with pytest.raises(ZeroDivisionError), db.writing() as session:
        session.execute(select(Account)).scalar_one().name = "changed"
        session.flush()
        _ = 1 / 0
    assert the_account(db).name == name


def test_many_writers_at_once_queue_instead_of_failing(db: Database) -> None:
    errors: list[Exception] = []

    def write() -> None:
        try:
            for _ in range(10):
                with db.writing() as session:
                    account = session.execute(select(Account).with_for_update()).scalar_one()
                    account.waba_id = str(int(account.waba_id or 0) + 1)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert the_account(db).waba_id == "80"


def test_sqlite_is_in_wal_mode_with_foreign_keys(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'new' / 'x.db'}")
    with db.reading() as session:
        pragmas = {name: session.execute(text(f"PRAGMA {name}")).scalar_one() for name in _PRAGMAS}
    db.close()
    assert pragmas == _PRAGMAS


_PRAGMAS = {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 10_000}


def test_postgresql_sessions_have_their_limits(postgres: str) -> None:
    db = Database(postgres)
    with db.reading() as session:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "timezone")
        shown = [session.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    db.close()
    assert shown == ["10s", "2s", "15s", "UTC"]


def test_a_database_that_is_not_there_is_unavailable_not_a_crash() -> None:
    db = Database("postgresql://u@127.0.0.1:9/none")
    with pytest.raises(DatabaseUnavailable), db.reading() as session:
        session.execute(text("SELECT 1"))
    db.close()


def test_an_insert_survives_a_connection_that_died_in_the_pool(
    postgres: str, postgres_template: str, tmp_path: Path
) -> None:
    name = f"inbox_dead_{os.getpid()}"
    db = Database(servers.create_database(postgres, name, postgres_template), pool_size=1)
    db.insert_alone(WebhookEvent, new_event(b"one"))
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
    db.insert_alone(WebhookEvent, new_event(b"two"))
    with db.reading() as session:
        assert set(session.execute(select(WebhookEvent.body)).scalars()) == {b"one", b"two"}
    db.close()
    servers.drop_database(postgres, name)


def test_an_insert_alone_stores_what_the_models_would(db: Database) -> None:
    alone, through = new_event(b"\x00raw \xff"), new_event(b"\x00raw \xff")
    db.insert_alone(WebhookEvent, alone)
    with db.writing() as session:
        session.add(WebhookEvent(**through))
    with db.reading() as session:
        for row in (alone, through):
            stored = session.get_one(WebhookEvent, row["id"])
            assert (stored.body, stored.size, stored.received_at) == (row["body"], row["size"], row["received_at"])
            assert (stored.state, stored.attempts) == ("pending", 0)


def test_an_insert_into_a_database_that_is_away_is_unavailable(tmp_path: Path) -> None:
    away = Database("postgresql://u@127.0.0.1:9/none")
    unmigrated = Database(f"sqlite:///{tmp_path / 'x.db'}")
    for db in (away, unmigrated):
        with pytest.raises(DatabaseUnavailable):
            db.insert_alone(WebhookEvent, new_event(b"x"))
        db.close()


def test_a_forked_child_opens_connections_of_its_own(postgres: str) -> None:
    db = Database(postgres)
    with db.reading() as session:
        mine = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        with db.reading() as session:
            os.write(write, str(session.execute(text("SELECT pg_backend_pid()")).scalar_one()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = int(os.read(read, 100))
    os.close(read)
    os.close(write)
    with db.reading() as session:
        assert session.execute(text("SELECT pg_backend_pid()")).scalar_one() == mine != theirs
    db.close()


def test_an_error_is_described_without_its_statement(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable) as caught, db.writing() as session:
        session.execute(text("INSERT INTO nowhere VALUES ('a customer’s text')"))
    assert caught.value.__cause__ is not None
    assert "customer" not in describe(caught.value.__cause__)


def test_only_plain_words_are_written_into_statements() -> None:
    with pytest.raises(ValueError, match="plain words"):
        fixed("x'; DROP TABLE messages;--")


def test_the_limits_in_the_settings_are_those_of_the_server(postgres: str) -> None:
    db = Database(postgres, limits=DatabaseLimits(statement=3.0, lock=1.5, idle=7.0))
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with db.reading() as session:
        shown = [session.execute(text(f"SHOW {name}")).scalar_one() for name in names]
    assert shown == ["3s", "1500ms", "7s"]
    assert DatabaseLimits(statement=3.0).watchdog > 3.0
    db.close()


def test_a_result_is_described_to_who_asks(db: Database) -> None:
    with db.querying() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("SELECT 1 AS one, 'two' AS two")
        described = cursor.description
        assert described is not None
        assert len(described) == 2
        assert [column[0] for column in described] == [described[0][0], described[1][0]] == ["one", "two"]
        cursor.execute("UPDATE whatsapp_accounts SET name = name WHERE 1 = 0")
        assert cursor.description is None
        assert connection.exec_driver_sql("SELECT 1 AS one, 2 AS two").mappings().one() == {"one": 1, "two": 2}
