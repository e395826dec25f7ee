"""`flask --app wsgi users …` and `keys …`: what an operator does about people and keys."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import Result
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Grant, Override, Permission, Role
from inbox.cli.commands import config_of_command
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.errors import ConfigError
from inbox.models import SCHEMA, ApiKey, User, UserSession
from inbox.resilience import Verdict
from inbox.runtime import Runtime, runtime_of
from tests.builders import NUMBER_ID, the_account
from tests.users.people import ADMIN, as_user, entries, held, member

Command = Callable[..., Result]
PASSWORD = "correct horse battery staple"
EMAIL = "anna@example.com"


@pytest.fixture
def flask(app: Flask, db: Database) -> Command:
    """Runs a command; `given` is its standard input."""
    runner = app.test_cli_runner()

    def run(*arguments: str, given: str | bytes | None = None) -> Result:
        return runner.invoke(args=list(arguments), input=given)

    return run


def create(flask: Command, *more: str, password: str = PASSWORD) -> Result:
    return flask("users", "create", "--email", EMAIL, *more, given=f"{password}\n")


def login(stranger: FlaskClient, password: str) -> int:
    return stranger.post("/auth/login", json={"email": EMAIL, "password": password}).status_code


def test_a_user_is_made_and_can_sign_in(flask: Command, db: Database, stranger: FlaskClient) -> None:
    done = create(flask, "--name", "Anna", "--role", "manager", "--account", NUMBER_ID)
    assert (done.exit_code, done.stdout) == (0, f"{EMAIL} can sign in.\n")
    assert PASSWORD not in done.output
    assert login(stranger, PASSWORD) == 200
    me = stranger.get("/auth/me").json
    assert (me["name"], me["roles"]) == ("Anna", [held("manager", the_account(db).id)])
    entry = entries(db)[-1]
    assert (entry.action, entry.actor_kind, entry.details["email"]) == ("user.created", "command", EMAIL)
    assert PASSWORD not in str(entry.details)


def test_blanks_are_part_of_a_password_and_the_line_s_end_is_not(flask: Command, stranger: FlaskClient) -> None:
    password = "  correct horse  "
    flask("users", "create", "--email", EMAIL, given=f"{password}\r\nsecond line\n")
    assert login(stranger, password) == 200
    assert login(stranger, password.strip()) == 401


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (["--email", "anna"], PASSWORD, "'anna' is not an e-mail address."),
        (["--email", EMAIL], "short", "The password must have 12 to 1024 characters."),
        (["--email", EMAIL], "", "The password must have 12 to 1024 characters."),
        (["--email", EMAIL], "x" * 1025, "The password must have 12 to 1024 characters."),
        (["--email", EMAIL], EMAIL.upper(), "The password must not be the e-mail address or the name."),
        (["--email", EMAIL], "password1234", "The password is too easy to guess: add"),
        (["--email", EMAIL], b"\xff" * 20, "The password is not UTF-8."),
        (["--email", EMAIL, "--account", "1"], PASSWORD, "There is no number 1; see: flask --app wsgi accounts list"),
        (["--email", EMAIL, "--name", "x" * 201], PASSWORD, "The name is longer than 200 characters."),
        (["--email", EMAIL, "--role", "owner"], PASSWORD, "There is no role owner. There are: admin, manager, viewer."),
    ],
)
def test_what_is_wrong_is_said_and_nobody_is_made(
    flask, db: Database, arguments: list[str], given: str | bytes, message: str
) -> None:
    done = flask("users", "create", *arguments, given=given)
    assert done.exit_code != 0
    assert message in done.stderr
    with db.reading() as session:
        assert session.execute(select(User)).first() is None


def test_the_documents_name_no_role_that_there_is_not(flask: Command) -> None:
    root = Path(__file__).parents[2]
    said = " ".join(each.read_text() for each in (root / "README.md", *(root / "docs").glob("*.md")))
    named = set(re.findall(r"--role ([a-z]+)", said))
    assert len(named) > 1
    for role in sorted(named):
        assert flask("keys", "create", "--name", role, "--role", role).exit_code == 0, role


def test_a_user_is_made_once(flask: Command) -> None:
    create(flask)
    again = create(flask)
    assert (again.exit_code, "There is a user with this e-mail address already." in again.stderr) == (1, True)


def test_everybody_is_listed_with_their_rights(flask: Command, db: Database) -> None:
    member(
        db,
        "zoe@example.com",
        [Grant(Role.MANAGER), Grant(Role.ADMIN, the_account(db).id)],
        [Override(Permission.MESSAGES_SEND, False), Override(Permission.USERS_MANAGE, True)],
        name="Zoe\x1b[2J",
    )
    member(db, "new@example.com", known=False)
    first, second = flask("users", "list").stdout.splitlines()
    day = utc_now().date().isoformat()
    rights = f"admin of {NUMBER_ID}, manager, not messages.send, users.manage"
    assert first == f"{day}  supabase  active    zoe@example.com (Zoe?[2J): {rights}"
    assert second == f"{day}  invited   active    new@example.com: no role"


def test_a_new_password_ends_the_old_one_and_all_sessions(flask: Command, stranger: FlaskClient, db: Database) -> None:
    create(flask)
    assert login(stranger, PASSWORD) == 200
    done = flask("users", "password", EMAIL.upper(), given="another long password\n")
    assert (done.exit_code, "all their sessions have ended" in done.stdout) == (0, True)
    with db.reading() as session:
        assert session.execute(select(UserSession)).first() is None
    assert (login(stranger, PASSWORD), login(stranger, "another long password")) == (401, 200)
    assert entries(db)[-1].action == "user.password_changed"


def test_an_invited_user_who_is_given_a_password_signs_in_with_it(
    flask: Command, stranger: FlaskClient, db: Database
) -> None:
    member(db, EMAIL, known=False)
    assert flask("users", "password", EMAIL, given=f"{PASSWORD}\n").exit_code == 0
    assert login(stranger, PASSWORD) == 200


def test_a_user_of_the_identity_provider_gets_no_password(flask: Command, db: Database) -> None:
    member(db, EMAIL)
    done = flask("users", "password", EMAIL, given=f"{PASSWORD}\n")
    assert (done.exit_code, "signs in with Supabase" in done.stderr) == (1, True)


def test_a_user_is_switched_off_and_on(flask: Command, app: Flask, db: Database, runtime: Runtime) -> None:
    browser = as_user(app, member(db, EMAIL, [Grant(Role.VIEWER)]))
    assert browser.get("/accounts").status_code == 200
    assert flask("users", "disable", EMAIL).stdout == f"{EMAIL} is disabled.\n"
    runtime.identities.forget()  # another process feels it within a second
    assert browser.get("/accounts").status_code == 401
    assert flask("users", "enable", EMAIL).stdout == f"{EMAIL} is active.\n"
    assert [entry.action for entry in entries(db)][-2:] == ["user.disabled", "user.enabled"]


def test_roles_are_added_and_taken_away(flask: Command, db: Database) -> None:
    user_id = member(db, EMAIL)

    def shown() -> str:
        return flask("users", "list").stdout.partition(": ")[2].strip()

    assert flask("users", "role", EMAIL, "manager", "--account", NUMBER_ID).stdout == "Changed.\n"
    assert flask("users", "role", EMAIL, "viewer").stdout == "Changed.\n"
    assert "Nothing to do" in flask("users", "role", EMAIL, "viewer").stdout
    assert shown() == f"manager of {NUMBER_ID}, viewer"
    assert flask("users", "role", EMAIL, "manager", "--account", NUMBER_ID, "--remove").stdout == "Changed.\n"
    assert "Nothing to do" in flask("users", "role", EMAIL, "manager", "--remove").stdout
    assert shown() == "viewer"
    assert [entry.target_id for entry in entries(db) if entry.action == "user.roles_changed"] == [str(user_id)] * 3


@pytest.mark.parametrize("command", [["role", EMAIL, "admin", "--remove"], ["disable", EMAIL]])
def test_the_last_administrator_stays_for_commands_too(flask: Command, db: Database, command: list[str]) -> None:
    member(db, EMAIL, ADMIN)
    done = flask("users", *command)
    assert (done.exit_code, "make an administrator" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "command", [["password", EMAIL], ["disable", EMAIL], ["enable", EMAIL], ["role", EMAIL, "admin"]]
)
def test_a_stranger_s_address_is_said_to_be_one(flask: Command, command: list[str]) -> None:
    done = flask("users", *command, given=f"{PASSWORD}\n")
    assert (done.exit_code, "There is no such user." in done.stderr) == (1, True)


# --- keys --------------------------------------------------------------------------------------------------------


def test_a_key_can_be_for_some_numbers_and_some_days(flask: Command, db: Database) -> None:
    done = flask(
        "keys", "create", "--name", "Till", "--role", "manager", "--account", NUMBER_ID, "--expires-days", "30"
    )
    assert done.stdout.startswith("inbox_")
    with db.reading() as session:
        (row,) = session.execute(select(ApiKey)).scalars()
    assert row.account_ids == [str(the_account(db).id)]
    assert row.expires_at is not None
    assert timedelta(days=29) < row.expires_at - utc_now() <= timedelta(days=30)
    (line,) = flask("keys", "list").stdout.splitlines()
    assert line.endswith(f"  valid until {row.expires_at.date()}  Till  only {NUMBER_ID}")


def test_keys_that_work_no_longer_are_listed_as_such(flask: Command, db: Database) -> None:
    keys.create(db, name="old", role=Role.VIEWER, expires_at=utc_now() - timedelta(days=1))
    keys.revoke(db, keys.create(db, name="gone", role=Role.VIEWER).secret[:12])
    old, gone = flask("keys", "list").stdout.splitlines()
    assert "expired" in old
    assert "revoked" in gone
    assert flask("keys", "create", "--name", "k", "--account", "1").exit_code == 1
    assert flask("keys", "create", "--name", "k", "--expires-days", "0").exit_code == 2
    for name in ("", "two\nlines", "x" * 201):
        assert "Give it a name of one line" in flask("keys", "create", "--name", name).output


@pytest.mark.parametrize(
    "command", ["users list", "keys list", "roles list", "accounts list", "db upgrade", "db downgrade base --yes"]
)
def test_a_database_that_is_away_is_said_in_one_line(flask: Command, runtime: Runtime, command: str) -> None:
    for _ in range(runtime.config.database.breaker_failures):
        runtime.db.breaker.leave(runtime.db.breaker.enter(), Verdict.FAILURE, error=None)
    done = flask(*command.split())
    assert (done.exit_code, done.stderr) == (1, "Error: The database cannot be used; see: flask --app wsgi doctor\n")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://inbox:verysecret@127.0.0.1:1/inbox", "Connection refused"),
        ("postgresql://inbox:verysecret@no-such-host.invalid/inbox", "failed to resolve host"),
        ("sqlite:////dev/null/inbox.db", "unable to open database file"),
    ],
)
def test_why_the_database_cannot_be_used_is_said_without_the_password(tmp_path: Path, url: str, reason: str) -> None:
    key = Fernet.generate_key().decode()
    settings = Config(env="development", instance_path=tmp_path, database_url=url, encryption_keys=(key,))
    made = create_app(settings)
    done = made.test_cli_runner().invoke(args=["users", "list"])
    assert runtime_of(made).close(5)
    assert done.exit_code == 1
    assert re.fullmatch(
        rf"Error: The database cannot be used \(.*{reason}.*\); see: flask --app wsgi doctor\n", done.stderr
    )
    assert "verysecret" not in done.output


def test_a_downgrade_says_what_it_needs(flask: Command) -> None:
    done = flask("db", "downgrade")
    assert done.exit_code == 2
    assert "for example: db downgrade 0011" in done.stderr


def test_nothing_is_removed_without_a_yes(flask: Command, db: Database) -> None:
    refused = flask("db", "downgrade", "base", given="n\n")
    assert (refused.exit_code, "removes every table" in refused.output) == (1, True)
    assert flask("db", "current").stdout == f"{SCHEMA}; this release needs {SCHEMA}.\n"
    assert flask("db", "downgrade", "base", given="y\n").exit_code == 0
    assert flask("db", "current").stdout == f"There are no tables yet; this release needs {SCHEMA}.\n"


@pytest.mark.parametrize(
    ("line", "help_"),
    [
        ("--app wsgi --help", True),
        ("--app wsgi", True),
        ("-A wsgi db", True),
        ("--app wsgi doctor --help", True),
        ("--app wsgi worker", False),
        ("--app wsgi logs explain db", False),
    ],
)
def test_what_asks_for_help_is_known(monkeypatch: pytest.MonkeyPatch, line: str, help_: bool) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/inbox/.venv/bin/flask", *line.split()])
    monkeypatch.delenv("SECRET_KEY", raising=False)
    monkeypatch.delenv("INBOX_ENV", raising=False)
    if help_:
        assert not config_of_command().dispatcher, "of the process that reads and keeps nothing"
    else:
        with pytest.raises(ConfigError, match="SECRET_KEY"):
            config_of_command()


def test_a_schema_that_this_release_does_not_know_is_said_in_one_line(flask: Command, db: Database) -> None:
    assert flask("db", "downgrade", "0bad").stderr == "Error: There is no schema 0bad in this release.\n"
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in (("db", "upgrade"), ("db", "downgrade", "base", "--yes")):
        done = flask(*command)
        assert done.exit_code == 1
        assert re.fullmatch(rf"Error: The schema is 9999, .*: db downgrade {SCHEMA}\n", done.stderr)
