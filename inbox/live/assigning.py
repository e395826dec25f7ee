"""Conversations that need a person go by themselves to one of those present, in turn, where a number wants it.

Whatever asks for a person passes through the session: the bot that hands over, a customer who writes where the bot is
off. So it is seen there, at every flush, and the rule stands in one place. It costs nothing where nobody is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, event, func, inspect, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

# Its listener comes first, and would not see what this one changes: it has to be there before.
import inbox.hooks.events  # noqa: F401
from inbox.auth.access import Permission
from inbox.auth.identities import who_may
from inbox.clock import utc_now
from inbox.conversations.readers import take_part
from inbox.conversations.state import owes_answer
from inbox.db.queries import insert
from inbox.db.writes import WritingSession
from inbox.live.watcher import GONE_AFTER, MOST_PRESENT
from inbox.models import ACCOUNTS, Account, AssignmentTurn, Conversation, Presence, User


@event.listens_for(WritingSession, "before_flush", insert=True)  # before it is written, and told to endpoints
def _assign_what_asks(session: Session, _context: object, _instances: object) -> None:
    asking = [row for row in session.dirty if isinstance(row, Conversation) and _asks(row)]
    if not asking:
        return
    with session.no_autoflush:
        wanted = [row for row in asking if _wanted(session, row.account_id)]
        for row in sorted(wanted, key=lambda each: each.id):
            _assign(session, row)


def _asks(conversation: Conversation) -> bool:
    """True when it has just come to need a person, and nobody looks after it."""
    wrote = _has_new(conversation, "asked_through")
    if not wrote and not _has_new(conversation, "needs_human"):
        return False
    if conversation.assigned_to is not None or conversation.needs_human:
        return conversation.assigned_to is None
    return wrote and conversation.asked_through > conversation.answered_through and not owes_answer(conversation)


def _has_new(conversation: Conversation, name: str) -> bool:
    """True when this value has changed. The row may be known in part only: nothing of it is loaded for this."""
    return bool(inspect(conversation).get_history(name, PASSIVE_NO_INITIALIZE).added)


def _wanted(session: Session, account_id: UUID) -> bool:
    account = session.identity_map.get(session.identity_key(Account, account_id))
    if account is not None and "auto_assign" not in inspect(account).unloaded:
        return bool(account.auto_assign)
    query = select(ACCOUNTS.c.auto_assign).where(ACCOUNTS.c.id == account_id)
    return bool(session.connection().execute(query).scalar_one_or_none())


def _assign(session: Session, conversation: Conversation) -> None:
    """To the one of those present whose last turn is the longest ago; to nobody when nobody is there.

    Two processes that assign at the same moment may choose the same one: nobody waits for a lock for this.
    """
    account_id = conversation.account_id
    here = _present(session, account_id)
    may = who_may(session, here, Permission.MESSAGES_SEND, account_id) if here else frozenset()
    chosen = next((user_id for user_id in here if user_id in may), None)
    if chosen is None:
        return
    conversation.assigned_to = chosen
    take_part(session, conversation, chosen)
    last = select(func.coalesce(func.max(AssignmentTurn.turn), 0)).where(AssignmentTurn.account_id == account_id)
    taken = insert(session, AssignmentTurn).values(
        account_id=account_id, user_id=chosen, turn=last.scalar_subquery() + 1
    )
    key = [AssignmentTurn.account_id, AssignmentTurn.user_id]
    session.execute(taken.on_conflict_do_update(index_elements=key, set_={"turn": taken.excluded.turn}))


def _present(session: Session, account_id: UUID) -> Sequence[UUID]:
    values = {"account_id": account_id, "said_after": utc_now() - GONE_AFTER}
    return session.execute(_by_turn(), values).scalars().all()


@cache
def _by_turn() -> Select[Any]:
    """Who has a conversation of the number open, whoever has had no turn first."""
    turn = (AssignmentTurn.user_id == Presence.user_id) & (AssignmentTurn.account_id == Presence.account_id)
    return (
        select(Presence.user_id)
        .join(User, User.id == Presence.user_id)
        .outerjoin(AssignmentTurn, turn)
        .where(
            Presence.account_id == bindparam("account_id"),
            Presence.said_at > bindparam("said_after"),
            User.disabled_at.is_(None),
        )
        .group_by(Presence.user_id, AssignmentTurn.turn)
        .order_by(func.coalesce(AssignmentTurn.turn, 0), Presence.user_id)
        .limit(MOST_PRESENT)
    )
