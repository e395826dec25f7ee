"""No list and no lookup reads a whole table or sorts more than a page, on a database where that would show.

The statements are those that really run: they are caught on their way to the driver while routes are called and work
is done, and explained with the values they had. On PostgreSQL with the plan for these values, and with the one that is
used for all values when a statement has been prepared.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.clock import rfc3339, utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.db.paging import Cursor
from inbox.models import Conversation, Job, Message, MessageStatus
from inbox.runtime import Runtime, crews_of, runtime_of
from tests import plenty, servers
from tests.builders import NUMBER_ID, ingest, status, text_message, webhook
from tests.conftest import BACKENDS
from tests.db.test_paging import lists_of
from tests.plans import caught, plans, problems

# --- the database ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=BACKENDS)
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application over a database with plenty of everything."""
    folder = tmp_path_factory.mktemp("full")
    with _address(request, folder) as url:
        config = Config(
            env="development",
            instance_path=folder,
            database_url=url,
            secret_key="x" * 40,
            encryption_keys=(Fernet.generate_key().decode(),),
            dispatcher=False,
            log_format="text",
            rate_limit=1_000_000,
            whatsapp_phone_number_id=NUMBER_ID,
            whatsapp_access_token="t",
            whatsapp_api_url="http://127.0.0.1:9/v26.0",
        )
        app = create_app(config)
        app.testing = True
        runtime_of(app).prepare_database()
        plenty.fill(runtime_of(app).db)
        yield app
        runtime_of(app).close(5)


@contextmanager
def _address(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "inbox.db")
        yield f"sqlite:///{folder / 'inbox.db'}"
        return
    admin, name = request.getfixturevalue("postgres"), f"inbox_full_{uuid.uuid4().hex[:12]}"
    yield servers.create_database(admin, name, request.getfixturevalue("postgres_template"))
    servers.drop_database(admin, name)


@pytest.fixture
def runtime(full: Flask) -> Runtime:
    return runtime_of(full)


@pytest.fixture
def client(full: Flask) -> FlaskClient:
    """A client that calls as an administrator."""
    made = full.test_client()
    key = keys.create(runtime_of(full).db, name="Test admin", role=Role.ADMIN)
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    return made


# --- lists -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What the requests name: a thread with many messages, its account, and whom it is assigned to."""

    account: uuid.UUID
    conversation: uuid.UUID
    user: uuid.UUID | None
    since: str
    middle: str  #: a cursor half-way through the account's conversations


def known(db: Database) -> Known:
    with db.reading() as session:
        largest = select(Conversation.account_id).group_by(Conversation.account_id).order_by(func.count().desc())
        account = session.execute(largest.limit(1)).scalar_one()
        mine = select(Message.conversation_id).where(Message.account_id == account)
        longest = mine.group_by(Message.conversation_id).order_by(func.count().desc()).limit(1)
        assigned = select(Conversation.assigned_to).where(
            Conversation.account_id == account, Conversation.assigned_to.is_not(None)
        )
        newest = select(func.max(Conversation.changed_at)).where(Conversation.account_id == account)
        order = select(Conversation.updated_at, Conversation.id).order_by(Conversation.updated_at.desc())
        half = order.where(Conversation.account_id == account).offset(plenty.CONVERSATIONS // 2).limit(1)
        return Known(
            account,
            session.execute(longest).scalar_one(),
            session.execute(assigned.limit(1)).scalar_one(),
            rfc3339(session.execute(newest).scalar_one()),
            Cursor(*session.execute(half).one()).encode(),
        )


#: Beside a plain call and the page after it: what else a list can be asked for.
FILTERS: dict[str, list[str]] = {
    "/conversations": [
        "unread=true",
        "unread=false",
        "needs_human=true",
        "needs_human=false",
        "status=open",
        "status=closed",
        "assigned_to={user}",
        "updated_since={since}",
        "unread=true&needs_human=true",
        "unread=true&updated_since={since}",
        "q=Customer 12345",
        "q=nobody at all",
        "q=Ca",
        "q=zz",
    ],
    "/contacts": ["q=Customer 12345", "q=nobody at all", "q=zz"],
    "/messages/{conversation_id}": ["before={since}"],
}
#: What a list needs to be told in any case.
NEEDED = {"/conversations": "account_id={account}", "/contacts": "account_id={account}"}
#: A search may sort what it looked up; longer words that nobody has take one pass over the contacts on SQLite.
SEARCHED = re.compile("reads all of contacts|sorts|in vain")


def address_of(path: str, some: Known, more: str) -> str:
    query = "&".join(filter(None, [NEEDED.get(path, ""), more]))
    filled = path.format(conversation_id=some.conversation)
    return f"{filled}?{query.format(account=some.account, user=some.user, since=some.since)}"


def requests_of(client: FlaskClient, some: Known) -> list[str]:
    """Every list, with every filter, and the page behind a place in its middle."""
    asked = []
    for path, parameters in lists_of(client).items():
        variants = ["", *FILTERS.get(path, [])]
        asked += [address_of(path, some, variant) for variant in variants]
        if "cursor" in parameters:
            asked += [address_of(path, some, f"{variant}&cursor={some.middle}".lstrip("&")) for variant in variants]
    return asked


#: The index that a list's filter is for: SQLite does not tell how many rows it reads in vain.
INDEXES = {
    "": "ix_conversations_newest",
    "unread=true": "ix_conversations_unread",
    "needs_human=true": "ix_conversations_needs_human",
    "status=closed": "ix_conversations_closed",
    "assigned_to={user}": "ix_conversations_assigned",
    "updated_since={since}": "ix_conversations_changed",
}


def test_every_filter_uses_the_index_that_was_made_for_it(runtime: Runtime, client: FlaskClient) -> None:
    some = known(runtime.db)
    for variant, index in INDEXES.items():
        with caught(runtime.db) as ran:
            client.get(address_of("/conversations", some, variant))
        (listed,) = (each for each in ran if "ORDER BY" in each.text)
        for plan in plans(runtime.db, listed):
            assert re.search(rf"\b{index}\b", plan), f"{variant}: {plan}"


def test_no_list_reads_a_table_or_sorts_more_than_a_page(full: Flask, runtime: Runtime, client: FlaskClient) -> None:
    assert set(FILTERS) | set(NEEDED) <= set(lists_of(client))
    some = known(runtime.db)
    wrong = []
    for address in requests_of(client, some):
        runtime.identities.forget()
        with caught(runtime.db) as ran:
            response = client.get(address)
        assert response.status_code == 200, f"{address}: {response.data!r}; does it need something? See NEEDED."
        found = problems(runtime.db, ran)
        if "q=" in address and "q=zz" not in address:
            found = [each for each in found if not SEARCHED.search(each)]
        wrong += [f"GET {address}: {each}" for each in found]
    assert not wrong, "\n".join(wrong)


# --- lookups -----------------------------------------------------------------------------------------------------

#: What may: statements by their beginning, each with the reason.
ALLOWED = {
    r"SELECT count\(\*\).*FROM outbox": "the outbox holds what waits, and its depth is a count of all of it",
    "DELETE FROM webhook_events": "thousands at a time",
    # a process does these when it begins, and when the clock was set back or a number was added
    r"SELECT outbox\.id\s+FROM outbox\s+WHERE outbox\.(due_at|held_until|created_at) >": "times of a wrong clock",
    r"UPDATE (outbox|lanes) SET due_at=.* WHERE \S+ (IN|= ANY) ": "times of a wrong clock, thousands at once",
    r"SELECT lanes\.conversation_id\s+FROM lanes\s+WHERE lanes\.due_at >": "times of a wrong clock",
    r"SELECT dead_letters\..*WHERE dead_letters\.reason =": "takes in what came for a number before it was added",
    "SELECT contact_changes.contact_id": "sorts the changes of one number, which are few",
}


def test_nothing_that_is_done_reads_a_table(runtime: Runtime, client: FlaskClient) -> None:
    some = known(runtime.db)
    ingest(runtime, _inbound("wamid.now", at=int(utc_now().timestamp())))
    with runtime.db.reading() as session:
        newest = select(Message.conversation_id).where(Message.wa_message_id == "wamid.now")
        fresh = session.execute(newest).scalar_one()
    with caught(runtime.db) as ran:
        _people_act(runtime, client, some, fresh)
        _webhooks_come(runtime)
        _crews_look(runtime, client)
    assert len(ran) > 30
    checked = [each for each in ran if not any(re.match(allowed, each.text, re.S) for allowed in ALLOWED)]
    wrong = problems(runtime.db, checked)
    assert not wrong, "\n".join(wrong)


def _people_act(runtime: Runtime, client: FlaskClient, some: Known, fresh: uuid.UUID) -> None:
    """Open a conversation, reply twice with one key, send a failed one again, and look at single rows."""
    talk = f"/conversations/{some.conversation}"
    for path, body in (("read", None), ("favorite", {"favorite": True}), ("bot", {"enabled": True})):
        assert client.post(f"{talk}/{path}", json=body).status_code == 200
    assert client.get(talk).status_code == 200
    assert client.get(f"/conversations/counts?account_id={some.account}").status_code == 200
    draft = {"conversation_id": str(fresh), "content": "hello", "client_key": uuid.uuid4().hex}
    first, second = (client.post("/messages/send", json=draft) for _ in range(2))
    assert first.status_code == second.status_code == 202
    with runtime.db.writing() as session:
        message = session.get_one(Message, uuid.UUID(first.json["message_id"]))
        message.status = MessageStatus.FAILED
        session.execute(delete(Job).where(Job.message_id == message.id))
    assert client.post(f"/messages/{first.json['message_id']}/resend").status_code == 202


def _inbound(wa_id: str, **more: Any) -> bytes:
    return webhook(messages=[text_message("hello", wa_id=wa_id, **more)])


def _webhooks_come(runtime: Runtime) -> None:
    """Messages of known and unknown people, one twice; a reply, a reaction, statuses for known and unknown ids."""
    reaction = {"from": "33600000001", "id": "wamid.react", "timestamp": "1795165200", "type": "reaction"}
    quoting = text_message("and this", wa_id="wamid.quoting") | {"context": {"from": "x", "id": "wamid.now"}}
    ingest(runtime, _inbound("wamid.a"), _inbound("wamid.a"), _inbound("wamid.b", phone="33700000009"))
    ingest(runtime, webhook(messages=[quoting, reaction | {"reaction": {"message_id": "wamid.a", "emoji": "x"}}]))
    ingest(runtime, webhook(statuses=[status("read", wa_id="wamid.a"), status("failed", wa_id="wamid.nowhere")]))


def _crews_look(runtime: Runtime, client: FlaskClient) -> None:
    """Everything a dispatcher looks for, and claims."""
    crews = crews_of(runtime)
    crews.events(1)
    crews.ingest("")
    claims = crews.sends(4)
    assert claims
    crews.deliver(claims[0])
    crews.housekeeping.receipts(4)
    crews.answers(4)
    assert client.get("/health/ready").status_code == 200
