"""Every number that a process counts of itself, once: its name, what it means, and what it is split by.

Who makes a number counts it, with one line where it arises. No label is free text: routes as they are declared,
methods, statuses, names of upstreams and caches, classes of errors. Counting costs 2 to 5 us, whether it is asked for
or not; so there is no switch.

Under gunicorn the library keeps the numbers in files of a folder (`folder`), because whichever worker is asked answers
for all; elsewhere in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

# --- requests ----------------------------------------------------------------------------------------------------

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # clients may invent others

REQUESTS = Counter("inbox_http_requests", "Requests answered.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "inbox_http_request_seconds",
    "From the first line of our code to the answer's head.",
    ["method", "route"],
    buckets=(0.01, 0.03, 0.1, 0.3, 0.6, 2, 10),
)
REQUEST_STATEMENTS = Counter("inbox_http_request_statements", "Database statements of requests.", ["method", "route"])


@lru_cache(maxsize=4096)
def of_request(method: str, route: str, status: int) -> tuple[Counter, Histogram, Counter]:
    """Requests, their seconds and their statements. Remembered, because finding them takes as long as counting."""
    return (
        REQUESTS.labels(method, route, status),
        REQUEST_SECONDS.labels(method, route),
        REQUEST_STATEMENTS.labels(method, route),
    )


SHED = Counter("inbox_shed_requests", "Requests refused or dropped because no thread was free in time.", ["kind"])

# --- upstreams ---------------------------------------------------------------------------------------------------

CALLS = Counter("inbox_upstream_calls", "Calls by what became of them, repeats included.", ["upstream", "outcome"])
CALL_SECONDS = Histogram(
    "inbox_upstream_call_seconds",
    "A call with its waits and its repeats.",
    ["upstream"],
    buckets=(0.1, 0.3, 1, 3, 6, 10, 15, 30),
)
ATTEMPTS = Counter("inbox_upstream_attempts", "Requests that left, by status or error.", ["upstream", "outcome"])
ATTEMPT_SECONDS = Histogram(
    "inbox_upstream_attempt_seconds",
    "One request that left, to the end of its answer.",
    ["upstream"],
    buckets=(0.1, 0.3, 1, 3, 6, 10, 15, 30),
)
RETRIES = Counter("inbox_upstream_retries", "Requests that were repeated at once.", ["upstream"])
REFUSALS = Counter("inbox_refusals", "Calls that were not made: circuit, bulkhead or deadline.", ["place", "why"])

CIRCUIT = Gauge(
    "inbox_circuit_state",
    "0 closed, 1 half open, 2 open: the worst of the processes.",
    ["circuit"],
    multiprocess_mode="livemax",
)
OPENINGS = Counter("inbox_circuit_openings", "How often a circuit opened.", ["circuit"])

# --- memory ------------------------------------------------------------------------------------------------------

LOOKUPS = Counter("inbox_cache_lookups", "hit, miss, or stale: an old value stood in.", ["cache", "result"])

# --- messages ----------------------------------------------------------------------------------------------------

EVENTS = Counter("inbox_ingested_events", "Webhooks that were read.")
ITEMS = Counter("inbox_ingested_items", "Messages and statuses in them: stored, duplicates or dead.", ["outcome"])
SENDS = Counter("inbox_sends", "Attempts to send a message.", ["outcome"])
ANSWER_SECONDS = Histogram(
    "inbox_answer_seconds",
    "From a customer's message to WhatsApp's acceptance of the bot's answer.",
    buckets=(2, 3, 4, 6, 10, 20, 60, 300, 900),
)

# --- the process -------------------------------------------------------------------------------------------------

STATEMENTS = Counter("inbox_database_statements", "Statements sent to the database.")
UNAVAILABLE = Counter("inbox_database_unavailable", "Uses of the database that failed because it was away.")
POOL = Gauge(
    "inbox_database_connections",
    "Connections of the pools: in_use, of size.",
    ["state"],
    multiprocess_mode="livesum",
)
BUSY = Gauge("inbox_crew_busy_threads", "Threads at work.", ["crew"], multiprocess_mode="livesum")
THREADS = Gauge("inbox_crew_threads", "Threads there are.", ["crew"], multiprocess_mode="livesum")
HELD = Gauge("inbox_process", "Held by the processes.", ["what"], multiprocess_mode="livesum")
CPU = Counter("inbox_process_cpu_seconds", "Processor time.")


_STATES = {"closed": 0, "half_open": 1, "open": 2}


def circuit(name: str, state: str) -> None:
    """Note that a circuit is in this state from now on."""
    CIRCUIT.labels(name).set(_STATES[state])
    if state == "open":
        OPENINGS.labels(name).inc()


def expect(circuits: Iterable[str], upstreams: Iterable[str]) -> None:
    """Show zeros for these: a first opening or error counts as a rise only from a zero that was seen before it."""
    for name in circuits:
        CIRCUIT.labels(name).set(0)
        OPENINGS.labels(name).inc(0)
    for name in upstreams:
        CALLS.labels(name, "ok").inc(0)
        RETRIES.labels(name).inc(0)


def ingested(events: int, counts: Mapping[str, int]) -> None:
    """Count a batch of webhooks, and what became of the items in it."""
    EVENTS.inc(events)
    for outcome in ("stored", "duplicates", "dead"):
        ITEMS.labels(outcome).inc(counts.get(outcome, 0))


def answered(asked_at: str) -> None:
    """WhatsApp has just accepted the answer to what a customer asked then. Their clock and ours may differ a little."""
    waited = datetime.now(UTC) - datetime.fromisoformat(asked_at)
    ANSWER_SECONDS.observe(max(0.0, waited.total_seconds()))


def outcome_of(error: BaseException) -> str:
    """The label for what went wrong: the class of the error, of which there is a fixed number."""
    return type(error).__name__
