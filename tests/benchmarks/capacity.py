"""How many messages a second an installation carries, in and out, and what gives out first.

    python -m tests.benchmarks.capacity [--speeds 10,20,40,80] [--seconds 20] [--workers 1,2] [--far 0,10,30]

One number at growing speeds: each customer's message gets an answer of the bot and that one three statuses, while 20
agents look for changes once a second. gunicorn with one process, one worker or two, PostgreSQL, and the other side of
every connection share this machine. The model takes 0.8 s and WhatsApp 0.15 s, simulated, so at 80 a second 64 answers
wait for the model at any time, and each process has as many threads for them as that takes. `--far` puts the database
so many milliseconds away. For each speed:

- *ack*: a webhook's answer, from when it was due, in milliseconds
- *beyond*: from the question to its answer at WhatsApp, beyond the debounce and the model, in seconds
- *behind*: questions that should have had their answer, in the end; the plot shows them through the round
- *CPU*: milliseconds for each answered message, of web, worker, database and town (what simulates the rest)
- *room*: how many a second all cores would carry at this cost, if nothing else ran on them

A speed is carried when the backlog does not grow. With load beside it, that is of the machine that is left; processor
time and room hardly change.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from sqlalchemy import make_url

from tests import servers
from tests.benchmarks.calm_place import ROLES, Place, Plan, installed, load, make_roles, used
from tests.benchmarks.open_loop import percentile
from tests.benchmarks.quick_town import Played, Round

AGENTS = 20
PATIENCE = 30.0  # seconds for what is behind at the end of a round
WARM_UP = 0.3  # of a round: until the first answers are due, and a while
GROWS = 0.05  # of the speed: what the backlog may grow by, a second, and still count as standing
TICKS = "▁▂▃▄▅▆▇█"
LATE = 1.5  # seconds beyond the debounce and the model, from which on an answer is behind


@dataclass(frozen=True)
class Result:
    """One speed. CPU in seconds of the whole round, memory in megabytes."""

    wanted: Round
    played: Played
    cpu: dict[str, float]
    memory: dict[str, float]
    debounce: float
    model: float

    @property
    def beyond(self) -> list[float]:
        """Of each answer: how long it took beyond what it had to."""
        return [waited - self.debounce - self.model for waited in self.played.waited]

    def behind(self, at: float) -> int:
        """How many questions should have had their answer by this second of the round, and had not."""
        due = at - self.debounce - self.model - LATE
        asked = [number for number, second in self.played.asked.items() if second <= due]
        return sum(self.played.answered.get(number, float("inf")) > at for number in asked)

    @property
    def backlog(self) -> list[tuple[float, int]]:
        """By half seconds."""
        return [(at / 2, self.behind(at / 2)) for at in range(2 * int(self.wanted.seconds) + 1)]

    @property
    def growth(self) -> float:
        """Questions a second by which the backlog grows, once the round is under way."""
        points = [(at, behind) for at, behind in self.backlog if at >= WARM_UP * self.wanted.seconds]
        return statistics.linear_regression([at for at, _ in points], [behind for _, behind in points]).slope

    @property
    def carried(self) -> bool:
        """True when this could have gone on."""
        return self.growth <= GROWS * self.wanted.rate and not self.played.refused

    def line(self) -> str:
        ack = [seconds * 1000 for seconds in self.played.acknowledged]
        cpu = [self.cpu[name] / max(1, len(self.played.answered)) * 1000 for name in PARTS]
        columns = [
            f"{self.wanted.rate:6.0f}/s",
            f"{len(self.played.answered):>6} of {len(self.played.asked):<5}",
            f"{sum(self.played.refused.values()):8}",
            f"{percentile(ack, 0.5):8.0f}{percentile(ack, 0.99):7.0f}",
            f"{percentile(self.beyond, 0.5):9.2f}{percentile(self.beyond, 0.95):7.2f}",
            f"{self.behind(self.wanted.seconds):8}",
            "".join(f"{each:9.1f}" for each in cpu),
            f"{1000 * (os.cpu_count() or 1) / sum(cpu):6.0f}",
            "".join(f"{self.memory[name]:8.0f}" for name in ROLES),
        ]
        return "".join(columns) + ("  carried" if self.carried else f"  grows by {self.growth:.1f} a second")

    def plot(self) -> str:
        """What is behind, by half seconds: a bar for each."""
        values = [behind for _, behind in self.backlog]
        most = max(values)
        if not most:
            return "nothing behind"
        bars = "".join(TICKS[min(len(TICKS) - 1, value * len(TICKS) // (most + 1))] for value in values)
        return f"behind, up to {most}: {bars}"


PARTS = ("web", "worker", "database", "town")
HEAD = (
    f"{'':8}{'answered':>15}{'refused':>8}{'ack P50':>8}{'P99':>7}{'beyond P50':>11}{'P95':>5}{'behind':>8}"
    f"{'CPU: web':>9}{'worker':>9}{'database':>9}{'town':>9}{'room':>6}{'MB: web':>8}{'worker':>8}"
)


class Capacity:
    """Rounds over one installation."""

    def __init__(self, place: Place, server: servers.OwnPostgres) -> None:
        self._place, self._server = place, server
        self._next = 0

    def far_away(self, seconds: float) -> None:
        self._place.far_away(seconds)

    def rounds(self, speeds: list[float], seconds: float) -> float:
        """Each speed, printed; the highest that was carried, 0 for none. A speed that is missed ends it."""
        self._round(Round(self._next, 5, 4))
        best = 0.0
        for speed in speeds:
            result = self._round(Round(self._next, speed, seconds, polls=AGENTS, patience=PATIENCE))
            print(f"{result.line()}\n{'':8}{result.plot()}", flush=True)
            if not result.carried:
                break
            best = speed
        return best

    def _round(self, wanted: Round) -> Result:
        self._next = wanted.last
        before = self._cpu()
        played = self._place.town.play(wanted, self._place.agents)
        after = self._cpu()
        plan = self._place.plan
        cpu = {name: after[name] - before[name] for name in after}
        return Result(wanted, played, cpu, self._place.memory(), plan.debounce, plan.latencies.model)

    def _cpu(self) -> dict[str, float]:
        main = self._server.process
        database = sum(used(process) for process in (main, *main.children()))
        return self._place.cpu() | {"database": database, "town": used(psutil.Process(self._place.town.pid))}


@contextlib.contextmanager
def prepared(folder: Path, workers: int) -> Iterator[Capacity]:
    """An installation over a server of its own that is safe against a crash."""
    settings = ("fsync=on", "shared_buffers=256MB", "max_connections=400", "autovacuum=on")
    with servers.own_postgres(*settings) as server:
        make_roles(server.url)
        servers.create_database(server.url, "calm")
        url = make_url(server.url).set(database="calm").render_as_string(hide_password=False)
        plan = Plan(workers=workers, answer_threads=96 // workers, deliver_threads=24 // workers)
        with installed(folder, url, plan) as place:
            yield Capacity(place, server)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speeds", default="10,20,40,80", help="of messages a second, by commas")
    parser.add_argument("--seconds", type=float, default=20.0, help="of a round")
    parser.add_argument("--workers", default="1,2", help="how many, by commas")
    parser.add_argument("--far", default="0,10,30", help="milliseconds to the database and back, by commas")
    options = parser.parse_args()
    speeds = [float(each) for each in options.speeds.split(",")]
    for workers in map(int, options.workers.split(",")):
        for far in map(float, options.far.split(",")):
            with (
                tempfile.TemporaryDirectory(prefix="inbox-capacity-") as folder,
                prepared(Path(folder), workers) as capacity,
            ):
                capacity.far_away(far / 1000)
                print(f"\n{workers} worker{'s'[: workers - 1]}, database {far:g} ms away; {load()}\n{HEAD}")
                best = capacity.rounds(speeds, options.seconds)
                print(f"carried: {best:g}/s")


if __name__ == "__main__":
    main()
