"""Is everything there? Probes in parallel, 2 s each, shared for 5 s: hammering /health costs the upstreams nothing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from circuitbreaker import STATE_CLOSED
from sqlalchemy import select, text

from inbox.background import Background
from inbox.clock import utc_now
from inbox.config import Config, Policy
from inbox.db import Database
from inbox.db.lease import Leadership
from inbox.db.schema import SchemaGate
from inbox.errors import DatabaseUnavailable, UpstreamError
from inbox.gateways import http
from inbox.models import Account, Contact, Conversation, Job, Lane, Message, WebhookEvent
from inbox.operations import processes
from inbox.operations.processes import Seen
from inbox.operations.waiting import Outbox, outbox
from inbox.resilience import Upstream
from inbox.webhooks.ingest import Backlog, backlog

log = logging.getLogger(__name__)

PROBE_TIMEOUT = 2.0  # seconds
SHARED_FOR = 5.0  # seconds
OLDEST = 10.0  # seconds; a look that is older is not shown as how things stand now
_PATIENCE = 0.3  # seconds a caller waits for a refresh while there is a result to show that is not too old
LATE = 60.0  # seconds the oldest job may wait before we call it degraded

_PROBING = Leadership("probe", 0.0)  # a row of nobody's: rewriting it shows that the database takes writes
_WRITTEN = (WebhookEvent, Contact, Conversation, Message, Job, Lane)  # by every webhook or reply
_LOCK = text(f"LOCK TABLE {', '.join(table.__tablename__ for table in _WRITTEN)} IN ROW EXCLUSIVE MODE")

#: A probe is a call of its own kind: no breaker, no repeat, so that looking changes nothing.
_PROBE = Policy(total=PROBE_TIMEOUT, connect=PROBE_TIMEOUT, read=PROBE_TIMEOUT, minimum=0.05)

State = Literal["ok", "timeout", "error", "not_configured"]


@dataclass(frozen=True, slots=True)
class Dependency:
    """What one probe found. `since` is when it entered this state, as far as this process knows.

    `reason` tells an operator what to do. It names no address and quotes no error.
    """

    status: State
    latency_ms: float | None = None
    since: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look at everything. While the database is away, `outbox` and `webhooks` are None, no process is known."""

    taken_at: datetime
    dependencies: dict[str, Dependency]
    outbox: Outbox | None
    webhooks: Backlog | None
    processes: Sequence[Seen]

    @property
    def status(self) -> Literal["ok", "degraded", "error"]:
        if self.dependencies["database"].status != "ok":
            return "error"
        if any(dependency.status in ("timeout", "error") for dependency in self.dependencies.values()):
            return "degraded"
        if self.dependencies["database"].reason is not None:
            return "degraded"
        if self.outbox is not None and (self.outbox.oldest_s > LATE or self.outbox.paused_numbers):
            return "degraded"
        if self.webhooks is not None and self.webhooks.oldest_s > LATE:
            return "degraded"
        return "ok"


class Health:
    """Takes snapshots; one caller at a time refreshes, the others share."""

    def __init__(self, config: Config, db: Database, schema: SchemaGate) -> None:
        self._config = config
        self._db = db
        self._schema = schema
        self._mismatch: str | None = None
        self._probes: dict[str, Callable[[], State]] = {
            "database": self._database,
            "whatsapp": self._whatsapp,
            "gemini": self._gemini,
            "supabase": self._supabase,
            "media_store": self._media_store,
            "redis": self._redis,
        }
        self._trying = threading.Lock()
        self._tried_at, self._stored = float("-inf"), False
        self._refreshing = Background("health", self._take_if_old)
        self._found: dict[str, Dependency] = {}  # by the refresh under way
        self._outbox: Outbox | None = None
        self._webhooks: Backlog | None = None
        self._processes: Sequence[Seen] = ()
        self._snapshot: Snapshot | None = None
        self._taken = float("-inf")

    def snapshot(self) -> Snapshot:
        """The newest look at everything: at most SHARED_FOR old if the refresh is quick, never more than OLDEST."""
        if self._age() > SHARED_FOR:
            self._refreshing.start().join(_PATIENCE if self._age() <= OLDEST else PROBE_TIMEOUT + _PATIENCE)
        return self._snapshot if self._snapshot is not None and self._age() <= OLDEST else self._as_known()

    def _age(self) -> float:
        """Seconds since the newest look ended."""
        return time.monotonic() - self._taken

    def refresh(self) -> threading.Thread:
        """The thread that takes a new look, however old the newest one is; it ends within PROBE_TIMEOUT."""
        self._taken = float("-inf")
        return self._refreshing.start()

    def _take_if_old(self) -> None:
        if self._age() > SHARED_FOR:  # or the look that our caller missed has just ended
            self._take()

    def _take(self) -> None:
        self._found, self._outbox, self._webhooks, self._processes = {}, None, None, ()
        self._mismatch = None
        threads = [
            threading.Thread(target=_timed, args=(name, probe, self._found), name=f"probe-{name}", daemon=True)
            for name, probe in self._probes.items()
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + PROBE_TIMEOUT
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._snapshot = self._as_known()
        self._taken = time.monotonic()

    def _as_known(self) -> Snapshot:
        """What the refresh has found so far; a probe that has not ended counts as a timeout."""
        found = dict(self._found)
        known = {name: found.get(name, Dependency("timeout")) for name in self._probes}
        known["database"] = replace(known["database"], reason=self._db.complaint() or self._mismatch)
        return Snapshot(utc_now(), self._dated(known), self._outbox, self._webhooks, self._processes)

    def _dated(self, known: dict[str, Dependency]) -> dict[str, Dependency]:
        before = self._snapshot.dependencies if self._snapshot else {}
        now = utc_now()
        dated = {}
        for name, dependency in known.items():
            earlier = before.get(name)
            same = earlier is not None and earlier.status == dependency.status
            dated[name] = replace(dependency, since=earlier.since if same and earlier else now)
        return dated

    def can_store(self) -> bool:
        """True when the database takes writes, as one small write of our own has shown within SHARED_FOR.

        One caller at a time tries, the others share what it finds; with no word after PROBE_TIMEOUT it is a no.
        """
        if self._db.storage.state != STATE_CLOSED or self._db.complaint() is not None:
            return False
        asked = time.monotonic()
        if not self._trying.acquire(timeout=PROBE_TIMEOUT):
            return False
        try:
            recent = asked - self._tried_at <= SHARED_FOR and self._db.storage.took_within(SHARED_FOR)
            if self._tried_at < asked and not (self._stored and recent):
                self._stored = self._try_to_store()
                self._tried_at = time.monotonic()
            return self._stored
        finally:
            self._trying.release()

    def _try_to_store(self) -> bool:
        """Write a row, and take the locks that a webhook and a reply need.

        Other tables' writes may go on while one of these is locked. A lock that ends within DATABASE_LOCK_TIMEOUT is
        waited for, as everybody's writes wait for it, so a short one does not make us unready.
        """
        try:
            with self._db.writing() as session:
                _PROBING.take(session, self._db.now(session))
                if self._db.is_postgres:
                    session.execute(_LOCK)
        except DatabaseUnavailable:
            return False
        return True

    # --- probes --------------------------------------------------------------------------------------------------

    def _database(self) -> State:
        try:
            with self._db.reading() as session:
                wrong = self._schema.look(session)
                self._mismatch = "; ".join(wrong) if wrong else None
                now = self._db.now(session)
                self._webhooks = backlog(session, now)
                self._processes = processes.seen(session, now)
                self._outbox = outbox(session, now)
        except DatabaseUnavailable:
            return "error"
        return "ok" if self.can_store() else "error"

    def _whatsapp(self) -> State:
        try:
            with self._db.reading() as session:
                in_use = select(Account.id).where(Account.deleted_at.is_(None)).limit(1)
                configured = session.execute(in_use).first() is not None
        except DatabaseUnavailable:
            configured = True
        return _http("whatsapp", self._config.whatsapp_api_url) if configured else "not_configured"

    def _gemini(self) -> State:
        return _http("gemini", self._config.gemini_api_url) if self._config.gemini_api_key else "not_configured"

    def _supabase(self) -> State:
        return _http("supabase", self._config.supabase_url) if self._config.supabase_url else "not_configured"

    def _media_store(self) -> State:
        bucket = self._config.media_s3_url
        return _http("media_store", bucket.origin) if bucket else "not_configured"

    def _redis(self) -> State:
        if not self._config.redis_url:
            return "not_configured"
        import redis  # only where it is used: it would cost every start 50 ms

        try:
            with redis.Redis.from_url(
                self._config.redis_url, socket_timeout=PROBE_TIMEOUT, socket_connect_timeout=PROBE_TIMEOUT
            ) as client:
                client.ping()
        except redis.RedisError:
            return "error"
        return "ok"


def _timed(name: str, probe: Callable[[], State], found: dict[str, Dependency]) -> None:
    started = time.monotonic()
    try:
        status = probe()
    except Exception:
        log.exception("probe failed", extra={"probe": name})
        status = "error"
    latency = round((time.monotonic() - started) * 1000, 1)
    found[name] = Dependency(status, latency if status != "not_configured" else None)


def _http(upstream: str, url: str) -> State:
    """Any answer at all means that the upstream can be reached."""
    asking = Upstream(f"{upstream}_probe", _PROBE)  # a name of its own, so that it is not counted as a call
    try:
        asking.deadline(http.exchange)(asking, "GET", url, headers={})
    except UpstreamError:
        return "error"
    return "ok"
