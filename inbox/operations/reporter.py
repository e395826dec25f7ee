"""One thread per process that publishes how it stands, and hears what an operator asked of all processes.

Breakers are per process on purpose; what is shared is what they say. A report is one short transaction every 5 s, and
at once when a circuit changed. Nothing here may disturb the process: while the database is away it simply tries again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.auth import audit
from inbox.auth.access import OPERATOR, Principal
from inbox.background import Background
from inbox.clock import utc_now
from inbox.db import Database, insert
from inbox.db.schema import SchemaGate
from inbox.db.transactions import whole_transaction
from inbox.errors import DatabaseUnavailable
from inbox.logs import set_request_id
from inbox.metrics import held
from inbox.metrics.tally import Counted, tally
from inbox.models import Reset
from inbox.operations import incidents, processes, samples
from inbox.operations.processes import CacheCounts, Calls, Circuit, Identity, Kind, Report, Seen
from inbox.operations.watch import Sighting, Watch
from inbox.server.shedding import shed
from inbox.webhooks.missed import Missed, missed

log = logging.getLogger(__name__)

INTERVAL = 5.0  # seconds
CACHE = "cache"  #: the name under which clearing the cache is asked for
_PRUNE_EVERY = 60.0  # seconds
_LEAVE = 2.0  # seconds a stopping process waits for its last report


class Clearable(Protocol):
    """A cache, as operators see it."""

    def stats(self) -> object: ...

    def clear(self) -> bool:
        """False when a part of it could not be reached."""


class Reporter:
    """Of one process. Start it after the fork; `tick` is one report."""

    def __init__(
        self,
        db: Database,
        watch: Watch,
        profiles: Clearable,
        dispatching: Callable[[], bool],
        *,
        journaling: Callable[[], bool] = lambda: False,
        resumed: Callable[[str], None] = lambda _name: None,
        schema: SchemaGate | None = None,
        missed: Missed = missed,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`journaling`: True while webhooks wait in this machine's journal. `resumed` is told of circuits that a person
        has reset, here or elsewhere. `schema` is looked at now and then: a process without crews would not notice.
        """
        self.db = db
        self.watch = watch
        self._profiles = profiles
        self._dispatching = dispatching
        self._journaling = journaling
        self._resumed = resumed
        self._schema = schema
        self._missed = missed
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = Background("reporter", self._run)
        self._pruned = float("-inf")
        self._sampled = samples.minute_of(utc_now())  # the minute of the sample before
        self._known: dict[str, datetime] | None = None  # resets that were heard of; None: of none yet
        self.me = Identity.of_this_process("other")

    def start(self, kind: Kind) -> None:
        """Report from now on, once per process: threads do not survive a fork."""
        if self._thread.is_running() or self._stopping.is_set():
            return
        with self._lock:
            if self._thread.is_running():
                return
            self.me = Identity.of_this_process(kind)
            self._thread.start()

    def stop(self, seconds: float = _LEAVE) -> None:
        """Say goodbye, so that nobody waits for us, and end."""
        self._stopping.set()
        self.watch.changed.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            self.watch.changed.clear()  # before we look: what happens from here on wakes us again
            if self._stopping.is_set():
                break
            self._try()
            self.watch.changed.wait(self._interval)
        self._try(leaving=True)

    def _try(self, *, leaving: bool = False) -> None:
        set_request_id("")
        try:
            self.tick(leaving=leaving)
        except DatabaseUnavailable:
            pass  # logged where it happened; what we have to say is kept
        except Exception:
            log.exception("reporting failed")

    def tick(self, *, leaving: bool = False) -> None:
        """Report once, and do what was asked of all processes. Raises DatabaseUnavailable."""
        sighting = self.watch.look()
        held.note(self.db.connections_in_use, self.db.pool_size)
        missed = 0.0 if self._journaling() else self._missed.ago()
        report = None if leaving else self.report(sighting)
        counted = self._counted(leaving=leaving)
        if report is None or sighting.episodes or counted or not self._nothing_new(report, missed):
            try:
                self._obey(self._publish(sighting, report, missed, counted))
            except BaseException:
                tally.put_back(counted)
                raise
        self._sampled = samples.minute_of(utc_now())
        self.watch.recorded(sighting)

    def _counted(self, *, leaving: bool) -> dict[str, Counted]:
        """What the minute's sample holds, once a minute is over; nothing before."""
        return tally.take() if leaving or samples.minute_of(utc_now()) > self._sampled else {}

    @whole_transaction
    def _nothing_new(self, report: Report, missed: float | None) -> bool:
        """Say that this process lives, by one statement: in quiet times that is all there is to do."""
        if self._known is None or self._clock() - self._pruned > _PRUNE_EVERY:
            return False
        with self.db.writing_once() as session:
            news = processes.save(session, self.me, report, self.db.now(session), missed)
        return not news.incident and news.reset_at == max(self._known.values(), default=None)

    @whole_transaction
    def _publish(
        self, sighting: Sighting, report: Report | None, missed: float | None, counted: dict[str, Counted]
    ) -> dict[str, datetime]:
        """Write what there is to say, or say goodbye; the resets that were asked for."""
        db = self.db
        if self._schema is not None and report is not None:
            self._schema.is_open()
        with db.writing() as session:
            now = db.now(session)
            if report is None:
                processes.stop(session, self.me, now)
            else:
                processes.save(session, self.me, report, now, missed)
            incidents.record(session, sighting, now)
            processes.prune(session, now)
            if counted:
                samples.save(session, self.me.id, counted, now)
            asked = _asked(session)
        self._pruned = self._clock()
        return asked

    def report(self, sighting: Sighting) -> Report:
        """How this process stands."""
        return Report(
            circuits={
                name: Circuit(**asdict(state), closed_at=sighting.closed_at.get(name))
                for name, state in sighting.states.items()
            },
            calls={name: Calls(**asdict(each)) for name, each in tally.recent().items()},
            cache=CacheCounts.model_validate(self._profiles.stats()),
            dispatcher=self._dispatching(),
            shed=shed(),
        )

    def myself(self) -> Seen:
        """This process, as of now: shown even while the database is away."""
        sighting = self.watch.look()
        return Seen(self.me, utc_now(), live=True, report=self.report(sighting))

    # --- what is asked of all ------------------------------------------------------------------------------------

    def reset(self, name: str, actor: Principal = OPERATOR) -> bool:
        """Reset this circuit breaker, or clear the cache, here at once and elsewhere with the next report.

        False when Redis holds profiles too and was not reached. Raises DatabaseUnavailable when the others cannot be
        told; here it is done.
        """
        complete = self._reset(name)
        db = self.db
        with db.writing() as session:
            at = db.now(session)
            statement = insert(session, Reset).values(name=name, at=at)
            session.execute(statement.on_conflict_do_update(index_elements=[Reset.name], set_={"at": at}))
            audit.record(session, actor, "cache.cleared" if name == CACHE else "circuit_breaker.reset", at, target=name)
        if self._known is not None:
            self._known[name] = at
        return complete

    def _obey(self, asked: dict[str, datetime]) -> None:
        """What was asked before this process began does not concern it: it began with nothing to reset."""
        known = asked if self._known is None else self._known
        for name, at in asked.items():
            if known.get(name) != at:
                log.info("reset, as asked of all processes", extra={"what": name})
                self._reset(name)
        self._known = asked

    def _reset(self, name: str) -> bool:
        if name == CACHE:
            return self._profiles.clear()
        if name in self.watch.breakers:
            self.watch.breakers[name].reset()
            self._resumed(name)
            self.watch.changed.set()
        return True


def _asked(session: Session) -> dict[str, datetime]:
    return {row.name: row.at for row in session.execute(select(Reset.name, Reset.at))}
