"""An installation over the simulator whose crews a test works step by step, and a client that calls as a manager."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import update

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.config import Config
from inbox.models import Conversation
from inbox.runtime import Runtime, crews_of, runtime_of
from sandbox import Sandbox
from tests.builders import ingest, store_events, the_account, the_conversation
from tests.contract.conformance import ConformingClient
from tests.waiting import wait_until


@dataclass
class ApiShop:
    """One number, and customers who write by the simulator."""

    runtime: Runtime
    client: FlaskClient
    sandbox: Sandbox

    @property
    def account(self) -> str:
        return str(the_account(self.runtime.db).id)

    @property
    def conversation(self) -> str:
        """The only one there is."""
        return str(the_conversation(self.runtime.db).id)

    def customer_writes(self, text: str = "Bonjour", *, ago: timedelta = timedelta(0)) -> None:
        """A customer writes, and it has arrived; with `ago`, it seems to have been so long ago."""
        self.sandbox.customer_writes(text=text)
        self.hears()
        self.last_wrote(ago)

    def last_wrote(self, ago: timedelta) -> None:
        with self.runtime.db.writing() as session:
            wrote = self.runtime.db.now(session) - ago
            session.execute(update(Conversation).values(last_inbound_at=wrote))

    def hears(self) -> None:
        """Take in the webhooks that the simulator has made since the last time."""
        told = getattr(self, "_told", 0)
        found = wait_until(lambda: self.sandbox.webhooks()[told:], "the simulator to make a webhook")
        self._told = told + len(found)
        store_events(self.runtime.db, *(each.body for each in found))
        ingest(self.runtime)

    def thread(self) -> list[dict[str, Any]]:
        return list(self.client.get(f"/messages/{self.conversation}").json)

    def row(self) -> dict[str, Any]:
        return dict(self.client.get(f"/conversations/{self.conversation}").json)

    def deliver(self) -> None:
        """Make the sends that are due."""
        crews = crews_of(self.runtime)
        for claim in crews.sends(4):
            crews.deliver(claim)

    def keeps_files(self) -> None:
        """Do what the crew for files has to do: first comes the sweep, once a minute."""
        keeping = crews_of(self.runtime).keeping
        for _ in range(2):
            for claim in keeping.claims(4):
                keeping.work(claim)

    def keeps_house(self) -> None:
        """Do what is due by itself."""
        crews = crews_of(self.runtime)
        for claim in crews.housekeeping.receipts(1):
            crews.housekeeping.work(claim)


@contextmanager
def open_shop(config: Config, sandbox: Sandbox, *, admin: bool = False) -> Iterator[ApiShop]:
    """Its client calls as a manager, or as an administrator."""
    app = create_app(config)
    app.testing, app.test_client_class = True, ConformingClient
    runtime = runtime_of(app)
    runtime.prepare_database()
    client = app.test_client()
    key = keys.create(runtime.db, name="Test manager", role=Role.ADMIN if admin else Role.MANAGER)
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    yield ApiShop(runtime, client, sandbox)
    assert runtime.close(5)
