"""The places for calls, and the line before them: bounded, fair between callers, and never a place lost."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.config import Policy
from inbox.errors import UpstreamBusy
from inbox.resilience import Bulkhead, Upstream
from inbox.resilience.bulkhead import _Places, _Ticket
from tests.waiting import wait_until

LONG = 10.0  # seconds that nobody waits in these tests


def waiting(bulkhead: Bulkhead) -> int:
    return bulkhead._places._waiting


class Crowd:
    """Callers in threads of their own, who stay inside until they are told to leave."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.bulkhead = bulkhead
        self.inside: list[str] = []
        self.refused: list[tuple[str, UpstreamBusy]] = []
        self._leave: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []

    def enters(self, name: str, caller: str | None = None) -> None:
        """Returns when the caller is inside, waits, or was refused."""
        before = len(self.inside) + len(self.refused) + waiting(self.bulkhead)
        self._leave[name] = threading.Event()
        thread = threading.Thread(target=self._call, args=(name, caller))
        self._threads.append(thread)
        thread.start()
        wait_until(lambda: len(self.inside) + len(self.refused) + waiting(self.bulkhead) > before, "a caller to come")

    def leaves(self, name: str) -> None:
        """Returns when the next of the line is inside."""
        line = waiting(self.bulkhead)
        self._leave[name].set()
        wait_until(lambda: waiting(self.bulkhead) < line, "the next one to be inside")

    def goes_home(self) -> None:
        for event in self._leave.values():
            event.set()
        for thread in self._threads:
            thread.join(LONG)

    def _call(self, name: str, caller: str | None) -> None:
        try:
            with self.bulkhead.place(caller):
                self.inside.append(name)
                assert self._leave[name].wait(LONG)
        except UpstreamBusy as error:
            self.refused.append((name, error))


def test_who_finds_no_place_waits_for_one() -> None:
    crowd = Crowd(Bulkhead("test", 1, line=2, patience=LONG))
    for name in ("first", "second", "third"):
        crowd.enters(name)
    assert (crowd.inside, waiting(crowd.bulkhead)) == (["first"], 2)
    crowd.goes_home()
    assert crowd.inside == ["first", "second", "third"]
    assert crowd.refused == []


def test_when_the_line_is_full_the_next_one_is_refused_at_once_and_told_when_to_come_again() -> None:
    crowd = Crowd(Bulkhead("test", 1, line=1, patience=LONG))
    for name in ("first", "second", "third"):
        crowd.enters(name)
    ((name, error),) = crowd.refused
    assert (name, error.retry_after) == ("third", 1.0)
    crowd.goes_home()
    assert crowd.inside == ["first", "second"]


def test_patience_ends_and_the_place_in_the_line_is_given_up() -> None:
    bulkhead = Bulkhead("test", 1, line=1, patience=0.01)
    leave = bulkhead.enter()
    for _ in range(3):
        with pytest.raises(UpstreamBusy):
            bulkhead.enter()
    assert waiting(bulkhead) == 0
    leave()
    bulkhead.enter()()  # the place is free again


def test_nobody_waits_beyond_their_deadline() -> None:
    upstream = Upstream("test", Policy(total=0.05, connect=1.0, read=1.0, bulkhead=1, patience=LONG))
    leave = upstream.bulkhead.enter()
    began = time.monotonic()
    with pytest.raises(UpstreamBusy):
        upstream.deadline(upstream.bulkhead(lambda: None))()
    assert time.monotonic() - began < LONG / 2
    leave()


def test_callers_take_turns() -> None:
    crowd = Crowd(Bulkhead("test", 1, line=10, patience=LONG))
    for name in ("a1", "a2", "a3", "a4"):
        crowd.enters(name, "a")
    crowd.enters("b1", "b")
    for _ in range(4):
        crowd.leaves(crowd.inside[-1])
        wait_until(lambda: len(crowd.inside) + waiting(crowd.bulkhead) == 5, "its turn to be noted")
    crowd.goes_home()
    assert crowd.inside == ["a1", "a2", "b1", "a3", "a4"]


def test_a_full_line_makes_room_for_a_newcomer_at_the_cost_of_who_holds_the_most() -> None:
    crowd = Crowd(Bulkhead("test", 1, line=3, patience=LONG))
    for name in ("a1", "a2", "a3", "a4"):
        crowd.enters(name, "a")
    crowd.enters("b1", "b")
    wait_until(lambda: bool(crowd.refused), "somebody to be refused")
    assert [name for name, _ in crowd.refused] == ["a4"]
    crowd.enters("b2", "b")  # then both would have the same: the newcomer is refused
    assert [name for name, _ in crowd.refused] == ["a4", "b2"]
    crowd.goes_home()
    assert sorted(crowd.inside) == ["a1", "a2", "a3", "b1"]


_STEPS = st.lists(st.tuples(st.sampled_from(["take", "leave", "tire"]), st.integers(0, 3)), max_size=150)


@given(size=st.integers(1, 3), line=st.integers(0, 4), steps=_STEPS)
def test_no_place_is_ever_lost_or_given_twice(size: int, line: int, steps: list[tuple[str, int]]) -> None:
    places = _Places(size, line)
    inside = 0
    queued: list[_Ticket] = []
    for step, number in steps:
        if step == "take":
            ticket = places.take(number)
            if ticket is not None and ticket.granted:
                inside += 1
            elif ticket is not None:
                queued.append(ticket)
        elif step == "leave" and inside:
            inside -= 1
            places.give_back(0.1)
        elif step == "tire" and queued:
            inside += places.wait(queued.pop(number % len(queued)), 0)
        inside += _came_in(queued)
        assert 0 <= inside <= size
        assert places._waiting == len(queued) <= line
        assert not queued or inside == size  # nobody waits beside a free place
    while inside:
        inside -= 1
        places.give_back(0.1)
        inside += _came_in(queued)
    assert (queued, places._free) == ([], size)


def _came_in(queued: list[_Ticket]) -> int:
    """Drop who was granted a place or turned away; how many are inside now."""
    answered = [ticket for ticket in queued if ticket.answered.is_set()]
    queued[:] = [ticket for ticket in queued if not ticket.answered.is_set()]
    return sum(ticket.granted for ticket in answered)


@given(st.lists(st.sampled_from("abc"), min_size=4, max_size=30))
def test_the_turns_of_any_line_differ_by_one_at_most(callers: list[str]) -> None:
    places = _Places(1, 100)
    places.take("first")
    tickets = [places.take(caller) for caller in callers]
    left, served = Counter(callers), Counter()
    for _ in callers:
        before = {id(ticket) for ticket in tickets if ticket and ticket.granted}
        places.give_back(0.0)
        (now,) = [ticket for ticket in tickets if ticket and ticket.granted and id(ticket) not in before]
        served[str(now.caller)] += 1
        left[str(now.caller)] -= 1
        still = [served[caller] for caller in left if left[caller]]
        assert not still or max(served.values()) - min(still) <= 1


def test_the_time_to_come_again_is_how_long_the_line_takes() -> None:
    places = _Places(2, 10)
    for _ in range(100):
        places.take(None)
        places.give_back(4.0)
    for _ in range(7):
        places.take(None)
    assert 11.0 < places.next_free() < 12.1  # five wait, and who comes now: six turns of four seconds, two at a time
