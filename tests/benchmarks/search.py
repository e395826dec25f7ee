"""Searching the messages of a large number: how long `GET /search` takes among a million of them.

    python -m tests.benchmarks.search [--messages 1000000] [--times 100]

PostgreSQL of our own, gunicorn 2 x 8, one search after another. A message has ten words of 20,000; the n-th of them is
n times as rare as the first, as in a language, and the first is in half of all messages.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import requests

from inbox.auth import keys
from inbox.auth.access import Role
from inbox.db import Database, migrations
from tests import servers
from tests.benchmarks.calm_place import load
from tests.benchmarks.ingest import serving
from tests.benchmarks.open_loop import percentile
from tests.benchmarks.scale import of_filled
from tests.benchmarks.scale_fill import Filler, require_space
from tests.benchmarks.scale_requests import Samples

WORDS = 20_000
_TEXT = (
    "(SELECT string_agg('mot' || floor(exp(random() * ln(20000)))::int, ' ') FROM generate_series(1, 10) "
    "WHERE noise IS NOT NULL)"
)

Ask = Callable[[random.Random], str]
ASKED: dict[str, Ask] = {
    "a rare word": lambda rng: f"mot{rng.randint(2000, WORDS - 1)}",
    "a usual word": lambda rng: f"mot{rng.randint(50, 500)}",
    "two usual words": lambda rng: f"mot{rng.randint(20, 200)} mot{rng.randint(20, 200)}",
    "the beginning of a word": lambda rng: f"mot{rng.randint(100, 999)}",
    "a word of every tenth": lambda rng: f"mot{rng.randint(6, 9)}",
    "the word of every second": lambda rng: "mot1",
    "nobody's word": lambda rng: f"rien{rng.randint(1, 10**6)}",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=100, help="searches of each kind")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="inbox-search-") as folder,
        servers.own_postgres("shared_buffers=512MB", "max_connections=100") as server,
    ):
        url = servers.create_database(server.url, "search")
        require_space(url, options.messages // 10, options.messages)
        db = Database(url)
        migrations.upgrade(db)
        Filler(url, options.messages // 10, options.messages, _TEXT).run()
        key = keys.create(db, name="benchmark", role=Role.ADMIN).secret
        db.close()
        settings = of_filled(url, Path(folder), dispatcher=False)
        with serving("wsgi:app", settings, Path(folder)) as (_, address, _seconds):
            measure(address, key, str(Samples.of(url).account), options.times)


def measure(address: str, key: str, account: str, times: int) -> None:
    """Print a line for each kind of search."""
    print(f"{load()}\n{'':28}{'found':>8}{'P50':>9}{'P95':>9}{'most':>9}  ms")
    rng = random.Random(1)
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        for name, ask in ASKED.items():
            took, found = [], 0
            for _ in range(times):
                query = {"account_id": account, "q": ask(rng)}
                began = time.perf_counter()
                answer = session.get(f"{address}/search", params=query, timeout=60)
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
                found += len(answer.json()["messages"])
            p50, p95 = percentile(took, 0.5), percentile(took, 0.95)
            print(f"{name:28}{found / times:>8.1f}{p50:>9.1f}{p95:>9.1f}{max(took):>9.1f}", flush=True)


if __name__ == "__main__":
    main()
