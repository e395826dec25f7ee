"""What the fault scenarios play on: gateways over the sandbox, and the whole application over it."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import requests
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from inbox import config as defaults
from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.clock import new_id
from inbox.config import Config, Policy
from inbox.conversations.service import outbound_message, queue
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.db.wake import Work, wake
from inbox.gateways.gemini import Gemini, Turn
from inbox.logs import set_request_id
from inbox.models import Account, Author, Contact, Conversation, Job, Message
from inbox.resilience import Upstream
from inbox.runtime import Runtime, runtime_of
from inbox.webhooks.ingest import events_pending
from sandbox import Sandbox
from tests.waiting import wait_until

MODEL = "gemini-3.5-flash-lite"
#: Gemini's policy with waits that a test can sit through, and room for as many callers as it likes.
QUICK = dataclasses.replace(defaults.GEMINI, total=5.0, connect=1.0, read=3.0, minimum=0.2, bulkhead=64)
LONGEST_OPEN = 1.1  # of the open time: jitter is a tenth


@contextlib.contextmanager
def numbers(upstream: Upstream, policy: Policy, *, retries: bool = True, breaker: bool = True) -> Iterator[None]:
    """Let `upstream` work by `policy` for the time of the block, with pauses of milliseconds between attempts."""
    before = upstream.policy
    upstream.configure(policy, retries=retries, breaker=breaker)
    upstream.BASE = 0.01  # type: ignore[misc]  # on this one, in front of the class's
    try:
        yield
    finally:
        del upstream.BASE  # type: ignore[misc]
        upstream.configure(before, retries=True, breaker=True)


def ask(gemini: Gemini, text: str = "Bonjour") -> str:
    """The model's answer to `text`."""
    set_request_id(new_id().hex)
    return gemini.generate(model=MODEL, system="You sell bread.", turns=[Turn("user", text)]).text


def hits(sandbox: Sandbox, upstream: str) -> int:
    """How many requests have reached it so far."""
    return len(sandbox.requests(upstream))


# --- the whole application ---------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Stage:
    """The application as it runs: a web server, a dispatcher, and webhooks from the sandbox."""

    runtime: Runtime
    sandbox: Sandbox
    url: str
    key: str

    @property
    def db(self) -> Database:
        return self.runtime.db

    def post(self, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.post(f"{self.url}{path}", json=body, headers=headers, timeout=10)

    def queue(self, text: str, to: str) -> Message:
        """An agent's message to the customer with this number, on its way."""
        message = queue_to(self.runtime, to, text)
        self.runtime.wakeups.ring(Work.DELIVER)
        return message

    def message(self, text: str) -> Message:
        return message_with(self.db, text)


@contextlib.contextmanager
def serving(config: Config, sandbox: Sandbox, *, dispatcher: bool = True) -> Iterator[Stage]:
    """The application in this process: all its threads end with the block."""
    app = create_app(dataclasses.replace(config, dispatcher=dispatcher))
    runtime = runtime_of(app)
    runtime.prepare_database()
    key = keys.create(runtime.db, name="Scenario", role=Role.ADMIN)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = False  # type: ignore[attr-defined]  # then server_close() waits for requests under way
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    sandbox.webhook_url = f"{url}/webhook/whatsapp"
    if dispatcher:
        runtime.start_dispatcher()
    try:
        yield Stage(runtime, sandbox, url, key.secret)
    finally:
        sandbox.webhook_url = None
        server.shutdown()
        thread.join()
        server.server_close()
        drained = runtime.close(15, leave=15)
    assert drained


def queue_to(runtime: Runtime, phone: str, *texts: str) -> Message:
    """Store an agent's messages to the customer with this number, who wrote a minute ago; the last one."""
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        conversation = _conversation(session, phone, now)
        for content in texts:
            message = outbound_message(conversation, content, now, author=Author.AGENT, author_id="a", name="Agent")
            queue(session, conversation, message, now)
        return message


def _conversation(session: Session, phone: str, now: datetime) -> Conversation:
    query = select(Conversation).join(Contact, Conversation.contact_id == Contact.id).where(Contact.phone == phone)
    found = session.execute(query.with_for_update(of=Conversation)).scalar_one_or_none()
    if found is not None:
        return found
    account = session.execute(select(Account).limit(1)).scalar_one()
    times = {"created_at": now, "updated_at": now}
    contact = Contact(account_id=account.id, phone=phone, display_name=phone, **times)
    session.add(contact)
    session.flush()
    made = Conversation(account_id=account.id, contact_id=contact.id, changed_at=now, **times)
    made.unread_count = made.epoch = 0
    made.last_inbound_at = now - timedelta(minutes=1)
    session.add(made)
    session.flush()
    return made


def message_with(db: Database, text: str) -> Message:
    with db.reading() as session:
        return session.execute(select(Message).where(Message.content_text == text)).scalar_one()


def reach(stage: Stage, text: str, status: str) -> Message:
    """The message with this text, once it shows this status."""
    return wait_until(
        lambda: message if (message := stage.message(text)).status == status else None, f"{text} to be {status}"
    )


def statuses(db: Database) -> list[str]:
    """The status of every message, in the order they were made."""
    with db.reading() as session:
        return list(session.execute(select(Message.status).order_by(Message.id)).scalars())


def all_is_in(stage: Stage) -> bool:
    """True when every webhook has left the sandbox and was ingested."""
    if any(record.state == "waiting" for record in stage.sandbox.webhooks()):
        return False
    with stage.db.reading() as session:
        return not events_pending(session)


def jobs(db: Database) -> list[Job]:
    """What is in the outbox."""
    with db.reading() as session:
        return list(session.execute(select(Job).order_by(Job.created_at, Job.seq)).scalars())


@whole_transaction  # what works meanwhile locks the same rows in another order
def let_pass(db: Database, seconds: float) -> None:
    """Make everything that waits older by so much, as if that time had passed. Not while a send is under way.

    Crews sleep until what they know of is due: they are told that this has changed.
    """
    with db.writing() as session:
        for work in Work:
            wake(session, work)
        for table, column in (
            ("lanes", "due_at"),
            ("outbox", "due_at"),
            ("outbox", "created_at"),
            ("outbox", "held_until"),
            ("outbox", "listening_from"),
            ("messages", "attempted_at"),
            ("whatsapp_accounts", "statuses_through"),
            ("cool_downs", "until"),
        ):
            moved = f"UPDATE {table} SET {column} = {column} - make_interval(secs => :seconds)"
            session.execute(text(moved), {"seconds": seconds})
