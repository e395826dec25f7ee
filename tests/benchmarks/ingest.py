"""How fast webhooks are acknowledged and messages stored, as ratios to a floor measured in the same run.

    python -m tests.benchmarks.ingest [--messages 1000] [--rounds 15]

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
    ours = target == "wsgi:app"
    command = ["-m", "gunicorn", "-c", "gunicorn.conf.py" if ours else "tests/benchmarks/floor_conf.py"]
    command += [] if ours else ["-k", "gthread"]  # the floor is what a plain gunicorn does
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


def stored(db: Database) -> int:
    with db.reading() as session:
        return session.execute(select(func.count()).select_from(Message)).scalar_one()


def cold_start(settings: dict[str, str], folder: Path) -> tuple[float, float]:
    """Seconds to the first answer, and resident megabytes of one worker that has handled a few webhooks."""
    with serving("wsgi:app", settings | {"WEB_CONCURRENCY": "1"}, folder) as (process, url, seconds):
        load.closed_loop(url, webhooks(url, 200), connections=8)
        (worker,) = psutil.Process(process.child.pid).children()
        return seconds, worker.memory_info().rss / 1e6


@contextlib.contextmanager
def database(kind: str, admin: str | None, folder: Path, name: str) -> Iterator[str]:
    """A migrated database with the floor's table."""
    if admin:
        url = servers.create_database(admin, f"inbox_bench_{os.getpid()}_{name}")
    else:
        url = f"sqlite:///{folder / f'{name}.db'}"
    flask(environment(url, folder, dispatcher=False), "db", "upgrade")
    db = Database(url)
    with db.writing() as session:
        session.execute(text("CREATE TABLE floor (id text PRIMARY KEY, body text)"))
    db.close()
    yield url
    if admin:
        servers.drop_database(admin, f"inbox_bench_{os.getpid()}_{name}")


def run(kind: str, admin: str | None, folder: Path, count: int, rounds: int) -> None:
    """One table for one kind of database.

    All three servers run at once and take turns in bursts: the machine's speed changes from second to second, so only
    what was measured side by side can be compared.
    """
    with (
        database(kind, admin, folder, "off") as off_url,
        database(kind, admin, folder, "on") as on_url,
        serving("tests.benchmarks.floor:create()", environment(off_url, folder, dispatcher=False), folder) as floor,
        serving("wsgi:app", environment(off_url, folder, dispatcher=False), folder) as off,
        serving("wsgi:app", environment(on_url, folder, dispatcher=True), folder) as on,
    ):
        db = Database(on_url)
        rates = []
        for _ in range(rounds + 1):
            burst = (acknowledged(floor[1], count), acknowledged(off[1], count), *end_to_end(on[1], count, db))
            rates.append(burst)
        db.close()
        seconds, megabytes = min(
            (cold_start(environment(off_url, folder, dispatcher=False), folder) for _ in range(3)),
            key=lambda row: row[0],
        )
    report(kind, rates[1:], count, rounds, seconds, megabytes)  # the first round warms up


def acknowledged(url: str, count: int) -> float:
    """Acknowledgements per second of a burst."""
    result = load.closed_loop(url, webhooks(url, count), connections=CONNECTIONS)
    assert result.refused == 0, f"{result.refused} of {result.answered} were refused"
    return result.rate


def end_to_end(url: str, count: int, db: Database) -> tuple[float, float]:
    """Acknowledgements per second while the ingester works, and messages stored per second."""
    before = stored(db)
    prepared = webhooks(url, count)
    began = time.monotonic()
    result = load.closed_loop(url, prepared, connections=CONNECTIONS)
    wait_until(lambda: stored(db) >= before + count, "every message to be stored", 120)
    return result.rate, count / (time.monotonic() - began)


def report(
    kind: str, rates: list[tuple[float, ...]], count: int, rounds: int, seconds: float, megabytes: float
) -> None:
    print(f"\n{kind}: {rounds} bursts of {count} webhooks, {CONNECTIONS} connections, gunicorn {WORKERS} x {THREADS}")
    print(f"{'median (middle half)':32}{'per second':>12}{'ratio':>22}   aim")
    names = ("floor", "acknowledged", "acknowledged while ingesting", "stored")
    for number, (name, aim) in enumerate(zip(names, ("", ">= 1.0", "", ">= 0.6"), strict=True)):
        rate = statistics.median(burst[number] for burst in rates)
        low, middle, high = statistics.quantiles([burst[number] / burst[0] for burst in rates], n=4)
        print(f"{name:32}{rate:12.0f}{f'{middle:.2f} ({low:.2f} to {high:.2f})':>22}   {aim}")
    print(f"{'cold start':32}{seconds:10.2f} s{'':22}   <= 1.5 s")
    print(f"{'memory of a worker':32}{megabytes:9.0f} MB{'':21}   <= 120 MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
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
