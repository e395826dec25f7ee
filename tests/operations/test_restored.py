"""A backup is put back: nothing of then is sent or answered twice, nothing is forgotten (I7, I17)."""

from __future__ import annotations

import dataclasses
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import make_url, select

from inbox import create_app
from inbox.config import Config
from inbox.models import Conversation, Message, MessageStatus
from inbox.operations import processes
from inbox.operations.processes import Identity, Report
from inbox.operations.restored import after_restore
from inbox.outbox.outcomes import Accepted, SendClaim
from inbox.runtime import Runtime, crews_of, runtime_of
from tests import servers
from tests.auth.people import local_user, session_of
from tests.builders import ingest, status, text_message, webhook
from tests.outbox.world import World

WINDOW = 120.0


class Before:
    """A day's work at the moment of the backup, and what became of it afterwards."""

    def __init__(self, runtime: Runtime) -> None:
        self.world = World(runtime)
        asked = text_message("When do you open?", wa_id="wamid.asked", at=int(self.world.now.timestamp()))
        ingest(runtime, webhook(messages=[asked]))
        self.world.queue("sent before", to="one")
        (done,) = self.world.claim()
        self.world.record(done, Accepted("wamid.before"))
        self.world.queue("being sent", to="two")
        (self.under_way,) = self.world.claim()
        self.world.queue("waiting", to="three")

    def goes_on(self) -> SendClaim:
        """After the backup everything leaves; the claim of what was waiting."""
        self.world.record(self.under_way, Accepted("wamid.under_way"))
        (later,) = self.world.claim()
        self.world.record(later, Accepted("wamid.later"))
        return later


@pytest.fixture
def restored(runtime: Runtime, config: Config, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Runtime]:
    """An installation over a database that was restored into nothing, by the commands of docs/operations.md."""
    before = Before(runtime)
    if runtime.db.is_postgres:
        backup = tmp_path / "inbox.dump"
        source = make_url(config.database_url).render_as_string(hide_password=False)
        _command("pg_dump", "--format=custom", "--no-owner", f"--file={backup}", source)
        admin, name = request.getfixturevalue("postgres"), f"inbox_restored_{uuid.uuid4().hex[:12]}"
        url = servers.create_database(admin, name)
        _command("pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", str(backup))
    else:
        backup = tmp_path / "backup.db"
        with sqlite3.connect(str(make_url(config.database_url).database)) as source, sqlite3.connect(backup) as target:
            source.backup(target)
        shutil.copy(backup, tmp_path / "restored.db")
        url = f"sqlite:///{tmp_path / 'restored.db'}"
    before.goes_on()
    app = create_app(dataclasses.replace(config, database_url=url))
    yield runtime_of(app)
    runtime_of(app).close(5)
    if runtime.db.is_postgres:
        servers.drop_database(admin, name)


def _command(name: str, *arguments: str) -> None:
    done = subprocess.run([servers.program(name), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def statuses(runtime: Runtime) -> dict[str, str]:
    with runtime.db.reading() as session:
        wanted = select(Message.content_text, Message.status).where(Message.direction == "outbound")
        return {row.content_text: row.status for row in session.execute(wanted)}


def reasons(runtime: Runtime) -> list[str]:
    with runtime.db.reading() as session:
        asking = select(Conversation.needs_human_reason).where(Conversation.needs_human)
        return sorted(str(reason) for reason in session.execute(asking).scalars())


def test_nothing_of_then_leaves_by_itself_and_people_are_shown_where_to_look(restored: Runtime) -> None:
    done = after_restore(restored.db, restored.ingest_settings)
    assert (done.sends, done.answers) == (2, 1)
    crews = crews_of(restored)
    world = World(restored)
    for _ in range(200):  # seven hours, in which others' messages are sent and confirmed: silence must prove nothing
        world.advance(WINDOW)
        assert not crews.answers(4)
        assert not world.claim()
        world.settle(WINDOW)
    world.deliver_other("evidence")
    world.advance(10 * WINDOW)
    assert world.settle(WINDOW) == 0
    expected = {"sent before": "sent", "being sent": "unconfirmed", "waiting": "unconfirmed", "evidence": "sent"}
    assert statuses(restored) == expected
    assert reasons(restored) == ["restored", "unconfirmed", "unconfirmed"]


def test_it_may_be_repeated(restored: Runtime) -> None:
    after_restore(restored.db, restored.ingest_settings)
    again = after_restore(restored.db, restored.ingest_settings)
    assert (again.webhooks, again.sends, again.answers, again.sessions) == (0, 0, 0, 0)


def test_a_status_that_comes_after_all_settles_what_left(restored: Runtime) -> None:
    after_restore(restored.db, restored.ingest_settings)
    world = World(restored)
    world.advance(60)  # the backup holds the lease of who read webhooks then
    with restored.db.reading() as session:
        message = session.execute(select(Message).where(Message.content_text == "waiting")).scalar_one()
    callback = f"inbox:{message.id.hex}:1"
    read = status("read", wa_id="wamid.later", at=int(world.now.timestamp()), callback=callback)
    world.ingest(webhook(statuses=[read]))
    assert statuses(restored)["waiting"] == MessageStatus.READ
    assert reasons(restored) == ["restored", "unconfirmed"]


def test_a_person_sends_what_did_not_arrive_and_new_messages_go_as_ever(restored: Runtime) -> None:
    after_restore(restored.db, restored.ingest_settings)
    world = World(restored)
    with restored.db.reading() as session:
        message = session.execute(select(Message).where(Message.content_text == "waiting")).scalar_one()
    world.resend(message.id)
    world.queue("new", to="two")
    assert sorted(claim.text for claim in world.claim()) == ["new", "waiting"]


def test_webhooks_that_were_not_read_yet_are_read_and_not_answered_by_the_bot(runtime: Runtime) -> None:
    world = World(runtime)
    world.receive(webhook(messages=[text_message("late", at=int(world.now.timestamp()))]))
    done = after_restore(runtime.db, runtime.ingest_settings)
    assert (done.webhooks, done.answers) == (1, 1)
    assert reasons(runtime) == ["restored"]


def test_the_command_says_what_it_left_and_ends_every_session(
    app: Flask, runtime: Runtime, client: FlaskClient
) -> None:
    session_of(runtime.db, local_user(runtime.db, "anna@example.com", [], password=None).id)
    World(runtime).queue("waiting")
    told = app.test_cli_runner().invoke(args=["db", "restored"])
    assert told.exit_code == 0, told.output
    assert "1 reply is unconfirmed, 0 questions are left to people." in told.output
    assert "0 webhooks were read, 1 session ended." in told.output
    entries = client.get("/admin/audit-log").get_json()
    assert "database.restored" in [entry["action"] for entry in entries]


def test_the_command_refuses_while_a_process_runs(app: Flask, runtime: Runtime) -> None:
    World(runtime).queue("waiting")
    with runtime.db.writing() as session:
        who = Identity.of_this_process("worker")
        processes.save(session, who, Report(dispatcher=True), runtime.db.now(session))
    told = app.test_cli_runner().invoke(args=["db", "restored"])
    assert (told.exit_code, reasons(runtime)) == (1, [])
    assert "1 process is running on this database. Stop them first" in told.output
    assert app.test_cli_runner().invoke(args=["db", "restored", "--yes"]).exit_code == 0
