"""What customers and agents notice while something we depend on is ill: the application that Inbox replaces, and Inbox.

    python -m tests.benchmarks.outage [--seconds 35] [--drain 180] [--only baseline|inbox] [--faults none,Gemini]

Both get the same load (customers who write, agents who read, each request at a time fixed in advance) and the same
faults, one phase after the other: `baseline.py` and Inbox under the same number of gunicorn workers and threads, each
with simulated upstreams and a PostgreSQL database of its own. After each phase the fault is switched off and the queues
drain; then every question is looked up at the customers' phones. A phase takes `seconds` and what the queues need, at
most `seconds` + `drain`; there are seven for each of the two. Nothing is left behind.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests import servers
from tests.benchmarks.open_loop import TIMEOUT, Hit, Shot, firing
from tests.benchmarks.outage_report import Calls, Latencies, Row, table, verdicts
from tests.benchmarks.outage_sides import FALLBACK, GEMINI_LATENCY, SIDES, THREADS, WORKERS, Side

WRITES, READS = 4.0, 10.0  # per second
WARM_UP = 5.0  # seconds of the same load before anything is counted
QUIET = 12.5  # seconds without an upstream call: longer than any fault can hold one that is under way


@dataclass(frozen=True)
class Fault:
    """One phase: a fault of the simulated upstreams, or seconds by which the database answers late."""

    name: str
    upstream: dict[str, Any] | None = None
    database: float = 0.0


FAULTS = (
    Fault("none"),
    Fault("Gemini hangs 10 s", {"upstream": "gemini", "fault": "hang", "seconds": 10}),
    Fault("Gemini 503", {"upstream": "gemini", "fault": "status", "code": 503}),
    Fault("WhatsApp 503 half the time", {"upstream": "whatsapp", "fault": "status", "code": 503, "probability": 0.5}),
    Fault("WhatsApp answers 12 s late", {"upstream": "whatsapp", "fault": "late", "seconds": 12}),
    Fault("identity slow 8 s", {"upstream": "supabase", "fault": "slow", "seconds": 8}),
    Fault("database slow 3 s", database=3.0),
)

# --- load --------------------------------------------------------------------------------------------------------

_customers = itertools.count(1)


def load(side: Side, token: str, threads: Sequence[str], seconds: float) -> list[Shot]:
    """Customers, each with one question of their own, and agents who poll the list and its threads by turns."""
    shots = []
    for number in range(int(WRITES * seconds)):
        phone = f"336{next(_customers):08d}"
        question = {"phone": phone, "text": "Hello! When are you open?", "wamid": f"wamid.question.{phone}"}
        url, body = f"{side.sandbox.url}/_customers/messages", json.dumps(question).encode()
        shots.append(Shot(number / WRITES, phone, url, "POST", body, {"Content-Type": "application/json"}))
    conversations = f"{side.url}/conversations?account_id={side.account_id}"
    reads = itertools.cycle([url for thread in threads for url in (conversations, f"{side.url}/messages/{thread}")])
    for number in range(int(READS * seconds)):
        headers = {"Authorization": f"Bearer {token}"}
        shots.append(Shot((number + 0.5) / READS, "read", next(reads), headers=headers))
    return shots


def warm_up(side: Side, drain: float) -> None:
    """The same load for a moment, so that processes, pools and caches have been used; reads of the list only, because
    the threads that agents will read are being made by it."""
    shots = load(side, side.token(), ["none"], WARM_UP)
    with firing(shot for shot in shots if not shot.url.endswith("/none")) as hits:
        hits()
    drained(side, drain)


def drained(side: Side, seconds: float) -> None:
    """Wait until no webhook is to be repeated, no job waits and the upstreams have not been called for a while."""
    until, calls, quiet_since = time.monotonic() + seconds, -1, time.monotonic()
    while time.monotonic() < until:
        repeats = any(record["state"] == "waiting" for record in side.sandbox.everything("webhooks"))
        before, calls = calls, side.sandbox.get("_requests", limit=1)["count"]
        if calls != before or repeats or side.waiting():
            quiet_since = time.monotonic()
        elif time.monotonic() - quiet_since > QUIET:
            return
        time.sleep(1.0)


# --- one phase ---------------------------------------------------------------------------------------------------


def phase(side: Side, fault: Fault, seconds: float, drain: float) -> Row:
    """Load under one fault, then recovery, then the count."""
    side.sandbox.post("_reset")
    token = side.token()
    query, headers = {"account_id": side.account_id, "limit": "20"}, {"Authorization": f"Bearer {token}"}
    listed = requests.get(f"{side.url}/conversations", query, headers=headers, timeout=TIMEOUT)
    listed.raise_for_status()
    shots = load(side, token, [row["id"] for row in listed.json()], seconds)
    offset = side.process.log.stat().st_size
    if fault.upstream is not None:
        side.sandbox.post("_faults", fault.upstream)
    side.database.delay = fault.database
    with firing(shots) as hits:
        time.sleep(seconds)
        side.sandbox.clear_faults()
        side.database.delay = 0.0
        ended = time.monotonic()
        found = hits()
    drained(side, drain - (time.monotonic() - ended))
    return _counted(side, fault, found, offset, time.monotonic() - ended)


def _counted(side: Side, fault: Fault, hits: Sequence[Hit], offset: int, drained_after: float) -> Row:
    questions = {hit.shot.kind: hit for hit in hits if hit.shot.kind != "read"}
    reads = [hit for hit in hits if hit.shot.kind == "read"]
    answers = defaultdict(list)
    for delivery in side.sandbox.everything("deliveries"):
        if delivery["phone"] in questions and delivery["text"] != FALLBACK:
            answers[delivery["phone"]].append(delivery["at"])
    calls = Calls()
    with side.process.log.open(encoding="utf-8", errors="replace") as log:
        log.seek(offset)
        calls.read(log)
    return Row(
        fault=fault.name,
        database_is_ill=fault.database > 0,
        webhooks=_webhooks(side, questions),
        reads=Latencies([hit.seconds for hit in reads], [hit.status for hit in reads]),
        calls=calls,
        asked=len(questions),
        answers=sum(map(len, answers.values())),
        waits=[min(times) - questions[phone].intended for phone, times in answers.items()],
        doubled=sum(len(times) > 1 for times in answers.values()),
        drained_after=drained_after,
        slip=max(hit.late for hit in hits),
    )


def _webhooks(side: Side, questions: dict[str, Hit]) -> Latencies:
    """The first POST of each question's webhook, from the time the customer meant to write; repeats are not counted."""
    seconds, statuses = [], []
    for record in side.sandbox.everything("webhooks"):
        kind, _, wamid = record["updates"][0].partition(" ")
        hit = questions.get(wamid.rpartition(".")[2]) if kind == "text" else None
        if hit is not None and record["attempts"]:
            seconds.append(record["attempts"][0]["at"] - hit.intended)
            statuses.append(record["attempts"][0]["status"])
    if len(seconds) != len(questions):
        raise RuntimeError(f"the sandbox posted {len(seconds)} of {len(questions)} webhooks")
    return Latencies(seconds, statuses)


# --- all of it ---------------------------------------------------------------------------------------------------


def measure(name: str, admin: str, folder: Path, faults: Sequence[Fault], seconds: float, drain: float) -> list[Row]:
    """All phases of one side."""
    rows = []
    with SIDES[name](admin, folder) as side:
        warm_up(side, drain)
        for fault in faults:
            row = phase(side, fault, seconds, drain)
            rows.append(row)
            sys.stderr.write(f"{name}: {row}\n")
    return rows


FOOTNOTES = f"""
Load: {WRITES:g} customers a second, each with one question; {READS:g} agent reads a second, list and threads by turns.
Open loop: latencies count from the time each was meant to begin. gunicorn {WORKERS} x {THREADS}.
A healthy Gemini takes {GEMINI_LATENCY:g} s.
Webhook: the first POST of each question; WhatsApp gives it up after 10 s and repeats it.
Agents give up after {TIMEOUT:g} s.
Answer: from the question to the customer's phone, of the questions that were answered.
The baseline is a model, not the predecessor itself, which was FastAPI: here it has gunicorn's plain threads, as many as
Inbox, and slow calls use them up. That it does all its work before it answers, answers a repeated webhook again, and
gives 502 when an upstream fails, is our assumption. How long WhatsApp really waits for an answer is not published: 10 s
is the simulator's, and how many questions are doubled depends on it.
Database slow: every answer to a statement comes 3 s late; new connections are let in at once.
(*) in every fault but the database's own.
Identity: the agents of both show Supabase tokens. The baseline has them checked by Supabase at each read, Inbox checks
them with the project's public keys.
A call lasts from the first attempt's begin to the last one's end. The baseline has no cache; Inbox reads the profile's
version, one indexed number, with each answer, and its content after a miss only (profile loads).
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=35, help="of load in each phase")
    parser.add_argument("--drain", type=float, default=180, help="seconds to wait for the queues at most, per phase")
    parser.add_argument("--only", choices=SIDES)
    parser.add_argument("--faults", default="", help="those whose names contain one of these, comma-separated")
    parser.add_argument("--logs", type=Path, help="a folder for the processes' logs; without it they are thrown away")
    options = parser.parse_args()
    faults = [fault for fault in FAULTS if any(word in fault.name for word in options.faults.split(","))]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that every `with` block is left
    found = {}
    with servers.postgres_server() as admin, tempfile.TemporaryDirectory() as thrown_away:
        folder = options.logs or Path(thrown_away)
        folder.mkdir(parents=True, exist_ok=True)
        for name in [options.only] if options.only else SIDES:
            found[name] = measure(name, admin, folder, faults, options.seconds, options.drain)
    for name, rows in found.items():
        print(table(f"{name}, {options.seconds:g} s of each fault", rows))
    for name, rows in found.items():
        print(verdicts(name, rows))
    print(FOOTNOTES)


if __name__ == "__main__":
    main()
