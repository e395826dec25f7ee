"""The server's time: asked for once in a while, never behind, noticed when it jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from inbox.db import Database
from inbox.db.server_clock import GOOD_FOR, ServerClock
from tests.queries import asked

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


class World:
    """A server and a machine whose clocks the test moves."""

    def __init__(self) -> None:
        self.steady, self.wall, self.server = 100.0, 5000.0, NOW
        self.clock = ServerClock(steady=lambda: self.steady, wall=lambda: self.wall)

    def pass_by(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds
        self.server += timedelta(seconds=seconds)

    def read(self, there: float = 0.0, back: float = 0.0) -> datetime:
        """Ask the server: the question takes `there` seconds, the answer `back`."""

        def ask() -> datetime:
            self.pass_by(there)
            answer = self.server
            self.pass_by(back)
            return answer

        return self.clock.read(ask)


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_unknown_until_it_was_read(world: World) -> None:
    assert world.clock.now() is None
    assert world.read() == NOW


@pytest.mark.parametrize(("there", "back"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.1, 0.1)])
def test_it_is_never_behind_and_ahead_by_a_round_trip_at_most(world: World, there: float, back: float) -> None:
    world.read(there, back)
    for _ in range(90):
        world.pass_by(0.1)
        now = world.clock.now()
        assert now is not None
        assert timedelta() <= now - world.server <= timedelta(seconds=there + back + 0.01)


def test_it_is_read_again_after_a_while(world: World) -> None:
    world.read()
    world.pass_by(GOOD_FOR)
    assert world.clock.now() is None


def test_an_old_reading_tells_when_to_look(world: World) -> None:
    assert world.clock.about() is None
    world.read()
    world.pass_by(2 * GOOD_FOR)
    told = world.clock.about()
    assert told is not None
    assert world.clock.now() is None
    assert world.server <= told < world.server + timedelta(seconds=0.1)


def test_what_took_long_is_read_again_soon(world: World) -> None:
    world.read(2.0, 1.0)
    world.pass_by(1.0)
    assert world.clock.now() is None


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_it_is_read_again_when_the_machine_slept_or_its_clock_was_set(world: World, jump: float) -> None:
    world.read()
    world.wall += jump
    assert world.clock.now() is None


def test_it_is_read_again_when_another_server_may_answer(world: World) -> None:
    world.read()
    world.clock.forget()
    assert world.clock.now() is None


def test_many_who_want_the_time_ask_once(db: Database) -> None:
    with db.reading() as session:
        db.now(session)
        with asked(db) as statements:
            assert all(db.now(session) for _ in range(20))
    assert len([each for each in statements if "clock_timestamp" in each]) <= 1
