"""Delivery statuses of a batch: matched by our callback data, else by WhatsApp's id, else parked (I4, I7)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, select
from sqlalchemy.orm import Session

from inbox.db import found_by, one_of, one_of_pairs
from inbox.models import Account, Author, Conversation, Direction, Lane, Message, MessageStatus
from inbox.outbox import evidence, settle
from inbox.outbox.outcomes import parse_callback
from inbox.outbox.status import apply_status
from inbox.webhooks.applying.placed import Entry
from inbox.webhooks.parsing.records import StatusItem

log = logging.getLogger(__name__)

_KNOWN = frozenset({"sent", "delivered", "read", "failed"})


@dataclass(frozen=True, slots=True)
class _Status:
    account_id: UUID
    item: StatusItem
    at: datetime
    callback: tuple[UUID, int] | None


class Statuses:
    """The statuses of one batch."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session = session
        self._now = now
        self._statuses: list[_Status] = []
        self._accounts: dict[str, Account] = {}
        self._parked: list[dict[str, Any]] = []
        self._by_id: dict[UUID, Message] = {}
        self._looked = False
        self._wa_ids: set[tuple[UUID, str]] = set()  #: of statuses that our callback data does not name
        self._conversation_ids: set[UUID] = set()

    def match(self, entries: Sequence[Entry], accounts: dict[str, Account]) -> list[ColumnElement[bool]]:
        """Note the statuses. The conditions of the conversations that they concern, to be locked before apply()."""
        self._accounts = accounts
        for entry in entries:
            item = entry.item
            assert isinstance(item, StatusItem)
            if item.status not in _KNOWN:
                log.info("unknown status ignored", extra={"status": item.status})
                continue
            account_id = accounts[item.phone_number_id].id
            at = item.timestamp or entry.received_at
            self._statuses.append(_Status(account_id, item, at, parse_callback(item.callback)))
        if all(each.callback and each.item.status != "failed" for each in self._statuses):  # nearly always
            named = one_of(self._session, Message.id, self._ids())
            threads = [select(Message.conversation_id).where(condition) for condition in named]
            return [found_by(self._session.get_bind().dialect.name, Conversation.id, query) for query in threads]
        self._look()
        return [*one_of(self._session, Conversation.id, self._conversation_ids)]

    def _look(self) -> None:
        """Find out which messages and conversations are concerned, whatever names them."""
        self._looked = True
        found = [row for condition in one_of(self._session, Message.id, self._ids()) for row in self._find(condition)]
        own = {(row.account_id, row.id) for row in found if row.status != MessageStatus.RECEIVED}
        # Only what our callback data does not name is looked for by WhatsApp's id.
        self._wa_ids = {
            (each.account_id, each.item.wa_message_id)
            for each in self._statuses
            if not each.callback or (each.account_id, each.callback[0]) not in own
        }
        for condition in one_of_pairs(self._session, Message.account_id, Message.wa_message_id, self._wa_ids):
            self._find(condition)

    def _find(self, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
        """The messages that statuses are about; their conversations are noted, and what a notice of ours is about."""
        query = select(Message.id, Message.account_id, Message.status, Message.conversation_id).where(condition)
        found: list[Row[Any]] = list(self._session.execute(query))
        self._conversation_ids.update(row.conversation_id for row in found)
        if any(status.item.status == "failed" for status in self._statuses):
            notices = select(Message).where(condition, Message.author_kind == Author.SYSTEM)
            about = map(evidence.hand_over_of, self._session.execute(notices).scalars())
            self._conversation_ids.update(filter(None, about))
        return found

    def lock(self) -> None:
        """Lock the messages that our callback data names, with their lanes. The caller holds the conversations."""
        for condition in one_of(self._session, Message.id, self._ids()):
            self._by_id.update({message.id: message for _, message in self._session.execute(_with_lane(condition))})

    def apply(self, conversations: dict[UUID, Conversation]) -> None:
        """Merge the statuses into their messages. The caller holds `conversations`; what is missing is added."""
        if not self._statuses:
            return
        by_id = self._by_id
        if not self._looked and not all(_own(by_id, status) for status in self._statuses):
            self._look()
            for condition in one_of(self._session, Conversation.id, self._conversation_ids - conversations.keys()):
                late = select(Conversation).where(condition).order_by(Conversation.id).with_for_update()
                conversations.update({each.id: each for each in self._session.execute(late).scalars()})
        by_wa_id = self._unnamed(by_id)
        for status in self._statuses:
            message = _own(by_id, status) or by_wa_id.get((status.account_id, status.item.wa_message_id))
            if message is None or message.direction != Direction.OUTBOUND:
                self._park(status)
                continue
            self._store_parked()
            self._merge(message, status)
            if message.wa_message_id == status.item.wa_message_id:
                by_wa_id[status.account_id, status.item.wa_message_id] = message
            if message.conversation_id in conversations:
                conversations[message.conversation_id].touch()
            if message.attempted_at is not None and _of_newest_attempt(message, status):
                _note_evidence(self._accounts[status.item.phone_number_id], message.attempted_at)
        self._store_parked()

    def _ids(self) -> set[UUID]:
        return {status.callback[0] for status in self._statuses if status.callback}

    def _unnamed(self, by_id: dict[UUID, Message]) -> dict[tuple[UUID, str], Message]:
        """Those that are known by WhatsApp's id alone, locked; `by_id` gets those that have no lane."""
        by_wa_id: dict[tuple[UUID, str], Message] = {}
        if not self._looked:
            return by_wa_id
        settle.lock_lanes(self._session, self._conversation_ids)
        for condition in one_of(self._session, Message.id, self._ids() - by_id.keys()):
            by_id.update({message.id: message for message in self._session.execute(_locked(condition)).scalars()})
        for condition in one_of_pairs(self._session, Message.account_id, Message.wa_message_id, self._wa_ids):
            for message in self._session.execute(_locked(condition)).scalars():
                by_wa_id[message.account_id, str(message.wa_message_id)] = message
        return by_wa_id

    def _merge(self, message: Message, status: _Status) -> None:
        """Merge one status. It may be the first we hear of WhatsApp having the message: then it settles the send."""
        session, wa_id, kind = self._session, status.item.wa_message_id, status.item.status
        attempt = status.callback[1] if status.callback else message.attempts
        if wa_id not in (message.wa_message_id, message.duplicate_wa_message_id):
            if kind == "failed" and attempt < message.attempts:
                self._park(status)  # an attempt that was given up for a newer one
                return
            if kind in ("sent", "failed") and evidence.overtaken(session, message, wa_id, attempt):
                return
            settle.settle_accepted(session, message, wa_id, attempt, self._now)
        if kind == "failed":
            evidence.note_failure(session, message, wa_id, status.at, status.item.error, self._now)
        else:
            apply_status(message, kind, status.at)

    def _park(self, status: _Status) -> None:
        """Keep it, together with those that follow: what a merge may look for is stored before it."""
        item = status.item
        row = evidence.parked(status.account_id, item.wa_message_id, item.status, status.at, item.error, self._now)
        self._parked.append(row)

    def _store_parked(self) -> None:
        rows, self._parked = self._parked, []
        evidence.park(self._session, rows)


def _note_evidence(account: Account, attempted_at: datetime) -> None:
    """Statuses of sends up to here have come back: what I7 compares an unknown send with."""
    known = account.statuses_through
    account.statuses_through = attempted_at if known is None else max(known, attempted_at)


def _with_lane(condition: ColumnElement[bool]) -> Select[Lane, Message]:
    query = select(Lane, Message).join(Message, Message.conversation_id == Lane.conversation_id).where(condition)
    return query.order_by(Lane.conversation_id, Message.id).with_for_update(of=[Lane, Message])


def _locked(condition: ColumnElement[bool]) -> Select[Message]:
    return select(Message).where(condition).order_by(Message.id).with_for_update()


def _of_newest_attempt(message: Message, status: _Status) -> bool:
    """True when the status is surely about the attempt that attempted_at belongs to."""
    return status.callback[1] == message.attempts if status.callback else message.attempts == 1


def _own(by_id: dict[UUID, Message], status: _Status) -> Message | None:
    """The message our callback data names, if it is this account's and could have been sent."""
    message = by_id.get(status.callback[0]) if status.callback else None
    if message is None or message.account_id != status.account_id or message.status == MessageStatus.RECEIVED:
        return None
    return message
