"""The commands about numbers, and what the environment says of them."""

from __future__ import annotations

import dataclasses
import logging
import random
import threading

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import select

from inbox.accounts.adding import ensure_default
from inbox.cipher import TokenCipher
from inbox.clock import utc_now
from inbox.db import Database
from inbox.models import Account, AuditEntry, Pause
from inbox.outbox.deliver import Delivery
from inbox.runtime import Runtime
from tests.builders import NUMBER_ID, the_account
from tests.outbox.world import World


def actions(db: Database) -> list[tuple[str, str]]:
    with db.reading() as session:
        rows = session.execute(select(AuditEntry.actor_name, AuditEntry.action).order_by(AuditEntry.id))
        return [(name, action) for name, action in rows]


def test_resuming_by_command_stores_the_token_and_is_noted(app: Flask, runtime: Runtime, db: Database) -> None:
    with db.writing() as session:
        account = session.execute(select(Account)).scalar_one()
        account.paused_reason, account.paused_at = Pause.BY_A_PERSON, utc_now()
    invoke = app.test_cli_runner().invoke
    said = invoke(args=["accounts", "resume", NUMBER_ID, "--new-token"], input="a-new-token\n").output.splitlines()
    assert said[0] == "Resumed."
    assert "WHATSAPP_ACCESS_TOKEN replaces this token" in said[1]  # the number is that of the environment
    account = the_account(db)
    assert (account.paused_reason, runtime.cipher.decrypt(account.access_token_encrypted or "")) == (
        None,
        "a-new-token",
    )
    assert actions(db)[1:] == [("command line", "account.updated"), ("command line", "account.resumed")]


@pytest.mark.parametrize("typed", ["\n", "two words\n", "tök\n"])
def test_a_token_that_cannot_be_one_is_refused_by_the_command(app: Flask, db: Database, typed: str) -> None:
    before = the_account(db).access_token_encrypted
    done = app.test_cli_runner().invoke(args=["accounts", "resume", NUMBER_ID, "--new-token"], input=typed)
    assert done.exit_code == 1
    assert the_account(db).access_token_encrypted == before


def test_the_environment_says_what_it_made_and_changed(runtime: Runtime, db: Database) -> None:
    assert actions(db) == [("environment", "account.created")]
    changed = dataclasses.replace(runtime.config, whatsapp_access_token="another", whatsapp_bot_auto_on=False)
    assert ensure_default(db, changed, runtime.cipher)
    with db.reading() as session:
        details = session.execute(select(AuditEntry.details).order_by(AuditEntry.id)).scalars().all()[-1]
    assert details["fields"] == ["access_token", "bot_auto_on"]


def test_a_token_that_the_keys_cannot_read_does_not_stop_the_environment(runtime: Runtime, db: Database) -> None:
    new = TokenCipher([Fernet.generate_key().decode()])
    assert ensure_default(db, runtime.config, new)
    assert new.decrypt(the_account(db).access_token_encrypted or "") == runtime.config.whatsapp_access_token
    assert not ensure_default(db, runtime.config, new)


def test_the_environment_does_not_resume_what_a_person_paused(runtime: Runtime, db: Database) -> None:
    for reason, after in ((Pause.BY_A_PERSON, Pause.BY_A_PERSON), (Pause.TOKEN_EXPIRED, None)):
        with db.writing() as session:
            account = session.get_one(Account, the_account(db).id)
            account.paused_reason, account.paused_at = reason, utc_now()
        changed = dataclasses.replace(runtime.config, whatsapp_access_token=f"token for {reason}")
        assert ensure_default(db, changed, runtime.cipher)
        assert the_account(db).paused_reason == after


def test_two_processes_that_start_at_once_make_one_number(runtime: Runtime, db: Database) -> None:
    config = dataclasses.replace(runtime.config, whatsapp_phone_number_id="77")
    ready, done = threading.Barrier(4), list[bool]()

    def start() -> None:
        ready.wait()
        done.append(ensure_default(db, config, runtime.cipher))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, False, True]


def test_a_number_without_a_token_is_paused_and_its_messages_wait(runtime: Runtime, db: Database) -> None:
    world = World(runtime)
    world.queue("waits")
    with db.writing() as session:
        session.execute(select(Account)).scalar_one().access_token_encrypted = None
    delivery = Delivery(db, runtime.whatsapp, runtime.cipher, random.Random(0), runtime.stopping, runtime.watch.note)
    for claim in world.claim():
        delivery.send(claim)
    assert the_account(db).paused_reason == Pause.NO_TOKEN
    assert world.message("waits").status == "queued"


def test_no_token_reaches_the_log(runtime: Runtime, db: Database, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        ensure_default(
            db, dataclasses.replace(runtime.config, whatsapp_access_token="a-very-secret-token"), runtime.cipher
        )
    assert "a-very-secret-token" not in caplog.text
