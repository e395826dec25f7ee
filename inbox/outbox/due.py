"""Which lanes are due, and when the next one will be: asked number by number, so a paused one costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CTE,
    BindParameter,
    Integer,
    Row,
    Select,
    Subquery,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Session

from inbox.models import Account, Lane

_NUMBERS_AT_ONCE = 50  # whose lanes are looked at by one claim
_OTHERS = 4  # claims that may be made at the same time, and still each finds lanes that the others have not locked
_MAY_SEND = and_(Account.paused_reason.is_(None), Account.deleted_at.is_(None))


def next_send(session: Session) -> datetime | None:
    """When claim_sends will find something. None: nothing waits that time alone brings on."""
    found: datetime | None = session.execute(_NEXT).scalar_one()
    return found


def _next() -> Select[Any]:
    first = select(func.min(Lane.due_at)).where(Lane.account_id == Account.id).scalar_subquery()
    numbers = select(first.label("due"), Account.send_not_before.label("rests")).where(_MAY_SEND).subquery()
    due = case((numbers.c.rests > numbers.c.due, numbers.c.rests), else_=numbers.c.due)
    return select(func.min(due, type_=Lane.due_at.type))


_NEXT = _next()


def lock_due_lanes(session: Session, now: datetime, limit: int, most: Mapping[UUID, int]) -> Sequence[Row[Any]]:
    """Up to `limit` lanes that are due, locked, with what a send needs of their numbers.

    The oldest of each number, then the next of each, so none starves behind a busy one. `most`: of these numbers no
    more than so many, and after those of others.
    """
    query, ranked = _due_lanes(session.get_bind().dialect.name)
    if most:
        bound = case(most, value=ranked.c.account_id, else_=limit)
        query = query.where(ranked.c.place <= bound).order_by(None)
        query = query.order_by(ranked.c.account_id.in_(most), ranked.c.place, ranked.c.due_at)
    return session.execute(query, {"now": now, "limit": limit, "ranked": limit * _OTHERS}).all()


@cache
def _due_lanes(dialect: str) -> tuple[Select[Any], Subquery]:
    """The query, whose parts are made once, and its ranked lanes."""
    now = bindparam("now", type_=Lane.due_at.type)
    numbers = _numbers(now)
    ranked = _ranked(dialect, numbers, now).subquery("ranked")
    query = (
        select(
            Lane.conversation_id,
            Lane.account_id,
            Lane.lease,
            Lane.due_at,
            numbers.c.phone_number_id,
            numbers.c.access_token_encrypted,
        )
        .join(ranked, Lane.conversation_id == ranked.c.conversation_id)
        .join(numbers, Lane.account_id == numbers.c.id)
        .where(Lane.due_at <= now)
        .order_by(ranked.c.place, ranked.c.due_at)
        .limit(bindparam("limit", type_=Integer()))
        .with_for_update(of=Lane, skip_locked=True)
    )
    return query, ranked


def _numbers(now: BindParameter[datetime]) -> CTE:
    """Some of the numbers that may send and have a lane due, in no order, so that none starves."""
    return (
        select(Account.id, Account.phone_number_id, Account.access_token_encrypted)
        .where(
            _MAY_SEND,
            or_(Account.send_not_before.is_(None), Account.send_not_before <= now),
            exists().where(Lane.account_id == Account.id, Lane.due_at <= now),
        )
        .order_by(func.random())
        .limit(_NUMBERS_AT_ONCE)
        .cte("numbers")
    )


def _ranked(dialect: str, numbers: CTE, now: BindParameter[datetime]) -> Select[Any]:
    """The first lanes of these numbers, with their places among the lanes of the same number."""
    lanes = select(Lane.conversation_id, Lane.account_id, Lane.due_at).where(Lane.due_at <= now)
    if dialect == "postgresql":
        limit = bindparam("ranked", type_=Integer())
        first = lanes.where(Lane.account_id == numbers.c.id).order_by(Lane.due_at).limit(limit).lateral("first")
        found: Any = select(first.c.conversation_id, first.c.account_id, first.c.due_at)
        found = found.select_from(numbers).join(first, true()).subquery("due")
    else:  # knows no lateral joins
        found = lanes.where(Lane.account_id.in_(select(numbers.c.id))).subquery("due")
    place = func.row_number().over(partition_by=found.c.account_id, order_by=(found.c.due_at, found.c.conversation_id))
    return select(found.c.conversation_id, found.c.account_id, found.c.due_at, place.label("place"))
