"""What an answered message costs: statements, round trips, processor time.

    python -m tests.benchmarks.cost [--list] [--only answered,idle,requests,far]

A customer's message in, one answer out, three statuses. gunicorn with one web process, a worker, a PostgreSQL of our
own that logs each statement: the server counts, not the program. *Round trips* are counted on the wire: how often a
process had to wait for the database before it could go on, whatever it sent at once. The database's own time is that of
pg_stat_statements. Processor time is that of the web process and the worker, as a multiple of a bare Flask application
that inserts one row for a request, in the same run: at the same pace, since a process that sleeps between two requests
takes three times as much for each, and without a pause, which depends on what else the machine does.
`--list` prints the statements of each kind of work.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
import requests
from sqlalchemy import make_url

from tests import servers
from tests.benchmarks import load as traffic
from tests.benchmarks.calm_place import ROLES, Place, Plan, installed, load, make_roles, used
from tests.benchmarks.open_loop import percentile
from tests.benchmarks.quick_town import Round
from tests.benchmarks.statement_log import SETTINGS, Asked, StatementLog
from tests.e2e.processes import running
from tests.waiting import free_port, wait_until

REQUESTS = 50  # of each kind
QUIET = 60  # seconds until a process counts as idle
FLOOR_REQUESTS = 3000
SLOW, QUICK = 1.0, 40.0  # answered messages a second
FAR = 0.03  # seconds to the database and back
#: question stored → answer stored, in seconds
_ROAD = """
    SELECT extract(epoch FROM a.stored_at - q.stored_at)::float FROM messages q
    JOIN messages a ON a.conversation_id = q.conversation_id AND a.author_kind = 'bot'
     AND a.content_text LIKE 'Answer ' || substring(q.content_text FROM 'Question (\\d+)') || ':%%'
    WHERE q.author_kind = 'customer' AND substring(q.content_text FROM 'Question (\\d+)')::int >= %s
"""
#: What the web process does beside requests: webhooks that the sends bring, its reports, waking the worker.
_BESIDE = re.compile(
    r"INSERT INTO (webhook_events|processes)|DELETE FROM processes|SELECT (incidents|resets|pg_notify)"
)
#: What the server took for statements and for planning them, in milliseconds.
_TAKEN = "SELECT sum(total_exec_time), sum(total_plan_time) FROM pg_stat_statements"
_COUNTS_TIME = ("shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track_planning=on")
_pause = threading.Event()  # nobody sets it: waiting for it is waiting for time to pass


@dataclass(frozen=True)
class Floor:
    """Seconds of processor time for one request of the floor: by its pace, requests a second; and without a pause."""

    paced: dict[float, float]
    hurried: float

    def times(self, seconds: float, rate: float | None = None) -> str:
        """So many times the floor's request."""
        hurried = f"{seconds / self.hurried:.1f} x the floor's request"
        return (
            hurried if rate is None else f"{seconds / self.paced[rate]:.1f} x at this pace, {hurried} without a pause"
        )


@dataclass(frozen=True)
class Spent:
    """What each role spent between two moments."""

    asked: dict[str, Asked]
    turns: dict[str, int]
    cpu: dict[str, float]


class Meter:
    """Looks at the server's log, the proxies and the processes."""

    def __init__(self, place: Place, log: StatementLog) -> None:
        self._place, self._log = place, log
        self._cpu, self._turns = place.cpu(), place.turns()

    def begin(self) -> None:
        """Count from here on."""
        self.spent()

    def spent(self) -> Spent:
        """Since the last look."""
        _pause.wait(0.2)  # the last lines come into the log
        asked, cpu, turns = self._log.since_last_look(), self._place.cpu(), self._place.turns()
        before_cpu, self._cpu = self._cpu, cpu
        before_turns, self._turns = self._turns, turns
        return Spent(
            asked,
            {role: turns[role] - before_turns[role] for role in turns},
            {role: cpu[role] - before_cpu[role] for role in cpu},
        )


class Cost:
    """One run, printed line by line."""

    def __init__(self, place: Place, log: StatementLog, floor: Floor, *, listed: bool) -> None:
        self._place, self._meter, self._floor, self._listed = place, Meter(place, log), floor, listed
        self._next = 0

    # --- one answered message

    def answered(self, rate: float, seconds: float) -> None:
        with psycopg.connect(self._place.database_url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_statements_reset()")
            spent, count = self._round(rate, seconds)
            (taken,) = connection.execute(_TAKEN).fetchall()
        self._rows(f"answered message, {rate:g}/s", spent, count)
        cpu = sum(spent.cpu.values()) / count
        by = ", ".join(f"{role} {spent.cpu[role] / count * 1000:.1f}" for role in spent.cpu)
        print(f"    processor time {cpu * 1000:.1f} ms ({by}): {self._floor.times(cpu, rate)}")
        print(f"    the database itself: {taken[0] / count:.1f} ms for statements, {taken[1] / count:.1f} ms for plans")

    def _round(self, rate: float, seconds: float) -> tuple[Spent, int]:
        wanted = Round(self._next, rate, seconds)
        self._next = wanted.last
        self._meter.begin()
        played = self._place.town.play(wanted)
        if len(played.answered) < len(played.asked) or played.refused:
            print(f"    {len(played.answered)} of {len(played.asked)} answered, refused: {dict(played.refused)}")
        return self._meter.spent(), len(played.answered)

    def warm_up(self) -> None:
        """Connections are opened, statements prepared, caches filled."""
        self._round(5, 8)

    # --- nothing happens

    def idle(self, seconds: float) -> None:
        _pause.wait(QUIET)
        self._meter.begin()
        _pause.wait(seconds)
        spent = self._meter.spent()
        self._rows("idle, a second", spent, seconds)
        cpu = ", ".join(f"{role} {spent.cpu[role] / seconds:.1%}" for role in spent.cpu)
        print(f"    of a core: {cpu}")

    # --- requests

    def requests(self) -> None:
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {self._place.agents.key}"
            account = {"account_id": self._place.agents.account_id}
            found = session.get(f"{self._place.url}/conversations", params=account | {"limit": 100}, timeout=30).json()
            ids = [row["id"] for row in found if row["reply_window_expires_at"]]
            for name, ask in (
                ("POST /messages/send", lambda n: self._send(session, ids[n % len(ids)])),
                (
                    "GET /messages/<thread>",
                    lambda n: session.get(f"{self._place.url}/messages/{ids[n % len(ids)]}", timeout=30),
                ),
                ("GET /conversations", lambda n: session.get(f"{self._place.url}/conversations", params=account)),
            ):
                self._each(name, ask)
            self._quiet(session, account)

    def _send(self, session: requests.Session, conversation_id: str) -> requests.Response:
        body = {"conversation_id": conversation_id, "content": "Come by!", "client_key": str(uuid.uuid4())}
        return session.post(f"{self._place.url}/messages/send", json=body, timeout=30)

    def _quiet(self, session: requests.Session, account: dict[str, str]) -> None:
        """Polls while nothing changes, more often than the application looks at the database."""
        _pause.wait(5.0)
        since = session.get(f"{self._place.url}/changes", params=account, timeout=30).json()["next"]
        _pause.wait(2.0)
        path = f"{self._place.url}/changes"
        self._each("GET /changes, quiet", lambda _: session.get(path, params=account | {"since": since}, timeout=30))

    def _each(self, name: str, ask) -> None:  # type: ignore[no-untyped-def]
        for number in range(REQUESTS):  # the first ones prepare statements
            assert ask(number).ok, name
        _pause.wait(0.5)
        self._meter.begin()
        for number in range(REQUESTS, 2 * REQUESTS):
            assert ask(number).ok, name
        spent = self._meter.spent()
        asked = spent.asked.get("web", Asked()).without(_BESIDE)
        self._row(name, "web", asked, None, REQUESTS)
        cpu = spent.cpu["web"] / REQUESTS
        print(f"    processor time {cpu * 1000:.1f} ms: {self._floor.times(cpu)}")
        if self._listed:
            self._list("web", asked, REQUESTS)

    # --- a database that is far away

    def far(self, rate: float, seconds: float) -> None:
        plan = self._place.plan
        self._place.far_away(FAR)
        first = self._next
        spent, count = self._round(rate, seconds)
        self._place.far_away(0.0)
        with psycopg.connect(self._place.database_url) as connection:
            taken = [row[0] for row in connection.execute(_ROAD, (first,))]
        beyond = [seconds - plan.latencies.model - plan.debounce for seconds in taken]
        turns = sum(spent.turns.values()) / count
        print(
            f"database {FAR * 1000:.0f} ms away, {rate:g}/s: question stored → answer queued, beyond model and debounce"
        )
        print(
            f"    P50 {percentile(beyond, 0.5):.2f} s, P95 {percentile(beyond, 0.95):.2f} s, most {max(beyond):.2f} s"
        )
        print(f"    {len(beyond)} answers, {turns:.1f} round trips for each")

    # --- printing

    def _rows(self, name: str, spent: Spent, per: float) -> None:
        both = Asked()
        for role in ROLES:
            asked = spent.asked.get(role, Asked())
            both += asked
            self._row(name, role, asked, spent.turns[role], per)
            name = ""
        self._row("", "both", both, sum(spent.turns.values()), per)
        if self._listed:
            for role in ROLES:
                self._list(role, spent.asked.get(role, Asked()), per)

    @staticmethod
    def _row(name: str, role: str, asked: Asked, turns: int | None, per: float) -> None:
        counts = [asked.all, asked.around, asked.time, *([] if turns is None else [turns])]
        print(f"{name:26}{role:8}" + "".join(f"{count / per:>13.1f}" for count in counts), flush=True)

    @staticmethod
    def _list(role: str, asked: Asked, per: float) -> None:
        for statement, count in asked.statements.most_common(60):
            print(f"      {role:7}{count / per:>7.2f}  {statement[:150]}")


HEAD = f"{'':34}{'statements':>13}{'of BEGIN …':>13}{'for the time':>13}{'round trips':>13}"


def measure_floor(folder: Path, database_url: str) -> Floor:
    """A bare Flask application under gunicorn that inserts one row for a request."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (id text PRIMARY KEY, body bytea)")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["-m", "gunicorn", "-c", "tests/benchmarks/floor_conf.py", "-k", "gthread", "--bind", f"127.0.0.1:{port}"]
    environment = {"DATABASE_URL": database_url, "WEB_CONCURRENCY": "1", "WEB_THREADS": "8"}
    with running([*command, "tests.benchmarks.floor:create()"], folder / "floor.log", environment) as process:

        def ready() -> bool:
            assert process.child.poll() is None, process.output()
            with contextlib.suppress(requests.ConnectionError):
                return requests.get(f"{url}/health/ready", timeout=5).ok
            return False

        wait_until(ready, "the floor")
        (child,) = psutil.Process(process.child.pid).children()
        request = traffic.request_bytes(f"{url}/webhook/whatsapp", "POST", b"x" * 700, {})
        traffic.closed_loop(url, [request] * 500, connections=8, processes=1)
        before = used(child)
        traffic.closed_loop(url, [request] * FLOOR_REQUESTS, connections=8, processes=1)
        hurried = (used(child) - before) / FLOOR_REQUESTS
        return Floor({rate: _paced(child, f"{url}/webhook/whatsapp", rate) for rate in (SLOW, QUICK)}, hurried)


def _paced(process: psutil.Process, url: str, rate: float) -> float:
    count = round(max(10.0 * rate, 20.0))
    with requests.Session() as session:
        before, began = used(process), time.monotonic()
        for number in range(count):
            _pause.wait(max(0.0, began + number / rate - time.monotonic()))
            assert session.post(url, data=b"x" * 700, timeout=30).ok
        return (used(process) - before) / count


@contextlib.contextmanager
def prepared(folder: Path, *, listed: bool) -> Iterator[Cost]:
    """Everything running over a server of its own."""
    with servers.own_postgres(*SETTINGS, *_COUNTS_TIME, "max_connections=300", "shared_buffers=128MB") as server:
        make_roles(server.url)
        servers.create_database(server.url, "calm")
        url = make_url(server.url).set(database="calm").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        floor = measure_floor(folder, servers.create_database(server.url, "floor"))
        paced = ", ".join(f"{seconds * 1000:.2f} ms at {rate:g}/s" for rate, seconds in floor.paced.items())
        print(f"{load()}; processor time of the floor's request: {paced}, {floor.hurried * 1000:.2f} without a pause")
        print(f"\n{HEAD}")
        with installed(folder, url, Plan()) as place:
            yield Cost(place, StatementLog(server.log), floor, listed=listed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the statements")
    parser.add_argument("--only", default="answered,requests,far,idle", help="parts, by commas")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a round")
    options = parser.parse_args()
    parts = options.only.split(",")
    with (
        tempfile.TemporaryDirectory(prefix="inbox-cost-") as folder,
        prepared(Path(folder), listed=options.list) as cost,
    ):
        cost.warm_up()
        if "answered" in parts:
            cost.answered(SLOW, options.seconds)
            cost.answered(QUICK, options.seconds / 2)
        if "requests" in parts:
            cost.requests()
        if "far" in parts:
            cost.far(5, options.seconds)
        if "idle" in parts:
            cost.idle(options.seconds)


if __name__ == "__main__":
    main()
