"""What the database knows of the whole installation: the same whichever process is asked, and 10 s old at most.

Every query here reads what waits, by indexes that hold nothing else, or a fixed number of the newest rows: a scrape
costs the same with a million messages as with a thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from inbox.conversations.counts import NEEDS_HUMAN
from inbox.db import Database, fixed
from inbox.errors import DatabaseUnavailable
from inbox.memory.kept import Kept
from inbox.models import Conversation, EventState, Incident, IncidentConversation, Job, JobKind, JobState, WebhookEvent
from inbox.operations import processes
from inbox.operations.metrics.conservation import Equation, equations
from inbox.operations.waiting import Outbox, outbox
from inbox.outbox.jobs import OF_A_NUMBER_IN_USE
from inbox.webhooks.ingest import Backlog, backlog
from inbox.webhooks.journal.journal import Journal

FRESH = 10.0  # seconds
SILENT = timedelta(minutes=10)  # how long a process that crashed is counted as silent

_KINDS = ("web", "worker")


@dataclass(frozen=True, slots=True)
class _Queue:
    """Of one kind and state of jobs."""

    jobs: int
    kind: str
    state: str
    oldest: datetime


@dataclass(frozen=True, slots=True)
class _Trouble:
    """An open incident."""

    upstream: str
    since: datetime
    conversations: int


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the database."""

    now: datetime
    outbox: Outbox
    webhooks: Backlog
    failed_webhooks: int
    needs_human: int
    queues: list[_Queue]
    incidents: list[_Trouble]
    processes: list[processes.Seen]
    equations: list[Equation]


class Figures:
    """A collector for prometheus_client. Thread-safe; one caller at a time looks, the others share what it finds."""

    def __init__(self, db: Database, journal: Journal) -> None:
        self._db = db
        self._journal = journal
        self._looks: Kept[Look] = Kept(FRESH, limit=1, name="figures")

    def collect(self) -> Iterator[Metric]:
        """Every figure; while the database is away, only that it is, and what the journal holds meanwhile."""
        journal = self._journal.depth()
        yield _one(
            "inbox_journal_events", "Webhooks on this machine's disk until the database is back.", journal.events
        )
        yield _one("inbox_journal_bytes", "Their size.", journal.bytes)
        try:
            look = self._looks.get("all", self._look)
        except DatabaseUnavailable:
            yield _one("inbox_database_up", "1 while the database answers.", 0)
            return
        yield _one("inbox_database_up", "1 while the database answers.", 1)
        yield from _of_queues(look)
        yield from _of_waiting(look)
        yield from _of_incidents(look)
        yield from _of_processes(look)
        yield from _of_equations(look.equations)

    def _look(self) -> Look:
        with self._db.reading() as session:
            now = self._db.now(session)
            return Look(
                now,
                outbox(session, now),
                backlog(session, now),
                *_set_aside(session),
                _queues(session),
                _incidents(session),
                processes.seen(session, now, crashed_within=SILENT),
                equations(session),
            )


def _set_aside(session: Session) -> tuple[int, int]:
    """Webhooks that could not be read, and conversations that ask for a person."""
    failed = select(func.count()).where(WebhookEvent.state == fixed(EventState.FAILED)).scalar_subquery()
    asking = select(func.count()).select_from(Conversation).where(NEEDS_HUMAN).scalar_subquery()
    found = session.execute(select(failed, asking)).one()
    return found[0], found[1]


def _queues(session: Session) -> list[_Queue]:
    query = select(func.count(), Job.kind, Job.state, func.min(Job.created_at)).where(OF_A_NUMBER_IN_USE)
    return [_Queue(*row) for row in session.execute(query.group_by(Job.kind, Job.state))]


def _incidents(session: Session) -> list[_Trouble]:
    query = (
        select(Incident.upstream, Incident.started_at, func.count(IncidentConversation.conversation_id))
        .join(IncidentConversation, IncidentConversation.incident_id == Incident.id, isouter=True)
        .where(Incident.ended_at.is_(None))
        .group_by(Incident.upstream, Incident.started_at)
    )
    return [_Trouble(*row) for row in session.execute(query)]


# --- as metrics --------------------------------------------------------------------------------------------------


def _one(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _family(name: str, meaning: str, labels: list[str], rows: Iterable[tuple[list[str], float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _of_queues(look: Look) -> Iterator[Metric]:
    """Zeros included, for all there may be: answers and receipts are in one state only."""
    jobs = {(kind.value, JobState.PENDING.value): 0 for kind in JobKind}
    jobs |= {(JobKind.SEND.value, state.value): 0 for state in JobState}
    jobs |= {(queue.kind, queue.state): queue.jobs for queue in look.queues}
    rows = [([kind, state], float(number)) for (kind, state), number in jobs.items()]
    meaning = "Work that waits. A send in the state unknown is an unconfirmed message."
    yield _family("inbox_outbox_jobs", meaning, ["kind", "state"], rows)
    ages = {kind.value: 0.0 for kind in JobKind}
    for queue in look.queues:
        if queue.state != JobState.UNKNOWN:  # that waits for evidence, and has a figure of its own
            age = (look.now - queue.oldest).total_seconds()
            ages[queue.kind] = max(ages[queue.kind], age)
    oldest = [([kind], age) for kind, age in ages.items()]
    yield _family("inbox_outbox_oldest_seconds", "How long the oldest of them has waited.", ["kind"], oldest)


def _of_waiting(look: Look) -> Iterator[Metric]:
    events = [(["pending"], look.webhooks.pending), (["failed"], look.failed_webhooks)]
    yield _family("inbox_webhooks_waiting", "Stored webhooks: not read yet, or unreadable.", ["state"], events)
    yield _one(
        "inbox_webhooks_oldest_seconds", "How long the oldest unread webhook has waited.", look.webhooks.oldest_s
    )
    yield _one("inbox_dead_letters", "Items that could not be stored and were not replayed.", look.outbox.dead_letters)
    yield _one("inbox_paused_numbers", "Numbers whose sends wait for a person.", look.outbox.paused_numbers)
    asking = [
        (["any"], look.needs_human),
        (["bot_failed"], look.outbox.bot_failed),
        (["backup_number_not_told"], look.outbox.untold),
    ]
    yield _family("inbox_conversations_waiting", "Conversations that ask for a person.", ["why"], asking)


def _of_incidents(look: Look) -> Iterator[Metric]:
    """Every upstream that is away: since when, and who waits. Without an incident there is no such line."""
    since = [([each.upstream], each.since.timestamp()) for each in look.incidents]
    yield _family("inbox_incident_started_seconds", "When the open incident began, Unix time.", ["upstream"], since)
    who = [([each.upstream], each.conversations) for each in look.incidents]
    yield _family("inbox_incident_conversations", "Conversations that wait because of it.", ["upstream"], who)


def _of_processes(look: Look) -> Iterator[Metric]:
    counts = {(kind, state): 0 for kind in _KINDS for state in ("live", "silent")}
    ages = dict.fromkeys(_KINDS, 0.0)
    for each in look.processes:
        if each.who.kind in _KINDS:
            counts[each.who.kind, "live" if each.live else "silent"] += 1
            ages[each.who.kind] = max(ages[each.who.kind], (look.now - each.seen_at).total_seconds())
    yield _family(
        "inbox_processes",
        "Processes by what they last said: live, or silent without a goodbye.",
        ["kind", "state"],
        ((list(key), count) for key, count in counts.items()),
    )
    yield _family(
        "inbox_heartbeat_age_seconds",
        "Since the last word of the process that is quiet longest.",
        ["kind"],
        (([kind], age) for kind, age in ages.items()),
    )
    working = sum(each.live and each.report.dispatcher for each in look.processes)
    yield _one("inbox_dispatchers", "Live processes that do the work of the queues.", working)


def _of_equations(found: list[Equation]) -> Iterator[Metric]:
    terms = [([equation.name, term], value) for equation in found for term, value in equation.terms.items()]
    yield _family("inbox_conservation", "The terms of conservation, of the newest rows.", ["equation", "term"], terms)
    missing = [([equation.name], equation.difference) for equation in found]
    yield _family("inbox_conservation_difference", "What is missing in them: always 0.", ["equation"], missing)
