"""What became of sends, stored: those that end at the same time in one transaction."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inbox.db import Database
from inbox.db.gathering import Gathering
from inbox.outbox import store
from inbox.outbox.outcomes import Accepted, Outcome, SendClaim


class _Result(NamedTuple):
    """What one thread wants to have stored."""

    claim: SendClaim
    outcome: Outcome
    rest: float | None


@dataclass
class Recorder:
    """Of one process. Any thread may call it. `sends` are under way."""

    db: Database
    rng: random.Random
    sends: Gathering[_Result] = field(init=False)

    def __post_init__(self) -> None:
        self.sends = Gathering(self._together, self._alone, _is_usual)

    def record(self, claim: SendClaim, outcome: Outcome, rest: float | None = None) -> None:
        """Store it (`store.record`), and return when that is done. Raises what storing it raised."""
        self.sends.store(_Result(claim, outcome, rest))

    def _together(self, results: Sequence[_Result]) -> list[_Result]:
        alike = {id(result.claim): result for result in results}
        sends = [(each.claim, each.outcome) for each in alike.values() if isinstance(each.outcome, Accepted)]
        with self.db.writing() as session:
            left = store.record_accepted(session, sends, self.db.now(session))
        return [alike[id(claim)] for claim, _ in left]

    def _alone(self, result: _Result) -> None:
        with self.db.writing() as session:
            now = self.db.now(session)
            store.record(session, result.claim, result.outcome, now, self.rng, rest=result.rest)


def _is_usual(result: _Result) -> bool:
    """WhatsApp took it, and it is about one conversation only."""
    return isinstance(result.outcome, Accepted) and result.rest is None and result.claim.hand_over_of is None
