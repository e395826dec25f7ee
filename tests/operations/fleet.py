"""Several processes over one database, without the processes: each has its own breakers, watch and reporter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from inbox.bot.profile_cache import CacheStats
from inbox.config import DatabaseLimits, Policy
from inbox.db import Database
from inbox.db.transactions import database_breaker
from inbox.errors import UpstreamUnavailable
from inbox.models import Incident, Process
from inbox.operations.reporter import Reporter
from inbox.operations.watch import DATABASE, Watch
from inbox.resilience import Breaker

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
OPEN_FOR = 30.0


class Fleet:
    """Time stands still until advance()."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.now = START
        self.members: list[Member] = []
        self.db = self.database()

    def database(self) -> Database:
        made = Database(self.url, breaker=database_breaker(DatabaseLimits(breaker_failures=2), clock=self.monotonic))
        made.now = lambda _session: self.now  # type: ignore[method-assign]
        return made

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def process(self) -> Member:
        self.members.append(Member(self))
        return self.members[-1]

    def close(self) -> None:
        for member in self.members:
            member.db.close()
        self.db.close()

    def incidents(self) -> list[Incident]:
        with self.db.reading() as session:
            return list(session.execute(select(Incident).order_by(Incident.started_at, Incident.id)).scalars())

    def incident(self) -> Incident:
        (only,) = self.incidents()
        return only

    def rows(self) -> list[Process]:
        with self.db.reading() as session:
            return list(session.execute(select(Process)).scalars())


class Profiles:
    """A cache that only counts how often it was cleared."""

    def __init__(self) -> None:
        self.cleared = 0

    def stats(self) -> CacheStats:
        return CacheStats(hits=3, misses=1, loads=1, errors=0, ratio=0.75, size=1, backend="simple")

    def clear(self) -> bool:
        self.cleared += 1
        return True


class Member:
    """One process of the fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.db = fleet.database()
        self.profiles = Profiles()
        self.journaled = 0
        policy = Policy(total=1, connect=1, read=1, breaker_failures=2, breaker_open=OPEN_FOR)
        breakers = {name: Breaker(name, policy, clock=fleet.monotonic) for name in ("gemini", "whatsapp", "supabase")}
        self.watch = Watch(
            breakers | {DATABASE: self.db.breaker}, journaled=lambda: self.journaled, now=lambda: fleet.now
        )
        self.reporter = self.reporting()

    def reporting(self, **options: Any) -> Reporter:
        return Reporter(self.db, self.watch, self.profiles, lambda: True, clock=self.fleet.monotonic, **options)

    def tick(self) -> None:
        self.reporter.tick()

    def fail(self, name: str, times: int = 2, reason: str = "refused") -> None:
        for _ in range(times):
            try:
                self.watch.breakers[name].call(self._refuse, name, reason)
            except UpstreamUnavailable:
                continue

    def recover(self, name: str) -> None:
        """Let the open time pass and two probes succeed."""
        self.fleet.advance(OPEN_FOR * 1.2)
        for _ in range(2):
            self.watch.breakers[name].call(lambda: None)

    def note(self, name: str, *conversations: UUID) -> None:
        for conversation in conversations:
            self.watch.note(name, conversation)

    @staticmethod
    def _refuse(name: str, reason: str) -> None:
        raise UpstreamUnavailable(name, reason, phase="connect")
