"""The schema's history: forward and back, from several places at once, equal to the models."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, make_url, select, text

from inbox.auth.access import Role
from inbox.auth.identities import grants_of
from inbox.clock import new_id
from inbox.db import Database, migrations
from inbox.db.schema import schema_version
from inbox.models import CONTACTS, SCHEMA, ApiKey, Base, Pause, RoleDefinition, RoleGrant, User
from tests import servers
from tests.waiting import wait_until


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
    """Without SQLite's index of the words of passages, which is no table of ours."""
    names = set(inspect(db.engine).get_table_names()) - {"alembic_version"}
    return {name for name in names if not name.startswith("knowledge_words")}


def test_the_migrated_schema_is_the_models_own(empty: Database) -> None:
    migrations.upgrade(empty)
    with empty.reading() as session:
        opts = {"compare_type": True, "include_object": belongs_to_all}
        context = MigrationContext.configure(session.connection(), opts=opts)
        assert compare_metadata(context, Base.metadata) == []


def belongs_to_all(found: Any, name: str | None, *_rest: object) -> bool:
    """False for the indexes of searches, which differ between databases: the plans of statements are tested."""
    if name in ("ix_messages_words", "ix_knowledge_passages_words") or (name or "").startswith("knowledge_words"):
        return False
    if getattr(found, "table", None) is not None and (found.table.name, name) == ("knowledge_passages", "words"):
        return False
    return not (name or "").startswith("ix_contacts_") or name in {each.name for each in CONTACTS.indexes}


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


def test_a_change_of_the_schema_lets_requests_pass_while_it_waits_for_somebody_elses_lock(
    postgres_databases: servers.Databases, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(migrations, "_TABLE", "50ms")
    monkeypatch.setattr(migrations, "_PAUSE", 0.05)
    url = postgres_databases.take()
    db, results = Database(url), list[bool]()
    thread = threading.Thread(target=lambda: results.append(migrations.downgrade(db, _before_last())))
    with psycopg.connect(url) as backup:
        backup.execute("LOCK TABLE alembic_version IN SHARE MODE")
        thread.start()
        wait_until(lambda: caplog.text.count("begins again") >= 2, "it to begin again")
        assert results == []
        with db.reading() as session:
            assert schema_version(session) == SCHEMA
    thread.join()
    assert results == [True]
    assert migrations.upgrade(db) is True
    db.close()
    postgres_databases.give_back(url)


def _before_last() -> str:
    return f"{int(SCHEMA) - 1:04}"


def test_the_release_before_can_work_on_this_ones_schema(empty: Database) -> None:
    """It serves requests while the schema is changed, and until it is restarted."""
    migrations.upgrade(empty, _before_last())
    before = _columns(empty)
    migrations.upgrade(empty)
    after = _columns(empty)
    assert before.keys() <= after.keys(), "what it reads and writes is still there"
    changed = {key for key, column in before.items() if column["nullable"] and not after[key]["nullable"]}
    assert changed == set(), "what it leaves empty may be empty"
    tables = {table for table, _ in before}
    new = {key: column for key, column in after.items() if key not in before and key[0] in tables}
    assert [key for key, column in new.items() if not column["nullable"] and column["default"] is None] == []


def _columns(db: Database) -> dict[tuple[str, str], Any]:
    found = inspect(db.engine)
    return {(table, column["name"]): column for table in found.get_table_names() for column in found.get_columns(table)}


def test_the_code_names_the_newest_migration() -> None:
    assert migrations.head() == SCHEMA


def test_old_messages_get_positions_by_our_clock_and_keep_what_was_answered(empty: Database) -> None:
    migrations.upgrade(empty, "0004")
    with empty.writing() as session:
        for statement in _OLD_CONVERSATION:
            session.execute(text(statement))
    migrations.upgrade(empty)
    with empty.reading() as session:
        (talk,) = session.execute(
            text("SELECT last_position, asked_through, answered_through, person_replied_at FROM conversations")
        ).all()
        found = session.execute(text("SELECT content_text, position, awaits_answer FROM messages ORDER BY position"))
        messages = [(row.content_text, row.position, bool(row.awaits_answer)) for row in found]
    assert messages == [("asked", 1, True), ("replied", 2, False), ("asked again", 3, True)]
    assert (talk.last_position, talk.asked_through, talk.answered_through) == (3, 3, 2)
    assert str(talk.person_replied_at).startswith("2026-11-20 09:00:05")
    migrations.downgrade(empty, "0004")
    with empty.reading() as session:
        (answered,) = session.execute(text("SELECT answered_through FROM conversations")).scalars()
    assert str(answered).startswith("2026-11-20 09:00:06")


_ID = "'0190000000007000800000000000000{}'"
_AT = "'2026-11-20 09:00:0{}.000000+00:00'"
_OLD_CONVERSATION = [
    "INSERT INTO whatsapp_accounts (id, phone_number_id, name, bot_auto_on, created_at, updated_at) "
    f"VALUES ({_ID.format(1)}, '1', 'x', true, {_AT.format(0)}, {_AT.format(0)})",
    "INSERT INTO contacts (id, account_id, phone, created_at, updated_at) "
    f"VALUES ({_ID.format(2)}, {_ID.format(1)}, '336', {_AT.format(0)}, {_AT.format(0)})",
    "INSERT INTO conversations (id, account_id, contact_id, status, is_group, is_favorite, unread_count, bot_enabled, "
    "needs_human, epoch, answered_through, updated_at, changed_at, created_at) "
    f"VALUES ({_ID.format(3)}, {_ID.format(1)}, {_ID.format(2)}, 'open', false, false, 1, true, false, 1, "
    f"{_AT.format(7)}, {_AT.format(8)}, {_AT.format(8)}, {_AT.format(0)})",
    *(
        "INSERT INTO messages (id, account_id, conversation_id, direction, message_type, content_text, payload, "
        "timestamp, stored_at, author_kind, status, attempts) "
        f"VALUES ({_ID.format(4 + n)}, {_ID.format(1)}, {_ID.format(3)}, 'x', 'text', '{words}', '{{}}', "
        f"{_AT.format(at)}, {_AT.format(at + 1)}, '{author}', 'x', 0)"
        for n, (at, author, words) in enumerate(
            [(7, "customer", "asked again"), (5, "agent", "replied"), (1, "customer", "asked")]
        )
    ),
]


_PAUSED = {
    "1": ("'paused_by_a_person'", "NULL", "x"),
    "2": ("'The access token has expired or was revoked.'", "NULL", "x"),
    "3": ("'Words of a release that nobody remembers.'", "NULL", "x"),
    "removed-4": ("NULL", _AT.format(5), ""),
    "5": ("NULL", _AT.format(5), "removed, not emptied"),
}


def test_why_a_number_is_paused_becomes_a_code_and_a_sentence_again(empty: Database) -> None:
    migrations.upgrade(empty, "0005")
    with empty.writing() as session:
        for nth, (number, (reason, deleted, name)) in enumerate(_PAUSED.items()):
            session.execute(
                text(
                    "INSERT INTO whatsapp_accounts (id, phone_number_id, name, bot_auto_on, paused_reason, deleted_at, "
                    f"created_at, updated_at) VALUES ({_ID.format(nth)}, '{number}', '{name}', true, {reason}, "
                    f"{deleted}, {_AT.format(0)}, {_AT.format(6)})"
                )
            )
    migrations.upgrade(empty, "0006")
    query = text("SELECT paused_reason FROM whatsapp_accounts ORDER BY phone_number_id")
    with empty.reading() as session:
        reasons = list(session.execute(query).scalars())
        purged = session.execute(text("SELECT phone_number_id FROM whatsapp_accounts WHERE purged_at IS NOT NULL"))
        assert list(purged.scalars()) == ["removed-4"]
    assert reasons == ["paused_by_a_person", "token_expired", "refused", None, None]
    assert {reason for reason in reasons if reason} <= set(Pause)
    migrations.downgrade(empty, "0005")
    with empty.reading() as session:
        assert list(session.execute(query).scalars())[:2] == [
            "paused_by_a_person",
            "The access token has expired or was revoked.",
        ]


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


_ROLES = [
    "INSERT INTO users (id, email, created_at, updated_at) "
    f"VALUES ({_ID.format(1)}, 'anna@example.com', {_AT.format(0)}, {_AT.format(0)})",
    *(
        f"INSERT INTO role_grants (id, user_id, role) VALUES ({_ID.format(2 + n)}, {_ID.format(1)}, '{role}')"
        for n, role in enumerate(["admin", "viewer"])
    ),
    "INSERT INTO api_keys (id, name, prefix, hash, role, created_at) "
    f"VALUES ({_ID.format(5)}, 'Till', 'inbox_', 'x', 'manager', {_AT.format(0)})",
]


def test_roles_survive_the_way_to_roles_of_ones_own_and_back_and_those_are_taken_on_the_way_back(
    empty: Database,
) -> None:
    migrations.upgrade(empty, "0008")
    with empty.writing() as session:
        for statement in _ROLES:
            session.execute(text(statement))
    migrations.upgrade(empty)
    with empty.writing() as session:
        own = RoleDefinition(slug="desk", name="Desk", description="", permissions=["messages.view"])
        own.created_at = own.updated_at = datetime(2026, 11, 29, tzinfo=UTC)
        session.add(own)
        session.flush()
        (user_id,) = session.execute(select(User.id)).scalars()
        assert {grant.role for grant in grants_of(session, user_id)} == {Role.ADMIN, Role.VIEWER}
        session.add(RoleGrant(user_id=user_id, role_id=own.id))
        session.add(ApiKey(id=new_id(), name="Desk", prefix="i", hash="y", role_id=own.id, created_at=own.created_at))
    migrations.downgrade(empty, "0008")
    with empty.reading() as session:
        roles = session.execute(text("SELECT role FROM role_grants ORDER BY role")).scalars().all()
        found = session.execute(text("SELECT name, role, revoked_at FROM api_keys ORDER BY name"))
        keys = {row.name: (row.role, row.revoked_at is None) for row in found}
    assert roles == ["admin", "viewer"]
    assert keys == {"Till": ("manager", True), "Desk": ("viewer", False)}
