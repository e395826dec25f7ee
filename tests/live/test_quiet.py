"""Who may wait for a change: nobody who would have been told one."""

from __future__ import annotations

import uuid

from inbox.errors import DatabaseUnavailable
from inbox.live import quiet
from inbox.live.quiet import Quiet

HERE, THERE = uuid.uuid4(), uuid.uuid4()


def test_a_position_waits_until_its_account_moves() -> None:
    stands = {HERE: 1, THERE: 1}
    told = Quiet(stands.__getitem__)
    assert not told.holds(HERE, "p")
    told.tell(HERE, 1, "p")
    told.tell(THERE, 1, "q")
    assert told.holds(HERE, "p")
    assert not told.holds(HERE, "q")
    assert told.moved([HERE, THERE]) == []
    stands[HERE] = 2
    assert told.moved([HERE, THERE]) == [HERE]
    assert (told.holds(HERE, "p"), told.holds(THERE, "q")) == (False, True)


def test_what_is_told_late_of_an_older_state_is_found_out_by_the_next_look() -> None:
    told = Quiet(lambda _account: 2)
    told.tell(HERE, 2, "new")
    told.tell(HERE, 1, "old")  # its thread looked before the other one, and was slower
    assert told.moved([HERE]) == [HERE]
    assert not told.holds(HERE, "old")


def test_nobody_waits_for_an_account_that_cannot_be_looked_at() -> None:
    def away(_account: uuid.UUID) -> int:
        raise DatabaseUnavailable

    told = Quiet(away)
    told.tell(HERE, 1, "p")
    assert told.moved([HERE]) == [HERE]
    assert not told.holds(HERE, "p")


def test_it_remembers_so_many_positions_and_accounts() -> None:
    told = Quiet(lambda _account: 1)
    for number in range(quiet._POSITIONS + 1):
        told.tell(HERE, 1, str(number))
    assert not told.holds(HERE, "0")
    assert told.holds(HERE, str(quiet._POSITIONS))
    for _ in range(quiet._ACCOUNTS):
        told.tell(uuid.uuid4(), 1, "p")
    assert not told.holds(HERE, str(quiet._POSITIONS))
