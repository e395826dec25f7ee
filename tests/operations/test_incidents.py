"""Incidents: begun once however many processes suffer, ended when nobody suffers any more, counted over all."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from inbox.db.paging import Cursor
from inbox.errors import DatabaseUnavailable
from inbox.models import IncidentConversation, Lane
from inbox.operations.incidents import list_incidents
from inbox.operations.watch import DATABASE, MAX_CONVERSATIONS, MAX_EPISODES, Watch
from inbox.runtime import Runtime
from tests.operations.fleet import START, Fleet
from tests.outbox.world import World


@pytest.fixture
def fleet(database_url: str) -> Iterator[Fleet]:
    made = Fleet(database_url)
    yield made
    made.close()


def count_waiting(fleet: Fleet) -> int:
    with fleet.db.reading() as session:
        return session.execute(select(func.count()).select_from(IncidentConversation)).scalar_one()


# --- beginning ---------------------------------------------------------------------------------------------------


def test_a_circuit_that_opens_begins_an_incident_with_its_time_and_its_error(fleet: Fleet) -> None:
    process = fleet.process()
    fleet.advance(10)
    process.fail("gemini")
    fleet.advance(4)
    process.tick()
    incident = fleet.incident()
    assert (incident.upstream, incident.started_at, incident.ended_at) == (
        "gemini",
        START + timedelta(seconds=10),
        None,
    )
    assert incident.first_error == "UpstreamUnavailable connect"


def test_failures_that_open_no_circuit_are_no_incident(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini", times=1)
    process.tick()
    assert fleet.incidents() == []


def test_what_an_upstream_said_does_not_get_into_the_incident(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini", reason="key AIzaSecretSecretSecretSecret of +33600000001")
    process.tick()
    assert fleet.incident().first_error == "UpstreamUnavailable connect"


def test_a_circuit_that_slowness_opened_says_so(fleet: Fleet) -> None:
    process = fleet.process()
    for _ in range(20):
        process.watch.breakers["gemini"].call(fleet.advance, 0.9)
    process.tick()
    assert fleet.incident().first_error == "slow answers"


def test_a_second_process_joins_and_the_earliest_opening_counts(fleet: Fleet) -> None:
    first, second = fleet.process(), fleet.process()
    second.fail("whatsapp")
    fleet.advance(1)
    first.fail("whatsapp")
    first.tick()
    second.tick()
    assert fleet.incident().started_at == START


def test_processes_that_open_at_the_same_moment_begin_one_incident(fleet: Fleet) -> None:
    processes = [fleet.process() for _ in range(6)]
    barrier = threading.Barrier(len(processes))

    def report(process) -> None:
        process.fail("whatsapp")
        barrier.wait(10)
        process.tick()

    threads = [threading.Thread(target=report, args=(process,)) for process in processes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fleet.incident().affected["failed_calls"] == 2 * len(processes)
    assert len(fleet.rows()) == len(processes)


def test_each_upstream_has_an_incident_of_its_own(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("whatsapp")
    process.fail("gemini")
    process.tick()
    assert sorted(incident.upstream for incident in fleet.incidents()) == ["gemini", "whatsapp"]


# --- ending ------------------------------------------------------------------------------------------------------


def test_it_ends_when_the_last_circuit_closes_with_the_time_of_that(fleet: Fleet) -> None:
    first, second = fleet.process(), fleet.process()
    for process in (first, second):
        process.fail("gemini")
        process.tick()
    first.recover("gemini")
    second.tick()  # its last report was 36 s ago: it must show that it lives
    first.tick()
    assert fleet.incident().ended_at is None
    second.recover("gemini")
    closed = fleet.now
    fleet.advance(3)
    second.tick()
    assert fleet.incident().ended_at == closed


def test_a_half_open_circuit_keeps_it_open(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini")
    process.tick()
    fleet.advance(40)
    process.tick()
    assert process.watch.breakers["gemini"].state == "half_open"
    assert fleet.incident().ended_at is None


def test_a_failed_probe_is_the_same_incident(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini")
    process.tick()
    fleet.advance(40)
    process.fail("gemini", times=1)
    process.tick()
    assert fleet.incident().started_at == START


def test_the_next_illness_is_another_incident(fleet: Fleet) -> None:
    process = fleet.process()
    for _ in range(2):
        process.fail("gemini")
        process.tick()
        process.recover("gemini")
        process.tick()
        fleet.advance(61)
    assert [incident.ended_at is not None for incident in fleet.incidents()] == [True, True]


def test_an_outage_that_processes_notice_one_after_the_other_is_one_incident(fleet: Fleet) -> None:
    first, second = fleet.process(), fleet.process()
    first.fail("gemini")
    first.note("gemini", uuid.uuid4(), uuid.uuid4())
    first.tick()
    first.recover("gemini")
    first.tick()
    assert fleet.incident().ended_at == fleet.now
    fleet.advance(20)
    second.fail("gemini")
    second.tick()
    first.tick()
    incident = fleet.incident()
    assert (incident.started_at, incident.ended_at, incident.affected["conversations"]) == (START, None, 2)
    second.recover("gemini")
    second.tick()
    assert fleet.incident().ended_at == fleet.now


def test_the_crash_of_the_only_ill_process_ends_it_with_its_last_word(fleet: Fleet) -> None:
    ill, well = fleet.process(), fleet.process()
    ill.fail("gemini")
    ill.tick()
    fleet.advance(5)
    ill.tick()
    last_word = fleet.now
    for _ in range(10):
        fleet.advance(5)
        well.tick()
    assert fleet.incident().ended_at == last_word


def test_a_new_start_ends_what_a_crash_of_everybody_left_open(fleet: Fleet) -> None:
    ill = fleet.process()
    ill.fail("gemini")
    ill.tick()
    last_word = fleet.now
    fleet.advance(7200)
    fleet.process().tick()
    assert fleet.incident().ended_at == last_word


def test_the_clean_stop_of_the_only_ill_process_ends_it(fleet: Fleet) -> None:
    ill = fleet.process()
    ill.fail("gemini")
    ill.tick()
    fleet.advance(7)
    ill.reporter.tick(leaving=True)
    assert fleet.incident().ended_at == fleet.now
    assert [row.stopped_at for row in fleet.rows()] == [fleet.now]


def test_a_reset_ends_it(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini")
    process.tick()
    fleet.advance(2)
    process.watch.breakers["gemini"].reset()
    process.tick()
    assert fleet.incident().ended_at == fleet.now


# --- while the database is away ----------------------------------------------------------------------------------


def test_what_happens_while_the_database_is_away_is_written_with_its_true_times(fleet: Fleet) -> None:
    process = fleet.process()
    process.tick()
    process.fail(DATABASE)
    process.fail("gemini")
    with pytest.raises(DatabaseUnavailable):
        process.tick()
    process.recover("gemini")
    gemini_closed = fleet.now
    fleet.advance(600)
    process.fail("gemini")
    gemini_again = fleet.now
    process.tick()  # the first probe that succeeds
    process.tick()
    process.tick()
    found = {(each.upstream, each.started_at): each.ended_at for each in fleet.incidents()}
    assert found == {
        ("gemini", START): gemini_closed,
        ("gemini", gemini_again): None,
        (DATABASE, START): fleet.now,
    }


def test_an_absent_database_is_one_incident_for_all_processes(fleet: Fleet) -> None:
    processes = [fleet.process() for _ in range(3)]
    for process in processes:
        process.tick()
        process.fail(DATABASE)
        fleet.advance(0.1)
    fleet.advance(20)
    for process in processes * 3:
        process.tick()
    incident = fleet.incident()
    assert (incident.upstream, incident.started_at, incident.ended_at) == (DATABASE, START, fleet.now)


def test_an_illness_that_is_over_before_the_next_report_is_recorded(fleet: Fleet) -> None:
    first, second = fleet.process(), fleet.process()
    times = []
    for process in (first, second):
        began = fleet.now
        process.fail("gemini")
        process.recover("gemini")
        times.append((began, fleet.now))
        fleet.advance(61)
    first.tick()
    second.tick()
    assert [(incident.started_at, incident.ended_at) for incident in fleet.incidents()] == times


def test_overlapping_past_illnesses_are_one_incident(fleet: Fleet) -> None:
    first, second = fleet.process(), fleet.process()
    first.fail("gemini")
    fleet.advance(1)
    second.fail("gemini")
    first.recover("gemini")
    second.watch.breakers["gemini"].call(lambda: None)
    fleet.advance(1)
    second.watch.breakers["gemini"].call(lambda: None)
    second.tick()
    first.tick()
    incident = fleet.incident()
    assert (incident.started_at, incident.ended_at) == (START, fleet.now)
    assert incident.affected["failed_calls"] == 4


def test_past_illnesses_within_a_minute_are_one_incident(fleet: Fleet) -> None:
    processes = [fleet.process() for _ in range(2)]
    for process in processes:
        process.fail("gemini")
        process.recover("gemini")
        ended = fleet.now
        fleet.advance(20)
    for process in reversed(processes):
        process.tick()
    assert (fleet.incident().started_at, fleet.incident().ended_at) == (START, ended)


def test_no_more_than_so_many_illnesses_are_kept(fleet: Fleet) -> None:
    process = fleet.process()
    for _ in range(MAX_EPISODES + 5):
        process.fail("gemini")
        process.recover("gemini")
    episodes = process.watch.look().episodes
    assert len(episodes) == MAX_EPISODES
    assert episodes[-1].closed_at == fleet.now


# --- what it affected --------------------------------------------------------------------------------------------


def test_failed_and_refused_calls_are_summed_over_processes(fleet: Fleet) -> None:
    first, second = fleet.process(), fleet.process()
    for process in (first, second):
        process.fail("gemini", times=5)  # two that fail, three that are refused
        process.tick()
    first.fail("gemini", times=1)
    first.tick()
    first.tick()
    affected = fleet.incident().affected
    assert (affected["failed_calls"], affected["refused_calls"]) == (4, 7)


def test_what_failed_long_before_is_not_counted(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini", times=1)
    process.watch.breakers["gemini"].call(lambda: None)
    process.tick()
    process.fail("gemini")
    process.tick()
    assert fleet.incident().affected["failed_calls"] == 2


def test_a_conversation_that_waits_in_two_processes_counts_once(fleet: Fleet) -> None:
    first, second = fleet.process(), fleet.process()
    shared, other = uuid.uuid4(), uuid.uuid4()
    for process in (first, second):
        process.fail("gemini")
    first.note("gemini", shared, shared)
    second.note("gemini", shared, other)
    first.tick()
    second.tick()
    first.note("gemini", other)
    first.tick()
    assert fleet.incident().affected["conversations"] == 2


def test_conversations_noted_while_all_is_well_are_forgotten(fleet: Fleet) -> None:
    process = fleet.process()
    process.note("gemini", uuid.uuid4())
    process.tick()
    process.fail("gemini")
    process.tick()
    assert fleet.incident().affected["conversations"] == 0


def test_the_count_stays_when_the_list_of_conversations_goes(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini")
    process.note("gemini", uuid.uuid4())
    process.tick()
    assert count_waiting(fleet) == 1
    process.recover("gemini")
    process.tick()
    assert fleet.incident().affected["conversations"] == 1
    assert count_waiting(fleet) == 0


def test_notes_are_bounded_and_unknown_upstreams_ignored() -> None:
    watch = Watch({})
    watch.note("nobody", uuid.uuid4())
    assert watch.look().damage == {}


def test_no_more_than_so_many_conversations_are_noted_between_two_reports(fleet: Fleet) -> None:
    process = fleet.process()
    process.note("gemini", *(uuid.UUID(int=number) for number in range(MAX_CONVERSATIONS + 10)))
    assert len(process.watch.look().damage["gemini"].conversations) == MAX_CONVERSATIONS


def test_webhooks_that_went_to_the_journal_count_for_the_database(fleet: Fleet) -> None:
    process = fleet.process()
    process.tick()
    process.fail(DATABASE)
    process.journaled = 7
    fleet.advance(5)
    process.tick()
    process.tick()
    assert fleet.incident().affected["webhooks_journaled"] == 7


def test_sends_held_back_unclaimed_count_as_waiting(runtime: Runtime, database_url: str) -> None:
    world = World(runtime)
    world.queue("one", to="first")
    world.queue("two", to="second")
    fleet = Fleet(database_url)
    process = fleet.process()
    process.fail("whatsapp")
    with runtime.db.writing() as session:
        session.execute(update(Lane).values(due_at=START))
    process.tick()
    assert fleet.incident().affected["conversations"] == 0  # they may leave this very moment
    fleet.advance(10)
    process.tick()
    process.tick()
    assert fleet.incident().affected["conversations"] == 2
    fleet.close()


# --- reading -----------------------------------------------------------------------------------------------------


def test_the_list_is_newest_first_and_pages_without_gap(fleet: Fleet) -> None:
    process = fleet.process()
    for _ in range(5):
        process.fail("gemini")
        process.tick()
        process.recover("gemini")
        process.tick()
        fleet.advance(61)
    cursor: Cursor | None = None
    seen = []
    while True:
        page = list_incidents(fleet.db, limit=2, cursor=cursor)
        seen += [row.id for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [incident.id for incident in reversed(fleet.incidents())]


def test_the_list_can_be_narrowed(fleet: Fleet) -> None:
    process = fleet.process()
    process.fail("gemini")
    process.tick()
    process.recover("gemini")
    process.fail("whatsapp")
    process.tick()
    assert [row.upstream for row in list_incidents(fleet.db, limit=9, upstream="gemini").rows] == ["gemini"]
    assert [row.upstream for row in list_incidents(fleet.db, limit=9, open_only=True).rows] == ["whatsapp"]
    assert [row.upstream for row in list_incidents(fleet.db, limit=9, open_only=False).rows] == ["gemini"]
    later = fleet.now + timedelta(days=1)
    assert [row.upstream for row in list_incidents(fleet.db, limit=9, since=later).rows] == ["whatsapp"]
