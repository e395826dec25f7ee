"""How each upstream stands, over all live processes: what the status page and the inbox's notices both tell.

A circuit belongs to one process, and a call of one process says more than the circuit of another that has not asked
for a while. So what the calls of the last minute came to counts beside the circuits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from circuitbreaker import STATE_OPEN

from inbox.clock import utc_now
from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.memory.kept import Kept
from inbox.operations import processes
from inbox.operations.processes import Calls, Circuit, Seen

State = Literal["well", "struggling", "trying", "away"]

FRESH = 2.0  # seconds that a look at the processes is shared
STALE = 15.0  # seconds that it stands in while the database is away
QUIET = timedelta(minutes=2)  # nobody has failed for so long: what a circuit remembers is no news any more


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one upstream. `struggling`: it fails more calls than it answers, and no circuit is open yet.

    `trying`: it was away, and the next call finds out. `since` and `retry_in_s` are told while it is away.
    """

    state: State
    since: datetime | None = None
    retry_in_s: float | None = None

    @property
    def told(self) -> bool:
        """It holds up answers or replies."""
        return self.state != "well"


class Standings:
    """All live processes and what they make of the upstreams, at most FRESH seconds old. Thread-safe."""

    def __init__(self, db: Database, myself: Callable[[], Seen]) -> None:
        """`myself`: this process as of now."""
        self._db = db
        self._myself = myself
        self._kept: Kept[list[Seen]] = Kept(FRESH, STALE, limit=1, pause=FRESH, name="standings")

    def everybody(self) -> list[Seen]:
        """The live processes. While the database is away, this one alone."""
        try:
            return self._kept.get("all", self._look)
        except DatabaseUnavailable:
            return [self._myself()]

    def of(self, upstream: str) -> Standing:
        """How it stands."""
        return standing(upstream, self.everybody(), utc_now())

    def forget(self) -> None:
        """Look anew next time."""
        self._kept.clear()

    def _look(self) -> list[Seen]:
        with self._db.reading() as session:
            known = processes.seen(session, self._db.now(session))
        return processes.everybody(self._myself(), known)


def standing(upstream: str, everybody: Sequence[Seen], now: datetime) -> Standing:
    """How it stands, from what the live processes report of their circuits and of the calls of the last minute."""
    calls = [each.report.calls[upstream] for each in everybody if upstream in each.report.calls]
    circuits = [each.report.circuits[upstream] for each in everybody if upstream in each.report.circuits]
    circuit = processes.worst(each for each in circuits if _counts(each, calls, now))
    if circuit.interrupted:
        state: State = "away" if circuit.state == STATE_OPEN else "trying"
        return Standing(state, circuit.opened_at, circuit.retry_in_s)
    failing = sum(each.errors for each in calls) > sum(each.answers for each in calls)
    return Standing("struggling" if failing else "well")


def _counts(circuit: Circuit, calls: Sequence[Calls], now: datetime) -> bool:
    """Whether a circuit is news: an open one is; one whose time is over, if the newest call of all failed lately."""
    if circuit.state == STATE_OPEN:
        return True
    if not circuit.interrupted:
        return False
    answered = max((each.answered_at for each in calls if each.answered_at), default=None)
    known = [circuit.opened_at, *(each.failed_at for each in calls)]
    failed = max((each for each in known if each is not None), default=now)
    return now - failed < QUIET and (answered is None or answered < failed)
