"""Questions for changes that wait at a real gunicorn: without a thread, until there is something to tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil
import pytest
import requests

from tests.builders import signed, text_message, webhook
from tests.e2e.processes import Process, gunicorn
from tests.e2e.test_shedding import Client
from tests.settings import APP_SECRET
from tests.waiting import wait_until

TABS = 12  # three times as many as there are threads


@dataclass
class Inbox:
    """A web process with one worker of four threads."""

    process: Process
    url: str
    key: str
    clients: contextlib.ExitStack
    written: int = 0

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str, **query: Any) -> requests.Response:
        return requests.get(self.url + path, params=query, headers=self.headers, timeout=30)

    def question(self, since: str, wait: int) -> str:
        return "/changes?" + urlencode({"account_id": self.account, "since": since, "wait": wait})

    @property
    def account(self) -> str:
        return str(self.get("/accounts").json()[0]["id"])

    def settled(self) -> str:
        """A position from which nothing has changed, and the server knows that somebody can wait there."""
        found: list[str] = []

        def quiet() -> bool:
            began = self.get("/changes", account_id=self.account).json()["next"]
            found[:] = [began]
            return self.get(self.question(began, 1)).status_code == 204

        wait_until(quiet, "nothing to happen")
        return found[0]

    def asks(self, since: str, wait: int = 20, key: str = "") -> Client:
        client = Client(int(self.url.rpartition(":")[2]))
        self.clients.callback(client.close)
        signed_in = f"Authorization: Bearer {key or self.key}\r\n"
        return client.send(f"GET {self.question(since, wait)}", headers=signed_in)

    def customer_writes(self) -> None:
        self.written += 1
        body = webhook(messages=[text_message("Bonjour", wa_id=f"wamid.waiting.{self.written}")])
        answer = requests.post(f"{self.url}/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET), timeout=30)
        assert answer.status_code == 200


@pytest.fixture
def inbox(installation: dict[str, str], tmp_path: Path) -> Iterator[Inbox]:
    environment = {**installation, "WEB_THREADS": "4", "WEB_CONCURRENCY": "1"}
    with contextlib.ExitStack() as clients, gunicorn(tmp_path / "web.log", environment) as (process, url):
        yield Inbox(process, url, installation["INBOX_TEST_KEY"], clients)


def answered(clients: list[Client]) -> list[Client]:
    return [client for client in clients if client.has_answer()]


def test_tabs_that_wait_hold_no_thread_and_hear_of_a_change_together(inbox: Inbox) -> None:
    since = inbox.settled()
    tabs = [inbox.asks(since) for _ in range(TABS)]
    for _ in range(TABS):  # everybody else is served meanwhile
        assert inbox.get("/conversations", account_id=inbox.account).status_code == 200
    assert answered(tabs) == []
    inbox.customer_writes()
    answers = [tab.answer() for tab in tabs]
    assert {answer.status for answer in answers} == {200}
    assert all(answer.seconds < 20 for answer in answers)
    (row,) = answers[0].json()["conversations"]
    assert row["last_message"] == "Bonjour"


def test_waiting_ends_by_time_and_by_leaving_and_gives_nobody_a_right(inbox: Inbox) -> None:
    since = inbox.settled()
    tab = inbox.asks(since, wait=1)
    first = tab.answer()
    assert (first.status, first.body) == (204, b"")
    assert first.seconds >= 1
    stranger = inbox.asks(since, wait=1, key="nobody's")
    assert stranger.answer().status == 401

    (worker,) = psutil.Process(inbox.process.child.pid).children()
    before = worker.num_fds()
    leaving = [inbox.asks(since, wait=1) for _ in range(TABS)]
    wait_until(lambda: worker.num_fds() >= before + TABS, "all tabs to have come")
    for each in leaving:
        each.close()
    wait_until(lambda: worker.num_fds() <= before + 2, "their connections to end")

    tab.send(f"GET {inbox.question(since, 20)}", headers=f"Authorization: Bearer {inbox.key}\r\n")
    assert inbox.get("/health/live").status_code == 200
    assert answered([tab]) == []


def test_a_server_that_stops_answers_those_who_wait(inbox: Inbox) -> None:
    since = inbox.settled()
    tabs = [inbox.asks(since) for _ in range(TABS)]
    assert inbox.get("/health/live").status_code == 200
    assert answered(tabs) == []
    inbox.process.child.terminate()
    answers = [tab.answer() for tab in tabs]
    assert {answer.status for answer in answers} <= {200, 204}
    assert {answer.headers["Connection"] for answer in answers} == {"close"}
    assert inbox.process.child.wait(30) == 0
