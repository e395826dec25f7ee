"""What a process publishes, what it hears, and that none of it disturbs the process."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from inbox.clock import utc_now
from inbox.db import Database
from inbox.errors import DatabaseUnavailable, UpstreamUnavailable
from inbox.models import Process, Reset
from inbox.operations import processes
from inbox.operations.processes import Circuit, Report, worst
from inbox.operations.reporter import Reporter
from inbox.operations.watch import DATABASE
from inbox.runtime import Runtime
from inbox.webhooks.missed import Missed
from tests.operations.fleet import Fleet
from tests.waiting import wait_until


@pytest.fixture
def fleet(database_url: str) -> Iterator[Fleet]:
    made = Fleet(database_url)
    yield made
    made.close()


@pytest.fixture
def patient(runtime: Runtime) -> Iterator[Reporter]:
    """A reporter that speaks only when something happens."""
    made = Reporter(runtime.db, runtime.watch, runtime.profiles, lambda: True, interval=60)
    yield made
    made.stop()


def rows(db: Database) -> list[Process]:
    with db.reading() as session:
        return list(session.execute(select(Process)).scalars())


# --- the row -----------------------------------------------------------------------------------------------------


def test_a_report_says_who_speaks_and_how_it_stands(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini", times=3)
    process.tick()
    (row,) = fleet.rows()
    report = Report.model_validate(row.report)
    assert (row.id, row.pid, row.seen_at) == (process.reporter.me.id, process.reporter.me.pid, fleet.now)
    circuit = report.circuits["gemini"]
    assert (circuit.state, circuit.failures_total, circuit.refused_total) == ("open", 2, 1)
    assert report.circuits[DATABASE].state == "closed"
    assert (report.cache.hits, report.cache.backend, report.dispatcher) == (3, "simple", True)


def test_the_next_report_renews_the_row(fleet: Fleet) -> None:
    process = fleet.process()
    process.tick()
    fleet.advance(5)
    process.fail("gemini")
    process.tick()
    (row,) = fleet.rows()
    assert row.seen_at == fleet.now
    assert Report.model_validate(row.report).circuits["gemini"].interrupted


def test_a_process_that_is_silent_for_30_s_counts_as_gone_and_after_a_minute_is_not_shown(fleet: Fleet) -> None:
    crashed, other = fleet.process(), fleet.process()
    crashed.tick()
    fleet.advance(31)
    other.tick()
    with fleet.db.reading() as session:
        found = {each.who.id: each.live for each in processes.seen(session, fleet.now)}
    assert found == {crashed.reporter.me.id: False, other.reporter.me.id: True}
    fleet.advance(30)
    other.tick()
    with fleet.db.reading() as session:
        assert [each.who.id for each in processes.seen(session, fleet.now)] == [other.reporter.me.id]


def test_a_process_that_ended_is_forgotten_after_an_hour_for_it_may_have_missed_webhooks(fleet: Fleet) -> None:
    crashed, stopped, other = fleet.process(), fleet.process(), fleet.process()
    for each in (crashed, stopped):
        each.tick()
    stopped.reporter.tick(leaving=True)
    fleet.advance(3599)
    other.tick()
    assert len(fleet.rows()) == 3
    fleet.advance(61)  # rows are looked through once a minute
    other.tick()
    assert [row.id for row in fleet.rows()] == [other.reporter.me.id]


def test_a_report_tells_when_a_webhook_was_turned_away_last(fleet: Fleet) -> None:
    process = fleet.process()
    missed = Missed(clock=fleet.monotonic)
    reporter = process.reporting(missed=missed)
    reporter.tick()
    assert fleet.rows()[0].missed_at is None
    missed.note()
    at = fleet.now
    fleet.advance(3)
    reporter.tick()
    assert fleet.rows()[0].missed_at == at


def test_while_webhooks_wait_in_the_journal_they_are_missed(fleet: Fleet) -> None:
    process = fleet.process()
    process.reporting(journaling=lambda: True).tick()
    fleet.advance(3)
    process.reporting(journaling=lambda: True).tick()
    assert max(row.missed_at for row in fleet.rows() if row.missed_at) == fleet.now


def test_a_report_of_another_release_can_be_read() -> None:
    report = Report.model_validate({"circuits": {"gemini": {"state": "open"}}, "news": 1})
    assert report.circuits["gemini"].interrupted
    assert report.cache.hits == 0


def test_a_report_that_cannot_be_read_stops_nobody(fleet: Fleet) -> None:
    strange, process = fleet.process(), fleet.process()
    strange.tick()
    with fleet.db.writing() as session:
        session.execute(update(Process).values(report={"circuits": "of another kind"}))
    process.fail("gemini")
    process.tick()
    assert fleet.incident().upstream == "gemini"
    assert len(fleet.rows()) == 2


def test_the_worst_state_stands_for_all() -> None:
    closed, half_open, opened = (Circuit(state=state) for state in ("closed", "half_open", "open"))
    assert worst([closed, half_open, opened]).state == "open"
    assert worst([closed, half_open]).state == "half_open"
    assert worst([]).state == "closed"


# --- the thread --------------------------------------------------------------------------------------------------


def test_a_process_reports_from_its_start_and_says_goodbye(patient: Reporter, db: Database) -> None:
    patient.start("worker")
    (row,) = wait_until(lambda: rows(db), "the first report")
    assert row.kind == "worker"
    patient.stop(10)
    assert [row.stopped_at is None for row in rows(db)] == [False]


def test_starting_twice_is_starting_once(patient: Reporter, db: Database) -> None:
    patient.start("web")
    me = patient.me
    patient.start("worker")
    assert patient.me is me


def test_it_does_not_start_again_after_its_end(patient: Reporter, db: Database) -> None:
    patient.stop()
    patient.start("web")
    assert rows(db) == []


def test_a_circuit_that_opens_is_reported_at_once(patient: Reporter, runtime: Runtime, db: Database) -> None:
    patient.start("web")
    wait_until(lambda: rows(db), "the first report")
    breaker = runtime.watch.breakers["whatsapp"]
    while breaker.state == "closed":
        with pytest.raises(UpstreamUnavailable):
            breaker.call(_refuse)
    wait_until(lambda: rows(db)[0].report["circuits"]["whatsapp"]["state"] == "open", "the report", seconds=20)
    breaker.reset()


def _refuse() -> None:
    raise UpstreamUnavailable("whatsapp", "refused", phase="connect")


def test_while_the_database_is_away_it_tries_again_and_says_nothing_of_bugs(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    process = fleet.process()
    process.fail(DATABASE)
    reporter = process.reporting(interval=0.01)
    reporter.start("web")
    wait_until(lambda: process.db.breaker.refused_total > 3, "some attempts")
    assert fleet.rows() == []
    process.db.breaker.reset()
    wait_until(fleet.rows, "the report")
    reporter.stop(10)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_bug_in_a_report_is_logged_and_does_not_end_it(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = fleet.process()
    whole = process.profiles.stats
    monkeypatch.setattr(process.profiles, "stats", lambda: 1 / 0)
    reporter = process.reporting(interval=0.01)
    reporter.start("web")
    wait_until(lambda: "reporting failed" in caplog.text, "the log line")
    monkeypatch.setattr(process.profiles, "stats", whole)
    wait_until(fleet.rows, "the report")
    reporter.stop(10)


# --- what is asked of all ----------------------------------------------------------------------------------------


def test_a_reset_acts_here_at_once_and_elsewhere_with_the_next_report(fleet: Fleet) -> None:
    here, there = fleet.process(), fleet.process()
    for process in (here, there):
        process.tick()
        process.fail("gemini")
        process.fail("whatsapp")
    here.reporter.reset("gemini")
    assert here.watch.breakers["gemini"].state == "closed"
    assert there.watch.breakers["gemini"].state == "open"
    there.tick()
    assert there.watch.breakers["gemini"].state == "closed"
    assert there.watch.breakers["whatsapp"].state == "open"


def test_a_reset_is_done_once(fleet: Fleet) -> None:
    here, there = fleet.process(), fleet.process()
    for process in (here, there):
        process.tick()
    here.reporter.reset("cache")
    for _ in range(3):
        fleet.advance(5)
        here.tick()
        there.tick()
    assert (here.profiles.cleared, there.profiles.cleared) == (1, 1)
    fleet.advance(5)
    here.reporter.reset("cache")
    there.tick()
    assert there.profiles.cleared == 2


def test_a_new_process_does_not_repeat_old_resets(fleet: Fleet) -> None:
    fleet.process().reporter.reset("cache")
    late = fleet.process()
    late.tick()
    late.tick()
    assert late.profiles.cleared == 0


def test_a_reset_of_something_unknown_is_ignored(fleet: Fleet) -> None:
    process = fleet.process()
    process.tick()
    with fleet.db.writing() as session:
        session.add(Reset(name="a breaker of another release", at=fleet.now))
    process.tick()
    assert fleet.rows()[0].seen_at == fleet.now


def test_without_a_database_a_reset_still_acts_here(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini")
    process.fail(DATABASE)
    with pytest.raises(DatabaseUnavailable):
        process.reporter.reset("gemini")
    assert process.watch.breakers["gemini"].state == "closed"


def test_the_database_s_own_circuit_can_be_reset(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail(DATABASE)
    process.reporter.reset(DATABASE)
    assert process.db.breaker.state == "closed"


def test_a_crash_long_ago_does_not_make_anybody_look_live(runtime: Runtime, db: Database) -> None:
    reporter = Reporter(runtime.db, runtime.watch, runtime.profiles, lambda: True)
    reporter.tick()
    with db.writing() as session:
        session.execute(update(Process).values(seen_at=utc_now() - timedelta(seconds=59)))
        assert [each.live for each in processes.seen(session, db.now(session))] == [False]
