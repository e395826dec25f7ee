"""Hours of ordinary trouble (resilience scenario 49): does anything grow, is anything lost, is anything doubled?

    python -m tests.benchmarks.soak --minutes 30

gunicorn, a worker, PostgreSQL, Redis and the simulated upstreams, each a process; 2 % of what reaches an upstream
fails, in mixed ways, and webhooks come twice, late and in wrong order. Customers write and agents reply at a steady
pace, and the metrics of both are scraped every 5 s. Every 30 s a line; in the end the faults stop, what is begun is
finished, and a verdict: what grew (by a line fitted to the measurements after the warm-up), and whether the books
balance. Exit code 1 when something did, or they do not.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
from sqlalchemy import make_url

from tests import servers
from tests.benchmarks.load import beside
from tests.benchmarks.soak_town import FAULTS, RECORDS, Books, Calls, Sandbox, Town
from tests.e2e.processes import Process, flask, gunicorn, production, running
from tests.waiting import free_port, wait_until

SECRET = "soak-secret"
TOKEN = "soak-metrics-token"
SCRAPES = 5.0  # seconds from one to the next
CONFIRM_WINDOW = 20  # seconds: an unknown send is decided on while we look
WARM_UP = 0.25  # of the time: pools fill, caches fill, the interpreter settles
_pause = threading.Event()  # nobody sets it: waiting for it is waiting for time to pass
HITS = 1.1  # requests per call: the aim
UNCONFIRMED = 0.004  # of the outbound messages: silence cannot prove much where webhooks get lost every minute
#: What a fitted line may rise from the end of the warm-up to the end: so many, or so large a part of the mean.
ALLOWED = {
    "threads": (2.0, 0.05),
    "fds": (4.0, 0.05),
    "rss": (4.0, 0.04),
    "upstream": (4.0, 0.5),
    "database": (4.0, 0.3),
}
HEADS = {"threads": "threads", "fds": "fds", "rss": "RSS MB", "upstream": "to upstreams", "database": "to the database"}


@dataclass(frozen=True)
class Measured:
    """One process at one moment."""

    threads: float
    fds: float
    rss: float  #: megabytes
    upstream: float  #: open connections to the upstreams
    database: float  #: and to the database

    @classmethod
    def of(cls, process: psutil.Process, upstreams: int, database: int) -> Measured:
        """What it holds now; the others' ports tell connections apart."""
        ports = [each.raddr.port for each in process.net_connections("tcp") if each.raddr]
        held = (process.num_threads(), process.num_fds(), process.memory_info().rss / 1e6)
        return cls(*held, ports.count(upstreams), ports.count(database))


@dataclass(frozen=True)
class Installation:
    """Everything that runs."""

    url: str
    key: str
    database_url: str
    sandbox_url: str
    web: Process
    worker: Process
    scraped: list[str]  #: addresses of metrics

    def processes(self) -> dict[str, psutil.Process]:
        """The ones that are measured; gunicorn's master only watches."""
        children = sorted(psutil.Process(self.web.child.pid).children(), key=lambda child: child.pid)
        named = {f"web {number}": child for number, child in enumerate(children, 1)}
        return named | {"worker": psutil.Process(self.worker.child.pid)}


@contextlib.contextmanager
def installed(folder: Path, gemini_latency: float) -> Iterator[Installation]:
    """All processes and a database; nothing of them is left afterwards."""
    with contextlib.ExitStack() as stack:
        admin = stack.enter_context(servers.postgres_server())
        name = f"inbox_soak_{os.getpid()}"
        database_url = servers.create_database(admin, name)
        stack.callback(servers.drop_database, admin, name)
        port = free_port()
        command = ["-m", "sandbox", "--port", "0", "--app-secret", SECRET, "--record-limit", str(RECORDS)]
        command += ["--webhook-url", f"http://127.0.0.1:{port}/webhook/whatsapp"]
        command += ["--webhook-workers", "32", "--gemini-latency", str(gemini_latency)]
        sandbox = stack.enter_context(running(command, folder / "sandbox.log", {}))
        sandbox_url = wait_until(lambda: re.search(r"ready on (\S+)", sandbox.output()), "the upstreams")[1]
        redis = stack.enter_context(servers.own_redis())
        settings = _settings(database_url, sandbox_url, folder) | {"REDIS_URL": redis.url, "METRICS_TOKEN": TOKEN}
        flask(settings, "db", "upgrade")
        key = flask(settings, "keys", "create", "--name", "Agents", "--role", "admin").split()[-1]
        web, url = stack.enter_context(gunicorn(folder / "web.log", settings | {"DISPATCHER": "off"}, port))
        command, listen = ["-m", "flask", "--app", "wsgi", "worker"], f"127.0.0.1:{free_port()}"
        worker = stack.enter_context(running(command, folder / "worker.log", settings | {"METRICS_LISTEN": listen}))
        with requests.Session() as session:
            wait_until(lambda: _status(session, f"http://{listen}/metrics") == 401, "the worker's metrics")
        yield Installation(url, key, database_url, sandbox_url, web, worker, [url, f"http://{listen}"])


def _settings(database_url: str, sandbox_url: str, folder: Path) -> dict[str, str]:
    return production(
        database_url,
        sandbox_url,
        folder,
        WHATSAPP_APP_SECRET=SECRET,
        SUPABASE_URL=sandbox_url,
        CONFIRM_WINDOW_SECONDS=str(CONFIRM_WINDOW),
        LOG_LEVEL="WARNING",
        RATE_LIMIT="1000000",  # one key stands for a team
    )


# --- the run -----------------------------------------------------------------------------------------------------


class Soak:
    """One run. Nothing happens before run()."""

    def __init__(self, place: Installation, town: Town, every: float) -> None:
        self._place = place
        self._town = town
        self._every = every
        self._calls = Calls(Sandbox(place.sandbox_url))
        self._began = time.monotonic()
        self._ports = (int(place.sandbox_url.rpartition(":")[2]), make_url(place.database_url).port or 5432)
        self.scrapes = Counter[int]()  #: by status
        self.taken: list[tuple[float, dict[str, Measured]]] = []
        self.during = self.taken  #: those under load
        self.books = Books.read(place.database_url)

    def run(self, minutes: float) -> None:
        """Trouble and load for so long, then neither, until nothing waits."""
        control = Sandbox(self._place.sandbox_url)
        for fault in FAULTS:
            control.post("_faults", fault)
        print(_head(self._place.processes()))
        with self._town.living(), self._scraping():
            while (left := self._began + minutes * 60 - time.monotonic()) > 0:
                _pause.wait(min(self._every, left))
                self.look()
        self.during = list(self.taken)
        control.clear_faults()
        self._town.write(control)  # the answer's status is evidence about sends of unknown outcome before it
        control.close()
        print("no more load and no more faults: finishing …")
        self._finish()

    @contextlib.contextmanager
    def _scraping(self) -> Iterator[None]:
        """Read the metrics of both kinds of processes, as Prometheus does, while the block runs."""
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {TOKEN}"

            def scrape() -> None:
                for url in self._place.scraped:
                    self.scrapes[_status(session, f"{url}/metrics")] += 1

            with beside(scrape, SCRAPES):
                yield

    def look(self) -> None:
        elapsed = time.monotonic() - self._began
        found = {name: Measured.of(process, *self._ports) for name, process in self._place.processes().items()}
        self._calls.look()
        self.books = Books.read(self._place.database_url)
        self.taken.append((elapsed, found))
        print(_line(elapsed, found, self._account()), flush=True)

    def _finish(self) -> None:
        """Wait until nothing waits any more, but no longer than the outbox may take to decide on the last send."""
        until = time.monotonic() + 3 * CONFIRM_WINDOW + 40
        while not self._settled() and time.monotonic() < until:
            _pause.wait(1)
        _pause.wait(1.5)
        self.look()

    def _settled(self) -> bool:
        self.books = Books.read(self._place.database_url)
        return self.books.waiting == 0 and self.books.stored == self._town.written

    def _account(self) -> str:
        books, town = self.books, self._town
        return (
            f"{town.written:8}{books.answered:9}{books.handed_over:7}{town.replied:8}{books.outbound:9}{books.sent:7}"
            f"{books.waiting:8}{self._doubled:8}{self._failed:5}{self._calls.per_call:7.3f}"
        )

    @property
    def _doubled(self) -> int:
        return max(self._calls.doubled, self.books.doubled)

    @property
    def _failed(self) -> int:
        return sum(count for status, count in self._town.answers.items() if status >= 500 or not status)

    def balance(self) -> list[tuple[str, float, float]]:
        """Name, value and the most it may be; after finish()."""
        books = self.books
        return [
            ("customers' messages lost", self._town.written - books.stored, 0),
            ("questions without answer or person", max(0, books.questions - books.answered - books.handed_over), 0),
            ("outbound messages neither sent nor shown", books.outbound - books.sent - books.unconfirmed, 0),
            ("sends of unknown outcome shown to a person", books.unconfirmed, UNCONFIRMED * books.outbound),
            ("messages doubled", self._doubled, 0),
            ("5xx or no answer from the API", self._failed, 0),
            ("requests per call", round(self._calls.per_call, 3), HITS),
            ("scrapes that were not answered 200", sum(self.scrapes.values()) - self.scrapes[200], 0),
        ]


def _status(session: requests.Session, url: str) -> int:
    """What a GET is answered; 0 where there is no answer."""
    try:
        return session.get(url, timeout=30).status_code
    except requests.RequestException:
        return 0


def _head(processes: dict[str, psutil.Process]) -> str:
    machines = "".join(f"{name + ' (thr fds MB up db)':>26}" for name in processes)
    return f"{'s':>6}{machines}{'written':>8}{'answered':>9}{'person':>7}{'replied':>8}{'outbound':>9}{'sent':>7}" + (
        f"{'waiting':>8}{'doubled':>8}{'5xx':>5}{'hits':>7}"
    )


def _line(elapsed: float, found: dict[str, Measured], account: str) -> str:
    machines = "".join(
        f"{f'{each.threads:.0f} {each.fds:.0f} {each.rss:.1f} {each.upstream:.0f} {each.database:.0f}':>26}"
        for each in found.values()
    )
    return f"{elapsed:6.0f}{machines}{account}"


# --- the verdict -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trend:
    """A line through one series of measurements. `rise` is over the whole time after the warm-up."""

    name: str
    first: float
    last: float
    rise: float
    per_hour: float
    allowed: float

    @property
    def grows(self) -> bool:
        return self.rise > self.allowed


def trends(taken: list[tuple[float, dict[str, Measured]]]) -> list[Trend]:
    """One for each process and quantity, from what was measured after the warm-up."""
    cut = taken[-1][0] * WARM_UP
    kept = [(elapsed, found) for elapsed, found in taken if elapsed >= cut]
    times = [elapsed for elapsed, _ in kept]
    found = []
    for name in kept[-1][1]:
        for quantity, (number, part) in ALLOWED.items():
            values = [getattr(measured[name], quantity) for _, measured in kept if name in measured]
            if len(values) < 3 or len(values) != len(times):
                continue
            slope = statistics.linear_regression(times, values).slope
            allowed = max(number, part * statistics.fmean(values))
            rise = slope * (times[-1] - times[0])
            found.append(Trend(f"{name}, {HEADS[quantity]}", values[0], values[-1], rise, slope * 3600, allowed))
    return found


def verdict(soak: Soak) -> bool:
    """Print it; True when all is well."""
    print(f"\n{'after the warm-up':28}{'first':>9}{'last':>9}{'per hour':>10}{'rise':>8}{'allowed':>9}   verdict")
    lines = trends(soak.during)
    for trend in lines:
        word = "GROWING" if trend.grows else "flat"
        numbers = f"{trend.first:9.1f}{trend.last:9.1f}{trend.per_hour:10.1f}{trend.rise:8.1f}{trend.allowed:9.1f}"
        print(f"{trend.name:28}{numbers}   {word}")
    if not lines:
        print("too short to fit a line: run for longer")
    print(f"\n{'the books':44}{'':>8}   at most")
    balance = soak.balance()
    for name, value, most in balance:
        print(f"{name:44}{value:>8}   {most:<8.3g}{'' if value <= most else 'MISSED'}")
    fine = not any(trend.grows for trend in lines) and all(value <= most for _, value, most in balance)
    print(f"\nVerdict: {'flat, and the books balance' if fine else 'NOT WELL, see above'}")
    return fine


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=30.0, help="seconds between two lines")
    parser.add_argument("--messages", type=float, default=1.5, help="of customers a second")
    parser.add_argument("--replies", type=float, default=0.3, help="of agents a second")
    parser.add_argument("--gemini-latency", type=float, default=0.5, help="seconds")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="inbox-soak-") as folder,
        installed(Path(folder), options.gemini_latency) as place,
    ):
        town = Town(place.url, place.sandbox_url, place.key, options.messages, options.replies)
        soak = Soak(place, town, options.every)
        soak.run(options.minutes)
        fine = verdict(soak)
        ended = (place.worker.stop(), place.web.stop())
        print(f"Exit codes of worker and web: {ended[0]}, {ended[1]}")
        return 0 if fine and ended == (0, 0) else 1


if __name__ == "__main__":
    sys.exit(main())
