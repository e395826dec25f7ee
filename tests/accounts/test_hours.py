"""When a number is open, and what happens to customers who write while it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from inbox.accounts.hours import Hours
from inbox.auth.access import Access, Permission, Principal
from inbox.conversations import service
from inbox.models import Conversation, JobKind
from inbox.outbox import jobs
from inbox.runtime import Runtime
from tests.builders import all_messages, text_message, the_account, the_conversation, webhook
from tests.outbox.world import START, World

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
NINE = [{"opens": "09:00", "closes": "18:00"}]
ALL_DAY = [{"opens": "00:00", "closes": "24:00"}]
WORKDAYS = dict.fromkeys(("monday", "tuesday", "wednesday", "thursday", "friday"), NINE)
PARIS: dict[str, Any] = {"zone": "Europe/Paris", "week": WORKDAYS}
ALWAYS = dict.fromkeys((*WORKDAYS, "saturday", "sunday"), ALL_DAY)
OFF = {"exceptions": [{"date": "2026-11-20", "spans": []}, {"date": "2026-11-22", "spans": NINE}]}
NIGHT = {"zone": "Europe/Paris", "week": {"friday": [{"opens": "20:00", "closes": "24:00"}]}}
NIGHT["week"]["saturday"] = [{"opens": "00:00", "closes": "02:00"}]  # type: ignore[index]
OVER: dict[str, Any] = {"zone": "Europe/Paris", "week": {"friday": [{"opens": "20:00", "closes": "02:00"}]}}
EVERY_NIGHT = {"zone": "UTC", "week": dict.fromkeys(ALWAYS, OVER["week"]["friday"])}
#: In Paris the clock went from 03:00 back to 02:00 on 2026-10-25, and from 02:00 to 03:00 on 2026-03-29.
SUNDAY = {"zone": "Europe/Paris", "week": {"sunday": [{"opens": "01:00", "closes": "04:00"}]}}
SKIPPED = {"zone": "Europe/Paris", "week": {"sunday": [{"opens": "02:00", "closes": "03:00"}]}}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "when", "is_open", "changes", "closed_since"),
    [
        (PARIS, "2026-11-20T07:59", False, "2026-11-20T08:00", "2026-11-19T17:00"),
        (PARIS, "2026-11-20T08:00", True, "2026-11-20T17:00", None),
        (PARIS, "2026-11-20T17:00", False, "2026-11-23T08:00", "2026-11-20T17:00"),
        (PARIS, "2026-07-17T16:30", False, "2026-07-20T07:00", "2026-07-17T16:00"),
        (PARIS | OFF, "2026-11-20T10:00", False, "2026-11-22T08:00", "2026-11-19T17:00"),
        (NIGHT, "2026-11-20T22:00", True, "2026-11-21T01:00", None),
        (NIGHT, "2026-11-21T00:30", True, "2026-11-21T01:00", None),
        *(
            (OVER, when, is_open, changes, since)
            for when, is_open, changes, since in (
                ("2026-11-20T22:00", True, "2026-11-21T01:00", None),
                ("2026-11-21T00:30", True, "2026-11-21T01:00", None),
                ("2026-11-21T01:00", False, "2026-11-27T19:00", "2026-11-21T01:00"),
                ("2026-11-20T00:30", False, "2026-11-20T19:00", "2026-11-14T01:00"),
            )
        ),
        (EVERY_NIGHT, "2026-11-20T03:00", False, "2026-11-20T20:00", "2026-11-20T02:00"),
        (EVERY_NIGHT, "2026-11-20T21:00", True, "2026-11-21T02:00", None),
        (
            OVER | {"exceptions": [{"date": "2026-11-21", "spans": []}]},
            "2026-11-21T00:30",
            True,
            "2026-11-21T01:00",
            None,
        ),
        (
            OVER | {"exceptions": [{"date": "2026-11-20", "spans": []}]},
            "2026-11-21T00:30",
            False,
            "2026-11-27T19:00",
            None,
        ),
        ({"zone": "UTC", "week": ALWAYS}, "2026-11-20T22:00", True, None, None),
        (SUNDAY, "2026-10-24T23:30", True, "2026-10-25T03:00", None),
        (SKIPPED, "2026-03-28T23:30", False, "2026-04-05T00:00", "2026-03-22T02:00"),
        ({"zone": "Pacific/Apia", "week": WORKDAYS}, "2026-11-22T20:30", True, "2026-11-23T05:00", None),
    ],
)
def test_hours_are_those_of_the_zone(
    hours: dict[str, Any], when: str, is_open: bool, changes: str | None, closed_since: str | None
) -> None:
    known = Hours.read(hours)
    assert known is not None
    assert known.is_open(at(when)) is is_open
    assert known.changes_at(at(when)) == (at(changes) if changes else None)
    if closed_since is not None:
        assert known.closed_since(at(when)) == at(closed_since)


@on_sqlite
def test_a_number_has_hours_changes_them_and_is_always_open_again(client: FlaskClient, runtime: Runtime) -> None:
    path = f"/accounts/{the_account(runtime.db).id}/hours"
    World(runtime)  # Friday, 10:00 in Paris
    none = {"hours": None, "open": True, "changes_at": None}
    assert client.get(path).json == none
    row = client.put(path, json=PARIS).json
    assert (row["open"], row["changes_at"], row["hours"]["bot"]) == (True, "2026-11-20T17:00:00.000Z", "answers")
    assert client.get(path).json == row
    closed = client.put(path, json=PARIS | OFF).json
    assert (closed["open"], closed["changes_at"]) == (False, "2026-11-22T08:00:00.000Z")
    assert client.delete(path).json == none


@on_sqlite
@pytest.mark.parametrize(
    ("spans", "code"),
    [
        ([("09:00", "09:00")], "closes_at_once"),
        ([("09:00", "12:00"), ("11:00", "18:00")], "overlapping"),
        ([("20:00", "02:00"), ("22:00", "23:00")], "overlapping"),
        ([("20:00", "02:00"), ("09:00", "18:00")], None),
    ],
)
def test_hours_of_a_day_are_apart(client: FlaskClient, runtime: Runtime, spans: Any, code: str | None) -> None:
    friday = [{"opens": opens, "closes": closes} for opens, closes in spans]
    answer = client.put(f"/accounts/{the_account(runtime.db).id}/hours", json=PARIS | {"week": {"friday": friday}})
    assert [error["code"] for error in answer.json.get("errors", [])] == ([code] if code else [])


# --- customers who write meanwhile -------------------------------------------------------------------------------

AWAY = "We are closed and answer from nine."


class Shop(World):
    """A business whose customer writes."""

    def set_hours(self, **more: Any) -> None:
        with self.db.writing() as session:
            account = session.merge(the_account(self.db))
            account.hours = {
                "zone": "Europe/Paris",
                "week": {"friday": NINE, "saturday": NINE},
                "away_text": AWAY,
            } | more

    def set(self, **values: Any) -> None:
        with self.db.writing() as session:
            conversation = session.get_one(Conversation, the_conversation(self.db).id)
            for name, value in values.items():
                setattr(conversation, name, value)

    def at(self, hour: float, day: int = 20) -> Shop:
        """This hour in Paris; 2026-11-20 is a Friday."""
        self.now = START.replace(day=day, hour=0) + timedelta(hours=hour - 1)
        return self

    def hears(self, wa_id: str, ago: float = 0.0) -> None:
        stamp = int((self.now - timedelta(hours=ago)).timestamp())
        self.ingest(webhook(messages=[text_message("Hello?", wa_id=wa_id, at=stamp)]))

    def away(self) -> int:
        """How many away messages there are, each with its job."""
        told = [each for each in all_messages(self.db) if each.content_text == AWAY]
        assert {each.author_kind for each in told} <= {"system"}
        sends = {job.message_id for job in self.jobs() if job.kind == JobKind.SEND}
        assert {each.id for each in told} <= sends
        return len(told)

    def answer(self) -> datetime | None:
        """When the bot's answer is due."""
        return next((job.due_at for job in self.jobs() if job.kind == JobKind.ANSWER), None)


def test_the_away_message_is_sent_once_in_each_closed_stretch(runtime: Runtime) -> None:
    shop = Shop(runtime)
    shop.set_hours(bot="silent")
    shop.at(8).hears("wamid.1")
    shop.hears("wamid.1")  # delivered again
    shop.hears("wamid.2")
    assert shop.away() == 1
    assert the_conversation(runtime.db).waiting_since is not None
    assert shop.answer() == at("2026-11-20T08:00")
    shop.at(12).hears("wamid.3")
    assert shop.away() == 1
    shop.at(18).hears("wamid.4")
    assert shop.away() == 2
    shop.at(23).hears("wamid.5")
    shop.at(8, day=21).hears("wamid.6")
    assert shop.away() == 2


@on_sqlite
@pytest.mark.parametrize(
    ("case", "hours", "conversation", "told"),
    [
        ("the bot answers", {"bot": "answers"}, {}, 0),
        ("the bot is off", {"bot": "answers"}, {"bot_enabled": False}, 1),
        ("a person is needed", {"bot": "answers"}, {"needs_human": True, "needs_human_reason": "answer_limit"}, 1),
        ("no text", {"bot": "silent", "away_text": None}, {}, 0),
        ("a person has replied since it closed", {"bot": "silent"}, {"person_replied_at": at("2026-11-20T18:00")}, 0),
        ("a person replied before it closed", {"bot": "silent"}, {"person_replied_at": at("2026-11-20T16:00")}, 1),
        ("a group", {"bot": "silent"}, {"is_group": True}, 0),
    ],
)
def test_who_is_told_that_it_is_closed(
    runtime: Runtime, case: str, hours: dict[str, Any], conversation: dict[str, Any], told: int
) -> None:
    shop = Shop(runtime)
    shop.at(12).hears("wamid.1")
    shop.set_hours(**hours)
    shop.set(**conversation)
    shop.at(20).hears("wamid.2")
    assert shop.away() == told, case


@on_sqlite
def test_nobody_is_told_who_wrote_more_than_a_day_ago(runtime: Runtime) -> None:
    shop = Shop(runtime)
    shop.set_hours(bot="silent")
    shop.at(20).hears("wamid.1", ago=25)
    assert shop.away() == 0


def test_a_silent_bot_answers_when_the_number_opens(
    client: FlaskClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(runtime)
    shop.set_hours(bot="silent")
    shop.at(8).hears("wamid.1")
    monkeypatch.setattr("inbox.conversations.rows.utc_now", lambda: shop.now)
    path = f"/conversations/{the_conversation(runtime.db).id}"
    assert client.get(path).json["bot_silent_reason"] == "closed"
    access = Access(Principal("a", "A", frozenset(Permission), kind="key"), Permission.MESSAGES_SEND)
    service.set_bot(runtime.db, access, the_conversation(runtime.db).id, enabled=True)
    with runtime.db.writing() as session:
        (claim,) = jobs.claim_jobs(session, JobKind.ANSWER, shop.now, 10)
    runtime.answering.run(claim)  # nobody is asked: it is put off
    assert shop.answer() == at("2026-11-20T08:00")
    assert shop.at(12) is shop
    assert client.get(path).json["bot_silent_reason"] is None
    shop.at(8)
    assert client.delete(f"/accounts/{the_account(runtime.db).id}/hours").status_code == 200
    assert shop.answer() == shop.now
