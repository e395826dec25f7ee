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
from inbox.auth.access import Grant, Role
from inbox.clock import rfc3339, utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.db.paging import Cursor
from inbox.knowledge.finding import best_passages
from inbox.models import Conversation, Job, Label, Message, MessageStatus, WebhookEndpoint
from inbox.operations.metrics.figures import Figures
from inbox.operations.metrics.page import Page
from inbox.runtime import Runtime, crews_of, runtime_of
from tests import plenty, servers
from tests.auth.people import local_user, session_of
from tests.builders import NUMBER_ID, ingest, status, text_message, the_account, webhook
from tests.db.test_paging import lists_of
from tests.plans import caught, plans, problems
from tests.settings import BACKENDS

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
    """A client that calls as an administrator, and a person: a key has no drafts."""
    made, db = full.test_client(), runtime_of(full).db
    user = local_user(db, f"{uuid.uuid4().hex}@example.com", [Grant(Role.ADMIN)], password=None)
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {session_of(db, user.id)}"
    return made


# --- lists -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """What the requests name: a thread with many messages, its account, and whom it is assigned to."""

    account: uuid.UUID
    conversation: uuid.UUID
    user: uuid.UUID | None
    message: uuid.UUID
    label: uuid.UUID
    endpoint: uuid.UUID
    contact: uuid.UUID
    since: str
    middle: str  #: a cursor half-way through the account's conversations


def known(db: Database) -> Known:
    with db.reading() as session:
        largest = select(Conversation.account_id).group_by(Conversation.account_id).order_by(func.count().desc())
        account = session.execute(largest.limit(1)).scalar_one()
        mine = select(Message.conversation_id).where(Message.account_id == account)
        longest = mine.group_by(Message.conversation_id).order_by(func.count().desc()).limit(1)
        middle = select(Message.id).where(Message.conversation_id == longest.scalar_subquery()).offset(2).limit(1)
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
            session.execute(middle).scalar_one(),
            session.execute(select(Label.id).where(Label.name == "L0")).scalar_one(),
            session.execute(select(WebhookEndpoint.id)).scalar_one(),
            session.execute(
                select(Conversation.contact_id).where(Conversation.account_id == account).limit(1)
            ).scalar_one(),
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
        "favorite=true",
        "favorite=false",
        "status=open",
        "status=pending",
        "status=closed",
        "waiting=true",
        "waiting=false",
        "my_unread=true",
        "my_unread=false",
        "order=waiting",
        "order=waiting&unread=true",
        "assigned_to={user}",
        "label_id={label}",
        "label_id={label}&unread=true",
        "updated_since={since}",
        "unread=true&needs_human=true",
        "unread=true&updated_since={since}",
        "q=Customer 12345",
        "q=nobody at all",
        "q=Ca",
        "q=zz",
    ],
    "/contacts": ["q=Customer 12345", "q=nobody at all", "q=zz"],
    "/messages/{conversation_id}": ["before={since}", "after={message}", "around={message}"],
}
#: What a list needs to be told in any case.
NEEDED = {"/conversations": "account_id={account}", "/contacts": "account_id={account}"}
#: A search may sort what it looked up; longer words that nobody has take one pass over the contacts on SQLite.
SEARCHED = re.compile("reads all of contacts|sorts|in vain")
#: Conversations with a label, or new to somebody, are looked up and then sorted; or all are read, where they are few.
CHOSEN = re.compile("reads all of conversations$|sorts|USE TEMP B-TREE FOR ORDER BY$")


def address_of(path: str, some: Known, more: str) -> str:
    query = "&".join(filter(None, [NEEDED.get(path, ""), more]))
    ids = {"conversation_id": some.conversation, "account_id": some.account, "endpoint_id": some.endpoint}
    filled = path.format(**ids, contact_id=some.contact)
    return f"{filled}?{query.format(**vars(some))}"


def requests_of(client: FlaskClient, some: Known) -> list[str]:
    """Every list, with every filter, and the page behind a place in its middle."""
    asked = []
    for path, parameters in lists_of(client).items():
        variants = ["", *FILTERS.get(path, [])]
        asked += [address_of(path, some, variant) for variant in variants]
        if "cursor" in parameters:
            paged = [variant for variant in variants if "{message}" not in variant]
            asked += [address_of(path, some, f"{variant}&cursor={some.middle}".lstrip("&")) for variant in paged]
    return asked


#: The index that a list's filter is for: SQLite does not tell how many rows it reads in vain.
INDEXES = {
    "": "ix_conversations_newest",
    "unread=true": "ix_conversations_unread",
    "needs_human=true": "ix_conversations_needs_human",
    "favorite=true": "ix_conversations_favorite",
    "status=pending": "ix_conversations_put_away",
    "status=closed": "ix_conversations_put_away",
    "waiting=true": "ix_conversations_unanswered",
    "order=waiting": "ix_conversations_waiting",
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
        if address.endswith("/people?"):  # the rights of 250 users: few rows, and a scan of thousands is no slower
            found = [each for each in found if not re.search("reads all of (role_grants|permission_overrides)", each)]
        if "label_id=" in address or "my_unread=true" in address:
            found = [each for each in found if not CHOSEN.search(each)]
        wrong += [f"GET {address}: {each}" for each in found]
    assert not wrong, "\n".join(wrong)


def test_a_search_takes_few_messages_in_hand_however_many_have_its_words(runtime: Runtime, client: FlaskClient) -> None:
    account = known(runtime.db).account
    everybodys = "could you tell" if runtime.db.is_postgres else "hello"
    for words, found in ((everybodys, 20), ("nobody wrote this", 0)):
        with caught(runtime.db) as ran:
            answer = client.get(f"/search?account_id={account}&q={words}&limit=20")
        assert len(answer.json["messages"]) == found
        (searched,) = (each for each in ran if re.search("message_words|holds", each.text))
        assert all("ix_messages_written" in plan for plan in plans(runtime.db, searched))
        if runtime.db.is_postgres:
            assert not problems(runtime.db, [searched])


# --- lookups -----------------------------------------------------------------------------------------------------

#: What may: statements by their beginning, each with the reason.
ALLOWED = {
    r"SELECT messages\.id.*holds\(": "SQLite looks at the words of each message",
    r"\s*WITH asked AS": "passages as short as those here are read sooner than looked up; ordinary ones by their index",
    r"\s*SELECT p\.id.*knowledge_words MATCH": "sorts the passages of one number that have a word of the question",
    r"SELECT count\(\*\).*FROM outbox": "the outbox holds what waits, and its depth is a count of all of it",
    r"SELECT \(SELECT count\(\*\)": "what waits: see the next test",
    r"SELECT count\(\*\).*LEFT OUTER JOIN outbox": "the newest messages, and what waits",
    "SELECT incidents.upstream.*FROM incidents LEFT": "open incidents, and the conversations that wait because of them",
    "DELETE FROM webhook_(events|deliveries)": "thousands at a time",
    "DELETE FROM gone_conversations": "what is gone for a day, once in a while",
    r"SELECT outbox\.id AS job_id": "what waits, once a minute",
    # a process does these when it begins, and when the clock was set back or a number was added
    r"SELECT outbox\.id\s+FROM outbox\s+WHERE outbox\.(due_at|held_until|created_at) >": "times of a wrong clock",
    r"UPDATE (outbox|lanes) SET due_at=.* WHERE \S+ (IN|= ANY) ": "times of a wrong clock, thousands at once",
    r"SELECT lanes\.conversation_id\s+FROM lanes\s+WHERE lanes\.due_at >": "times of a wrong clock",
    r"SELECT dead_letters\..*WHERE dead_letters\.reason =": "takes in what came for a number before it was added",
    r"SELECT whatsapp_accounts\.id, .*ORDER BY random": "the numbers that may send, which are few",
    "SELECT contact_changes.contact_id": "sorts the changes of one number, which are few",
}
#: What SQLite does, where a plan of its own is no worse.
ALLOWED_ON_SQLITE = {
    "WITH numbers AS": "it knows no lateral joins, and sorts the lanes that are due",
    r"SELECT \(SELECT outbox\.due_at.*template_syncs": "sorts the numbers whose templates are asked for, which are few",
    r"SELECT anon_1\.state, count.*FROM webhook_deliveries": "the newest, by their row ids",
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
    allowed = ALLOWED if runtime.db.is_postgres else ALLOWED | ALLOWED_ON_SQLITE
    checked = [each for each in ran if not any(re.match(known, each.text, re.S) for known in allowed)]
    wrong = problems(runtime.db, checked)
    assert not wrong, "\n".join(wrong)


def test_what_waits_is_counted_in_indexes_that_hold_nothing_else(runtime: Runtime) -> None:
    with caught(runtime.db) as ran:
        Page(Figures(runtime.db, runtime.journal), "token").text()
    counting = [each for each in ran if re.match(r"SELECT \(SELECT count", each.text)]
    assert len(counting) == 2
    plan = "".join(plan for each in counting for plan in plans(runtime.db, each))
    for index in ("dead_letters_waiting", "conversations_needs_human", "webhook_events_failed"):
        small = runtime.db.is_postgres and index == "dead_letters_waiting"  # all of them wait here, so either will do
        assert small or f"ix_{index}" in plan, index


def _people_act(runtime: Runtime, client: FlaskClient, some: Known, fresh: uuid.UUID) -> None:
    """Open a conversation, reply twice with one key, send a failed one again, and look at single rows."""
    talk = f"/conversations/{some.conversation}"
    switches = (("favorite", {"favorite": True}), ("status", {"status": "done"}), ("bot", {"enabled": True}))
    for path, body in (("read", None), *switches):
        assert client.post(f"{talk}/{path}", json=body).status_code == 200
    assert client.get(talk).status_code == 200
    assert client.get(f"/conversations/counts?account_id={some.account}").status_code == 200
    assert client.get(f"/search?account_id={some.account}&q=nobody wrote this").status_code == 200
    draft = {"conversation_id": str(fresh), "content": "hello", "client_key": uuid.uuid4().hex}
    newest = client.get(f"/messages/{fresh}?limit=1").json[0]["id"]
    draft["seen_through"] = newest
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
    for next_due in (crews.next_events, crews.next_send, crews.next_answer, crews.housekeeping.next_due):
        next_due()
    crews.ingest("")
    claims = crews.sends(4)
    assert claims
    crews.deliver(claims[0])
    crews.housekeeping.receipts(4)
    crews.answers(4)
    crews.reading.next_due()
    crews.reading.claims(1)
    with runtime.db.reading() as session:
        best_passages(session, the_account(runtime.db).id, "numéro77")
    assert client.get("/health/ready").status_code == 200
    runtime.metrics.text()
