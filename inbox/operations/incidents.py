"""Incidents: when each upstream was away, and what that affected, summed over all processes.

A breaker that opens begins an incident or joins the open one. It ends when no live process reports that upstream as
not closed, so the crash of the process that began it ends it too. One that opens again within a minute of its end goes
on: processes notice the same outage one after the other, and an upstream that comes back stumbles. Counts are of the
time until then, give or take one report of a process that crashes, or that speaks up after the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Subquery, Uuid, case, delete, func, literal, or_, select, update
from sqlalchemy.orm import Session

from inbox.clock import new_id, utc_now
from inbox.db import Database, fixed, insert
from inbox.db.paging import Cursor, Page, newest_first
from inbox.models import Account, Incident, IncidentConversation, Job, JobKind, Lane
from inbox.operations import processes
from inbox.operations.processes import Seen
from inbox.operations.watch import Damage, Episode, Sighting
from inbox.resilience import GEMINI, WHATSAPP
from inbox.schemas import Row, Time

_SAME = timedelta(seconds=60)  # between two that are one outage
_WAITS_AFTER = timedelta(seconds=5)  # due for longer than this while its upstream is away: it waits because of it
_AT_ONCE = 10_000  # conversations found waiting per report


class Affected(Row):
    """What an incident did."""

    failed_calls: int = 0
    refused_calls: int = 0  #: not made, because the circuit was open
    conversations: int = 0  #: that had to wait
    webhooks_journaled: int = 0  #: kept in a file because the database was away


class IncidentRow(Row):
    """An incident as it is shown. `ended_at` is null while it lasts; `duration_s` is then the time so far."""

    id: UUID
    upstream: str
    started_at: Time
    ended_at: Time | None
    duration_s: float
    first_error: str | None
    affected: Affected


# --- writing, inside the transaction of a report -----------------------------------------------------------------


def record(session: Session, sighting: Sighting, now: datetime) -> None:
    """Write what one process saw, and end the incidents that are over. Its own row must be up to date by now."""
    concerned: dict[str, Incident] = {}
    for episode in sorted(sighting.episodes, key=lambda episode: (episode.upstream, episode.opened_at)):
        if episode.closed_at is None:
            _begin_or_join(session, episode)
        else:
            concerned[episode.upstream] = _past(session, episode, episode.closed_at)
    # always locked in the same order, so that two processes do not wait for each other
    query = select(Incident).where(Incident.ended_at.is_(None)).order_by(Incident.upstream).with_for_update()
    still_open = list(session.execute(query).scalars())
    concerned |= {incident.upstream: incident for incident in still_open}
    for incident in concerned.values():
        _add(session, incident, sighting.damage[incident.upstream], now)
    if still_open:
        longest = max(now - incident.started_at for incident in still_open)
        everybody = processes.seen(session, now, crashed_within=longest + processes.SHOWN)
        for incident in still_open:
            _end_if_over(session, incident, everybody, now)


def _end_if_over(session: Session, incident: Incident, everybody: Sequence[Seen], now: datetime) -> None:
    """An incident lasts as long as a live process reports its upstream as away."""
    circuits = [(each, each.report.circuits.get(incident.upstream)) for each in everybody]
    if any(each.live and circuit is not None and circuit.interrupted for each, circuit in circuits):
        return
    # the last circuit that closed, or the last word of a process that crashed while its circuit was open
    ends = [circuit.closed_at for each, circuit in circuits if each.live and circuit and circuit.closed_at]
    ends += [
        each.seen_at for each, circuit in circuits if not each.live and circuit is not None and circuit.interrupted
    ]
    known = [end for end in ends if end >= incident.started_at]
    incident.ended_at = max(known, default=max(now, incident.started_at))
    session.execute(delete(IncidentConversation).where(IncidentConversation.incident_id == incident.id))


def _begin_or_join(session: Session, episode: Episode) -> None:
    _reopen(session, episode)
    statement = insert(session, Incident).values(
        id=new_id(),
        upstream=episode.upstream,
        started_at=episode.opened_at,
        first_error=episode.error,
        affected=Affected().model_dump(),
    )
    earlier = statement.excluded.started_at < Incident.started_at
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[Incident.upstream],
            index_where=Incident.ended_at.is_(None),
            set_={
                "started_at": case((earlier, statement.excluded.started_at), else_=Incident.started_at),
                "first_error": case((earlier, statement.excluded.first_error), else_=Incident.first_error),
            },
        )
    )


def _reopen(session: Session, episode: Episode) -> None:
    """The incident that has just ended goes on; `_begin_or_join` joins it."""
    of_upstream = select(Incident.id).where(Incident.upstream == episode.upstream)
    open_ = of_upstream.where(Incident.ended_at.is_(None)).exists()
    near = Incident.ended_at >= episode.opened_at - _SAME, Incident.started_at <= episode.opened_at + _SAME
    newest = of_upstream.where(*near).order_by(Incident.ended_at.desc()).limit(1).scalar_subquery()
    session.execute(update(Incident).where(Incident.id == newest, ~open_).values(ended_at=None))


def _past(session: Session, episode: Episode, closed_at: datetime) -> Incident:
    """The incident of an episode that is over by now: widened if another process has told of it, else made."""
    query = select(Incident).where(
        Incident.upstream == episode.upstream,
        Incident.started_at <= closed_at + _SAME,
        or_(Incident.ended_at.is_(None), Incident.ended_at >= episode.opened_at - _SAME),
    )
    latest = query.order_by(Incident.started_at.desc()).limit(1).with_for_update()
    incident = session.execute(latest).scalar_one_or_none()
    if incident is None:
        incident = Incident(upstream=episode.upstream, started_at=episode.opened_at, ended_at=closed_at)
        incident.first_error, incident.affected = episode.error, Affected().model_dump()
        session.add(incident)
        session.flush()
    if episode.opened_at < incident.started_at:
        incident.started_at, incident.first_error = episode.opened_at, episode.error
    if incident.ended_at is not None:
        incident.ended_at = max(incident.ended_at, closed_at)
    return incident


def _add(session: Session, incident: Incident, damage: Damage, now: datetime) -> None:
    known = Affected.model_validate(incident.affected)
    waiting = 0 if incident.ended_at else _count_waiting(session, incident, damage, now)
    incident.affected = Affected(
        failed_calls=known.failed_calls + damage.failed,
        refused_calls=known.refused_calls + damage.refused,
        conversations=max(known.conversations, waiting),  # one that goes on has no list of those before
        webhooks_journaled=known.webhooks_journaled + damage.journaled,
    ).model_dump()


def _count_waiting(session: Session, incident: Incident, damage: Damage, now: datetime) -> int:
    """How many conversations have waited in this incident: those noted, and those the queues hold back unclaimed."""
    rows = [{"incident_id": incident.id, "conversation_id": each} for each in sorted(damage.conversations)]
    if rows:
        session.execute(insert(session, IncidentConversation).on_conflict_do_nothing(), rows)
    held = _held_back(incident.upstream, now - _WAITS_AFTER)
    if held is not None:
        known = select(IncidentConversation.conversation_id).where(IncidentConversation.incident_id == incident.id)
        found = select(literal(incident.id, Uuid()), held.c.conversation_id).where(held.c.conversation_id.not_in(known))
        statement = insert(session, IncidentConversation).from_select(
            ["incident_id", "conversation_id"], found.limit(_AT_ONCE)
        )
        session.execute(statement.on_conflict_do_nothing())
    count = select(func.count()).where(IncidentConversation.incident_id == incident.id)
    return session.execute(count).scalar_one()


def _held_back(upstream: str, due_before: datetime) -> Subquery | None:
    """Conversations with work for this upstream that should have begun by now; None for those without a queue."""
    if upstream == WHATSAPP.name:
        due = select(Lane.conversation_id).join(Account, Account.id == Lane.account_id)
        may_send = Account.paused_reason.is_(None), Account.deleted_at.is_(None)
        return due.where(Lane.due_at <= due_before, *may_send).subquery()
    if upstream == GEMINI.name:
        answers = Job.kind == fixed(JobKind.ANSWER), Job.kind != fixed(JobKind.SEND)
        owed = select(Job.conversation_id).join(Account, Account.id == Job.account_id)
        return owed.where(*answers, Job.due_at <= due_before, Account.deleted_at.is_(None)).subquery()
    return None


# --- reading -----------------------------------------------------------------------------------------------------


def list_incidents(
    db: Database,
    *,
    limit: int,
    cursor: Cursor | None = None,
    upstream: str | None = None,
    open_only: bool | None = None,
    since: datetime | None = None,
) -> Page[IncidentRow]:
    """Incidents, newest first: all, or those of an upstream, open or ended ones, those not over before `since`."""
    query = select(Incident)
    if upstream is not None:
        query = query.where(Incident.upstream == upstream)
    if open_only is not None:
        query = query.where(Incident.ended_at.is_(None) if open_only else Incident.ended_at.is_not(None))
    if since is not None:
        query = query.where(or_(Incident.ended_at.is_(None), Incident.ended_at >= since))
    with db.reading() as session:
        page = newest_first(session, query, Incident.started_at, Incident.id, limit=limit, cursor=cursor)
    now = utc_now()
    return Page([_row(row[0], now) for row in page.rows], page.next)


def _row(incident: Incident, now: datetime) -> IncidentRow:
    lasted = (incident.ended_at or now) - incident.started_at
    return IncidentRow(
        id=incident.id,
        upstream=incident.upstream,
        started_at=incident.started_at,
        ended_at=incident.ended_at,
        duration_s=max(0.0, round(lasted.total_seconds(), 3)),
        first_error=incident.first_error,
        affected=Affected.model_validate(incident.affected),
    )
