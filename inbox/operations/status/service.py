"""How everything stands, for the people who work with it: one sentence, by its code, and what it rests on.

The sentence is chosen, never composed. What is looked up is shared by all readers for some seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from inbox.auth.access import Permission, Principal
from inbox.clock import utc_now
from inbox.db import Database
from inbox.errors import DatabaseUnavailable
from inbox.gateways.whatsapp.pauses import in_words
from inbox.memory.kept import Kept
from inbox.metrics.tally import Counted
from inbox.models import Account, Incident, JobKind, Message
from inbox.operations import processes, samples
from inbox.operations.metrics.conservation import Equation, equations
from inbox.operations.probes import LATE, Health, Snapshot
from inbox.operations.processes import Seen
from inbox.operations.standing import Standing, Standings
from inbox.operations.status.schemas import (
    HistoryMinute,
    HistoryRow,
    PastIncident,
    PausedNumber,
    Road,
    SentenceCode,
    StatusRow,
    Undecided,
    UpstreamStatus,
)
from inbox.outbox import jobs

FRESH = 3.0  # seconds that a look at the database is shared
DAY = timedelta(hours=24)
MOST_INCIDENTS = 100
MOST_UNDECIDED = 100  # of all numbers: after a restore there may be many
UPSTREAMS = ("gemini", "whatsapp", "supabase", "media_store")
_BY_WEIGHT = ("whatsapp", "gemini", "supabase", "media_store")  # when several are away


@dataclass(frozen=True, slots=True)
class _Look:
    """What the database knows."""

    paused: Sequence[Account]
    open_incidents: Sequence[Incident]
    equations: Sequence[Equation]
    last_minutes: dict[str, Counted]
    answers: tuple[int, float] = (0, 0.0)
    sends: tuple[int, float] = (0, 0.0)
    undecided: Sequence[tuple[UUID, Undecided]] = ()  #: with their numbers


class Status:
    """Of the whole installation, as this process sees it. Thread-safe."""

    def __init__(self, db: Database, health: Health, standings: Standings) -> None:
        self._db = db
        self._health = health
        self._standings = standings
        self._looks: Kept[_Look] = Kept(FRESH, limit=1, name="status")

    def now(self, reader: Principal) -> StatusRow:
        """How everything stands, with the numbers that the reader may see. Works while the database is away."""
        snapshot = self._health.snapshot()
        everybody = self._standings.everybody()
        try:
            look = self._looks.get("all", self._look)
        except DatabaseUnavailable:
            look = _Look((), (), (), {})
        upstreams = [_upstream(name, snapshot, self._standings.of(name), look) for name in UPSTREAMS]
        paused = [_paused(account) for account in look.paused if reader.may(Permission.ACCOUNTS_VIEW, account.id)]
        code = _sentence(snapshot, everybody, upstreams, paused)
        return StatusRow(
            now=utc_now(),
            code=code,
            since=_since(code, snapshot, upstreams, paused),
            upstreams=upstreams,
            database_ok=snapshot.dependencies["database"].status == "ok",
            dispatchers=sum(each.live and each.report.dispatcher for each in everybody),
            processes=len(everybody),
            cache_hit_ratio=processes.hit_ratio(everybody),
            road=_road(snapshot, look),
            paused=paused,
            undecided=[each for number, each in look.undecided if reader.may(Permission.CONVERSATIONS_VIEW, number)],
            may_act=reader.may_everywhere(Permission.ROLES_MANAGE),
        )

    def _look(self) -> _Look:
        paused = select(Account).where(Account.paused_reason.is_not(None), Account.deleted_at.is_(None))
        lasting = select(Incident).where(Incident.ended_at.is_(None))
        with self._db.reading() as session:
            now = self._db.now(session)
            return _Look(
                session.execute(paused.order_by(Account.paused_at)).scalars().all(),
                session.execute(lasting).scalars().all(),
                equations(session),
                _last_minutes(session, now),
                jobs.waiting(session, JobKind.ANSWER, now),
                jobs.waiting(session, JobKind.SEND, now),
                [(each.account_id, _undecided(each)) for each in jobs.to_decide(session, MOST_UNDECIDED)],
            )


def history(db: Database, minutes: int) -> HistoryRow:
    """What all processes counted in these minutes, and what was away in the last day. Raises DatabaseUnavailable."""
    ended = select(Incident).where((Incident.ended_at.is_(None)) | (Incident.ended_at >= utc_now() - DAY))
    with db.reading() as session:
        now = db.now(session)
        counted = samples.by_minute(session, samples.minute_of(now) - minutes * samples.MINUTE)
        found = session.execute(ended.order_by(Incident.started_at.desc()).limit(MOST_INCIDENTS)).scalars().all()
    rows = [
        HistoryMinute(minute=minute, upstream=name, answers=each.answers, errors=each.errors, p95_s=each.p95())
        for minute, upstreams in sorted(counted.items())
        for name, each in sorted(upstreams.items())
        if name in UPSTREAMS
    ]
    past = [
        PastIncident(
            upstream=each.upstream,
            started_at=each.started_at,
            ended_at=each.ended_at,
            conversations=each.affected.get("conversations", 0),
        )
        for each in found
    ]
    return HistoryRow(now=now, minutes=rows, incidents=past)


# --- the sentence ------------------------------------------------------------------------------------------------


def _sentence(
    snapshot: Snapshot,
    everybody: Sequence[Seen],
    upstreams: Sequence[UpstreamStatus],
    paused: Sequence[PausedNumber],
) -> SentenceCode:
    """What matters most, in this order."""
    away = [upstream.name for upstream in upstreams if upstream.state in ("away", "trying")]
    struggling = [upstream.name for upstream in upstreams if upstream.state == "struggling"]
    if snapshot.dependencies["database"].status != "ok":
        return "database_away"
    if not any(each.live and each.report.dispatcher for each in everybody):
        return "dispatcher_silent"
    if paused:
        return "number_paused"
    for names, what in ((away, "away"), (struggling, "struggling")):
        for name in _BY_WEIGHT:
            if name in names:
                return cast(SentenceCode, f"{name}_{what}")
    late = [part.oldest_s for part in (snapshot.outbox, snapshot.webhooks) if part is not None]
    return "slow" if max(late, default=0.0) > LATE else "well"


def _since(
    code: SentenceCode, snapshot: Snapshot, upstreams: Sequence[UpstreamStatus], paused: Sequence[PausedNumber]
) -> datetime | None:
    if code == "database_away":
        return snapshot.dependencies["database"].since
    if code == "number_paused":
        return min((number.since for number in paused if number.since is not None), default=None)
    if code == "slow" and snapshot.outbox is not None:
        return snapshot.taken_at - timedelta(seconds=snapshot.outbox.oldest_s)
    return next((each.since for each in upstreams if code == f"{each.name}_away"), None)


# --- its parts ---------------------------------------------------------------------------------------------------


def _upstream(name: str, snapshot: Snapshot, standing: Standing, look: _Look) -> UpstreamStatus:
    away = standing.state in ("away", "trying")
    incident = next((each for each in look.open_incidents if each.upstream == name), None)
    counted = look.last_minutes.get(name, Counted())
    return UpstreamStatus(
        name=name,
        configured=snapshot.dependencies[name].status != "not_configured",
        state=standing.state,
        since=(incident.started_at if incident else standing.since) if away else None,
        retry_in_seconds=None if standing.retry_in_s is None else round(standing.retry_in_s, 1),
        waiting=incident.affected.get("conversations", 0) if incident else 0,
        answers=counted.answers,
        errors=counted.errors,
        p95_s=counted.p95(),
    )


def _undecided(message: Message) -> Undecided:
    return Undecided(conversation_id=message.conversation_id, message_id=message.id)


def _last_minutes(session: Session, now: datetime) -> dict[str, Counted]:
    found: dict[str, Counted] = {}
    for upstreams in samples.by_minute(session, samples.minute_of(now) - 5 * samples.MINUTE).values():
        for name, counted in upstreams.items():
            found.setdefault(name, Counted()).add(counted)
    return found


def _paused(account: Account) -> PausedNumber:
    code = account.paused_reason or ""
    reason = in_words(code) or ""
    return PausedNumber(account_id=account.id, name=account.name, reason=reason, code=code, since=account.paused_at)


def _road(snapshot: Snapshot, look: _Look) -> Road | None:
    """None while the database is away."""
    if snapshot.outbox is None or snapshot.webhooks is None or not look.equations:
        return None
    terms = {equation.name: equation.terms for equation in look.equations}
    (answers, answers_oldest_s), (sends, sends_oldest_s) = look.answers, look.sends
    return Road(
        received=terms["items"]["items"],
        stored=terms["items"]["stored"],
        twice=terms["items"]["duplicates"],
        unreadable=terms["items"]["dead"],
        pending=snapshot.webhooks.pending,
        replies=terms["sends"]["queued"],
        accepted=terms["sends"]["accepted"],
        refused=terms["sends"]["refused"],
        unconfirmed=terms["sends"]["unknown"],
        waiting=terms["sends"]["waiting"],
        missing=sum(abs(equation.difference) for equation in look.equations),
        queue=snapshot.outbox.waiting,
        oldest_s=round(snapshot.outbox.oldest_s, 1),
        answers=answers,
        answers_oldest_s=round(answers_oldest_s, 1),
        sends=sends,
        sends_oldest_s=round(sends_oldest_s, 1),
        dead_letters=snapshot.outbox.dead_letters,
    )
