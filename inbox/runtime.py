"""What one process holds: built once by `build`, handed to routes, commands and the dispatcher."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

from circuitbreaker import STATE_CLOSED

from inbox import resilience
from inbox.accounts.adding import ensure_default
from inbox.auth.generation import Changes
from inbox.auth.identities import Identities
from inbox.auth.supabase.tokens import SupabaseTokens
from inbox.bot.answer import Answering, BotSettings
from inbox.bot.files import CustomerFiles
from inbox.bot.handover import HandOver
from inbox.bot.model import Models
from inbox.bot.profile_cache import ProfileCache
from inbox.cipher import TokenCipher
from inbox.config import Config
from inbox.db import Database, storage
from inbox.db.schema import SchemaGate
from inbox.db.transactions import database_breaker
from inbox.db.wake import Wakeups, Work
from inbox.errors import DatabaseUnavailable
from inbox.gateways.bucket import Bucket
from inbox.gateways.gemini import Gemini
from inbox.gateways.hooks import Hooks
from inbox.gateways.pages import Pages
from inbox.gateways.whatsapp.media import WhatsAppMedia
from inbox.gateways.whatsapp.messages import WhatsApp
from inbox.hooks.delivering import Delivering
from inbox.knowledge.reading import Reading
from inbox.live import assigning  # noqa: F401 (it listens)
from inbox.live.changes import ChangeFeed
from inbox.live.positions import Positions
from inbox.live.schemas import Notice, NoticeCode
from inbox.live.watcher import Watcher
from inbox.media.bucket_store import BucketStore
from inbox.media.keeping import Keeping
from inbox.media.store import FolderStore, Store
from inbox.memory.redis import SharedRedis
from inbox.metrics import meters
from inbox.operations.metrics.figures import Figures
from inbox.operations.metrics.listener import Listener
from inbox.operations.metrics.page import Page
from inbox.operations.probes import Health
from inbox.operations.processes import Kind
from inbox.operations.reporter import Reporter
from inbox.operations.standing import Standings
from inbox.operations.status.service import UPSTREAMS, Status
from inbox.operations.watch import DATABASE, Circuit, Watch
from inbox.outbox.deliver import Delivery
from inbox.outbox.hurry import hurry
from inbox.outbox.typing import TypingSigns
from inbox.page.assets import assets
from inbox.resilience import Bulkhead
from inbox.webhooks.applying.placed import IngestSettings
from inbox.webhooks.ingest import stop_leading
from inbox.webhooks.journal.journal import Journal
from inbox.worker.crews import Crews
from inbox.worker.dispatcher import DRAIN, LEAVE, Dispatcher
from inbox.worker.housekeeping import Housekeeping

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

_NOT_REQUESTS = 13  # connections for the dispatcher's own threads beside its crews' hands, the journal, the reporter


@dataclass
class Runtime:
    """Shared by all threads of a process; every part is thread-safe."""

    config: Config
    db: Database
    cipher: TokenCipher
    whatsapp: WhatsApp
    media: WhatsAppMedia
    store: Store
    models: Models
    previews: Bulkhead
    profiles: ProfileCache
    redis: SharedRedis | None
    identities: Identities
    wakeups: Wakeups
    journal: Journal
    answering: Answering
    schema: SchemaGate
    health: Health
    watch: Watch
    metrics: Page
    stopping: threading.Event

    def __post_init__(self) -> None:
        self.reporter = Reporter(
            self.db,
            self.watch,
            self.profiles,
            lambda: self.dispatching,
            journaling=lambda: not self.journal.is_empty(),
            resumed=self._hurry,
            schema=self.schema,
        )
        self.standings = Standings(self.db, self.reporter.myself)
        self.status = Status(self.db, self.health, self.standings)
        self.changes = ChangeFeed(
            self.db,
            Watcher(self.db),
            Positions(self.config.secret_key),
            notices=self._notices,
            release=lambda: assets(fresh=not self.config.production).release,
        )
        self._listener: Listener | None = None
        self._dispatcher: Dispatcher | None = None
        self._pid = self._complained = 0
        self._lock = threading.Lock()

    @property
    def dispatching(self) -> bool:
        """True when the crews work in this process."""
        return self._dispatcher is not None and self._pid == os.getpid()

    @property
    def bot_stays_out(self) -> timedelta:
        return timedelta(seconds=self.config.bot_resume_after)

    @property
    def ingest_settings(self) -> IngestSettings:
        return IngestSettings(debounce=self.config.bot_debounce, bot_stays_out=self.bot_stays_out)

    def prepare_database(self) -> bool:
        """Bring the schema up to date and the default account in line. True when the schema changed."""
        from inbox.db import migrations  # Alembic is for commands: the web process starts without it

        changed = migrations.upgrade(self.db)
        ensure_default(self.db, self.config, self.cipher)
        return changed

    def _notices(self) -> list[Notice]:
        """What holds up answers and replies, as the status page tells it too."""
        found = []
        for name in UPSTREAMS:
            standing = self.standings.of(name)
            if standing.told:
                what = "struggling" if standing.state == "struggling" else "away"
                found.append(Notice(code=cast(NoticeCode, f"{name}_{what}"), since=standing.since, reason=None))
        database = self.watch.breakers[DATABASE].snapshot()
        if database.state != STATE_CLOSED:
            found.append(Notice(code="database_away", since=database.opened_at, reason=None))
        return found

    def migrated(self) -> bool:
        """True when the schema is the one this code was written for. Raises DatabaseUnavailable."""
        with self.db.reading() as session:
            return self.schema.look(session) is None

    def start(self, kind: Kind = "web") -> None:
        """Start what works beside requests, once per process: reporter, journal, and the crews where they belong."""
        self._complain()
        self.reporter.start(kind)
        self.journal.start()
        if kind == "worker" and self.config.metrics_listen is not None:
            self._listener = Listener(self.metrics, self.config.metrics_listen)
            self._listener.start()
        if self.config.dispatcher or kind == "worker":
            self.start_dispatcher()

    def _hurry(self, upstream: str) -> None:
        """A circuit was reset: our crews begin at once with what has waited for it."""
        if self.dispatching:
            with contextlib.suppress(DatabaseUnavailable):  # then it comes by itself, within a minute
                hurry(self.db, upstream)

    def _complain(self) -> None:
        """Log what was surely not meant, once per process."""
        if self._complained != os.getpid():
            self._complained = os.getpid()
            for found, do in self.config.doubts:
                log.warning("%s. %s", found, do)

    def start_dispatcher(self) -> None:
        """Start the crews, once per process: threads do not survive a fork."""
        if self._pid == os.getpid() or self.stopping.is_set():
            return
        with self._lock:
            if self._pid != os.getpid():
                self._dispatcher = crews_of(self).dispatcher(
                    deliver_threads=self.config.deliver_threads, answer_threads=self.config.answer_threads
                )
                self._dispatcher.start()
                self._pid = os.getpid()

    def close(self, seconds: float = DRAIN, leave: float = LEAVE) -> bool:
        """Drain the dispatcher and close what was opened. True when all work ended in time.

        `leave`: seconds after which answers that are being written are given back.
        """
        self.stopping.set()
        with self._lock:
            dispatcher, self._dispatcher = self._dispatcher, None
            mine = self._pid == os.getpid()
        drained = dispatcher.stop(seconds, leave) if dispatcher is not None and mine else True
        if self._listener is not None:
            self._listener.stop()
        if dispatcher is not None and mine:
            with contextlib.suppress(DatabaseUnavailable):  # then its lease ends by itself
                stop_leading(self.db)
        self.journal.close()
        self.wakeups.stop()
        self.reporter.stop()
        if self.redis is not None:
            self.redis.close()
        self.db.close()
        return drained


def build(config: Config, profiles: ProfileCache, redis: SharedRedis | None = None) -> Runtime:
    """Everything, wired together. Opens no connection and starts no thread."""
    db = _database(config)
    schema = SchemaGate(db)
    wakeups = Wakeups(db)
    journal = Journal(config.instance_path / "journal", db, max_bytes=config.journal_max_bytes)
    resilience.configure(config)
    gemini = Gemini(config.gemini_api_url, config.gemini_api_key)
    rng = random.Random()  # noqa: S311 (jitter, no secret)
    upstreams = {name: upstream.breaker for name, upstream in resilience.UPSTREAMS.items()}
    breakers: dict[str, Circuit] = {**upstreams, DATABASE: db.breaker, storage.NAME: db.storage}
    watch = Watch(breakers, journaled=lambda: journal.written)
    meters.expect(circuits=breakers, upstreams=upstreams)
    models = Models(db, gemini, config.gemini_model, config.gemini_fallback_model)
    store = _store(config)
    answering = Answering(
        db=db,
        models=models,
        cache=profiles,
        handover=HandOver(db, config.human_backup_number),
        settings=BotSettings(
            debounce=config.bot_debounce,
            answer_deadline=config.bot_answer_deadline,
            bot_stays_out=timedelta(seconds=config.bot_resume_after),
        ),
        rng=rng,
        note=watch.note,
        signs=TypingSigns(partial(wakeups.ring_here, Work.HOUSEKEEPING)),
        files=CustomerFiles(db, store),
    )
    return Runtime(
        config=config,
        db=db,
        cipher=TokenCipher(config.encryption_keys),
        whatsapp=WhatsApp(config.whatsapp_api_url),
        media=WhatsAppMedia(config.whatsapp_api_url, resilience.WHATSAPP_MEDIA),
        store=store,
        models=models,
        previews=Bulkhead("previews", max(1, config.web_threads // 4), patience=2.0),
        profiles=profiles,
        redis=redis,
        identities=Identities(
            db,
            SupabaseTokens(config),
            Changes(config.instance_path / "rights-changed"),
            open_signup=config.signup == "open",
        ),
        wakeups=wakeups,
        journal=journal,
        answering=answering,
        schema=schema,
        health=Health(config, db, schema),
        watch=watch,
        metrics=Page(Figures(db, journal), config.metrics_token),
        stopping=threading.Event(),
    )


def crews_of(runtime: Runtime) -> Crews:
    """What the dispatcher of this process works with."""
    db, cipher = runtime.db, runtime.cipher
    rng = random.Random()  # noqa: S311 (jitter, no secret)
    return Crews(
        db=db,
        wakeups=runtime.wakeups,
        schema=runtime.schema,
        ingesting=runtime.ingest_settings,
        delivery=Delivery(db, runtime.whatsapp, cipher, rng, runtime.stopping, runtime.watch.note),
        answering=runtime.answering,
        keeping=Keeping(db, runtime.media, cipher, runtime.store),
        hooks=Delivering(db, Hooks(private=runtime.config.webhooks_private), cipher, rng),
        reading=Reading(db, Pages(private=runtime.config.knowledge_private), runtime.store),
        housekeeping=Housekeeping(db, runtime.config, runtime.whatsapp, cipher, runtime.answering.signs),
        stopping=runtime.stopping,
    )


def runtime_of(app: Flask) -> Runtime:
    """What create_app wired into `app`."""
    found: Runtime = app.extensions["inbox"]
    return found


def _store(config: Config) -> Store:
    if config.media_s3_url is None:
        return FolderStore(config.media_path)
    return BucketStore(Bucket(config.media_s3_url, resilience.MEDIA_STORE))


def _database(config: Config) -> Database:
    return Database(
        config.database_url,
        pool_size=config.web_threads + _NOT_REQUESTS + config.dispatcher_connections,
        limits=config.database,
        breaker=database_breaker(config.database, enabled=config.resilience_breaker),
        repeats=config.resilience_retry,
    )
