"""GET /changes, and updated_since: nothing is missed, whatever transactions overlap."""

from __future__ import annotations

import dataclasses
import random
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, select, update

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.clock import utc_now
from inbox.config import Config
from inbox.contacts.merge import merge_contacts
from inbox.db import Database
from inbox.live import told
from inbox.live.positions import Position, Positions
from inbox.live.watcher import Watcher
from inbox.models import Account, ApiKey, Contact, Conversation, Message
from inbox.models.base import server_now
from inbox.runtime import Runtime, runtime_of
from tests import servers
from tests.builders import ingest, text_message, the_account, the_conversation, webhook
from tests.clocks import Clock
from tests.users.people import as_user, member


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.live.watcher.LOOK_EVERY", 0.0)


def ask(client: FlaskClient, db: Database, since: str | None = None, **more: Any) -> Any:
    query = {"account_id": str(the_account(db).id), **({"since": since} if since else {}), **more}
    return client.get("/changes", query_string=query)


def wrote(runtime: Runtime, text: str, number: int = 1, **more: Any) -> None:
    phone = f"3360000{number:04}"
    ingest(
        runtime,
        webhook(
            contacts=[{"wa_id": phone, "profile": {"name": f"Customer {number}"}}],
            messages=[text_message(text, wa_id=f"wamid.{uuid.uuid4().hex}", phone=phone, **more)],
        ),
    )


# --- the contract ------------------------------------------------------------------------------------------------


def test_without_a_position_it_tells_where_to_begin(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    wrote(runtime, "Bonjour")
    body = ask(client, db).json
    assert (body["conversations"], body["gone"], body["messages"], body["more"]) == ([], [], [], False)
    assert body["counts"][str(the_account(db).id)]["unread"] == 1


def test_nothing_new_is_204_and_a_change_is_told_once_it_is_there(
    client: FlaskClient, db: Database, runtime: Runtime
) -> None:
    position = ask(client, db).json["next"]
    assert ask(client, db, position).status_code == 204
    wrote(runtime, "Bonjour")
    body = ask(client, db, position).json
    assert [row["last_message"] for row in body["conversations"]] == ["Bonjour"]
    assert body["counts"][str(the_account(db).id)]["unread"] == 1


def test_a_quiet_answer_may_go_by_what_the_caller_was_five_seconds_ago_and_rows_never(
    client: FlaskClient, db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(runtime.identities._recent, "_clock", clock)
    position = ask(client, db).json["next"]
    with db.writing() as session:
        session.execute(update(ApiKey).values(revoked_at=utc_now()))  # on another machine
    clock.now += 4.0
    assert ask(client, db, position).status_code == 204
    wrote(runtime, "Bonjour")
    assert ask(client, db, position).status_code == 401
    assert ask(client, db).status_code == 401


def test_a_quiet_answer_needs_a_caller_who_was_known_lately(
    client: FlaskClient, db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(runtime.identities._recent, "_clock", clock)
    position = ask(client, db).json["next"]
    with db.writing() as session:
        session.execute(update(ApiKey).values(revoked_at=utc_now()))
    clock.now += 6.0
    assert ask(client, db, position).status_code == 401


def test_on_postgresql_it_is_quiet_again_after_the_change_was_told(
    client: FlaskClient, db: Database, runtime: Runtime
) -> None:
    position = ask(client, db).json["next"]
    wrote(runtime, "Bonjour")
    position = ask(client, db, position).json["next"]
    again = ask(client, db, position)
    if db.is_postgres:
        assert again.status_code == 204
    else:  # what stands at the very edge is told again for half a minute: another writer may share its millisecond
        assert [row["last_message"] for row in again.json["conversations"]] == ["Bonjour"]


def test_the_open_conversation_gets_its_changed_messages(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    wrote(runtime, "one")
    wrote(runtime, "elsewhere", 2)
    position = ask(client, db).json["next"]
    wrote(runtime, "two")
    (mine,) = [row for row in ask(client, db, position).json["conversations"] if row["last_message"] == "two"]
    body = ask(client, db, position, conversation_id=mine["id"]).json
    assert "two" in [row["content_text"] for row in body["messages"]]
    assert "elsewhere" not in [row["content_text"] for row in body["messages"]]


def test_a_tick_and_a_reaction_on_an_old_message_are_told(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    ingest(runtime, webhook(messages=[text_message("Bonjour", wa_id="wamid.old", phone="33600000001")]))
    conversation = the_conversation(db)
    position = settled(client, db)
    reaction = {
        "from": "33600000001",
        "id": "wamid.r",
        "timestamp": str(int(utc_now().timestamp())),
        "type": "reaction",
        "reaction": {"message_id": "wamid.old", "emoji": "👍"},
    }
    ingest(runtime, webhook(messages=[reaction]))
    (row,) = ask(client, db, position, conversation_id=str(conversation.id)).json["messages"]
    assert [each["emoji"] for each in row["reactions"]] == ["👍"]


def settled(client: FlaskClient, db: Database) -> str:
    """A position behind all that is there."""
    return str(ask(client, db).json["next"])


def test_a_merged_conversation_is_told_as_gone(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    wrote(runtime, "a", 1)
    wrote(runtime, "b", 2)
    position = settled(client, db)
    with db.writing() as session:
        one, other = session.execute(select(Contact).order_by(Contact.created_at, Contact.phone)).scalars()
        gone = session.execute(select(Conversation.id).where(Conversation.contact_id == other.id)).scalar_one()
        assert merge_contacts(session, one, other, db.now(session))
    body = ask(client, db, position).json
    assert body["gone"] == [str(gone)]
    assert len(body["conversations"]) == 1


def test_many_changes_come_in_pages_without_a_gap_or_an_end_that_moves(
    client: FlaskClient, db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(told, "PAGE", 3)
    told._conversations.cache_clear()
    position = settled(client, db)
    for number in range(1, 9):
        wrote(runtime, "hello", number)
    seen: list[str] = []
    rounds = 0
    while True:
        body = ask(client, db, position).json
        seen += [row["client_number"] for row in body["conversations"]]
        position, rounds = body["next"], rounds + 1
        if not body["more"]:
            break
        if rounds == 1:
            wrote(runtime, "again", 1)  # between two pages: it moves behind the others
    assert rounds >= 3
    assert set(seen) == {f"3360000{number:04}" for number in range(1, 9)}
    told._conversations.cache_clear()


def test_a_position_behind_too_many_changes_is_410(
    client: FlaskClient, db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = settled(client, db)
    wrote(runtime, "a", 1)
    wrote(runtime, "b", 2)
    monkeypatch.setattr(told, "PAGE", 1)
    monkeypatch.setattr(told, "MOST", 1)
    for statement in (told._conversations, told._how_many):
        statement.cache_clear()
    response = ask(client, db, position)
    assert (response.status_code, response.json["code"]) == (410, "resync")
    for statement in (told._conversations, told._how_many):
        statement.cache_clear()


@pytest.mark.parametrize("age", [timedelta(hours=25), timedelta(hours=-25)])
def test_a_position_older_than_a_day_or_ahead_of_us_is_410(
    client: FlaskClient, db: Database, runtime: Runtime, age: timedelta
) -> None:
    account = the_account(db)
    positions = Positions(runtime.config.secret_key)
    token = positions.encode(account.id, Position(utc_now() - age))
    assert ask(client, db, token).status_code == 410


@pytest.mark.parametrize("token", ["", "x", "WyJhIl0.abc", "é", "A" * 400])
def test_what_is_no_position_is_named(client: FlaskClient, db: Database, token: str) -> None:
    response = client.get("/changes", query_string={"account_id": str(the_account(db).id), "since": token})
    assert response.status_code == 400
    assert response.json["errors"][0]["pointer"] == "?since"


def test_a_position_of_another_account_is_refused(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    token = Positions(runtime.config.secret_key).encode(uuid.uuid4(), Position(utc_now()))
    assert ask(client, db, token).status_code == 400


def test_another_account_s_key_is_refused(app: Flask, client: FlaskClient, db: Database, runtime: Runtime) -> None:
    wrote(runtime, "secret")
    stranger = app.test_client()
    with db.writing() as session:
        now = db.now(session)
        elsewhere = Account(name="Other", phone_number_id="200000000000009", created_at=now, updated_at=now)
        session.add(elsewhere)
        session.flush()
        other = elsewhere.id
    made = keys.create(db, name="elsewhere", role=Role.ADMIN, accounts=[other])
    answer = stranger.get(
        "/changes",
        query_string={"account_id": str(the_account(db).id)},
        headers={"Authorization": f"Bearer {made.secret}"},
    )
    assert answer.status_code == 403


# --- every write moves the time ----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Message, Conversation])
def test_whatever_changes_a_row_moves_its_time(runtime: Runtime, db: Database, model: Any) -> None:
    wrote(runtime, "Bonjour")
    old = utc_now() - timedelta(days=1)
    with db.writing() as session:
        session.execute(update(model).values(changed_at=old))
    field = {"status": "read"} if model is Message else {"unread_count": 7}
    with db.writing() as session:
        session.execute(update(model).values(**field))
    with db.reading() as session:
        assert session.execute(select(model.changed_at)).scalar_one() > old
    with db.writing() as session:
        session.execute(update(model).values(changed_at=old))
    with db.writing() as session:
        row = session.execute(select(model)).scalar_one()
        for name in field:
            setattr(row, name, "sent" if model is Message else 8)
    with db.reading() as session:
        assert session.execute(select(model.changed_at)).scalar_one() > old


# --- what it costs -----------------------------------------------------------------------------------------------


def test_a_quiet_poll_costs_no_statement_within_the_look(
    client: FlaskClient, db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    watcher = Watcher(db, clock=lambda: clock[0])
    monkeypatch.setattr("inbox.live.watcher.LOOK_EVERY", 0.25)
    account = the_account(db).id
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    first = watcher.look(account)
    paid = len(statements)
    clock[0] = 0.2
    assert watcher.look(account) is first
    assert len(statements) == paid <= 2
    clock[0] = 0.3
    watcher.look(account)
    assert len(statements) == 2 * paid


@pytest.fixture
def statements(db: Database) -> list[str]:
    """Those about conversations that are executed from now on."""
    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "conversation" in statement:
            found.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    return found


@pytest.fixture
def hold(db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Looks at the account; all who ask from then on come within this look."""

    def look() -> None:
        monkeypatch.setattr("inbox.live.watcher.LOOK_EVERY", 0.0)
        runtime.changes.watcher.look(the_account(db).id)
        monkeypatch.setattr("inbox.live.watcher.LOOK_EVERY", float("inf"))

    return look


def test_what_changed_is_read_once_for_all_who_ask_from_there_within_a_look(
    app: Flask, client: FlaskClient, db: Database, runtime: Runtime, hold: Callable[[], None], statements: list[str]
) -> None:
    position = settled(client, db)
    wrote(runtime, "Bonjour")
    hold()
    first = ask(client, db, position).json
    statements.clear()
    second = ask(client, db, position).json
    assert not statements
    assert (second["conversations"], second["counts"]) == (first["conversations"], first["counts"])
    person = as_user(app, member(db, "anna@example.com", [Grant(Role.MANAGER)]))
    statements.clear()
    assert ask(person, db, position).json["conversations"] == first["conversations"]
    assert len(statements) == 2  # what is counted, and what is new to them
    wrote(runtime, "Bonsoir")
    later = ask(client, db, position).json
    assert [row["last_message"] for row in later["conversations"]] == ["Bonjour"]
    hold()
    next_round = ask(client, db, later["next"]).json
    assert [row["last_message"] for row in next_round["conversations"]] == ["Bonsoir"]


def test_within_a_look_everybody_sees_what_is_new_to_them(
    app: Flask, client: FlaskClient, db: Database, runtime: Runtime, hold: Callable[[], None]
) -> None:
    anna, noe = (as_user(app, member(db, f"{name}@example.com", [Grant(Role.MANAGER)])) for name in ("anna", "noe"))
    wrote(runtime, "one")
    path = f"/conversations/{the_conversation(db).id}/read"
    assert noe.post(path).status_code == 200
    position = settled(client, db)
    wrote(runtime, "two")
    assert anna.post(path).status_code == 200
    hold()
    told = {name: ask(who, db, position).json for name, who in {"key": client, "anna": anna, "noe": noe}.items()}
    rows = {name: body["conversations"][0] for name, body in told.items()}
    assert {name: row["my_unread"] for name, row in rows.items()} == {"key": 0, "anna": 0, "noe": 1}
    assert rows["noe"] == rows["key"] | {"my_unread": 1}
    assert [body["counts"][str(the_account(db).id)]["my_unread"] for body in told.values()] == [0, 0, 1]
    assert noe.post(path).status_code == 200  # within the look: it has been told with one new message
    again = ask(noe, db, position).json
    assert again["conversations"][0]["my_unread"] == 0
    assert again["counts"][str(the_account(db).id)]["my_unread"] == 0


# --- overlapping transactions ------------------------------------------------------------------------------------


class Writers:
    """Threads that change conversations in transactions which overlap, each ended by the test's own gates."""

    def __init__(self, db: Database, ids: list[uuid.UUID]) -> None:
        self.db = db
        self.ids = ids
        self.rng = random.Random(7)
        self.pause = threading.Event()  # never set: waiting for it is waiting for time to pass

    def run(self, writes: int) -> None:
        rng = random.Random(self.rng.random())
        for _ in range(writes):
            chosen = rng.choice(self.ids)
            with self.db.writing() as session:
                now = session.execute(select(server_now())).scalar_one()
                self.pause.wait(rng.uniform(0, 0.06 if self.db.is_postgres else 0.01))
                session.execute(
                    update(Conversation)
                    .where(Conversation.id == chosen)
                    .values(changed_at=now, unread_count=Conversation.unread_count + 1)
                )
                self.pause.wait(rng.uniform(0, 0.06 if self.db.is_postgres else 0.01))


def overlap(db: Database, poll: Callable[[], None], *, writers: int = 8, writes: int = 12) -> None:
    """Poll while writers work, and once more when they have ended."""
    with db.reading() as session:
        ids = list(session.execute(select(Conversation.id)).scalars())
    work = Writers(db, ids)
    threads = [threading.Thread(target=work.run, args=(writes,)) for _ in range(writers)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        poll()
        work.pause.wait(0.01)
    for thread in threads:
        thread.join()
    poll()


def truth(db: Database) -> dict[str, int]:
    with db.reading() as session:
        return {str(row.id): row.unread_count for row in session.execute(select(Conversation)).scalars()}


@pytest.fixture
def crowd(runtime: Runtime) -> None:
    for number in range(1, 13):
        wrote(runtime, "hello", number)


def follow_changes(client: FlaskClient, db: Database) -> tuple[Callable[[], None], dict[str, int]]:
    """A client of GET /changes: how it polls, and what it holds to be true."""
    position = settled(client, db)
    seen = truth(db)

    def poll() -> None:
        nonlocal position
        response = ask(client, db, position)
        if response.status_code == 204:
            return
        seen.update({row["id"]: row["unread_count"] for row in response.json["conversations"]})
        position = response.json["next"]

    return poll, seen


@pytest.mark.usefixtures("crowd")
def test_a_client_of_changes_ends_with_the_truth(client: FlaskClient, db: Database) -> None:
    poll, seen = follow_changes(client, db)
    overlap(db, poll)
    assert seen == truth(db)


@pytest.mark.usefixtures("crowd")
def test_so_it_does_behind_a_transaction_pooler(client: FlaskClient, config: Config, db: Database) -> None:
    if not db.is_postgres:
        return  # a file has no pooler
    with servers.pgbouncer(config.database_url) as address:
        app = create_app(dataclasses.replace(config, database_url=address))
        pooled = app.test_client()
        pooled.environ_base["HTTP_AUTHORIZATION"] = client.environ_base["HTTP_AUTHORIZATION"]
        poll, seen = follow_changes(pooled, db)
        overlap(runtime_of(app).db, poll)
        assert runtime_of(app).db.transaction_pooled
        assert runtime_of(app).close(5)
        assert seen == truth(db)


@pytest.mark.usefixtures("crowd")
def test_a_client_that_goes_on_from_the_newest_change_it_saw_ends_with_the_truth(
    client: FlaskClient, db: Database
) -> None:
    account = str(the_account(db).id)
    seen = truth(db)
    newest = "2026-01-01T00:00:00Z"

    def poll() -> None:
        nonlocal newest
        rows = client.get("/conversations", query_string={"account_id": account, "updated_since": newest}).json
        seen.update({row["id"]: row["unread_count"] for row in rows})
        newest = max([newest, *(row["changed_at"] for row in rows)])

    overlap(db, poll)
    threading.Event().wait(0.01)  # the last change settles with the millisecond after it
    poll()
    assert seen == truth(db)
