"""The two applications of the outage benchmark, each running with upstreams and a database of its own."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests

from tests import servers
from tests.benchmarks import baseline
from tests.benchmarks.slow_proxy import SlowProxy, slow_proxy
from tests.builders import NUMBER_ID
from tests.e2e.processes import Process, flask, production, running
from tests.waiting import free_port, wait_until

WORKERS, THREADS = 2, 8
GEMINI_LATENCY = 0.5  # seconds a healthy answer takes
SEED = 7
SECRET = "benchmark-secret"
FALLBACK = "We will come back to you."  # what Inbox says when the AI stays away for long: no answer
PROFILE = {
    "business_name": "Boulangerie du Port",
    "description": "A bakery with a tea room.",
    "address": "3 quai du Port",
    "hours": "Open Tuesday to Sunday, 7:00 to 19:30",
    "knowledge_base": "Bread is baked twice a day. Cakes are made to order, two days ahead. " * 40,
}


class Sandbox:
    """The simulated upstreams of one side, in a process of their own, over their control routes."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **query: Any) -> Any:
        return self._json(requests.get(f"{self.url}/{path}", params=query, timeout=30))

    def post(self, path: str, body: Any = None) -> Any:
        return self._json(requests.post(f"{self.url}/{path}", json=body or {}, timeout=30))

    def everything(self, kind: str) -> list[Any]:
        """All records of a kind: webhooks, deliveries."""
        return list(self.get(f"_{kind}", limit=1_000_000)[kind])

    def clear_faults(self) -> None:
        self._json(requests.delete(f"{self.url}/_faults", timeout=30))

    def user_token(self) -> str:
        """A Supabase access token of a user who exists."""
        user = self.post("_supabase/users", {"email": "agent@example.com", "password": "agent"})
        return str(self.post("_supabase/mint", {"user": user["id"]})["access_token"])

    @staticmethod
    def _json(response: requests.Response) -> Any:
        response.raise_for_status()
        return response.json()


@dataclass(frozen=True)
class Side:
    """An application under test, running, with what belongs to it."""

    url: str
    sandbox: Sandbox
    database: SlowProxy
    process: Process
    account_id: str
    token: Callable[[], str]  #: what an agent's program sends as its Bearer token
    waiting: Callable[[], int]  #: jobs stored and not done yet


@contextlib.contextmanager
def baseline_side(admin: str, folder: Path) -> Iterator[Side]:
    """`baseline.py`. It has no jobs: what it does, it does in a request."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _upstreams(url, folder) as sandbox, _database(admin, "baseline") as database:
        account_id = baseline.prepare(database.url, NUMBER_ID, PROFILE)
        command = ["-c", "tests/benchmarks/floor_conf.py", "-k", "gthread", "tests.benchmarks.baseline:create()"]
        settings = _environment(sandbox, database.url, folder)
        with _serving(command, port, folder / "baseline.log", settings) as process:
            yield Side(url, sandbox, database, process, account_id, sandbox.user_token, lambda: 0)


@contextlib.contextmanager
def inbox_side(admin: str, folder: Path) -> Iterator[Side]:
    """Inbox with its own gunicorn.conf.py and its defaults, the dispatcher in the web processes."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _upstreams(url, folder) as sandbox, _database(admin, "inbox") as database:
        # The first of a project to sign in is its administrator; and one agent does the reads of a whole team.
        members = {"SUPABASE_KEY": "sb_publishable_benchmark", "SIGNUP": "open", "RATE_LIMIT": "1000000"}
        settings = _environment(sandbox, database.url, folder) | members
        flask(settings, "db", "upgrade")
        key = flask(settings, "keys", "create", "--name", "benchmark", "--role", "admin").split()[-1]
        with _serving(["-c", "gunicorn.conf.py", "wsgi:app"], port, folder / "inbox.log", settings) as process:
            caller = {"Authorization": f"Bearer {key}"}
            account_id = requests.get(f"{url}/accounts", headers=caller, timeout=30).json()[0]["id"]
            profile = PROFILE | {"fallback_message": FALLBACK}
            put = requests.put(f"{url}/bot/profile/{account_id}", json=profile, headers=caller, timeout=30)
            put.raise_for_status()
            token = sandbox.user_token()
            requests.get(f"{url}/auth/me", headers={"Authorization": f"Bearer {token}"}, timeout=30).raise_for_status()
            yield Side(url, sandbox, database, process, account_id, lambda: token, lambda: _jobs(database.url))


SIDES = {"baseline": baseline_side, "inbox": inbox_side}


def _jobs(url: str) -> int:
    """Jobs that will be done by themselves; an unknown send without a time waits for evidence or a person."""
    query = (
        "SELECT (SELECT count(*) FROM outbox WHERE state <> 'unknown' OR due_at IS NOT NULL)"
        " + (SELECT count(*) FROM webhook_events WHERE state = 'pending')"
    )
    with psycopg.connect(url) as connection:
        return int(connection.execute(query).fetchone()[0])


def _environment(sandbox: Sandbox, url: str, folder: Path) -> dict[str, str]:
    """What both sides are told; everything else is left at its default."""
    return production(
        url,
        sandbox.url,
        folder,
        WHATSAPP_APP_SECRET=SECRET,
        SUPABASE_URL=sandbox.url,
        WEB_CONCURRENCY=str(WORKERS),
        WEB_THREADS=str(THREADS),
    )


@contextlib.contextmanager
def _upstreams(url: str, folder: Path) -> Iterator[Sandbox]:
    """The sandbox. It repeats webhooks not answered 200 within 10 s, and has threads enough never to queue one."""
    command = ["-m", "sandbox", "--port", "0", "--seed", str(SEED), "--app-secret", SECRET]
    command += ["--webhook-url", f"{url}/webhook/whatsapp", "--webhook-workers", "400"]
    command += ["--gemini-latency", str(GEMINI_LATENCY)]
    with running(command, folder / f"sandbox-{uuid.uuid4().hex}.log", {}) as process:
        ready = wait_until(lambda: re.search(r"ready on (\S+)", process.output()), "the sandbox")
        yield Sandbox(ready[1])


@contextlib.contextmanager
def _database(admin: str, name: str) -> Iterator[SlowProxy]:
    """An empty database behind a proxy that can make it slow."""
    name = f"inbox_bench_{os.getpid()}_{name}"
    url = servers.create_database(admin, name)
    try:
        with slow_proxy(url) as proxy:
            yield proxy
    finally:
        servers.drop_database(admin, name)


@contextlib.contextmanager
def _serving(command: list[str], port: int, log: Path, environment: dict[str, str]) -> Iterator[Process]:
    """gunicorn, ready to take requests."""
    gunicorn = ["-m", "gunicorn", "--bind", f"127.0.0.1:{port}", *command]
    with running(gunicorn, log, environment) as process:

        def ready() -> bool:
            assert process.child.poll() is None, process.output()
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                return requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=5).status_code == 200
            return False

        wait_until(ready, "gunicorn")
        yield process
