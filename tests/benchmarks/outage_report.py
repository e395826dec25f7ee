"""What the outage benchmark found, as tables with an aim and a verdict per column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.benchmarks.open_loop import percentile

TOTALS = {"gemini": 15.0, "whatsapp": 10.0, "supabase": 5.0}  # seconds: our limits, retries included
SLACK = 0.05  # seconds a total may be overrun: the time a thread needs to notice


@dataclass(frozen=True)
class Latencies:
    """Seconds of every request of one kind, and what was answered; None: nothing in time."""

    seconds: Sequence[float]
    statuses: Sequence[int | None]

    @property
    def failures(self) -> Counter[str]:
        """How often which answer came in the place of a 200."""
        return Counter("timeout" if each is None else str(each) for each in self.statuses if each != 200)

    @property
    def failed_share(self) -> float:
        """Per cent."""
        return 100 * self.failures.total() / len(self.statuses)

    def ms(self, share: float) -> float:
        return percentile(self.seconds, share) * 1000


@dataclass
class Calls:
    """What the application's log says of its upstream calls and its profile. Feed it lines with `read`."""

    loads: int = 0  #: times the profile's content was read from the database
    hits: int = 0
    misses: int = 0
    _spans: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # gunicorn's own lines
            message = entry.get("message") if isinstance(entry, dict) else None
            self.hits += message == "Cache HIT"
            self.misses += message == "Cache MISS"
            self.loads += message in ("Cache MISS", "profile loaded")
            if message == "upstream call":
                self._note(entry)

    def _note(self, entry: dict[str, object]) -> None:
        """Attempts of one job have one request id: together, pauses included, they are one call."""
        end = datetime.fromisoformat(str(entry["time"])).timestamp()
        began = end - float(str(entry["duration_ms"])) / 1000
        key = str(entry["upstream"]), str(entry["request_id"])
        first, last = self._spans.get(key, (began, end))
        self._spans[key] = min(first, began), max(last, end)

    def longest(self, upstream: str) -> float | None:
        """Seconds of the longest call with all its attempts; None when there was no call."""
        spans = [end - began for (name, _), (began, end) in self._spans.items() if name == upstream]
        return max(spans) if spans else None

    @property
    def hit_share(self) -> float | None:
        """Per cent; None without a cache."""
        return 100 * self.hits / (self.hits + self.misses) if self.hits + self.misses else None


@dataclass(frozen=True)
class Row:
    """One fault phase."""

    fault: str
    database_is_ill: bool
    webhooks: Latencies
    reads: Latencies
    calls: Calls
    asked: int
    answers: int
    waits: Sequence[float]  #: seconds until the first answer, of each question that has one
    doubled: int  #: questions with more than one answer
    drained_after: float  #: seconds from the end of the fault until nothing was waiting any more
    slip: float  #: seconds the load generator was late, at most

    def __str__(self) -> str:
        """What the table has no room for."""
        kinds = {"webhooks": self.webhooks.failures, "reads": self.reads.failures}
        failures = " and ".join(f"{kind} {dict(counts)}" for kind, counts in kinds.items() if counts)
        return (
            f"{self.fault}: quiet {self.drained_after:.0f} s after its end; the load left at most"
            f" {self.slip * 1000:.0f} ms late{'; not 200: ' if failures else ''}{failures}"
        )

    @property
    def lost(self) -> int:
        return self.asked - len(self.waits)

    @property
    def answered_share(self) -> float:
        return 100 * len(self.waits) / self.asked

    @property
    def loads_per_answer(self) -> float | None:
        return self.calls.loads / self.answers if self.answers else None


# --- the table ---------------------------------------------------------------------------------------------------

_TIMES = f"{'P50':>6} {'P95':>6} {'P99':>6} {'max':>6} {'timeout':>7}"
_HEAD = (
    f"{'':27} {'webhook, ms':^27} {'5xx or':>7} {'agent read, ms':^27} {'5xx or':>7} {'longest call, s':^17}"
    f" {'answer, s':^11} {'':>8} {'':>7} {'':>4} {'profile':>7} {'cache':>6}\n"
    f"{'fault':27} {_TIMES} {_TIMES} {'Gem':>5} {'WA':>5} {'Id':>5}"
    f" {'P50':>5} {'P95':>5} {'answered':>8} {'doubled':>7} {'lost':>4} {'loads/a':>7} {'hit %':>6}"
)


def table(title: str, rows: Sequence[Row]) -> str:
    return "\n".join([f"\n{title}", _HEAD, *map(_line, rows)])


def _line(row: Row) -> str:
    longest = " ".join(f"{_number(row.calls.longest(name), 1):>5}" for name in TOTALS)
    waits = " ".join(f"{percentile(row.waits, share):>5.1f}" for share in (0.5, 0.95))
    return (
        f"{row.fault:27} {_latencies(row.webhooks)} {_latencies(row.reads)} {longest} {waits}"
        f" {row.answered_share:>7.1f}% {row.doubled:>7} {row.lost:>4}"
        f" {_number(row.loads_per_answer, 2):>7} {_number(row.calls.hit_share, 1):>6}"
    )


def _latencies(of: Latencies) -> str:
    times = " ".join(f"{of.ms(share):>6.0f}" for share in (0.5, 0.95, 0.99, 1.0))
    return f"{times} {of.failed_share:>6.1f}%"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


# --- aims and verdicts -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Aim:
    """A column's aim. `value` is None where it has nothing to say."""

    text: str
    value: Callable[[Row], float | None]
    met: Callable[[float], bool]
    unit: str = ""
    not_the_database: bool = False  #: the aim is for every fault but the database's own

    def verdict(self, rows: Sequence[Row]) -> str:
        missed, counted = [], 0
        for row in rows:
            value = None if self.not_the_database and row.database_is_ill else self.value(row)
            counted += value is not None
            if value is not None and not self.met(value):
                missed.append(f"{row.fault}: {value:.4g}{self.unit}")
        if not counted:
            return f"  {'-':7} {self.text}"
        return f"  {'MISSED' if missed else 'met':7} {self.text}{': ' if missed else ''}{'; '.join(missed)}"


def _total(upstream: str, name: str) -> Aim:
    limit = TOTALS[upstream]
    return Aim(
        f"longest {name} call <= {limit:g} s",
        lambda row: row.calls.longest(upstream),
        lambda value: value <= limit + SLACK,
        " s",
    )


AIMS = (
    Aim("webhook P95 <= 50 ms (*)", lambda row: row.webhooks.ms(0.95), lambda v: v <= 50, " ms", True),
    Aim("webhook 5xx or timeout 0 %", lambda row: row.webhooks.failed_share, lambda v: v == 0, " %"),
    Aim("agent read P95 <= 100 ms (*)", lambda row: row.reads.ms(0.95), lambda v: v <= 100, " ms", True),
    Aim("agent read 5xx or timeout 0 %", lambda row: row.reads.failed_share, lambda v: v == 0, " %"),
    _total("gemini", "Gemini"),
    _total("whatsapp", "WhatsApp"),
    _total("supabase", "identity"),
    Aim("answered 100 %", lambda row: row.answered_share, lambda v: v == 100, " %"),
    Aim("doubled 0", lambda row: row.doubled, lambda v: v == 0),
    Aim("lost 0", lambda row: row.lost, lambda v: v == 0),
)


def verdicts(title: str, rows: Sequence[Row]) -> str:
    """A line per aim; the cache's counts over all phases together, as its entries outlive a phase."""
    hits, misses = sum(row.calls.hits for row in rows), sum(row.calls.misses for row in rows)
    share = 100 * hits / (hits + misses) if hits + misses else None
    word = "-" if share is None else "met" if share >= 99 else "MISSED"
    cache = f"  {word:7} cache hit >= 99 % over all phases" + ("" if share is None else f": {share:.1f} %")
    return "\n".join([f"\n{title}, against our aims:", *(aim.verdict(rows) for aim in AIMS), cache])
