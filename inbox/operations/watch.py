"""What this process sees of its upstreams' illnesses, kept in memory until the database knows it too.

While the database is away nothing can be written: what happened waits here, with its true times, within fixed bounds.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from circuitbreaker import STATE_CLOSED

from inbox.clock import utc_now
from inbox.db import storage
from inbox.resilience import BreakerState
from inbox.resilience.breaker import Listener

DATABASE = "database"
JOURNALING = (DATABASE, storage.NAME)  # what makes webhooks go to the journal
SLOW = "slow answers"  # what opened a circuit that no error opened
MAX_EPISODES = 200  # a circuit opens at most every 3 s, usually every 30: hours of an absent database
MAX_CONVERSATIONS = 10_000  # per upstream between two reports; more than that is counted from the queues anyway


@dataclass(frozen=True, slots=True)
class Episode:
    """A time during which a circuit of this process was not closed. `closed_at` is None while that lasts."""

    upstream: str
    opened_at: datetime
    error: str | None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Damage:
    """What an upstream's illness did to this process since the last look that was recorded."""

    failed: int
    refused: int
    journaled: int
    conversations: frozenset[UUID]


@dataclass(frozen=True, slots=True)
class Sighting:
    """One look at this process. `totals` are the counters it was made from: what `recorded` remembers."""

    states: Mapping[str, BreakerState]
    closed_at: Mapping[str, datetime]  #: when each circuit last closed; missing: it never opened
    episodes: tuple[Episode, ...]
    damage: Mapping[str, Damage]
    totals: Mapping[str, _Totals]


@dataclass(frozen=True, slots=True)
class _Totals:
    failed: int
    refused: int
    journaled: int


@dataclass(slots=True)
class _Memory:
    """Of one upstream."""

    recorded: _Totals
    episode: Episode | None = None  #: the one that lasts
    closed_at: datetime | None = None
    conversations: set[UUID] = field(default_factory=set)


class Circuit(Protocol):
    """What can be watched: a breaker, or the database's storage, which looks like one."""

    listeners: list[Listener]
    last_error: str | None

    @property
    def state(self) -> str: ...

    def snapshot(self) -> BreakerState: ...

    def reset(self) -> None: ...


class Watch:
    """Listens to the breakers, counts what suffers. `changed` is set when a report should not wait for its turn."""

    def __init__(
        self,
        breakers: Mapping[str, Circuit],
        *,
        journaled: Callable[[], int] = lambda: 0,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`journaled` counts the webhooks that this process wrote to its journal in the database's place."""
        self.changed = threading.Event()
        self.breakers = dict(breakers)
        self._journaled = journaled
        self._now = now
        self._lock = threading.Lock()
        self._episodes: deque[Episode] = deque(maxlen=MAX_EPISODES)
        before = self._totals(self._states())
        self._memory = {name: _Memory(recorded=before[name]) for name in breakers}
        for breaker in breakers.values():
            breaker.listeners.append(self._heard)

    def note(self, upstream: str, conversation_id: UUID) -> None:
        """A conversation's work is put off because of this upstream. Cheap; forgotten unless there is an incident."""
        memory = self._memory.get(upstream)
        if memory is None:
            return
        with self._lock:
            if len(memory.conversations) < MAX_CONVERSATIONS:
                memory.conversations.add(conversation_id)

    def look(self) -> Sighting:
        """How everything stands, and what is not recorded yet."""
        states = self._states()
        totals = self._totals(states)
        with self._lock:
            for name in states:
                if self.breakers[name].state == STATE_CLOSED:
                    self._close(name)  # a reset closes without telling
            damage = {name: self._damage(memory, totals[name]) for name, memory in self._memory.items()}
            closed = {name: memory.closed_at for name, memory in self._memory.items() if memory.closed_at}
            return Sighting(states, closed, tuple(self._episodes), damage, totals)

    def recorded(self, sighting: Sighting) -> None:
        """The database knows all of `sighting`: forget it here."""
        with self._lock:
            known = {(episode.upstream, episode.opened_at) for episode in sighting.episodes}
            left = [episode for episode in self._episodes if (episode.upstream, episode.opened_at) not in known]
            self._episodes.clear()
            self._episodes.extend(left)
            for name, memory in self._memory.items():
                memory.recorded = sighting.totals[name]
                memory.conversations -= sighting.damage[name].conversations

    def _states(self) -> dict[str, BreakerState]:
        return {name: breaker.snapshot() for name, breaker in self.breakers.items()}

    def _totals(self, states: Mapping[str, BreakerState]) -> dict[str, _Totals]:
        journaled = self._journaled()
        return {
            name: _Totals(state.failures_total, state.refused_total, journaled if name in JOURNALING else 0)
            for name, state in states.items()
        }

    def _heard(self, name: str, before: str, after: str) -> None:
        """The listener of every breaker. Openings that follow a failed probe belong to the episode that lasts."""
        with self._lock:
            if before == STATE_CLOSED:
                self._close(name)
                episode = Episode(name, self._now(), self.breakers[name].last_error or SLOW)
                self._memory[name].episode = episode
                self._episodes.append(episode)
            elif after == STATE_CLOSED:
                self._close(name)
        self.changed.set()

    def _close(self, name: str) -> None:
        """End the episode that lasts, if one does. The caller holds the lock."""
        memory = self._memory[name]
        if memory.episode is None:
            return
        memory.closed_at = self._now()
        for number, episode in enumerate(self._episodes):
            if episode is memory.episode:
                self._episodes[number] = replace(episode, closed_at=memory.closed_at)
        memory.episode = None

    @staticmethod
    def _damage(memory: _Memory, totals: _Totals) -> Damage:
        before = memory.recorded
        return Damage(
            failed=totals.failed - before.failed,
            refused=totals.refused - before.refused,
            journaled=totals.journaled - before.journaled,
            conversations=frozenset(memory.conversations),
        )
