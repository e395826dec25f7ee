"""What became of sends, stored: those that end at the same time in one transaction.

To store one takes as much as to make it. So the thread that comes first stores for all that wait, and while other sends
are under way it waits a moment for them. A send that is alone waits for nobody.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from inbox.db import Database
from inbox.db.wake import GATHER
from inbox.errors import DatabaseUnavailable
from inbox.outbox import store
from inbox.outbox.outcomes import Accepted, Outcome, SendClaim


@dataclass(eq=False)
class _Result:
    """What one thread wants to have stored. `error`: why that failed."""

    claim: SendClaim
    outcome: Outcome
    rest: float | None
    done: bool = False
    error: Exception | None = None


@dataclass
class Recorder:
    """Of one process. Any thread may call it."""

    db: Database
    rng: random.Random
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _waiting: list[_Result] = field(default_factory=list)
    _under_way: int = 0
    _storing: bool = False

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """A send is made, and will be recorded soon."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def record(self, claim: SendClaim, outcome: Outcome, rest: float | None = None) -> None:
        """Store it (`store.record`), and return when that is done. Raises what storing it raised."""
        result = _Result(claim, outcome, rest)
        with self._changed:
            self._waiting.append(result)
            self._changed.notify_all()
            self._changed.wait_for(lambda: result.done or not self._storing)
            if not result.done:
                self._storing = True
                self._changed.wait_for(lambda: not self._under_way, GATHER)
                taken, self._waiting = self._waiting, []
        if not result.done:
            self._store(taken)
        if result.error is not None:
            raise result.error

    def _store(self, results: Sequence[_Result]) -> None:
        try:
            for result in self._left(results):
                try:
                    self._alone(result)
                except Exception as error:
                    result.error = error
        finally:
            with self._changed:
                for result in results:
                    result.done = True
                self._storing = False
                self._changed.notify_all()

    def _left(self, results: Sequence[_Result]) -> list[_Result]:
        """Those that have to be stored alone, after all others were stored together."""
        alike = {id(result.claim): result for result in results if _is_usual(result)}
        alone = [result for result in results if id(result.claim) not in alike]
        sends = [(each.claim, each.outcome) for each in alike.values() if isinstance(each.outcome, Accepted)]
        if not sends:
            return alone
        try:
            with self.db.writing() as session:
                left = store.record_accepted(session, sends, self.db.now(session))
        except DatabaseUnavailable as error:
            for result in alike.values():
                result.error = error
            return alone
        except Exception:  # whichever it is: alone it holds up nobody else
            return [*results]
        return [*alone, *(alike[id(claim)] for claim, _ in left)]

    def _alone(self, result: _Result) -> None:
        with self.db.writing() as session:
            now = self.db.now(session)
            store.record(session, result.claim, result.outcome, now, self.rng, rest=result.rest)


def _is_usual(result: _Result) -> bool:
    """WhatsApp took it, and it is about one conversation only."""
    return isinstance(result.outcome, Accepted) and result.rest is None and result.claim.hand_over_of is None
