"""An installation in calm weather: PostgreSQL, a web process, workers, and a quick town; for `cost` and `capacity`.

Each kind of process comes to the database as a role of its own, through a proxy of its own, so that what it asks, how
often it waits for an answer, and how far away the database is can be told and set apart.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg
import requests
from sqlalchemy import make_url, select

from inbox.clock import new_id
from inbox.db import Database
from inbox.models import Account, Contact, Conversation
from tests.benchmarks.quick_town import Agents, Latencies, QuickTown, phone, quick_town
from tests.benchmarks.slow_proxy import SlowProxy, slow_proxy
from tests.e2e.processes import Process, flask, gunicorn, production, running
from tests.waiting import free_port

SECRET = "calm-secret"
ROLES = ("web", "worker")


@dataclass(frozen=True)
class Plan:
    """What to install."""

    workers: int = 1
    answer_threads: int = 64
    deliver_threads: int = 16
    customers: int = 4000
    latencies: Latencies = field(default_factory=Latencies)
    debounce: float = 2.0


@dataclass(frozen=True)
class Place:
    """Everything that runs."""

    plan: Plan
    url: str
    agents: Agents
    database_url: str  #: straight to the server
    proxies: dict[str, SlowProxy]
    town: QuickTown
    web: Process
    workers: list[Process]

    def processes(self) -> dict[str, list[psutil.Process]]:
        """Those that are measured, by role; gunicorn's master only watches."""
        return {
            "web": psutil.Process(self.web.child.pid).children(),
            "worker": [psutil.Process(worker.child.pid) for worker in self.workers],
        }

    def cpu(self) -> dict[str, float]:
        """Seconds of processor time that each role has used."""
        return {role: sum(used(process) for process in some) for role, some in self.processes().items()}

    def memory(self) -> dict[str, float]:
        """Megabytes of the largest process of each role."""
        return {role: max(p.memory_info().rss for p in some) / 1e6 for role, some in self.processes().items()}

    def turns(self) -> dict[str, int]:
        """Round trips to the database of each role, until now."""
        return {role: proxy.turns for role, proxy in self.proxies.items()}

    def far_away(self, seconds: float) -> None:
        """From now on each round trip to the database takes so much longer."""
        for proxy in self.proxies.values():
            proxy.delay = seconds


def used(process: psutil.Process) -> float:
    """Seconds of processor time."""
    times = process.cpu_times()
    return times.user + times.system


@contextlib.contextmanager
def installed(folder: Path, database_url: str, plan: Plan) -> Iterator[Place]:
    """All processes over an empty database, whose server has `ROLES`; nothing of them is left afterwards."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        town = stack.enter_context(
            quick_town(f"http://127.0.0.1:{port}", SECRET, plan.latencies, plan.customers),
        )
        urls = {role: make_url(database_url).set(username=role).render_as_string(hide_password=False) for role in ROLES}
        proxies = {role: stack.enter_context(slow_proxy(url)) for role, url in urls.items()}
        settings = production(
            database_url,
            town.url,
            folder,
            WHATSAPP_APP_SECRET=SECRET,
            WEB_CONCURRENCY="1",
            DISPATCHER="off",
            ANSWER_THREADS=str(plan.answer_threads),
            DELIVER_THREADS=str(plan.deliver_threads),
            BOT_DEBOUNCE_SECONDS=str(plan.debounce),
            RATE_LIMIT="1000000",  # one key stands for a team
            LOG_LEVEL="WARNING",
        )
        flask(settings, "db", "upgrade")
        key = flask(settings, "keys", "create", "--name", "Agents", "--role", "admin").split()[-1]
        fill(database_url, plan.customers)
        through = {role: settings | {"DATABASE_URL": proxies[role].url} for role in ROLES}
        web, url = stack.enter_context(gunicorn(folder / "web.log", through["web"], port))
        command = ["-m", "flask", "--app", "wsgi", "worker"]
        workers = [
            stack.enter_context(running(command, folder / f"worker-{number}.log", through["worker"]))
            for number in range(plan.workers)
        ]
        accounts = requests.get(f"{url}/accounts", headers={"Authorization": f"Bearer {key}"}, timeout=30).json()
        agents = Agents(key, accounts[0]["id"])
        yield Place(plan, url, agents, database_url, proxies, town, web, workers)


def make_roles(admin_url: str) -> None:
    """The roles that processes come as. They may everything: one may not hide its transactions from another."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        for role in ROLES:
            connection.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")


def fill(database_url: str, customers: int) -> None:
    """Known customers, each with a conversation in which the bot answers: what a new one costs is paid once."""
    db = Database(database_url)
    earlier = datetime.now(UTC) - timedelta(days=1)
    with db.writing() as session:
        account = session.execute(select(Account)).scalar_one()
        people = [
            Contact(
                id=new_id(),
                account_id=account.id,
                phone=phone(number),
                display_name="Camille",
                created_at=earlier,
                updated_at=earlier,
            )
            for number in range(customers)
        ]
        session.add_all(people)
        session.flush()
        session.add_all(
            Conversation(
                account_id=account.id,
                contact_id=person.id,
                bot_enabled=True,
                updated_at=earlier,
                created_at=earlier,
                changed_at=earlier,
            )
            for person in people
        )
    db.close()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")


def load() -> str:
    """What else the machine is doing."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
