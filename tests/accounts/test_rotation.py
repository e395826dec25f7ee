"""Rotating ENCRYPTION_KEYS: a new key in front, everything written anew, the old one taken out."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from inbox import create_app
from inbox.accounts.changes import resume
from inbox.accounts.rotation import Rotation, rotate_keys
from inbox.cipher import TokenCipher
from inbox.config import Config
from inbox.db import Database
from inbox.errors import ConfigError
from inbox.models import Account, AuditEntry
from inbox.runtime import Runtime, runtime_of
from tests.builders import the_account

OTHER = {"name": "Other", "phone_number_id": "3", "access_token": "another-token"}


def stored(db: Database) -> dict[str, str]:
    with db.reading() as session:
        rows = session.execute(select(Account.phone_number_id, Account.access_token_encrypted))
        return {number: token for number, token in rows if token is not None}


@pytest.fixture
def key() -> str:
    return Fernet.generate_key().decode()


@pytest.fixture
def both(config: Config, app: Flask, key: str) -> Iterator[Runtime]:
    """A process that has the new key in front of the old one."""
    made = create_app(dataclasses.replace(config, encryption_keys=(key, *config.encryption_keys)))
    yield runtime_of(made)
    runtime_of(made).close(1)


def test_the_documented_way_loses_nothing_at_any_step(client: FlaskClient, both: Runtime, key: str) -> None:
    client.post("/accounts", json=OTHER)
    client.post("/accounts", json={"name": "Without", "phone_number_id": "4"})
    db, cipher = both.db, both.cipher
    tokens = {"200000000000001": "test-access-token", "3": "another-token"}
    assert {number: cipher.decrypt(token) for number, token in stored(db).items()} == tokens  # the old key still works
    assert rotate_keys(db, cipher) == Rotation(2, 0, ())
    assert rotate_keys(db, cipher) == Rotation(0, 2, ())
    alone = TokenCipher([key])
    assert {number: alone.decrypt(token) for number, token in stored(db).items()} == tokens
    with db.reading() as session:
        query = select(AuditEntry.details).where(AuditEntry.action == "account.keys_rotated")
        assert session.execute(query).scalars().all() == [{"rotated": 2, "unreadable": []}]


def test_a_token_that_no_key_can_read_is_named_and_left_alone(client: FlaskClient, both: Runtime) -> None:
    foreign = TokenCipher([Fernet.generate_key().decode()]).encrypt("lost")
    client.post("/accounts", json=OTHER)
    with both.db.writing() as session:
        account = session.execute(select(Account).where(Account.phone_number_id == "3")).scalar_one()
        account.access_token_encrypted = foreign
    assert rotate_keys(both.db, both.cipher) == Rotation(1, 0, ("3",))
    assert stored(both.db)["3"] == foreign


def test_the_command_says_what_it_did_and_ends_with_1_where_something_is_lost(
    config: Config, client: FlaskClient, key: str
) -> None:
    made = create_app(dataclasses.replace(config, encryption_keys=(key, *config.encryption_keys)))
    invoke = made.test_cli_runner().invoke
    done = invoke(args=["accounts", "rotate-keys"])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "1 re-encrypted, 0 already current, 0 cannot be read.")
    with runtime_of(made).db.writing() as session:
        session.execute(select(Account)).scalar_one().access_token_encrypted = "gibberish"
    done = invoke(args=["accounts", "rotate-keys"])
    assert done.exit_code == 1
    assert "read the token of 200000000000001" in done.output
    assert "gibberish" not in done.output
    runtime_of(made).close(1)


def test_a_token_stored_at_the_same_time_is_never_lost(runtime: Runtime, both: Runtime, db: Database) -> None:
    ready, ended = threading.Barrier(2), threading.Event()

    def rotate() -> None:
        ready.wait()
        while not ended.is_set():
            rotate_keys(both.db, both.cipher)

    thread = threading.Thread(target=rotate)
    thread.start()
    ready.wait()
    try:
        for number in range(20):
            resume(db, runtime.cipher, "200000000000001", f"token-{number}")  # by a process with the old key
            assert both.cipher.decrypt(the_account(db).access_token_encrypted or "") == f"token-{number}"
    finally:
        ended.set()
        thread.join()
    rotate_keys(both.db, both.cipher)
    assert both.cipher.is_current(the_account(db).access_token_encrypted or "")


def test_what_no_key_made_is_said_plainly(key: str) -> None:
    cipher = TokenCipher([key])
    assert not cipher.is_current("gibberish")
    assert not cipher.holds("gibberish", "token")
    with pytest.raises(ConfigError, match="none of the keys can read"):
        cipher.decrypt("gibberish")
