"""GET /status and its history: the sentence that matters most, what it rests on, and the minutes behind it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from inbox.auth.access import Grant, Role
from inbox.clock import new_id, utc_now
from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.metrics.tally import CLASSES, Counted, Recent, Tally
from inbox.models import Account, Incident, Pause, Sample
from inbox.operations import probes, samples, standing
from inbox.operations.processes import Calls, Circuit, Identity, Report, Seen, save
from inbox.operations.reporter import Reporter
from inbox.outbox.outcomes import Unknown
from inbox.runtime import Runtime
from tests.builders import ingest, text_message, webhook
from tests.outbox.world import World
from tests.users.people import another_account, as_user, member


@pytest.fixture(autouse=True)
def _looks_anew(monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
    monkeypatch.setattr(probes, "SHARED_FOR", 0.0)
    runtime.status._looks.clear()
    runtime.standings.forget()


def runs(db: Database, *, dispatcher: bool = True, calls: dict[str, Calls] | None = None, **circuits: Circuit) -> None:
    """Another process reports."""
    report = Report(dispatcher=dispatcher, circuits=circuits, calls=calls or {})
    with db.writing() as session:
        save(session, Identity.of_this_process("worker"), report, db.now(session))


def told(client: FlaskClient) -> Any:
    response = client.get("/status", headers={"Accept": "application/json"})
    assert response.status_code == 200
    return response.json


def away(state: str = "open", **more: Any) -> Circuit:
    return Circuit(state=state, opened_at=utc_now() - timedelta(seconds=70), retry_in_s=22.0, **more)


# --- the sentence ------------------------------------------------------------------------------------------------


def test_all_is_well_while_somebody_works_and_everything_answers(client: FlaskClient, db: Database) -> None:
    runs(db)
    body = told(client)
    assert (body["code"], body["since"], body["dispatchers"]) == ("well", None, 1)
    assert {each["state"] for each in body["upstreams"]} == {"well"}


@pytest.mark.parametrize("name", ["gemini", "whatsapp", "supabase"])
@pytest.mark.parametrize("state", ["open", "half_open"])
def test_an_upstream_that_is_away_is_the_sentence_with_since_when(
    client: FlaskClient, db: Database, name: str, state: str
) -> None:
    runs(db, **{name: away(state)})
    with db.writing() as session:
        affected = {"conversations": 14}
        since = utc_now() - timedelta(minutes=5)
        session.add(Incident(id=new_id(), upstream=name, started_at=since, affected=affected))
    body = told(client)
    (upstream,) = [each for each in body["upstreams"] if each["name"] == name]
    assert body["code"] == f"{name}_away"
    assert body["since"] == upstream["since"]
    assert upstream["state"] == {"open": "away", "half_open": "trying"}[state]
    assert (upstream["retry_in_seconds"], upstream["waiting"]) == (22.0, 14)


def test_a_process_that_fails_before_its_circuit_opens_is_told_alike_by_page_and_notices(
    client: FlaskClient, db: Database
) -> None:
    runs(db, calls={"gemini": Calls(errors=2, failed_at=utc_now())})
    body = told(client)
    assert body["code"] == "gemini_struggling"
    assert body["upstreams"][0]["state"] == "struggling"
    notices = client.get(f"/changes?account_id={accounts(db)[0].id}").json["notices"]
    assert [each["code"] for each in notices] == ["gemini_struggling"]


NOW = utc_now()


def seconds_ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("calls", "opened", "state"),
    [
        pytest.param([Calls(answers=9, errors=9)], None, "well", id="answers as often as it fails"),
        pytest.param([Calls(answers=3, errors=3), Calls(errors=1)], None, "struggling", id="fails more, over all"),
        pytest.param([], seconds_ago(70), "trying", id="nobody has asked since"),
        pytest.param([Calls(answered_at=seconds_ago(5))], seconds_ago(70), "well", id="another process was answered"),
        pytest.param(
            [Calls(errors=1, failed_at=seconds_ago(2)), Calls(answers=1, answered_at=seconds_ago(5))],
            seconds_ago(70),
            "trying",
            id="answered, and failed again",
        ),
        pytest.param([Calls(failed_at=seconds_ago(700))], seconds_ago(900), "well", id="long ago"),
    ],
)
def test_what_calls_came_to_counts_more_than_a_circuit_that_has_not_asked(
    calls: list[Calls], opened: datetime | None, state: str
) -> None:
    circuits = {"gemini": Circuit(state="half_open", opened_at=opened)} if opened else {}
    reports = [Report(circuits=circuits), *(Report(calls={"gemini": each}) for each in calls)]
    everybody = [Seen(Identity.of_this_process("web"), NOW, live=True, report=report) for report in reports]
    assert standing.standing("gemini", everybody, NOW).state == state


def test_a_paused_number_is_told_to_those_who_may_see_it(app: Flask, client: FlaskClient, db: Database) -> None:
    other = another_account(db)
    mine = next(account.id for account in accounts(db) if account.id != other)
    stranger = as_user(app, member(db, "stranger@example.com", [Grant(Role.VIEWER, other)]))
    with db.writing() as session:
        account = session.get_one(Account, mine)
        account.paused_reason, account.paused_at = Pause.TOKEN_EXPIRED, db.now(session)
    runs(db, whatsapp=away())
    body = told(client)
    assert (body["code"], [each["account_id"] for each in body["paused"]]) == ("number_paused", [str(mine)])
    assert "access token" in body["paused"][0]["reason"]
    assert body["paused"][0]["code"] == Pause.TOKEN_EXPIRED
    assert (told(stranger)["code"], told(stranger)["paused"]) == ("whatsapp_away", [])


def accounts(db: Database) -> list[Account]:
    with db.reading() as session:
        return list(session.execute(select(Account)).scalars())


def test_a_silent_dispatcher_matters_more_than_an_upstream(client: FlaskClient, db: Database) -> None:
    runs(db, dispatcher=False, gemini=away())
    assert told(client)["code"] == "dispatcher_silent"


def test_what_waits_for_too_long_is_slow(client: FlaskClient, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    runs(db)
    monkeypatch.setattr("inbox.operations.status.service.LATE", -1.0)
    assert told(client)["code"] == "slow"


def test_while_the_database_is_away_it_says_so(
    client: FlaskClient, db: Database, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(db)
    told(client)

    def gone(*_: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(runtime.health, "can_store", lambda: False)
    monkeypatch.setattr(runtime.status, "_look", gone)
    runtime.status._looks.clear()
    body = told(client)
    assert (body["code"], body["database_ok"], body["road"]) == ("database_away", False, None)


# --- what it rests on --------------------------------------------------------------------------------------------


def test_the_road_adds_up(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    runs(db)
    ingest(runtime, webhook(messages=[text_message(wa_id="wamid.1"), text_message(wa_id="wamid.1")]))
    road = told(client)["road"]
    assert (road["received"], road["stored"], road["twice"], road["unreadable"]) == (2, 1, 1, 0)
    assert road["missing"] == 0


def test_a_question_waits_at_the_bot_and_not_at_the_outbox(client: FlaskClient, db: Database, runtime: Runtime) -> None:
    runs(db)
    ingest(runtime, webhook(messages=[text_message(wa_id="wamid.1")]))
    road = told(client)["road"]
    assert (road["answers"], road["sends"]) == (1, 0)


def test_a_reply_that_a_person_has_to_decide_about_is_named_to_those_who_may_see_it(
    app: Flask, client: FlaskClient, db: Database, runtime: Runtime
) -> None:
    runs(db)
    world = World(runtime)
    world.now = utc_now()  # sessions begin and end by it
    message = world.queue("perhaps there")
    world.record(world.claim()[0], Unknown("no answer"))
    early = told(client)["undecided"]
    world.advance(121)
    world.settle(window=120)
    runtime.status._looks.clear()
    elsewhere = [Grant(Role.MANAGER, another_account(db))]
    stranger = as_user(app, member(db, "noe@example.com", elsewhere))
    assert early == told(stranger)["undecided"] == []
    assert told(client)["undecided"] == [
        {"conversation_id": str(message.conversation_id), "message_id": str(message.id)}
    ]


def test_only_administrators_may_act(app: Flask, client: FlaskClient, db: Database) -> None:
    manager = as_user(app, member(db, "noe@example.com", [Grant(Role.MANAGER)]))
    assert (told(client)["may_act"], told(manager)["may_act"]) == (True, False)


# --- samples -----------------------------------------------------------------------------------------------------


def test_minutes_of_all_processes_are_summed_and_those_of_yesterday_are_forgotten(
    client: FlaskClient, db: Database
) -> None:
    now = utc_now()
    with db.writing() as session:
        samples.save(session, new_id(), {"gemini": Counted(5, 1, times(3, 5))}, now - timedelta(hours=25))
        for _ in range(2):
            samples.save(session, new_id(), {"gemini": Counted(5, 1, times(3, 5))}, now)
    body = client.get("/status/history?minutes=5").json
    (minute,) = body["minutes"]
    assert (minute["upstream"], minute["answers"], minute["errors"]) == ("gemini", 10, 2)
    assert minute["p95_s"] == CLASSES[3]
    with db.reading() as session:
        assert len(session.execute(select(Sample)).all()) == 2


def times(place: int, count: int) -> list[int]:
    return [count if n == place else 0 for n in range(len(CLASSES) + 1)]


def test_a_process_writes_one_sample_a_minute_and_keeps_what_it_could_not_write(
    runtime: Runtime, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = Tally()
    monkeypatch.setattr("inbox.operations.reporter.tally", counts)
    reporter = Reporter(db, runtime.watch, runtime.profiles, lambda: True)
    counts.note("gemini", 0.05, answered=True)
    counts.note("gemini_probe", 0.05, answered=True)
    reporter.tick()
    assert stored(db, reporter.me.id) == []
    reporter._sampled -= samples.MINUTE
    with monkeypatch.context() as broken:
        broken.setattr(samples, "save", lambda *_: (_ for _ in ()).throw(DatabaseUnavailable()))
        with pytest.raises(DatabaseUnavailable):
            reporter.tick()
    counts.note("gemini", 30.0, answered=False)
    reporter.tick()
    reporter.tick()
    (figures,) = stored(db, reporter.me.id)
    assert figures == {"gemini": {"answers": 1, "errors": 1, "times": times(0, 1)}}


def test_calls_of_the_last_minute_are_told_apart_from_earlier_ones() -> None:
    now = utc_now()
    counts = Tally(now=lambda: now)
    counts.note("gemini", 0.1, answered=True)
    answered, now = now, now + timedelta(seconds=50)
    counts.note("gemini", 0.1, answered=False)
    assert counts.recent() == {"gemini": Recent(1, 1, answered, now)}
    failed, now = now, now + timedelta(seconds=11)
    assert counts.recent() == {"gemini": Recent(0, 1, answered, failed)}


def stored(db: Database, process_id: UUID) -> list[Any]:
    with db.reading() as session:
        return list(session.execute(select(Sample.figures).where(Sample.process_id == process_id)).scalars())


@given(st.lists(st.floats(0, 60), min_size=1, max_size=50))
def test_95_of_100_answers_came_within_what_is_said(took: list[float]) -> None:
    counts = Tally()
    for seconds in took:
        counts.note("gemini", seconds, answered=True)
    said = counts.take()["gemini"].p95()
    assert said is not None
    within = sum(seconds <= said or said > CLASSES[-1] for seconds in took)
    assert within >= 0.95 * len(took)


def test_incidents_of_the_last_day_are_told(client: FlaskClient, db: Database) -> None:
    now = utc_now()
    with db.writing() as session:
        for hours, upstream in ((30, "gemini"), (2, "whatsapp")):
            times_ = {"started_at": now - timedelta(hours=hours), "ended_at": now - timedelta(hours=hours - 1)}
            session.add(Incident(id=new_id(), upstream=upstream, affected={"conversations": 3}, **times_))
    (incident,) = client.get("/status/history").json["incidents"]
    assert (incident["upstream"], incident["conversations"]) == ("whatsapp", 3)
    assert "first_error" not in incident
