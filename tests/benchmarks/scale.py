"""How fast lists are with a thousand and with a million conversations, as ratios to a floor measured in the same run.

    python -m tests.benchmarks.scale [--conversations 1000000] [--messages 10000000] [--seconds 180]

Makes two databases on the PostgreSQL the tests use, fills them (`scale_fill.py`), serves each by our application and by
the floor (`scale_floor.py`: the same query through plain psycopg) under the same gunicorn settings, and drops them.
The four servers take turns in bursts, because the machine's speed changes from second to second. Aims: a request costs
<= 1.5 x the floor, and with a million conversations <= 1.3 x what it costs with a thousand.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from inbox.auth import keys
from inbox.auth.access import Role
from inbox.db import Database, migrations
from tests import servers
from tests.benchmarks import load
from tests.benchmarks.ingest import THREADS, WORKERS, environment, serving
from tests.benchmarks.open_loop import percentile
from tests.benchmarks.scale_fill import Filler, require_space
from tests.benchmarks.scale_requests import CASES, Case, Samples, webhooks
from tests.benchmarks.scale_wire import Timed, send

SMALL = 1000  # conversations in the smaller database
BURST = 20  # requests one by one, then as many again over AT_ONCE connections
AT_ONCE = 8
WEBHOOKS = 1000  # of a burst


@dataclass
class Side:
    """One database with its two servers."""

    ours: str
    floor: str
    key: str
    samples: Samples
    times: dict[tuple[str, str], list[Timed]] = field(default_factory=dict)  #: by case and target
    refused: int = 0  #: webhooks
    stored: dict[str, list[float]] = field(default_factory=lambda: {"ours": [], "floor": []})


@contextlib.contextmanager
def database(admin: str, name: str, conversations: int, messages: int) -> Iterator[str]:
    """A filled database with the floor's table."""
    name = f"inbox_scale_{os.getpid()}_{name}"
    url = servers.create_database(admin, name)
    try:
        db = Database(url)
        migrations.upgrade(db)
        with db.writing() as session:
            session.connection().exec_driver_sql("CREATE TABLE floor (id text PRIMARY KEY, body bytea)")
        db.close()
        Filler(url, conversations, messages).run()
        yield url
    finally:
        servers.drop_database(admin, name)


def of_filled(url: str, folder: Path, *, dispatcher: bool) -> dict[str, str]:
    """The environment over a filled database, which has a number of its own."""
    settings = environment(url, folder, dispatcher=dispatcher) | {"RATE_LIMIT": "1000000"}
    for unwanted in ("WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_ACCESS_TOKEN"):
        del settings[unwanted]
    return settings


@contextlib.contextmanager
def side(name: str, url: str, folder: Path, *, dispatcher: bool) -> Iterator[Side]:
    """Ours and the floor over one database, ready."""
    settings = of_filled(url, folder / name, dispatcher=dispatcher)
    db = Database(url)
    key = keys.create(db, name="benchmark", role=Role.ADMIN).secret
    db.close()
    with (
        serving("wsgi:app", settings, folder) as (_, ours, _seconds),
        serving("tests.benchmarks.scale_floor:create()", settings, folder) as (_, floor, _seconds),
    ):
        yield Side(ours, floor, key, Samples.of(url))


def read_round(sides: list[Side], cases: list[Case], rng: random.Random) -> None:
    """Every case once on every server."""
    for case in cases:
        for each in sides:
            for target in ("ours", "floor"):
                asked = [case.request(each, target, rng) for _ in range(2 * BURST)]
                url = each.ours if target == "ours" else each.floor
                timed = Timed(send(url, asked[:BURST], 1), send(url, asked[BURST:], AT_ONCE))
                each.times.setdefault((case.name, target), []).append(timed)


def ingest_round(sides: list[Side]) -> None:
    """Messages stored per second, and rows of the floor."""
    for each in sides:
        asked = webhooks(each.floor, WEBHOOKS, each.samples.conversations)
        each.stored["floor"].append(load.closed_loop(each.floor, asked, connections=AT_ONCE).rate)
        asked = webhooks(each.ours, WEBHOOKS, each.samples.conversations)
        before, began = each.samples.stored(), time.monotonic()
        result = load.closed_loop(each.ours, asked, connections=AT_ONCE)
        taken = result.answered - result.refused  # Meta would send those that were refused again
        while each.samples.stored() < before + taken:
            assert time.monotonic() - began < 120, "the webhooks are not being stored"
            time.sleep(0.01)
        each.stored["ours"].append(taken / (time.monotonic() - began))
        each.refused += result.refused


def until(seconds: float, step: Callable[[], None]) -> int:
    """Repeat `step` until the time is up, three times at least; how often."""
    ends, count = time.monotonic() + seconds, 0
    while count < 3 or time.monotonic() < ends:
        step()
        count += 1
    return count


# --- the table ---------------------------------------------------------------------------------------------------


def middle(values: list[float]) -> str:
    """The median with the middle half."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{median:.2f} ({low:.2f}-{high:.2f})"


def report(small: Side, large: Side, rounds: int) -> None:
    """One table: milliseconds of ours, ratios to the floor, and of the large database to the small one."""
    sizes = [f"{each.samples.conversations:,}" for each in (small, large)]
    print(f"\n{rounds} rounds of {BURST} requests one by one and {BURST} over {AT_ONCE} connections")
    print(f"gunicorn {WORKERS} x {THREADS}; ratios: median (middle half) of the rounds\n")
    groups = (*(f"ms, {size}" for size in sizes), "x floor, one by one", "x floor, at once", "x small, one by one")
    print(f"{'':16}" + "".join(f"{name:>{width}}" for name, width in zip(groups, (18, 18, 34, 34, 34), strict=True)))
    below = [f"{name:>{9}}" for name in ("P50", "P99") * 2]
    below += [f"{name:>{17}}" for name in (*sizes, *sizes, "ours", "floor")]
    print(f"{'':16}" + "".join(below))
    for case in CASES:
        cells = [_latencies(case, each) for each in (small, large)]
        cells += [f"{middle(_ratios(case, each, w)):>17}" for w in ("single", "together") for each in (small, large)]
        cells += [f"{middle(_growth(case, small, large, target)):>17}" for target in ("ours", "floor")]
        print(f"{case.name:16}" + "".join(cells) + _refusals(case, large))


def report_stored(small: Side, large: Side) -> None:
    """Messages stored per second, as ratios to the floor and of the large database to the small one."""
    print()
    for each in (small, large):
        ratios = [ours / floor for ours, floor in zip(each.stored["ours"], each.stored["floor"], strict=True)]
        rate = statistics.median(each.stored["ours"])
        size = f"{each.samples.conversations:,}"
        print(
            f"messages stored a second, {size:>9}: {rate:5.0f}, {middle(ratios)} x the floor, which stores raw bodies"
        )
    ratios = [ours / theirs for ours, theirs in zip(large.stored["ours"], small.stored["ours"], strict=True)]
    print(f"x small: {middle(ratios)}")


def _refusals(case: Case, each: Side) -> str:
    refused = sum(timed.refused for timed in each.times[case.name, "ours"])
    return f"  ({refused} answered 503)" if refused else ""


def _latencies(case: Case, each: Side) -> str:
    times = [seconds * 1000 for timed in each.times[case.name, "ours"] for seconds in timed.one_by_one.each]
    return f"{percentile(times, 0.5):9.1f}{percentile(times, 0.99):9.1f}"


def _ratios(case: Case, each: Side, which: str) -> list[float]:
    pairs = zip(each.times[case.name, "ours"], each.times[case.name, "floor"], strict=True)
    return [getattr(ours, which) / getattr(floor, which) for ours, floor in pairs]


def _growth(case: Case, small: Side, large: Side, target: str) -> list[float]:
    pairs = zip(large.times[case.name, target], small.times[case.name, target], strict=True)
    return [ours.single / theirs.single for ours, theirs in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=180, help="of reading; a quarter more is spent on ingesting")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the databases are dropped
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        admin = stack.enter_context(servers.postgres_server())
        require_space(admin, options.conversations, options.messages)
        urls = {}
        for name, conversations in (("small", SMALL), ("large", options.conversations)):
            messages = max(1, options.messages * conversations // options.conversations)
            urls[name] = stack.enter_context(database(admin, name, conversations, messages))
        with _served(urls, folder, dispatcher=False) as reading:
            rounds = read(reading, options.seconds)
        report(*reading, rounds)
        with _served(urls, folder, dispatcher=True) as storing:
            until(options.seconds / 4, lambda: ingest_round(storing))
        report_stored(*storing)


@contextlib.contextmanager
def _served(urls: dict[str, str], folder: Path, *, dispatcher: bool) -> Iterator[list[Side]]:
    """The sides, small and large."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(side(name, url, folder, dispatcher=dispatcher)) for name, url in urls.items()]


def read(sides: list[Side], seconds: float) -> int:
    """Measure the reads; in how many rounds."""
    rng = random.Random(1)
    read_round(sides, CASES, rng)  # warms up
    for each in sides:
        each.times.clear()
    return until(seconds, lambda: read_round(sides, CASES, rng))


if __name__ == "__main__":
    main()
