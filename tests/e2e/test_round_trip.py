"""One message all the way round, through real processes: customer → webhook → bot → WhatsApp → status → reader."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.processes import flask, gunicorn, running
from tests.waiting import free_port, wait_until


class Api:
    """The inbox as an agent's program sees it."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"
        self.account = self.get("/accounts")[0]["id"]

    def get(self, path: str, **query: Any) -> Any:
        response = self._session.get(f"{self.url}{path}", params=query, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, path: str, body: Any = None) -> Any:
        response = self._session.post(f"{self.url}{path}", json=body, timeout=10)
        assert response.ok, response.text
        return response.json()

    def close(self) -> None:
        self._session.close()

    def thread(self) -> list[Any]:
        """The messages of the only conversation; [] while there is none."""
        conversations = self.get("/conversations", account_id=self.account)
        return list(self.get(f"/messages/{conversations[0]['id']}")) if conversations else []


@pytest.mark.parametrize("dispatcher", ["embedded", "worker"])
def test_one_message_all_the_way_round(
    installation: dict[str, str], sandbox: Sandbox, tmp_path: Path, dispatcher: str
) -> None:
    web_environment = installation | ({"DISPATCHER": "off"} if dispatcher == "worker" else {})
    with gunicorn(tmp_path / "web.log", web_environment) as (web, url):
        worker = running(["-m", "flask", "--app", "wsgi", "worker"], tmp_path / "worker.log", installation)
        process = worker.__enter__() if dispatcher == "worker" else None
        api = Api(url, installation["INBOX_TEST_KEY"])
        sandbox.webhook_url = f"{url}/webhook/whatsapp"
        sandbox.gemini_responder = lambda _request: "We open at nine."

        sandbox.customer_writes(text="When do you open?", name="Alice")
        wait_until(lambda: [d.text for d in sandbox.deliveries()] == ["We open at nine."], "the bot's answer")
        wait_until(lambda: [m["status"] for m in api.thread()] == ["received", "read"], "the answer to be read")
        question, answer = api.thread()
        assert (question["content_text"], question["author"]["name"]) == ("When do you open?", "Alice")
        assert answer["author"]["kind"] == "bot"
        assert answer["sent_at"] <= answer["delivered_at"] <= answer["read_at"]

        conversation = question["conversation_id"]
        api.post(f"/conversations/{conversation}/read")
        api.post("/messages/send", {"conversation_id": conversation, "content": "See you!", "client_key": "k"})
        api.post("/messages/send", {"conversation_id": conversation, "content": "See you!", "client_key": "k"})
        wait_until(lambda: len(sandbox.deliveries()) == 2, "the agent's reply")
        wait_until(lambda: api.thread()[-1]["status"] == "read", "the reply to be read")
        assert [d.text for d in sandbox.deliveries()] == ["We open at nine.", "See you!"]
        wait_until(lambda: api.get("/health")["outbox"]["waiting"] == 0, "the outbox to be empty")
        api.close()
        if process is not None:
            assert process.stop() == 0
            assert '"drained": true' in process.output()
            worker.__exit__(None, None, None)
        assert web.stop() == 0
        logs = web.output() + (process.output() if process else "")
        for secret in ("production-like-token", "production-like-key", installation["INBOX_TEST_KEY"]):
            assert secret not in logs
        for text in ("When do you open?", "See you!", "We open at nine."):
            assert text not in logs


def test_sigterm_finishes_the_answer_that_is_being_written(
    installation: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    with gunicorn(tmp_path / "web.log", installation) as (web, url):
        sandbox.webhook_url = f"{url}/webhook/whatsapp"
        sandbox.fault("gemini", "slow", seconds=3, times=1)
        sandbox.customer_writes(text="hello")
        wait_until(lambda: sandbox.requests("gemini"), "the bot to think")
        web.child.send_signal(signal.SIGTERM)
        assert web.child.wait(28) == 0
    with gunicorn(tmp_path / "web2.log", installation):
        wait_until(lambda: len(sandbox.deliveries()) == 1, "the answer to be delivered")
    assert len(sandbox.requests("gemini")) == 1


def test_without_its_keys_production_says_which_and_does_not_start(
    installation: dict[str, str], tmp_path: Path
) -> None:
    environment = {name: value for name, value in installation.items() if name != "ENCRYPTION_KEYS"}
    command = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{free_port()}", "wsgi:app"]
    with running(command, tmp_path / "web.log", environment) as process:
        assert process.child.wait(60) in (1, 3)  # 1 when both workers fail at once
        assert "inbox: ENCRYPTION_KEYS: is missing; make one with: python3 -c" in process.output()


def test_not_ready_before_the_migrations(installation: dict[str, str], tmp_path: Path) -> None:
    flask(installation, "db", "downgrade", "base", "--yes")
    port = free_port()
    command = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    with running(command, tmp_path / "web.log", installation):
        url = f"http://127.0.0.1:{port}"

        def alive() -> bool:
            try:
                return requests.get(f"{url}/health/live", timeout=2).json() == {"status": "alive"}
            except (requests.ConnectionError, requests.Timeout):
                return False

        wait_until(alive, "gunicorn to be alive")
        ready = requests.get(f"{url}/health/ready", timeout=5)
        assert (ready.status_code, ready.json()) == (503, {"status": "not_ready", "reason": "migrations"})
        accounts = requests.get(f"{url}/accounts", headers={"Authorization": "Bearer inbox_x"}, timeout=5)
        assert (accounts.status_code, accounts.json()["code"]) == (503, "database_timeout")
        flask(installation, "db", "upgrade")
        # Not at once: writes that met no tables open the circuit "storage", which stays open for 10 s after the last.
        wait_until(
            lambda: requests.get(f"{url}/health/ready", timeout=5).json() == {"status": "ready"}, "it to be ready"
        )


def test_keys_are_listed_and_revoked_from_the_command_line(installation: dict[str, str]) -> None:
    prefix = installation["INBOX_TEST_KEY"][:12]
    listed = flask(installation, "keys", "list")
    assert prefix in listed
    assert installation["INBOX_TEST_KEY"] not in listed
    assert flask(installation, "keys", "revoke", prefix).strip() == "Revoked."
    assert "revoked" in flask(installation, "keys", "list")
