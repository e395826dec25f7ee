"""A shop with its team: real processes over the simulator, shared by all tests of a worker.

A test takes customers and colleagues of its own, so that tests do not meet."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from sqlalchemy import delete

from inbox.auth.access import OPERATOR, Role
from inbox.db import Database
from inbox.models import Account
from inbox.users.grants import Assignment
from inbox.users.service import Newcomer, create_local
from sandbox import Sandbox
from tests.builders import NUMBER_ID
from tests.e2e.processes import Process, flask, gunicorn, production
from tests.servers import Databases
from tests.settings import APP_SECRET
from tests.waiting import free_port, wait_until

PASSWORD = "le pain de seigle 7"
#: Short times, where a test would wait for long ones.
QUICK = {
    "RATE_LIMIT": "100000",
    "RATE_LIMIT_ANONYMOUS": "100000",
    "BOT_DEBOUNCE_SECONDS": "0.2",
    "CONFIRM_WINDOW_SECONDS": "4",
    "WHATSAPP_BREAKER_OPEN_SECONDS": "2",
    "GEMINI_BREAKER_FAILURES": "2",
    "GEMINI_BREAKER_OPEN_SECONDS": "2",
}


@dataclass(frozen=True)
class Person:
    """Somebody of the team, with a key of their own for what a test does in their name beside the browser."""

    id: str
    name: str
    email: str


@dataclass
class Customer:
    """Somebody who writes to the shop, and their conversation."""

    shop: Shop
    phone: str
    name: str
    conversation: str = ""

    def writes(self, text: str | None, **more: Any) -> str:
        """Write, and wait until the shop has it; the wamid."""
        before = {row["id"] for row in self.messages()} if self.conversation else set()
        wamid = self.shop.sandbox.customer_writes(self.phone, text, name=self.name, **more)
        if not self.conversation:
            found = wait_until(lambda: self.shop.find(self.phone), f"the conversation of {self.name}")
            self.conversation = found["id"]
        wait_until(lambda: {row["id"] for row in self.messages()} - before, f"the message of {self.name}")
        return wamid

    def messages(self) -> list[dict[str, Any]]:
        """The newest page of the thread, as the API has it."""
        return list(self.shop.get(f"/messages/{self.conversation}").json())

    def row(self) -> dict[str, Any]:
        return dict(self.shop.get(f"/conversations/{self.conversation}").json())

    def received(self) -> list[str]:
        """The texts that reached their phone, in order."""
        return [each.text or "" for each in self.shop.sandbox.deliveries() if each.phone == self.phone]

    def receives(self, *texts: str) -> None:
        """Just these texts reach their phone, in this order."""
        wait_until(lambda: len(self.received()) >= len(texts), f"{len(texts)} messages at {self.name}'s phone")
        assert self.received() == list(texts)


@dataclass
class Shop:
    """The running application, who works there, and the simulator behind it."""

    url: str
    database_url: str
    sandbox: Sandbox
    key: str
    process: Process
    environment: dict[str, str]
    account: str = ""
    people: dict[str, Person] = field(default_factory=dict)
    more_numbers: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """A call of the API as an administrator's program."""
        return requests.request(
            method, self.url + path, headers={"Authorization": f"Bearer {self.key}"}, timeout=30, **more
        )

    def get(self, path: str, **query: Any) -> requests.Response:
        answer = self.ask("GET", path, params=query)
        answer.raise_for_status()
        return answer

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        answer = self.ask("POST", path, json=body)
        assert answer.ok, answer.text
        return dict(answer.json())

    def find(self, phone: str) -> dict[str, Any] | None:
        """The conversation of a phone number."""
        rows = self.get("/conversations", account_id=self.account, q=phone).json()
        return next((row for row in rows if row["client_number"] == phone), None)

    def customer(self, name: str, *texts: str, bot: bool = False) -> Customer:
        """A new customer who has written `texts`; with `bot`, the bot answers them."""
        made = Customer(self, f"3360{next(self._numbers):07}", name)
        for text in texts or ("Bonjour",):
            made.writes(text)
        if bot:
            self.post(f"/conversations/{made.conversation}/bot", {"enabled": True})
        return made

    def person(self, name: str, role: Role = Role.MANAGER) -> Person:
        """Somebody of the team, made once for each name."""
        if name not in self.people:
            email = f"{name.lower()}@example.com"
            with contextlib.closing(Database(self.database_url)) as db:
                made = create_local(db, OPERATOR, Newcomer(email, name, [Assignment(role.id)], PASSWORD))
            self.people[name] = Person(str(made), name, email)
        return self.people[name]

    def pause(self, paused: bool) -> None:
        """Hold back what the shop's number sends, or let it go on."""
        answer = self.ask("PATCH", f"/accounts/{self.account}", json={"paused": paused})
        assert answer.ok, answer.text

    def calm(self) -> None:
        """Switch off what a test has broken, and take away the numbers it has added: a page may open at any of them."""
        self.sandbox.clear_faults()
        if self.more_numbers:
            with contextlib.closing(Database(self.database_url)) as db, db.writing() as session:
                session.execute(delete(Account).where(Account.id.in_([UUID(each) for each in self.more_numbers])))
            self.more_numbers.clear()


@contextlib.contextmanager
def open_shop(databases: Databases, folder: Path, answer: Callable[[Any], str]) -> Iterator[Shop]:
    """gunicorn with two processes of eight threads on PostgreSQL, over a simulator of its own."""
    database_url = databases.take()
    with Sandbox(app_secret=APP_SECRET, status_delays=(0.02, 0.05, None)) as sandbox:
        sandbox.gemini_responder = answer
        environment = production(
            database_url,
            sandbox.url,
            folder,
            WHATSAPP_APP_SECRET=APP_SECRET,
            WHATSAPP_VERIFY_TOKEN="verify-me",
            WHATSAPP_PHONE_NUMBER="+33 7 00 00 00 00",
            WHATSAPP_BOT_AUTO_ON="off",
            WEB_CONCURRENCY="2",
            WEB_THREADS="8",
            **QUICK,
        )
        flask(environment, "db", "upgrade")
        key = flask(environment, "keys", "create", "--name", "tests", "--role", "admin").strip().splitlines()[-1]
        with gunicorn(folder / "web.log", environment, free_port(), patient=True) as (process, url):
            sandbox.webhook_url = f"{url}/webhook/whatsapp"
            shop = Shop(url, database_url, sandbox, key, process, environment)
            rows = shop.get("/accounts").json()
            shop.account = next(row["id"] for row in rows if row["phone_number_id"] == NUMBER_ID)
            yield shop
    databases.give_back(database_url)
