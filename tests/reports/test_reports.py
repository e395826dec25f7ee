"""How long customers waited: measured when they are answered, written down by day, told without reading messages."""

from __future__ import annotations

import csv
import io
import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from inbox.conversations.order import person_typed
from inbox.db import Database
from inbox.models import Account, Conversation, Message, ReportDay, Resolution
from inbox.reports.rolling import roll_up
from inbox.reports.waits import bucket_of, percentile, seconds_of
from inbox.runtime import Runtime
from tests.builders import text_message, the_account, the_conversation, webhook
from tests.outbox.world import START, World
from tests.plans import caught
from tests.users.people import refusal

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter


def test_percentiles_are_those_of_all_waits_to_one_per_cent() -> None:
    rng = random.Random(7)
    waits = sorted(round(rng.lognormvariate(5, 2)) for _ in range(999))
    counts = Counter(map(bucket_of, waits))
    for share, place in ((0.5, 499), (0.9, 899)):
        assert percentile(counts, share) == pytest.approx(waits[place], rel=0.011, abs=0.5)
    assert [seconds_of(bucket_of(each)) for each in range(50)] == list(range(50))
    assert percentile(Counter(), 0.5) is None


@pytest.fixture
def shop(runtime: Runtime) -> World:
    return World(runtime)  # 2026-11-20, 09:00 UTC


def hears(shop: World, wa_id: str) -> None:
    shop.ingest(webhook(messages=[text_message("Hello?", wa_id=wa_id, at=int(shop.now.timestamp()))]))


def answered(session: Session, message: Message, **values: Any) -> None:
    session.flush()
    session.execute(update(Message).where(Message.id == message.id).values(values))


def report(client: FlaskClient, shop: World, **query: str) -> Any:
    return client.get("/reports", query_string={"account_id": str(the_account(shop.db).id), **query})


def said(rows: Any) -> list[tuple[Any, ...]]:
    return [(row["day"], row["measure"], row["by"], row["count"], row["median_seconds"]) for row in rows]


def test_the_first_reply_and_the_end_of_a_conversation_are_measured(client: FlaskClient, shop: World) -> None:
    hears(shop, "wamid.1")
    where = f"/conversations/{the_conversation(shop.db).id}"
    shop.advance(30)
    hears(shop, "wamid.2")
    shop.advance(10)
    for text in ("Yes?", "Hello."):  # the second answers nothing
        with shop.db.writing() as session:
            conversation = session.get_one(Conversation, the_conversation(shop.db).id)
            shop.queue_in(session, conversation, text)
            person_typed(conversation, shop.now, timedelta(hours=1))
    shop.advance(3600 - 40)
    client.post(f"{where}/status", json={"status": "done"})
    client.post(f"{where}/status", json={"status": "open"})  # taken back
    assert said(report(client, shop).json["rows"]) == [("2026-11-20", "first_reply", "person", 1, 40)]
    client.post(f"{where}/status", json={"status": "done"})
    found = report(client, shop, to="2026-11-20").json
    assert (found["zone"], found["first"], found["last"]) == ("UTC", "2026-10-22", "2026-11-20")
    until_done = pytest.approx(3600, rel=0.011)
    whole = [("2026-11-20", "first_reply", "person", 1, 40), ("2026-11-20", "resolution", "person", 1, until_done)]
    assert said(found["rows"]) == said(found["days"]) == whole
    assert [row["person"]["name"] for row in found["people"]] == [None, "Test admin"]
    hears(shop, "wamid.3")
    shop.advance(7)
    echo = {"from": "33700000000", "to": "33600000001", "id": "wamid.e", "type": "text", "text": {"body": "Sure"}}
    body = webhook(field="smb_message_echoes", message_echoes=[echo | {"timestamp": str(int(shop.now.timestamp()))}])
    shop.ingest(body)
    people = report(client, shop).json["people"]
    assert [(row["person"], row["median_seconds"]) for row in people if row["person"]["id"] is None] == [
        ({"id": None, "name": None}, 7)
    ]


def test_days_that_are_over_are_written_down_and_read_without_messages(client: FlaskClient, shop: World) -> None:
    account_id = the_account(shop.db).id
    with shop.db.writing() as session:
        session.get_one(Account, account_id).hours = {
            "zone": "America/New_York",
            "week": {"monday": [{"opens": "09:00", "closes": "18:00"}]},
        }
        conversation = shop.conversation(session)
        for number in range(3):
            message = shop.queue_in(session, conversation, f"Answer {number}")
            answered(session, message, author_kind="bot", author_id=None, answered_after=10 * (number + 1))
        session.add(
            Resolution(
                account_id=account_id,
                conversation_id=conversation.id,
                done_by="key",
                opened_at=shop.now.replace(hour=4),
                done_at=shop.now.replace(hour=4),  # the evening before, in New York
            )
        )
    shop.advance(24 * 3600 - 4 * 3600 + 300)  # 00:05 of the 21st in New York: not over for long enough
    roll_up(shop.db)
    before = report(client, shop).json
    assert said(before["rows"]) == [
        ("2026-11-19", "resolution", "person", 1, 0),
        ("2026-11-20", "first_reply", "bot", 3, 20),
    ]
    shop.advance(600)
    roll_up(shop.db)
    roll_up(shop.db)
    with shop.db.reading() as session:
        assert session.get_one(Account, account_id).reported_through == date(2026, 11, 20)
        assert session.execute(select(func.count()).select_from(ReportDay)).scalar_one() == 2
    with shop.db.writing() as session:
        session.query(Message).delete()
        session.query(Resolution).delete()
    assert report(client, shop).json["rows"] == before["rows"]


def test_a_report_costs_the_same_for_many_days(client: FlaskClient, shop: World, db: Database) -> None:
    account_id = the_account(db).id
    with db.writing() as session:
        for back in range(1, 92):
            session.add(
                ReportDay(
                    account_id=account_id,
                    day=START.date() - timedelta(days=back),
                    measure="first_reply",
                    who="bot",
                    counts={"5": 1},
                )
            )
        session.get_one(Account, account_id).reported_through = START.date() - timedelta(days=1)
    assert report(client, shop).status_code == 200  # who calls is known from then on
    counts = []
    for first in ("2026-11-18", "2026-08-21"):
        with caught(db) as ran:
            assert len(report(client, shop, **{"from": first, "to": "2026-11-20"}).json["rows"]) in (2, 91)
        counts.append(len(ran))
    assert abs(counts[0] - counts[1]) <= 1  # the clock is asked for now and then
    assert max(counts) <= 8


@on_sqlite
def test_a_range_that_is_none_is_refused(client: FlaskClient, shop: World) -> None:
    for query, pointer in (
        ({"from": "2026-11-21", "to": "2026-11-20"}, "?from"),
        ({"from": "2026-08-20", "to": "2026-11-20"}, "?from"),
        ({"to": "20.11.2026"}, "?to"),
    ):
        answer = report(client, shop, **query)
        assert refusal(answer) == (400, "validation_error")
        assert [each["pointer"] for each in answer.json["errors"]] == [pointer]


@on_sqlite
def test_a_table_holds_no_formula(client: FlaskClient, shop: World) -> None:
    key = client.post("/admin/keys", json={"name": "=HYPERLINK(1)", "role_id": role_of(client)}).json["id"]
    with shop.db.writing() as session:
        message = shop.queue_in(session, shop.conversation(session), "Answer")
        answered(session, message, author_id=key, answered_after=5)
    asked = [
        report(client, shop, format="csv"),
        client.get(f"/reports?account_id={the_account(shop.db).id}", headers={"Accept": "text/csv"}),
    ]
    for answer in asked:
        assert answer.mimetype == "text/csv"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="report-2026-10-22-2026-11-20.csv"'
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["person_name"], row["person_id"], row["median_seconds"]) for row in rows] == [
            ("'=HYPERLINK(1)", key, "5")
        ]


def role_of(client: FlaskClient) -> str:
    return str(next(each["id"] for each in client.get("/admin/roles").json if each["slug"] == "viewer"))
