"""Events on their way: at least once, in order within a conversation, each endpoint by itself.

An endpoint that fails rests, ever longer; while it does, nothing of it takes a thread. One event that it refuses holds
up its own conversation there and nothing else, until it is given up.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import Select, Table, case, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from inbox.cipher import TokenCipher
from inbox.db import Database
from inbox.db.wake import Work, wake
from inbox.errors import ConfigError, UpstreamError, UpstreamRejected
from inbox.gateways.hooks import Hooks, in_words
from inbox.hooks.signing import body_of, headers_of
from inbox.models import Account, WebhookDelivery, WebhookEndpoint
from inbox.outbox import store

log = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(days=3)
OF_ONE_ENDPOINT = 2  #: under way at once
_LEASE = timedelta(seconds=60)  # a call ends after 10
_ENDPOINTS_AT_ONCE = 50
_LONGEST_ASKED = 86_400.0  # seconds, whatever Retry-After says
_ABOUT_THE_EVENT = frozenset({400, 409, 413, 422})  # what is wrong with one event is no reason to rest
_DELIVERIES = cast("Table", WebhookDelivery.__table__)


@dataclass(frozen=True, slots=True)
class HookClaim:
    """An event to be sent to an endpoint until the lease ends. `keys` are encrypted secrets."""

    seq: int
    lease: UUID
    endpoint_id: UUID
    account_id: UUID
    event_id: UUID
    event: str
    data: dict[str, Any]
    created_at: datetime
    attempts: int
    url: str
    keys: tuple[str, ...]


class Delivering:
    """The claim and handle functions of the crew for outgoing webhooks. Of one process."""

    def __init__(self, db: Database, hooks: Hooks, cipher: TokenCipher, rng: random.Random) -> None:
        self._db = db
        self._hooks = hooks
        self._cipher = cipher
        self._rng = rng

    def claims(self, threads: int) -> Sequence[HookClaim]:
        """Up to so many events that are due, at most OF_ONE_ENDPOINT of each endpoint."""
        with self._db.writing() as session:
            return claim(session, self._db.now(session), threads)

    def next_due(self) -> float | None:
        """Seconds until there is something to claim."""
        with self._db.reading() as session:
            at = session.scalar(_next_due())
            return None if at is None else (at - self._db.now(session)).total_seconds()

    def deliver(self, claim: HookClaim) -> None:
        """Send one event and record what became of it. No transaction is open while it is sent."""
        with self._db.reading() as session:
            now = self._db.now(session)
        body = body_of(claim.event_id, claim.event, claim.created_at, claim.account_id, claim.data)
        status: int | None = None
        failed: UpstreamError | None = None
        try:
            keys = [self._cipher.decrypt(key) for key in claim.keys]
            status = self._hooks.post(claim.url, headers_of(claim.event_id, now, body, keys), body)
        except ConfigError as error:
            log.error("the secret of a webhook cannot be read", extra={"endpoint_id": str(claim.endpoint_id)})
            failed = UpstreamRejected("webhook_endpoints", str(error))
        except UpstreamError as error:
            failed = error
        with self._db.writing() as session:
            record(session, claim, status, failed, self._db.now(session), self._rng)


# --- claiming ----------------------------------------------------------------------------------------------------


def _awake(now: datetime) -> Any:
    return (
        WebhookEndpoint.paused_at.is_(None)
        & or_(WebhookEndpoint.rests_until.is_(None), WebhookEndpoint.rests_until <= now)
        & WebhookEndpoint.account_id.in_(select(Account.id).where(Account.deleted_at.is_(None)))
    )


def claim(session: Session, now: datetime, limit: int) -> list[HookClaim]:
    """Lease what is due. Endpoints in no order, so that none starves."""
    due = exists().where(WebhookDelivery.endpoint_id == WebhookEndpoint.id, *_due(now))
    query = select(WebhookEndpoint).where(_awake(now), due).order_by(func.random()).limit(_ENDPOINTS_AT_ONCE)
    claims: list[HookClaim] = []
    for endpoint in session.execute(query.with_for_update(key_share=True, skip_locked=True)).scalars():
        if len(claims) >= limit:
            break
        claims += _claim_of(session, endpoint, now, limit - len(claims))
    return claims


def _due(now: datetime) -> tuple[Any, ...]:
    """A new event has no time: it is due."""
    pending = WebhookDelivery.state == "pending"
    return pending, or_(WebhookDelivery.due_at.is_(None), WebhookDelivery.due_at <= now)


def _claim_of(session: Session, endpoint: WebhookEndpoint, now: datetime, limit: int) -> list[HookClaim]:
    mine = WebhookDelivery.endpoint_id == endpoint.id
    under_way = select(func.count()).where(
        mine, WebhookDelivery.state == "pending", WebhookDelivery.lease.is_not(None), WebhookDelivery.due_at > now
    )
    room = min(limit, OF_ONE_ENDPOINT - session.execute(under_way).scalar_one())
    if room <= 0:
        return []
    before = aliased(WebhookDelivery)
    earlier = exists().where(
        before.endpoint_id == WebhookDelivery.endpoint_id,
        before.conversation_id == WebhookDelivery.conversation_id,
        before.state == "pending",
        before.seq < WebhookDelivery.seq,
    )
    heads = select(WebhookDelivery.seq).where(mine, *_due(now), ~earlier).order_by(WebhookDelivery.seq).limit(room)
    leased = (
        update(_DELIVERIES)
        .where(_DELIVERIES.c.seq.in_(session.execute(heads).scalars().all()))
        .values(lease=uuid4(), due_at=now + _LEASE, attempts=_DELIVERIES.c.attempts + 1)
        .returning(_DELIVERIES)
    )
    keys = [endpoint.secret_encrypted]
    if endpoint.old_secret_encrypted and endpoint.old_secret_until and endpoint.old_secret_until > now:
        keys.append(endpoint.old_secret_encrypted)
    own = [name for name in HookClaim.__dataclass_fields__ if name not in ("url", "keys")]
    return [
        HookClaim(**{name: getattr(row, name) for name in own}, url=endpoint.url, keys=tuple(keys))
        for row in sorted(session.execute(leased), key=lambda row: row.seq)
    ]


def _next_due() -> Select[datetime | None]:
    """When `claim` will find something."""
    first = select(func.min(func.coalesce(WebhookDelivery.due_at, WebhookDelivery.created_at)))
    first = first.where(WebhookDelivery.endpoint_id == WebhookEndpoint.id, WebhookDelivery.state == "pending")
    used = WebhookEndpoint.account_id.in_(select(Account.id).where(Account.deleted_at.is_(None)))
    endpoints = (
        select(first.scalar_subquery().label("due"), WebhookEndpoint.rests_until.label("rests"))
        .where(WebhookEndpoint.paused_at.is_(None), used)
        .subquery()
    )
    due = case((endpoints.c.rests > endpoints.c.due, endpoints.c.rests), else_=endpoints.c.due)
    return select(func.min(due, type_=WebhookDelivery.due_at.type))


# --- recording ---------------------------------------------------------------------------------------------------


def record(
    session: Session,
    claim: HookClaim,
    status: int | None,
    failed: UpstreamError | None,
    now: datetime,
    rng: random.Random,
) -> None:
    """Store what became of a claimed event. A lease that ended meanwhile makes it somebody else's: nothing changes."""
    endpoint = session.get(WebhookEndpoint, claim.endpoint_id, with_for_update={"key_share": True})
    row = session.get(WebhookDelivery, claim.seq, with_for_update=True)
    if endpoint is None or row is None or row.lease != claim.lease:
        return
    row.lease = None
    row.http_status = status if failed is None else failed.http_status
    row.error = endpoint.last_error = None if failed is None else in_words(failed)[:500]
    if failed is None:
        row.state, row.due_at, row.ended_at = "delivered", None, now
        endpoint.failures, endpoint.rests_until = 0, None
    else:
        _put_off(session, endpoint, row, failed, now, rng)
    wake(session, Work.HOOKS)


def _put_off(
    session: Session,
    endpoint: WebhookEndpoint,
    row: WebhookDelivery,
    failed: UpstreamError,
    now: datetime,
    rng: random.Random,
) -> None:
    told = min(failed.retry_after or 0.0, _LONGEST_ASKED)
    wait = timedelta(seconds=max(told, retry_delay(row.attempts, rng)))
    if now - row.created_at > GIVE_UP_AFTER:
        row.state, row.due_at, row.ended_at = "failed", None, now
        log.warning("a webhook was given up", extra={"endpoint_id": str(endpoint.id), "event_id": str(row.event_id)})
    else:
        row.due_at = now + wait
        session.flush()
        behind = (
            (WebhookDelivery.endpoint_id == endpoint.id)
            & (WebhookDelivery.conversation_id == row.conversation_id)
            & (WebhookDelivery.state == "pending")
            & (WebhookDelivery.seq > row.seq)
        )
        session.execute(update(WebhookDelivery).where(behind).values(due_at=row.due_at))  # or each claim looks at them
        wake(session, Work.HOOKS, row.due_at)
    if failed.http_status not in _ABOUT_THE_EVENT:
        endpoint.failures += 1
        endpoint.rests_until = now + timedelta(seconds=max(told, retry_delay(endpoint.failures, rng)))


def retry_delay(attempts: int, rng: random.Random) -> float:
    """Seconds before the next attempt: 5, 15, 45 … up to an hour, of which a random half to whole."""
    return store.retry_delay(attempts, rng, base=5.0, factor=3.0, cap=3600.0)
