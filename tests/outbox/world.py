"""A business with customers and a clock, over a real database: the steps of outbox tests in one word each."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.conversations.service import outbound_message, queue
from inbox.models import Account, Author, Contact, Conversation, Job, Message, WebhookEvent
from inbox.outbox import settle, store
from inbox.outbox.outcomes import Accepted, Outcome, SendClaim, Unknown
from inbox.runtime import Runtime
from inbox.webhooks.ingest import Ingested, ingest_batch
from inbox.webhooks.routes import new_event
from tests.builders import status, store_events, webhook

START = datetime(2026, 11, 20, 9, tzinfo=UTC)


class World:
    """Time stands still until advance()."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.db = db = runtime.db
        self.now = START
        self._rng = random.Random(0)
        db.now = lambda _session: self.now  # type: ignore[method-assign]

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def conversation(self, session: Session, name: str = "customer") -> Conversation:
        """The conversation with this customer, made on first use."""
        query = select(Conversation).join(Contact, Conversation.contact_id == Contact.id)
        found = session.execute(query.where(Contact.display_name == name)).scalar_one_or_none()
        if found is not None:
            return found
        account = session.execute(select(Account).order_by(Account.created_at).limit(1)).scalar_one()
        phone = "336" + "".join(str(ord(letter) % 10) for letter in name).zfill(8)
        times = {"created_at": self.now, "updated_at": self.now}
        contact = Contact(account_id=account.id, phone=phone, display_name=name, **times)
        session.add(contact)
        session.flush()
        made = Conversation(account_id=account.id, contact_id=contact.id, changed_at=self.now, **times)
        made.unread_count = made.epoch = 0
        session.add(made)
        session.flush()
        return made

    def queue_in(self, session: Session, conversation: Conversation, text: str) -> Message:
        message = outbound_message(conversation, text, self.now, author=Author.AGENT, author_id="a", name="Agent")
        queue(session, conversation, message, self.now)
        return message

    def queue(self, text: str, to: str = "customer") -> Message:
        with self.db.writing() as session:
            return self.queue_in(session, self.conversation(session, to), text)

    def claim(self, limit: int = 10) -> list[SendClaim]:
        with self.db.writing() as session:
            return store.claim_sends(session, self.now, limit)

    def record(self, claim: SendClaim, outcome: Outcome) -> bool:
        with self.db.writing() as session:
            return store.record(session, claim, outcome, self.now, self._rng)

    def settle(self, window: float) -> int:
        with self.db.writing() as session:
            return settle.settle_unknown(session, self.now, window)

    def resend(self, message_id: UUID) -> None:
        """A person has it sent again."""
        with self.db.writing() as session:
            settle.resend(session, session.get_one(Message, message_id), self.now)

    def message(self, text: str) -> Message:
        with self.db.reading() as session:
            return session.execute(select(Message).where(Message.content_text == text)).scalar_one()

    def jobs(self) -> list[Job]:
        with self.db.reading() as session:
            return list(session.execute(select(Job).order_by(Job.seq)).scalars())

    def echo(self, claim: SendClaim, wa_message_id: str, kind: str = "sent") -> Ingested:
        """A status webhook that brings a claim's callback data back."""
        at = int(self.now.timestamp())
        return self.ingest(webhook(statuses=[status(kind, wa_id=wa_message_id, at=at, callback=claim.callback_data)]))

    def receive(self, body: bytes) -> None:
        """A webhook is stored, and waits for the ingester."""
        event = {**new_event(body), "received_at": self.now}
        self.db.insert_alone(WebhookEvent, event)

    def ingest(self, body: bytes) -> Ingested:
        store_events(self.db, body)
        return ingest_batch(self.db, settings=self.runtime.ingest_settings)

    def deliver_other(self, text: str) -> None:
        """Another customer's message is sent, and its status comes back."""
        self.queue(text, to="somebody else")
        claim = next(claim for claim in self.claim() if claim.text == text)
        self.record(claim, Accepted(f"wamid.{text}"))
        self.echo(claim, f"wamid.{text}")

    def unknown_and_requeued(self, text: str, window: float) -> SendClaim:
        """A send of unknown outcome that evidence has put back into the queue; the first claim."""
        self.queue(text)
        (claim,) = self.claim()
        self.record(claim, Unknown("reset"))
        self.advance(30)
        self.deliver_other("evidence")
        self.advance(window)
        assert self.settle(window) == 1
        return claim


def queue_reply(runtime: Runtime, phone: str, text: str) -> Message:
    """An agent's message to the customer with this number, waiting in the outbox.

    The conversation is locked first, as every writer does: a result of the send before may come at the same time.
    """
    with runtime.db.writing() as session:
        query = select(Conversation).join(Contact, Conversation.contact_id == Contact.id).where(Contact.phone == phone)
        conversation = session.execute(query.with_for_update(of=Conversation)).scalar_one()
        now = runtime.db.now(session)
        message = outbound_message(conversation, text, now, author=Author.AGENT, author_id="a", name="Agent")
        queue(session, conversation, message, now)
        return message
