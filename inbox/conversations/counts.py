"""How many conversations wait, of each kind: the numbers on the badges. Each is read off an index, and has a bound."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, bindparam, func, select, text

from inbox.auth.access import Access
from inbox.conversations.rows import NEW_TO_ME, READERS
from inbox.conversations.schemas import COUNTED, ConversationCounts
from inbox.db import Database
from inbox.models import ACCOUNTS, CONVERSATIONS

# As the partial indexes say it, so that a planner finds them.
UNREAD, NEEDS_HUMAN = text("conversations.unread_count > 0"), text("conversations.needs_human")
FAVORITE = text("conversations.is_favorite")
WAITING, PUT_AWAY = text("conversations.waiting_since IS NOT NULL"), text("conversations.status <> 'open'")
_BEHIND = text("conversation_readers.beyond_team > 0")

_OF_ACCOUNT = CONVERSATIONS.c.account_id == bindparam("account_id")
_ASSIGNED_TO_ME = CONVERSATIONS.c.assigned_to == bindparam("me", type_=READERS.c.user_id.type)
_ME = READERS.c.user_id == bindparam("me", type_=READERS.c.user_id.type)


def count_conversations(db: Database, access: Access, account_id: UUID) -> ConversationCounts:
    """How many of an account are waiting, each up to COUNTED. Raises AccountNotFound, PermissionDenied."""
    access.require(account_id)
    with db.querying() as connection:
        return counts_of(connection, access, account_id)


def counts_of(connection: Connection, access: Access, account_id: UUID) -> ConversationCounts:
    """How many of an account are waiting, each up to COUNTED. Raises AccountNotFound, PermissionDenied."""
    counts = counted(connection, account_id, access.principal.user_id)
    if counts is None:
        raise access.missing_account()
    return counts


def counted(connection: Connection, account_id: UUID, user_id: UUID | None) -> ConversationCounts | None:
    """As this user sees it, or the team; None: there is no such account."""
    row = connection.execute(_counts(), {"account_id": account_id, "me": user_id}).one_or_none()
    return None if row is None else ConversationCounts.model_validate(row)


@cache
def _counts() -> Select[Any]:
    pending = text("conversations.status = 'pending'")
    counted = {
        "unread": _ids(UNREAD),
        "needs_human": _ids(NEEDS_HUMAN),
        "waiting": _ids(WAITING),
        "pending": _ids(pending, PUT_AWAY),
        "assigned_to_me": _ids(_ASSIGNED_TO_ME),
        "my_unread": new_to_me(),
        "mine_unread": new_to_me(_ASSIGNED_TO_ME),
    }
    columns = [_up_to(COUNTED, ids).label(name) for name, ids in counted.items()]
    return select(*columns).where(ACCOUNTS.c.id == bindparam("account_id"), ACCOUNTS.c.deleted_at.is_(None))


def _ids(*conditions: Any) -> Select[Any]:
    return select(CONVERSATIONS.c.id).where(_OF_ACCOUNT, *conditions)


def new_to_me(*conditions: Any) -> Select[Any]:
    """Statement: ids of the account's conversations with something new to the parameter `me` (see `readers`).

    They are among those that are new to the team, or I am behind it: each of the two has an index of its own.
    """
    team = _ids(UNREAD, *conditions).outerjoin(READERS, _ME & (READERS.c.conversation_id == CONVERSATIONS.c.id))
    alone = (
        select(CONVERSATIONS.c.id)
        .join(READERS, READERS.c.conversation_id == CONVERSATIONS.c.id)
        .where(_ME, READERS.c.account_id == bindparam("account_id"), _BEHIND, CONVERSATIONS.c.unread_count == 0)
        .where(*conditions)
    )
    return select(team.where(NEW_TO_ME > 0).union_all(alone).subquery().c.id)


def _up_to(limit: int, ids: Select[Any]) -> Any:
    return select(func.count()).select_from(ids.limit(limit).subquery()).scalar_subquery()
