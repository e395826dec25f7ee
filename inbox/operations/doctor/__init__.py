"""`flask --app wsgi doctor`: does everything we depend on work, and if not, what is to be done?

Made for the worst day: whatever is broken becomes a finding, never an exception, and every question ends in time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import select

from inbox.clock import utc_now
from inbox.config import Config
from inbox.errors import DatabaseUnavailable
from inbox.models import Account
from inbox.operations.doctor import database, machine, upstreams
from inbox.operations.doctor.database import Looked
from inbox.operations.doctor.findings import Clocks, Finding, Level, problem
from inbox.operations.doctor.subject import Subject
from inbox.operations.doctor.whatsapp import TOTAL, Number, whatsapp

__all__ = ["Finding", "Level", "examine", "examine_numbers", "problem"]

log = logging.getLogger(__name__)

LIMIT = 5.0  # seconds per check
PATIENT = 15.0  # seconds for all that is asked about a number, when nothing else is
_AT_ONCE = 16  # checks that run in parallel

Check = Callable[[], list[Finding]]


def examine(subject: Subject, *, now: Callable[[], datetime] = utc_now, limit: float = LIMIT) -> list[Finding]:
    """Every finding, in the order to read them. Never raises; changes nothing; disturbs no breaker of an upstream."""
    config, clocks = subject.config, Clocks(now)
    looked: list[Looked] = []

    def look() -> list[Finding]:
        looked.append(database.look(subject, clocks))
        return looked[0].findings

    models = {config.gemini_model: "GEMINI_MODEL"}
    if config.gemini_fallback_model:
        models.setdefault(config.gemini_fallback_model, "GEMINI_FALLBACK_MODEL")
    findings = _run(
        {
            "settings": lambda: machine.settings(config),
            "database": look,
            **_model_checks(subject, models, clocks),
            "Supabase": lambda: upstreams.supabase(config, clocks),
            "bucket": lambda: upstreams.bucket(config),
            "Redis": lambda: upstreams.redis(config.redis_url),
            "journal": lambda: machine.journal(subject.journal, config),
            "disk": lambda: machine.disk(config),
            "open files": lambda: machine.descriptors(config, subject.db.pool_size),
        },
        limit,
    )
    # The rest depends on what the database said.
    seen = looked[0] if looked else Looked([])
    numbers = _from_settings(subject) if seen.numbers is None else seen.numbers
    others = dict.fromkeys(sorted(seen.models - models.keys()), "the model in the bot's profile")
    findings += _run(
        {
            **{f"WhatsApp {number.label}": _asking(config, number, clocks) for number in numbers},
            **(_model_checks(subject, others, clocks) if config.gemini_api_key else {}),
        },
        limit,
    )
    return findings + clocks.check()


def examine_numbers(subject: Subject, phone_number_id: str | None = None) -> list[Finding]:
    """As examine, about the numbers alone, or one; with more patience. Where nothing could be found out is a problem.

    An empty list: there is no such number.
    """
    db, clocks, numbers = subject.db, Clocks(utc_now), list[Number]()
    wanted = Account.deleted_at.is_(None) if phone_number_id is None else Account.phone_number_id == phone_number_id
    query = select(Account).where(wanted, Account.deleted_at.is_(None)).order_by(Account.created_at, Account.id)
    if (missing := database.no_file(db)) is not None:
        return [missing]
    try:
        with db.reading() as session:
            accounts, now = list(session.execute(query).scalars()), db.now(session)
    except DatabaseUnavailable as error:
        return [database.unreachable(db, error)]
    if phone_number_id is not None and not accounts:
        return []
    said = [*database.tokens(subject, accounts, numbers), *database.paused(accounts, now)]
    asking = {f"WhatsApp {each.label}": _asking(subject.config, each, clocks, PATIENT) for each in numbers}
    return said + _run({name: _decided(ask) for name, ask in asking.items()}, PATIENT + 2.0)


def _decided(check: Check) -> Check:
    """A warning is a problem where it is all there is: WhatsApp answered, and told nothing."""

    def decided() -> list[Finding]:
        findings = check()
        told = any(finding.level is not Level.WARNING for finding in findings)
        return findings if told else [replace(finding, level=Level.PROBLEM) for finding in findings]

    return decided


def _model_checks(subject: Subject, models: Mapping[str, str], clocks: Clocks) -> dict[str, Check]:
    config = subject.config

    def asking(model: str, setting: str) -> Check:
        return lambda: upstreams.gemini(config.gemini_api_url, config.gemini_api_key, model, setting, clocks)

    return {f"Gemini {model}": asking(model, setting) for model, setting in models.items()}


def _asking(config: Config, number: Number, clocks: Clocks, total: float = TOTAL) -> Check:
    return lambda: whatsapp(config.whatsapp_api_url, number, config.whatsapp_app_secrets, clocks, total=total)


def _from_settings(subject: Subject) -> list[Number]:
    """The default account, for a day without a database."""
    config = subject.config
    if not config.whatsapp_phone_number_id or not config.whatsapp_access_token:
        return []
    label = f"+{config.whatsapp_phone_number}" if config.whatsapp_phone_number else config.whatsapp_phone_number_id
    return [Number(label, config.whatsapp_phone_number_id, config.whatsapp_phone_number, config.whatsapp_access_token)]


def _run(checks: Mapping[str, Check], limit: float) -> list[Finding]:
    """Run all checks, some at a time, each for `limit` seconds at most. Whatever fails or hangs is a finding."""
    names = list(checks)
    findings: list[Finding] = []
    for start in range(0, len(names), _AT_ONCE):
        findings += _run_at_once({name: checks[name] for name in names[start : start + _AT_ONCE]}, limit)
    return findings


def _run_at_once(checks: Mapping[str, Check], limit: float) -> list[Finding]:
    found: dict[str, list[Finding]] = {}

    def run(name: str, check: Check) -> None:
        try:
            found[name] = check()
        except Exception as error:
            log.exception("a check failed", extra={"check": name})
            found[name] = [
                problem(
                    name, f"the check itself failed ({type(error).__name__})", "Please report this.", "check_failed"
                )
            ]

    threads = [
        threading.Thread(target=run, args=(name, check), name=f"doctor-{name}", daemon=True)
        for name, check in checks.items()
    ]
    for thread in threads:
        thread.start()
    until = time.monotonic() + limit
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    hung = f"gave no answer within {limit:g} s"
    return [
        finding
        for name in checks
        for finding in found.get(name, [problem(name, hung, "It hangs: look at its log, or restart it.", "hung")])
    ]
