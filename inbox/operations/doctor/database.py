"""The database, and what it tells about everything else: tokens, processes, circuits, queues."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from inbox.db import Database
from inbox.db.faults import describe
from inbox.db.schema import mismatch, schema_version
from inbox.errors import ConfigError, DatabaseUnavailable
from inbox.gateways.whatsapp.pauses import in_words
from inbox.logs import redact
from inbox.models import SCHEMA, Account, BotProfile, CoolDown, DeadLetter, Incident
from inbox.operations import processes
from inbox.operations.doctor.findings import Clocks, Finding, ok, problem, seconds, warning
from inbox.operations.doctor.machine import is_full
from inbox.operations.doctor.subject import Subject
from inbox.operations.doctor.whatsapp import Number
from inbox.operations.processes import Seen
from inbox.outbox import jobs
from inbox.outbox.silence import TWO_REPORTS
from inbox.webhooks.ingest import backlog

SLOW = 0.1  # seconds for a round trip: a webhook takes one, a page several
LATE, VERY_LATE = 60.0, 900.0  # seconds that work may wait


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found. `numbers` and `models` are what to ask WhatsApp and Gemini about; None: nobody knows."""

    findings: list[Finding]
    numbers: list[Number] | None = None
    models: frozenset[str] = frozenset()


def look(subject: Subject, clocks: Clocks) -> Looked:
    """Look at the database as far as it lets us."""
    db = subject.db
    if (missing := no_file(db)) is not None:
        return Looked([missing])
    try:
        with db.reading() as session:
            took = min(_round_trip(session) for _ in range(3))  # the first one connects
            schema = _schema(session)
            if schema is not None:
                return Looked([_reached(db, took), schema])
            if db.is_postgres:
                clocks.saw("the database", db.now(session))
            return _all(session, subject, took)
    except DatabaseUnavailable as error:
        return Looked([unreachable(db, error)])


def _all(session: Session, subject: Subject, took: float) -> Looked:
    db = subject.db
    now = db.now(session)
    everybody = processes.seen(session, now)
    in_use = Account.deleted_at.is_(None)
    accounts = list(session.execute(select(Account).where(in_use).order_by(Account.created_at, Account.id)).scalars())
    numbers: list[Number] = []
    findings = [_reached(db, took), ok("schema", f"{SCHEMA}, the one this release needs")]
    findings += _writable(session, db)
    findings += _connections(session, db, everybody)
    findings += tokens(subject, accounts, numbers)
    findings += paused(accounts, now)
    findings += _backup(accounts, subject.config.human_backup_number)
    findings += _cool_downs(session, now)
    waiting = list(_queues(session, now))
    full = not db.is_postgres and is_full(Path(str(db.url.database)))
    findings += _processes(everybody, now, work=any(finding.do for finding in waiting), full=full)
    findings += _circuits(everybody)
    findings += _incidents(session, now)
    findings += waiting
    profiles = select(BotProfile.content).join(Account, Account.id == BotProfile.account_id).where(in_use)
    named = session.execute(profiles).scalars()
    models = frozenset(model for content in named if isinstance(model := content.get("model"), str) and model)
    return Looked(findings, numbers, models)


def _round_trip(session: Session) -> float:
    """Seconds."""
    began = time.monotonic()
    session.execute(text("SELECT 1"))
    return time.monotonic() - began


# --- the server --------------------------------------------------------------------------------------------------


def _reached(db: Database, took: float) -> Finding:
    kind = "PostgreSQL" if db.is_postgres else "SQLite"
    shown = f"{kind} answers in {took * 1000:.0f} ms"
    if took > SLOW:
        return warning("database", shown, "Put it nearer: the same region, the same network.")
    return ok("database", shown)


def no_file(db: Database) -> Finding | None:
    """SQLite's file is not there: to connect would make it, wherever a mistyped address says."""
    place = None if db.is_postgres or db.complaint() is not None else db.url.database
    if place in (None, "", ":memory:") or os.path.exists(str(place)):
        return None
    return problem(
        "database",
        f"there is no file {place}",
        "If that is where it should be, run: flask --app wsgi db upgrade. Otherwise correct DATABASE_URL or "
        "INBOX_INSTANCE_PATH.",
        "database_away",
    )


def unreachable(db: Database, error: DatabaseUnavailable) -> Finding:
    reason = redact(describe(error.__cause__ or error))
    where = db.url.host or db.url.database or "nowhere"
    return problem(
        "database",
        f"cannot be used at {where} ({reason})",
        "Is it running, is DATABASE_URL right, and does the firewall let this host in? Until then webhooks are refused "
        "or kept in the journal, and Meta repeats them.",
        "database_away",
    )


def _schema(session: Session) -> Finding | None:
    """None when the schema is the one this code was written for."""
    wrong = mismatch(schema_version(session))
    return problem("schema", *wrong) if wrong else None


def _writable(session: Session, db: Database) -> list[Finding]:
    if not db.is_postgres or session.execute(text("SHOW transaction_read_only")).scalar_one() == "off":
        return []
    return [
        problem(
            "database",
            "takes no writes",
            "It is a replica, or the host made it read-only (Supabase does when the disk is full): use the primary, or "
            "make room.",
        )
    ]


_SLOTS = """
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS server,
  (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role,
  (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS here,
  count(*) FILTER (WHERE backend_type = 'client backend') AS used,
  count(*) FILTER (WHERE application_name LIKE 'inbox%' AND datname = current_database()) AS ours
FROM pg_stat_activity
"""
_LISTENERS = 2  # connections of a process beside its pool: LISTEN and NOTIFY


def _connections(session: Session, db: Database, everybody: list[Seen]) -> list[Finding]:
    """Connections the server gives, against those that all our processes may want at once."""
    if not db.is_postgres or db.transaction_pooled:
        return []
    slots = session.execute(text(_SLOTS)).one()
    limit = min(each for each in (slots.server, slots.role, slots.here) if each is not None and each >= 0)
    count = max(1, sum(each.live for each in everybody))
    wanted = count * (db.pool_size + _LISTENERS)
    free = limit - slots.used
    room = free + slots.ours
    shown = f"{free} of {limit} free; {count} process{'es' if count > 1 else ''} of ours may want {wanted}"
    what = "connections"
    fewer = "Raise max_connections (or the plan), or run fewer processes or threads (WEB_THREADS and the like)."
    if free < _LISTENERS:
        return [problem(what, shown, fewer)]
    return [warning(what, shown, fewer) if wanted > room else ok(what, shown)]


# --- numbers -----------------------------------------------------------------------------------------------------


def _label(account: Account) -> str:
    return f"+{account.phone_number}" if account.phone_number else account.phone_number_id


def _resume(account: Account) -> str:
    return f"flask --app wsgi accounts resume {account.phone_number_id}"


def tokens(subject: Subject, accounts: list[Account], numbers: list[Number]) -> Iterator[Finding]:
    """Adds to `numbers` those whose token can be read."""
    if not accounts:
        yield warning(
            "numbers",
            "there is no business number yet",
            "Set WHATSAPP_PHONE_NUMBER_ID and WHATSAPP_ACCESS_TOKEN and run: flask --app wsgi db upgrade",
        )
        return
    for account in accounts:
        if not account.access_token_encrypted:
            none = "there is none: nothing can be sent"
            do = f"Store one: {_resume(account)} --new-token"
            yield warning(f"token of {_label(account)}", none, do, "no_token")
            continue
        try:
            token = subject.cipher.decrypt(account.access_token_encrypted)
        except ConfigError:
            yield problem(
                f"token of {_label(account)}",
                "none of ENCRYPTION_KEYS can read it",
                "Put the key it was written with at the end of ENCRYPTION_KEYS, or store the token again: "
                f"{_resume(account)} --new-token",
                "unreadable_token",
            )
            continue
        label, number_id = _label(account), account.phone_number_id
        numbers.append(Number(label, number_id, account.phone_number, token, account.waba_id))
    if numbers:
        yield ok("tokens", f"{len(numbers)} of {len(accounts)} stored can be read", "tokens_stored")


def _backup(accounts: list[Account], backup: str | None) -> Iterator[Finding]:
    for account in accounts:
        if backup is not None and account.phone_number == backup:
            found = f"HUMAN_BACKUP_NUMBER is {_label(account)} itself, and no number can write to itself"
            yield problem("settings", found, "Set it to the number of a colleague.")


def paused(accounts: list[Account], now: datetime) -> Iterator[Finding]:
    for account in accounts:
        if account.paused_reason is not None:
            since = f" for {seconds((now - account.paused_at).total_seconds())}" if account.paused_at else ""
            yield problem(
                f"number {_label(account)}",
                f"sends nothing{since}: {in_words(account.paused_reason)}",
                f"When what WhatsApp objects to is corrected: {_resume(account)} (what waits is sent then).",
                "paused",
            )
        if account.send_not_before is not None and account.send_not_before > now:
            left = seconds((account.send_not_before - now).total_seconds())
            slow = f"WhatsApp asked it to slow down; it sends again in {left}"
            do = "Nothing to do, unless it happens often."
            yield warning(f"number {_label(account)}", slow, do, "slowed_down", left=left)


def _cool_downs(session: Session, now: datetime) -> Iterator[Finding]:
    for row in session.execute(select(CoolDown).where(CoolDown.until > now).order_by(CoolDown.key)).scalars():
        left = seconds((row.until - now).total_seconds())
        yield warning(f"quota {row.key}", f"used up for another {left} ({redact(row.reason)})", "Raise it, or wait.")


# --- processes and their circuits --------------------------------------------------------------------------------


def _processes(everybody: list[Seen], now: datetime, *, work: bool, full: bool) -> Iterator[Finding]:
    """Who runs. That nobody does the work is a problem once there is some. `full`: the disk, so none can say so."""
    live = [each for each in everybody if each.live]
    if full and not live:
        found = "none could say lately that it runs: the disk is full, and they say so in the database"
        yield problem("processes", found, "Make room first; what runs says so again within seconds.")
        return
    for each in everybody:
        if not each.live:
            ago = seconds((now - each.seen_at).total_seconds())
            found = f"{each.who.kind} process {each.who.pid} on {each.who.host} has been silent for {ago}"
            yield warning("processes", found, "It crashed or is cut off from the database; look at its log.")
    hands = [each for each in live if each.report.dispatcher]
    if hands:
        yield ok("processes", f"{len(live)} live, {len(hands)} of them with a dispatcher{_quiet(live, now)}")
        return
    found = f"{len(live)} live, none with a dispatcher" if live else "none is running"
    do = "Start a web process with DISPATCHER=on, or: flask --app wsgi worker"
    yield problem("processes", f"{found}, and work is waiting", do) if work else warning("processes", found, do)


def _quiet(live: list[Seen], now: datetime) -> str:
    """Those that say nothing while others do may have been killed just now."""
    silent = [now - each.seen_at for each in live if now - each.seen_at > TWO_REPORTS]
    if not silent:
        return ""
    return f"; {len(silent)} of them not heard of for {seconds(max(silent).total_seconds())}, perhaps killed"


def _circuits(everybody: list[Seen]) -> Iterator[Finding]:
    live = [each for each in everybody if each.live]
    names = sorted({name for each in live for name in each.report.circuits})
    calm = True
    for name in names:
        circuits = [each.report.circuits[name] for each in live if name in each.report.circuits]
        interrupted = [circuit for circuit in circuits if circuit.interrupted]
        if not interrupted:
            continue
        calm = False
        state = processes.worst(interrupted).state
        last = next((circuit.last_error for circuit in interrupted if circuit.last_error), None)
        found = f"{state.replace('_', ' ')} in {len(interrupted)} of {len(circuits)} processes" + (
            f" ({last})" if last else ""
        )
        do = f"It closes by itself when {name} is well; POST /admin/circuit-breakers/{name}/reset closes it at once."
        yield problem(f"circuit {name}", found, do) if state == "open" else warning(f"circuit {name}", found, do)
    if names and calm:
        yield ok("circuits", "all closed")


def _incidents(session: Session, now: datetime) -> Iterator[Finding]:
    for row in session.execute(select(Incident).where(Incident.ended_at.is_(None))).scalars():
        lasted = seconds((now - row.started_at).total_seconds())
        yield warning(
            f"incident {row.upstream}",
            f"open for {lasted}",
            "See: flask --app wsgi incidents --open, and its status page.",
        )


# --- what waits --------------------------------------------------------------------------------------------------


def _queues(session: Session, now: datetime) -> Iterator[Finding]:
    depth = jobs.depth(session, now)
    shown = f"{depth.waiting} waiting, the oldest for {seconds(depth.oldest_s)}; {depth.unconfirmed} unconfirmed"
    if depth.oldest_s > VERY_LATE:
        yield problem("outbox", shown, "Look at processes, circuits and numbers above: one of them holds it up.")
    elif depth.oldest_s > LATE:
        yield warning("outbox", shown, "If it does not shrink, look at circuits and numbers above.")
    else:
        yield ok("outbox", shown if depth.waiting + depth.unconfirmed else "empty")
    unread = backlog(session, now)
    if unread.oldest_s > LATE:
        found = f"{unread.pending} webhooks stored but not read, the oldest for {seconds(unread.oldest_s)}"
        yield problem("inbox", found, "No dispatcher reads them: see processes above.")
    else:
        yield ok("inbox", f"{unread.pending} webhooks to read")
    dead = session.execute(select(func.count()).where(DeadLetter.replayed_at.is_(None))).scalar_one()
    if dead:
        found = f"{dead} item{'s' if dead > 1 else ''} that could not be handled"
        yield warning("dead letters", found, "Each is kept whole with its reason; replay them after a fix.")
    else:
        yield ok("dead letters", "none")
