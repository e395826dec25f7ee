"""I7: silence proves something only if no webhook can have been lost since."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from inbox.models import DeadLetter, EventState, Message, WebhookEvent
from inbox.operations import processes
from inbox.operations.processes import Identity, Kind, Report
from inbox.outbox import silence
from inbox.outbox.outcomes import SendClaim, Unknown
from inbox.outbox.silence import Hearing
from inbox.outbox.store import LEASE
from inbox.runtime import Runtime
from tests.builders import status, webhook
from tests.outbox.storm import WINDOW, Storm
from tests.outbox.world import World

#: Storms in the suite; ten are told by `STORMS=10 pytest tests/outbox/test_silence.py`.
STORMS = range(int(os.environ.get("STORMS", "1")))


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


def unknown_and_others_heard_of(world: World) -> SendClaim:
    """A send of unknown outcome, half a minute ago; statuses of a later one have come."""
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.settle(WINDOW)
    world.advance(30)
    world.deliver_other("later")
    return claim


class Somebody:
    """A process as the database knows it."""

    def __init__(self, world: World, kind: Kind = "web") -> None:
        self.world = world
        self.who = Identity(uuid4(), kind, "host", 1, world.now)

    def reports(self, *, missed: float | None = None) -> None:
        """It has reported until now. Its start was long ago."""
        with self.world.db.writing() as session:
            now = self.world.now
            processes.save(session, self.who, Report(), now, missed)
            row = session.get_one(processes.Process, self.who.id)
            row.started_at = self.world.now - timedelta(days=1)

    def starts(self) -> None:
        with self.world.db.writing() as session:
            processes.save(session, self.who, Report(), self.world.now)
            session.get_one(processes.Process, self.who.id).started_at = self.world.now

    def stops(self) -> None:
        with self.world.db.writing() as session:
            processes.stop(session, self.who, self.world.now)


def settled_when_the_window_is_over(world: World) -> int:
    world.advance(WINDOW)
    return world.settle(WINDOW)


def test_a_window_in_which_nothing_was_missed_proves_that_it_was_not_accepted(world: World) -> None:
    web = Somebody(world)
    unknown_and_others_heard_of(world)
    world.advance(WINDOW)
    web.reports()
    assert world.settle(WINDOW) == 1


def test_a_refused_webhook_starts_the_window_again_and_makes_it_longer(world: World) -> None:
    web = Somebody(world)
    unknown_and_others_heard_of(world)
    web.reports(missed=20.0)
    assert settled_when_the_window_is_over(world) == 0
    for _ in range(3):  # WhatsApp repeats after 200 s, say
        world.advance(100)
        web.reports(missed=1000.0)
        assert world.settle(WINDOW) == 0


def test_after_a_gap_and_a_longer_window_it_is_sent_again_once_others_are_heard_of(world: World) -> None:
    web = Somebody(world)
    unknown_and_others_heard_of(world)
    web.reports(missed=0.0)
    gap = world.now
    world.advance(5 * WINDOW + 4 * 30 + 1)
    web.reports(missed=(world.now - gap).total_seconds())
    assert world.settle(WINDOW) == 0  # nobody was heard of since the gap
    world.deliver_other("after the gap")
    again = 0
    for _ in range(30):
        world.advance(200)
        web.reports(missed=(world.now - gap).total_seconds())
        again += world.settle(WINDOW)
    assert again == 1


@pytest.mark.parametrize("what", ["starts", "stops"])
def test_a_process_that_starts_or_stops_starts_the_window_again(world: World, what: str) -> None:
    stays, other = Somebody(world), Somebody(world)
    unknown_and_others_heard_of(world)
    other.reports()
    getattr(other, what)()
    world.advance(WINDOW)
    stays.reports()
    assert world.settle(WINDOW) == 0


def test_a_process_that_died_starts_the_window_again(world: World) -> None:
    stays, dead = Somebody(world), Somebody(world)
    unknown_and_others_heard_of(world)
    dead.reports()
    world.advance(WINDOW)
    stays.reports()
    assert world.settle(WINDOW) == 0


def test_while_it_is_not_known_whether_a_process_lives_nothing_is_decided(world: World) -> None:
    web = Somebody(world)
    unknown_and_others_heard_of(world)
    world.advance(WINDOW - 40)
    web.reports()
    world.advance(20)
    assert world.settle(WINDOW) == 0
    web.reports()
    world.advance(10)
    assert world.settle(WINDOW) == 1


def test_workers_come_and_go_they_take_no_webhooks(world: World) -> None:
    worker = Somebody(world, "worker")
    unknown_and_others_heard_of(world)
    worker.starts()
    assert settled_when_the_window_is_over(world) == 1


def test_a_webhook_that_waits_for_the_ingester_may_be_the_status(world: World) -> None:
    claim = unknown_and_others_heard_of(world)
    at = int(world.now.timestamp())
    world.receive(webhook(statuses=[status("sent", wa_id="wamid.one", at=at, callback=claim.callback_data)]))
    assert settled_when_the_window_is_over(world) == 0


def test_a_webhook_that_could_not_be_read_may_have_held_the_status(world: World) -> None:
    unknown_and_others_heard_of(world)
    world.receive(b"{}")
    with world.db.writing() as session:
        session.query(WebhookEvent).update({"state": EventState.FAILED})
    assert settled_when_the_window_is_over(world) == 0


def test_an_item_that_failed_may_have_been_the_status(world: World) -> None:
    unknown_and_others_heard_of(world)
    with world.db.writing() as session:
        session.add(DeadLetter(reason="failed", detail="", raw=b"{}", at=world.now))
    assert settled_when_the_window_is_over(world) == 0


def test_a_window_without_a_word_of_anybody_starts_again(world: World) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.settle(WINDOW)
    assert settled_when_the_window_is_over(world) == 0
    world.deliver_other("an hour later, say")
    world.advance(WINDOW)
    assert world.settle(WINDOW) == 0  # the status of the first may come again for as long as this one was awaited


def test_a_first_look_that_comes_too_late_has_heard_of_nobody_and_the_longer_window_has_an_end(world: World) -> None:
    """A worker is killed in the middle of a send, and the next one begins when the confirm window is long over."""
    world.queue("one")
    world.claim()
    attempted = world.message("one").attempted_at
    assert attempted is not None
    world.advance(LEASE.total_seconds() + WINDOW)
    assert world.claim() == []  # its lease has ended: unknown
    assert world.settle(WINDOW) == 0
    world.deliver_other("before the first look is repeated")
    world.advance(WINDOW)
    assert world.settle(WINDOW) == 0
    (job,) = world.jobs()
    again = attempted + timedelta(seconds=WINDOW)
    assert job.listening_from == again
    longer = silence.wait_for(timedelta(seconds=WINDOW), attempted, again)
    world.now = again + longer - timedelta(seconds=1)
    assert world.settle(WINDOW) == 0
    world.advance(1)
    assert world.settle(WINDOW) == 1


def test_a_person_is_asked_when_the_window_is_over_and_no_longer_once_it_is_settled(world: World) -> None:
    claim = unknown_and_others_heard_of(world)
    Somebody(world).starts()
    assert asked_for(world, claim) == (False, None)
    assert settled_when_the_window_is_over(world) == 0
    assert asked_for(world, claim) == (True, "unconfirmed")
    world.echo(claim, "wamid.one")
    assert asked_for(world, claim) == (False, None)


def test_a_person_who_leaves_it_so_is_not_asked_again(world: World) -> None:
    claim = unknown_and_others_heard_of(world)
    Somebody(world).starts()
    settled_when_the_window_is_over(world)
    with world.db.writing() as session:
        conversation = world.conversation(session)
        conversation.needs_human, conversation.needs_human_reason = False, None
    world.advance(700)
    world.settle(WINDOW)
    assert asked_for(world, claim) == (False, None)


def asked_for(world: World, claim: SendClaim) -> tuple[bool, str | None]:
    with world.db.reading() as session:
        conversation = world.conversation(session)
        assert conversation.id == claim.conversation_id
        return conversation.needs_human, conversation.needs_human_reason


def test_the_window_after_a_gap_outlasts_repeats_that_double(world: World) -> None:
    """First tried just after the send, refused until the gap: the next repeat comes within the window after it."""
    window = timedelta(seconds=WINDOW)
    for first in (1.0, 60.0, 200.0, 600.0):
        begun: datetime = world.now
        tried = delay = first
        for _ in range(10):
            gap = begun + timedelta(seconds=tried)
            delay *= 2
            tried += delay
            assert gap + silence.wait_for(window, begun, gap) >= begun + timedelta(seconds=tried)


def test_nothing_heard_of_nothing_missed_is_no_gap(world: World) -> None:
    with world.db.reading() as session:
        assert silence.hearing(session, world.now) == Hearing(None, None, None)


@pytest.mark.parametrize("seed", STORMS)
def test_in_a_kill_storm_nothing_is_doubled_and_people_resolve_what_stays_unknown(world: World, seed: int) -> None:
    storm = Storm(world, seed)
    storm.run()
    assert storm.doubled() == 0
    storm.people_look()
    assert storm.doubled() == 0
    with world.db.reading() as session:
        assert set(storm.accepted.values()) == {1}
        unsent = session.query(Message).filter(Message.status.in_(["queued", "sending", "failed"])).count()
    assert unsent <= 1  # the newest


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_storm_doubles_messages_when_silence_is_trusted_without_asking(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the storm would find out."""
    monkeypatch.setattr(silence, "hearing", lambda _session, _now: Hearing(None, None, None))
    monkeypatch.setattr(silence, "wait_for", lambda window, _attempted, _listening: window)
    storm = Storm(world, 0)
    storm.run()
    assert storm.doubled() > 0
