"""What a request may ask the database: numbers that must not creep back up. PostgreSQL's are round trips."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event, update

from inbox.clock import utc_now
from inbox.db import Database
from inbox.models import Conversation
from inbox.runtime import Runtime
from tests.builders import ingest, text_message, the_conversation, webhook
from tests.queries import asked


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """The statements during the block, BEGIN and COMMIT included."""

    def committed(_connection: Any) -> None:
        statements.append("COMMIT")

    with asked(db) as statements:
        event.listen(db.engine, "commit", committed)
        yield statements
        event.remove(db.engine, "commit", committed)


def beside_the_key(statements: list[str]) -> list[str]:
    """All but the look at who calls, which is made once a second at most, however many requests come."""
    return [statement for statement in statements if "FROM api_keys" not in statement]


@pytest.fixture
def talk(runtime: Runtime, db: Database) -> Conversation:
    """A conversation whose customer has written, and got a reaction to it."""
    question = text_message("Do you have bread?", wa_id="wamid.1", at=int(utc_now().timestamp()))
    reaction = {**question, "id": "wamid.2", "type": "reaction", "reaction": {"message_id": "wamid.1", "emoji": "👍"}}
    reply = {**question, "id": "wamid.3", "context": {"id": "wamid.1"}}
    ingest(runtime, webhook(messages=[question]), webhook(messages=[reaction]), webhook(messages=[reply]))
    return the_conversation(db)


def send(client: FlaskClient, talk: Conversation, key: str | None) -> Any:
    body = {"conversation_id": str(talk.id), "content": "Come by!", "client_key": key}
    return client.post("/messages/send", json=body)


def read_thread(client: FlaskClient, talk: Conversation) -> Any:
    return client.get(f"/messages/{talk.id}")


def read_list(client: FlaskClient, talk: Conversation) -> Any:
    return client.get("/conversations", query_string={"account_id": talk.account_id})


@pytest.mark.parametrize(
    ("request_of", "most", "most_of_sqlite"),
    [
        (lambda client, talk: send(client, talk, str(uuid.uuid4())), 5, 8),
        (lambda client, talk: send(client, talk, None), 5, 8),
        (read_thread, 1, 1),
        (read_list, 1, 1),
    ],
    ids=["send with a key", "send without one", "thread", "list"],
)
def test_a_request_asks_no_more_of_the_database_than_it_must(
    client: FlaskClient,
    db: Database,
    talk: Conversation,
    request_of: Callable[[FlaskClient, Conversation], Any],
    most: int,
    most_of_sqlite: int,
) -> None:
    assert request_of(client, talk).status_code < 300  # from here on the key is known
    with counted(db) as found:
        assert request_of(client, talk).status_code < 300
    statements = beside_the_key(found)
    assert len(statements) <= (most if db.is_postgres else most_of_sqlite), "\n".join(statements)


def test_a_poll_that_finds_nothing_asks_nothing_while_the_last_look_is_fresh(
    client: FlaskClient, db: Database, runtime: Runtime, talk: Conversation
) -> None:
    with db.writing() as session:  # on SQLite the newest change is told again for a while
        session.execute(update(Conversation).values(changed_at=utc_now() - timedelta(minutes=1)))
    query = {"account_id": str(talk.account_id)}
    runtime.changes.watcher._clock = lambda: 100.0  # of the watcher: its look stays fresh
    query["since"] = client.get("/changes", query_string=query).json["next"]
    with counted(db) as found:
        assert client.get("/changes", query_string=query).status_code in (200, 204)
    assert beside_the_key(found) == []
