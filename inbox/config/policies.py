"""How upstreams and the database are called: limits on time, on repeats and on how many at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from inbox.config.setting import read_all, setting
from inbox.config.values import seconds, whole
from inbox.errors import ConfigError

MOST_AT_ONCE = 200  #: calls to one upstream in one process


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How an upstream is called. Times are seconds."""

    total: float = setting(
        "…_TOTAL_TIMEOUT", seconds(0.05), 10.0, "for one job or request, repeats and pauses included"
    )
    connect: float = setting("…_CONNECT_TIMEOUT", seconds(0.05), 3.0, "name, connection and TLS")
    #: Between two bytes; one attempt takes no longer than this or what is left of the total.
    read: float = setting("…_READ_TIMEOUT", seconds(0.05), 7.0, "for one attempt, or what is left of the total")
    attempts: int = setting("…_ATTEMPTS", whole(1, 10), 1, "sends are repeated by the outbox only")
    minimum: float = 1.0  #: an attempt that would have less than this is not begun
    breaker_failures: int = setting(
        "…_BREAKER_FAILURES", whole(1, 1000), 5, "in a row; half of the last 20 opens it as well"
    )
    breaker_open: float = setting(
        "…_BREAKER_OPEN_SECONDS", seconds(0.05, 3600), 30.0, "until one call is let through to see"
    )
    bulkhead: int = setting("…_BULKHEAD", whole(1, MOST_AT_ONCE), 8, "calls at once in a process")
    line: int = 16  #: more that may wait for a place
    patience: float = 1.0  #: how long they wait, at most
    max_bytes: int = 256 * 1024  #: of an answer

    def read_from(self, env: Mapping[str, str], upstream: str, *, longest: float) -> Policy:
        """This policy with what the environment says of `upstream`. Raises ConfigError.

        No part may be longer than the total, and the total not longer than `longest`: a lease on the work ends then.
        """
        told = read_all(Policy, env, upstream)
        total = told.get("total", self.total)
        for part, limit in (("total", longest), ("connect", total), ("read", total)):
            if told.setdefault(part, min(getattr(self, part), total)) > limit:
                raise ConfigError(f"{upstream}_{part.upper()}_TIMEOUT", f"must be seconds, from 0.05 to {limit:g}")
        return replace(self, **told | {"minimum": min(self.minimum, total / 2)})


GEMINI = Policy(
    total=15.0,
    connect=3.0,
    read=12.0,
    attempts=3,
    minimum=3.0,
    breaker_failures=5,
    breaker_open=60.0,
    bulkhead=4,
    patience=2.0,
    max_bytes=2 * 1024 * 1024,
)
#: One attempt: repeats of a send belong to the outbox.
WHATSAPP = Policy(total=10.0, connect=3.0, read=7.0, minimum=3.0, breaker_failures=3, breaker_open=30.0, bulkhead=5)
#: A file on its way from WhatsApp to somebody's browser. The largest that WhatsApp takes has 100 MB.
#: A screen of pictures is asked for at once, six by each browser: the line is long, and moves quickly.
WHATSAPP_MEDIA = Policy(
    total=60.0,
    connect=3.0,
    read=10.0,
    minimum=3.0,
    bulkhead=2,
    line=32,
    patience=5.0,
    max_bytes=100 * 1024 * 1024,
)
#: A kept file on its way into a bucket or out of it. The outbox repeats what fails.
MEDIA_STORE = Policy(
    total=60.0,
    connect=3.0,
    read=10.0,
    minimum=1.0,
    bulkhead=6,
    line=32,
    patience=5.0,
)
SUPABASE = Policy(total=5.0, connect=2.0, read=3.0, attempts=2, breaker_failures=5, breaker_open=30.0, bulkhead=2)
#: An event to somebody else's system. Repeats belong to its row.
HOOKS = Policy(total=10.0, connect=3.0, read=7.0)
#: A web page of the business. Repeats belong to its row.
PAGES = Policy(total=20.0, connect=3.0, read=8.0, max_bytes=2 * 1024 * 1024)
#: One attempt, one failure, thirty seconds without: losing Redis costs a lookup 0.2 s once.
REDIS = Policy(total=0.2, connect=0.2, read=0.2, minimum=0.0, breaker_failures=1, breaker_open=30.0)


@dataclass(frozen=True, kw_only=True)
class DatabaseLimits:
    """How long anything may wait for the database. Seconds; all but `pool` are PostgreSQL's alone."""

    connect: float = setting(
        "DATABASE_CONNECT_TIMEOUT", seconds(1, 30), 3.0, "to reach the server, each of its addresses"
    )
    pool: float = setting("DATABASE_POOL_TIMEOUT", seconds(0.05, 30), 2.0, "for a free connection of this process")
    #: A server that is silent for 2 s more is given up.
    statement: float = setting(
        "DATABASE_STATEMENT_TIMEOUT",
        seconds(1, 60),
        10.0,
        "PostgreSQL ends a longer statement; a server that is silent for 2 s more is given up",
    )
    lock: float = setting("DATABASE_LOCK_TIMEOUT", seconds(0.05, 60), 2.0, "PostgreSQL ends a longer wait for a lock")
    idle: float = setting(
        "DATABASE_IDLE_TIMEOUT", seconds(1, 300), 15.0, "PostgreSQL ends a transaction that is idle for longer"
    )
    breaker_failures: int = setting(
        "DATABASE_BREAKER_FAILURES",
        whole(1, 1000),
        5,
        "failures in a row after which the database is left alone; half of the last 20 as well",
    )
    #: Not the 30 of an upstream: a restart takes two.
    breaker_open: float = setting("DATABASE_BREAKER_OPEN_SECONDS", seconds(0.05, 300), 3.0, "for how long")

    @property
    def watchdog(self) -> float:
        """A server that is silent for so long is given up: later than it would end a statement itself."""
        return self.statement + 2.0


DATABASE = DatabaseLimits()
