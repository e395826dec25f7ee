"""The real parts around the outbox, wired to a fake Meta and a clock that stands still until the test moves it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from cryptography.fernet import Fernet
from sqlalchemy import delete, event, func, select
from sqlalchemy.orm import Session

from inbox.accounts.adding import ensure_default
from inbox.accounts.changes import resume
from inbox.auth.access import Access, Permission, Principal
from inbox.bot.answer import Answering, BotSettings
from inbox.bot.files import CustomerFiles
from inbox.bot.handover import HandOver
from inbox.bot.model import Models
from inbox.cipher import TokenCipher
from inbox.clock import new_id
from inbox.config import Config
from inbox.conversations import service
from inbox.db import Database
from inbox.media.store import FolderStore
from inbox.models import (
    Account,
    Contact,
    Conversation,
    CoolDown,
    DeadLetter,
    Direction,
    Incident,
    Job,
    JobKind,
    Lease,
    Message,
    WebhookEvent,
)
from inbox.outbox import jobs, settle, store
from inbox.outbox.deliver import Delivery
from inbox.outbox.due import next_send
from inbox.outbox.jobs import JobClaim
from inbox.outbox.outcomes import SendClaim
from inbox.outbox.typing import TypingSigns
from inbox.webhooks.applying.placed import IngestSettings
from inbox.webhooks.ingest import Ingested, ingest_batch
from tests.outbox.fake_meta import FakeGemini, FakeMeta
from tests.outbox.fibers import Killed

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
WINDOW = timedelta(seconds=120)
BOT_STAYS_OUT = timedelta(minutes=30)
NUMBERS = ("200000000000001", "200000000000002")
AGENT = Access(Principal("agent", "Agent", frozenset(Permission), kind="key"), Permission.MESSAGES_SEND)
PHONE_APP = "WhatsApp Business app"  #: the author of what colleagues type there
_DEBOUNCE = 2.0  # seconds
_KEY = Fernet.generate_key().decode()


class MortalDatabase(Database):
    """Follows the test's clock. While `doomed`, the process dies at the end of its transaction, before COMMIT."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.time = START
        self.doomed = False

    def now(self, session: Session) -> datetime:
        return self.time

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with super().writing() as session:
            yield session
            if self.doomed:
                self.doomed = False
                raise Killed


class _NoProfiles:
    """In the place of the profile cache: no number has a profile."""

    def get(self, *_: object) -> dict[str, Any]:
        return {}


@dataclass(frozen=True, slots=True)
class OutRow:
    """An outbound message with its job's state ("gone": it has none)."""

    id: UUID
    conversation_id: UUID
    author: str
    status: str
    state: str
    due_at: datetime | None
    attempts: int
    wa_id: str | None
    other_wa_id: str | None
    delivered_at: datetime | None
    read_at: datetime | None
    error: str | None


class Stage:
    """One database for many plays; reset() begins the next."""

    def __init__(self, url: str, directory: Path) -> None:
        self.db = MortalDatabase(url)
        if not self.db.is_postgres:  # a power cut is not in the play
            event.listen(self.db.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
        self._config = Config(
            env="development", instance_path=directory, database_url=url, secret_key="x" * 40, encryption_keys=(_KEY,)
        )
        self.cipher = TokenCipher([_KEY])
        self.meta = FakeMeta(lambda: self.db.time)
        self.answering = Answering(
            db=self.db,
            models=Models(self.db, cast("Any", FakeGemini()), "model", None),
            cache=cast("Any", _NoProfiles()),
            handover=HandOver(self.db, None),
            settings=BotSettings(debounce=_DEBOUNCE, answer_deadline=300.0, bot_stays_out=BOT_STAYS_OUT),
            rng=random.Random(0),
            note=lambda _upstream, _conversation: None,
            signs=TypingSigns(lambda: None),
            files=CustomerFiles(self.db, FolderStore(directory / "media")),
        )
        stopping = threading.Event()
        stopping.set()  # no real waiting
        self.delivery = Delivery(
            self.db, cast("Any", self.meta), self.cipher, random.Random(0), stopping, lambda _upstream, _talk: None
        )
        self.accounts: dict[str, UUID] = {}  #: by phone_number_id
        self.tokens: dict[str, str] = {}  #: that we hold, by phone_number_id
        self._issued = 0

    def reset(self) -> None:
        """An empty database with two numbers, at START."""
        with self.db.writing() as session:
            for table in (Account, WebhookEvent, DeadLetter, Lease, CoolDown, Incident):
                session.execute(delete(table))
        self.db.time = START
        self.meta = FakeMeta(lambda: self.db.time)
        self.delivery = replace(self.delivery, whatsapp=cast("Any", self.meta))
        self._issued = 0
        for number in NUMBERS:
            self.resume(number)
        with self.db.reading() as session:
            self.accounts = dict(session.execute(select(Account.phone_number_id, Account.id)).all())

    def close(self) -> None:
        self.db.close()

    @property
    def now(self) -> datetime:
        return self.db.time

    def advance(self, seconds: float) -> None:
        self.db.time += timedelta(seconds=seconds)

    @contextmanager
    def life(self, *, dies: bool) -> Iterator[None]:
        """A process that works, or one that dies before its transaction is committed."""
        self.db.doomed = dies
        try:
            yield
        except Killed:
            pass
        finally:
            self.db.doomed = False

    # --- what the system does ------------------------------------------------------------------------------------

    def resume(self, number: str) -> None:
        """The number gets a new access token, which ends its pause."""
        self._issued += 1
        token = self.meta.tokens[number] = self.tokens[number] = f"token{self._issued}"
        if not resume(self.db, self.cipher, number, token):
            config = replace(self._config, whatsapp_phone_number_id=number, whatsapp_access_token=token)
            ensure_default(self.db, config, self.cipher)

    def webhook(self, body: bytes) -> None:
        row = {"id": new_id(), "body": body, "size": len(body), "received_at": self.now}
        self.db.insert_alone(WebhookEvent, row)

    def ingest(self, limit: int) -> Ingested:
        return ingest_batch(self.db, settings=IngestSettings(_DEBOUNCE, BOT_STAYS_OUT), limit=limit)

    def claim_sends(self, limit: int) -> list[SendClaim]:
        with self.db.reading() as session:
            first = next_send(session)
            due = first is not None and first <= self.now
        with self.db.writing() as session:
            claims = store.claim_sends(session, self.now, limit)
        assert due or not claims, "the cheap look missed a send that was due"
        return claims

    def claim_jobs(self, kind: JobKind, limit: int) -> list[JobClaim]:
        with self.db.writing() as session:
            return jobs.claim_jobs(session, kind, self.now, limit)

    def finish_job(self, claim: JobClaim) -> None:
        with self.db.writing() as session:
            jobs.finish_job(session, claim, self.now)

    def settle(self) -> int:
        with self.db.reading() as session:
            due = (session.scalar(settle.first_due()) or self.now + WINDOW) <= self.now
        with self.db.writing() as session:
            resent = settle.settle_unknown(session, self.now, WINDOW.total_seconds())
        assert due or not resent, "the cheap look missed an unknown send that was due"
        return resent

    def reply(self, conversation_id: UUID, text: str, key: str | None) -> UUID:
        draft = service.Draft(conversation_id, text, key)
        return service.send_message(self.db, AGENT, draft, bot_stays_out=BOT_STAYS_OUT).id

    def resend(self, message_id: UUID) -> None:
        service.resend(self.db, AGENT, message_id, bot_stays_out=BOT_STAYS_OUT)

    # --- what can be seen ----------------------------------------------------------------------------------------

    def outbound(self) -> Sequence[OutRow]:
        """Every message of ours, oldest first."""
        with self.db.reading() as session:
            return [OutRow(*row) for row in session.execute(_OUTBOUND)]

    def inbound(self) -> Sequence[str]:
        """The WhatsApp ids of every customer's message, sorted."""
        with self.db.reading() as session:
            return sorted(str(wa_id) for wa_id in session.execute(_INBOUND).scalars())

    def events(self) -> dict[str, tuple[int, ...]]:
        """The terms of I13 by state: events, and the sums of items, stored, duplicates and dead."""
        with self.db.reading() as session:
            return {state: tuple(map(int, counts)) for state, *counts in session.execute(_EVENTS)}

    def conversation_of(self, number: str, phone: str) -> UUID:
        """The conversation of this number with this customer."""
        query = select(Conversation.id).join(Contact, Conversation.contact_id == Contact.id)
        mine = (Contact.account_id == self.accounts[number]) & (Contact.phone == phone)
        with self.db.reading() as session:
            return session.execute(query.where(mine)).scalar_one()

    def talks(self) -> Sequence[Conversation]:
        with self.db.reading() as session:
            return session.execute(select(Conversation)).scalars().all()

    def waiting_since(self) -> dict[UUID, datetime]:
        """By conversation, the time of the oldest message that awaits an answer."""
        unanswered = Message.awaits_answer & (Message.position > Conversation.answered_through)
        query = select(Conversation.id, func.min(Message.timestamp)).join(
            Message, Message.conversation_id == Conversation.id
        )
        with self.db.reading() as session:
            return {row[0]: row[1] for row in session.execute(query.where(unanswered).group_by(Conversation.id))}

    def account_of(self, conversation_id: UUID) -> UUID:
        with self.db.reading() as session:
            return session.get_one(Conversation, conversation_id).account_id

    def numbers(self) -> Sequence[tuple[UUID, bool, datetime | None]]:
        """The accounts: whether their sends wait for somebody, and the newest send of which a status is said to have
        come."""
        with self.db.reading() as session:
            return [(row.id, row.paused_reason is not None, row.statuses_through) for row in session.execute(_NUMBERS)]

    def other_jobs(self) -> list[str]:
        """The kinds of the jobs that are no sends."""
        with self.db.reading() as session:
            return list(session.execute(select(Job.kind).where(Job.kind != JobKind.SEND)).scalars())

    def answers(self) -> set[UUID]:
        """The conversations for which the bot has an answer to give."""
        with self.db.reading() as session:
            return set(session.execute(select(Job.conversation_id).where(Job.kind == JobKind.ANSWER)).scalars())

    def depth(self) -> jobs.Depth:
        with self.db.reading() as session:
            return jobs.depth(session, self.now)


# Built once: asked after every step.
_OUTBOUND = (
    select(
        Message.id,
        Message.conversation_id,
        Message.author_kind,
        Message.status,
        func.coalesce(Job.state, "gone"),
        Job.due_at,
        Message.attempts,
        Message.wa_message_id,
        Message.duplicate_wa_message_id,
        Message.delivered_at,
        Message.read_at,
        Message.error_title,
    )
    .outerjoin(Job, Job.message_id == Message.id)
    .where(Message.direction == Direction.OUTBOUND, Message.author_name.is_distinct_from(PHONE_APP))
    .order_by(Message.id)
)
_INBOUND = select(Message.wa_message_id).where(Message.direction == Direction.INBOUND)
_EVENTS = select(
    WebhookEvent.state,
    func.count(),
    func.sum(WebhookEvent.items),
    func.sum(WebhookEvent.stored),
    func.sum(WebhookEvent.duplicates),
    func.sum(WebhookEvent.dead),
).group_by(WebhookEvent.state)
_NUMBERS = select(Account.id, Account.paused_reason, Account.statuses_through)
