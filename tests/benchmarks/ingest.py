"""How fast webhooks are acknowledged and messages stored, as ratios to a floor measured in the same run.

    python -m tests.benchmarks.ingest [--messages 6000] [--rounds 3]

The floor is `floor.py` under the same gunicorn settings. Aims: acknowledgement >= 1.0 x floor, stored end to end
>= 0.6 x floor, cold start <= 1.5 s, memory <= 120 MB per worker.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests
from cryptography.fernet import Fernet
from sqlalchemy import func, select, text

from inbox.db import Database
from inbox.models import Message
from tests import servers
from tests.benchmarks import load
from tests.builders import NUMBER_ID, signed, text_message, webhook
from tests.e2e.processes import Process, flask, running
from tests.waiting import free_port, wait_until

SECRET = "benchmark-secret"
WORKERS, THREADS, CONNECTIONS = 2, 8, 32


def environment(url: str, folder: Path, *, dispatcher: bool) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "INBOX_INSTANCE_PATH": str(folder),
        "SECRET_KEY": "s" * 40,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "WHATSAPP_APP_SECRET": SECRET,
        "WHATSAPP_PHONE_NUMBER_ID": NUMBER_ID,
        "WHATSAPP_ACCESS_TOKEN": "t",
        "WHATSAPP_BOT_AUTO_ON": "off",
        "WEB_CONCURRENCY": str(WORKERS),
        "WEB_THREADS": str(THREADS),
        "DISPATCHER": "on" if dispatcher else "off",
        "LOG_LEVEL": "WARNING",
    }


@contextlib.contextmanager
def serving(target: str, settings: dict[str, str], folder: Path) -> Iterator[tuple[Process, str, float]]:
    """gunicorn with our configuration file; its address, and the seconds from the start to the first answer."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["-m", "gunicorn", "-c", "gunicorn.conf.py" if target == "wsgi:app" else "tests/benchmarks/floor_conf.py"]
    began = time.monotonic()
    log = folder / f"{uuid.uuid4().hex[:8]}.log"
    with running([*command, "--bind", f"127.0.0.1:{port}", target], log, settings) as process:

        def answers() -> bool:
            assert process.child.poll() is None, process.output()
            try:
                return requests.get(f"{url}/health/ready", timeout=5).status_code == 200
            except requests.ConnectionError:
                return False

        wait_until(answers, "gunicorn")
        yield process, url, time.monotonic() - began


def webhooks(url: str, count: int) -> list[bytes]:
    """Signed webhooks with one message each, of 500 customers, ready to be sent."""
    run = uuid.uuid4().hex[:8]
    at = int(time.time())
    made = []
    for number in range(count):
        phone = f"336{number % 500:08d}"
        body = webhook(
            contacts=[{"wa_id": phone, "profile": {"name": f"Customer {phone}"}}],
            messages=[text_message(f"message {number}", wa_id=f"wamid.{run}.{number}", phone=phone, at=at)],
        )
        body = json.dumps(json.loads(body), separators=(",", ":")).encode()
        made.append(load.request_bytes(f"{url}/webhook/whatsapp", "POST", body, signed(body, SECRET)))
    return made


def measure(
    target: str, settings: dict[str, str], folder: Path, count: int, db: Database | None
) -> tuple[float, float]:
    """Acknowledgements per second, and messages stored per second (0 without `db`)."""
    with serving(target, settings, folder) as (_, url, _started):
        load.closed_loop(url, webhooks(url, 500), connections=CONNECTIONS)  # warm up
        if db:
            wait_until(lambda: _nothing_pending(db), "the warm-up to be ingested", 60)
        before = stored(db) if db else 0
        prepared = webhooks(url, count)
        began = time.monotonic()
        result = load.closed_loop(url, prepared, connections=CONNECTIONS)
        assert result.refused == 0, f"{result.refused} of {result.answered} were refused"
        if db is None:
            return result.rate, 0.0
        wait_until(lambda: stored(db) >= before + count, "every message to be stored", 120)
        return result.rate, count / (time.monotonic() - began)


def stored(db: Database) -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).select_from(Message)).scalar_one()


def cold_start(settings: dict[str, str], folder: Path) -> tuple[float, float]:
    """Seconds to the first answer, and resident megabytes of one worker that has handled a few webhooks."""
    with serving("wsgi:app", settings | {"WEB_CONCURRENCY": "1"}, folder) as (process, url, seconds):
        load.closed_loop(url, webhooks(url, 200), connections=8)
        (worker,) = psutil.Process(process.child.pid).children()
        return seconds, worker.memory_info().rss / 1e6


def run(kind: str, admin: str | None, folder: Path, count: int, rounds: int) -> None:
    """One table for one kind of database."""
    name = f"inbox_bench_{os.getpid()}"
    url = servers.create_database(admin, name) if admin else f"sqlite:///{folder / 'bench.db'}"
    on, off = (environment(url, folder, dispatcher=dispatcher) for dispatcher in (True, False))
    flask(on, "db", "upgrade")
    db = Database(url)
    with db.writing() as session:
        session.execute(text("CREATE TABLE floor (id text PRIMARY KEY, body text)"))
    rows: dict[str, list[float]] = {"floor": [], "acknowledged": [], "acknowledged while ingesting": [], "stored": []}
    for _ in range(rounds):
        rows["floor"].append(measure("tests.benchmarks.floor:create()", off, folder, count, None)[0])
        rows["acknowledged"].append(measure("wsgi:app", off, folder, count, None)[0])
        with serving("wsgi:app", on, folder):  # ingest what the round before left
            wait_until(lambda: _nothing_pending(db), "the backlog to be ingested", 120)
        acknowledged, end_to_end = measure("wsgi:app", on, folder, count, db)
        rows["acknowledged while ingesting"].append(acknowledged)
        rows["stored"].append(end_to_end)
    seconds, megabytes = min((cold_start(off, folder) for _ in range(3)), key=lambda row: row[0])
    db.close()
    if admin:
        servers.drop_database(admin, name)
    base = statistics.median(rows["floor"])
    print(f"\n{kind}: {count} webhooks, {CONNECTIONS} connections, gunicorn {WORKERS} x {THREADS}, median of {rounds}")
    print(f"{'':32}{'per second':>12}{'ratio':>8}   aim")
    aims = {"floor": "", "acknowledged": ">= 1.0", "acknowledged while ingesting": "", "stored": ">= 0.6"}
    for row, values in rows.items():
        rate = statistics.median(values)
        print(f"{row:32}{rate:12.0f}{rate / base:8.2f}   {aims[row]}")
    print(f"{'cold start':32}{seconds:10.2f} s{'':8}   <= 1.5 s")
    print(f"{'memory of a worker':32}{megabytes:9.0f} MB{'':8}   <= 120 MB")


def _nothing_pending(db: Database) -> bool:
    with db.reading() as session:
        return session.execute(text("SELECT count(*) FROM webhook_events WHERE state = 'pending'")).scalar_one() == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("postgresql", "sqlite"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.only != "sqlite":
            with servers.postgres_server() as admin:
                run("PostgreSQL", admin, Path(folder), options.messages, options.rounds)
        if options.only != "postgresql":
            run("SQLite", None, Path(folder), options.messages, options.rounds)


if __name__ == "__main__":
    main()
