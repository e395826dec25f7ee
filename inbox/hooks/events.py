"""What endpoints are told of: rows that are written by the transaction in which it happens, or not at all.

What people and statuses change passes through the session, so it is seen there, at every flush, whoever changes it.
Customers' messages go in by the thousand and past the session: the ingester tells of them by `tell`.

A number without endpoints costs nothing: its row, which is at hand where messages are, says which events it wants.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import event, insert, inspect, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from inbox.clock import new_id, rfc3339
from inbox.db.wake import Work, wake
from inbox.db.writes import WritingSession
from inbox.hooks.schemas import Event
from inbox.models import ACCOUNTS, Account, Conversation, Direction, Message, WebhookDelivery, WebhookEndpoint

KINDS: tuple[Event, ...] = get_args(Event)
TEST = "test"  #: what a person sends to see whether it arrives
_TOLD = frozenset({"sent", "delivered", "read", "failed"})
_TIMES = {"sent": "sent_at", "delivered": "delivered_at", "read": "read_at", "failed": "failed_at"}
_DELIVERIES: Any = WebhookDelivery.__table__
_ENDPOINTS: Any = WebhookEndpoint.__table__
_KEY = "inbox.hooks"


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that happened in a conversation. `data` is JSON, and part of the contract with receivers."""

    event: Event
    account_id: UUID
    conversation_id: UUID
    data: dict[str, Any]


def tell(session: Session, happened: Iterable[Happened]) -> None:
    """Tell the endpoints that want to know, in this transaction. The caller holds the conversations."""
    rows = [row for each in happened for row in _rows(session, each)]
    if rows:
        session.connection().execute(insert(_DELIVERIES), rows)  # not the session: it may be in the middle of a flush
        wake(session, Work.HOOKS)


def _rows(session: Session, happened: Happened) -> list[dict[str, Any]]:
    event_id = new_id()
    return [
        delivery(endpoint_id, happened.account_id, happened.conversation_id, event_id, happened.event, happened.data)
        for endpoint_id, events in _endpoints(session, happened.account_id, happened.event)
        if happened.event in events
    ]


def delivery(
    endpoint_id: UUID, account_id: UUID, conversation_id: UUID | None, event_id: UUID, kind: str, data: dict[str, Any]
) -> dict[str, Any]:
    """The row of an event on its way to one endpoint."""
    return {
        "id": new_id(),
        "account_id": account_id,
        "endpoint_id": endpoint_id,
        "conversation_id": conversation_id,
        "event_id": event_id,
        "event": kind,
        "data": data,
        "state": "pending",
        "attempts": 0,
    }


def _endpoints(session: Session, account_id: UUID, kind: str) -> Sequence[tuple[UUID, list[str]]]:
    """The endpoints of a number that wants events of this kind, read once in a transaction."""
    known: dict[UUID, Sequence[tuple[UUID, list[str]]]] = session.info.setdefault(_KEY, {})
    if kind not in _wanted(session, account_id):
        return ()
    if account_id not in known:
        query = select(_ENDPOINTS.c.id, _ENDPOINTS.c.events).where(_ENDPOINTS.c.account_id == account_id)
        known[account_id] = [(row.id, row.events) for row in session.connection().execute(query)]
    return known[account_id]


def _wanted(session: Session, account_id: UUID) -> list[str]:
    account = session.identity_map.get(session.identity_key(Account, account_id))
    if account is not None and "hook_events" not in inspect(account).unloaded:
        return list(account.hook_events)
    query = select(ACCOUNTS.c.hook_events).where(ACCOUNTS.c.id == account_id)
    return session.connection().execute(query).scalar_one_or_none() or []


# --- what passes through the session -----------------------------------------------------------------------------


@event.listens_for(WritingSession, "before_flush", insert=True)  # before it writes what changed alike
def _tell_of_changes(session: Session, _context: object, _instances: object) -> None:
    found = [each for row in session.dirty for each in _happened(row)]
    if found:
        tell(session, found)


def _happened(row: object) -> list[Happened]:
    if isinstance(row, Message):
        return _of_message(row)
    return _of_conversation(row) if isinstance(row, Conversation) else []


def _of_message(message: Message) -> list[Happened]:
    history = inspect(message).get_history("status", PASSIVE_NO_INITIALIZE)
    if message.direction != Direction.OUTBOUND or not history.added or message.status not in _TOLD:
        return []
    at = getattr(message, _TIMES[message.status])
    data: dict[str, Any] = {
        "conversation_id": str(message.conversation_id),
        "message_id": str(message.id),
        "wa_message_id": message.wa_message_id,
        "client_key": message.client_key,
        "status": str(message.status),
        "at": at and rfc3339(at),
        "error": None,
    }
    if message.status == "failed":
        data["error"] = {"code": message.error_code, "title": message.error_title}
    return [Happened("message.status", message.account_id, message.conversation_id, data)]


def _of_conversation(row: Conversation) -> list[Happened]:
    state = inspect(row)
    found = []
    asked = state.get_history("needs_human", PASSIVE_NO_INITIALIZE)
    if asked.added and row.needs_human and True not in asked.deleted:
        found.append(("conversation.needs_human", {"reason": row.needs_human_reason}))
    given = state.get_history("assigned_to", PASSIVE_NO_INITIALIZE)
    if given.added:
        found.append(("conversation.assigned", {"assigned_to": str(row.assigned_to) if row.assigned_to else None}))
    about = {"conversation_id": str(row.id)}
    return [Happened(kind, row.account_id, row.id, about | data) for kind, data in found]  # type: ignore[arg-type]
