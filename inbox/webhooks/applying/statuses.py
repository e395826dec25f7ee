"""Delivery statuses of a batch: matched by our callback data, else by WhatsApp's id, else parked (I4, I7)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from inbox.db import one_of, one_of_pairs
from inbox.models import Account, Author, Conversation, Direction, Message, MessageStatus
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
        self._parked: list[dict[str, Any]] = []
        self.conversation_ids: set[UUID] = set()  #: to be locked before apply()

    def match(self, entries: Sequence[Entry], accounts: dict[str, Account]) -> None:
        """Note the statuses and which conversations they concern."""
        for entry in entries:
            item = entry.item
            assert isinstance(item, StatusItem)
            if item.status not in _KNOWN:
                log.info("unknown status ignored", extra={"status": item.status})
                continue
            account_id = accounts[item.phone_number_id].id
            at = item.timestamp or entry.received_at
            self._statuses.append(_Status(account_id, item, at, parse_callback(item.callback)))
        ids, wa_ids = self._keys()
        conditions = [
            *one_of(self._session, Message.id, ids),
            *one_of_pairs(self._session, Message.account_id, Message.wa_message_id, wa_ids),
        ]
        for condition in conditions:
            found = self._session.execute(select(Message.conversation_id).where(condition))
            self.conversation_ids.update(found.scalars())
            if any(status.item.status == "failed" for status in self._statuses):
                notices = select(Message).where(condition, Message.author_kind == Author.SYSTEM)
                about = map(evidence.hand_over_of, self._session.execute(notices).scalars())
                self.conversation_ids.update(filter(None, about))

    def apply(self, conversations: dict[UUID, Conversation]) -> None:
        """Merge the statuses into their messages. The caller holds `conversations`."""
        if not self._statuses:
            return
        settle.lock_lanes(self._session, self.conversation_ids)
        by_id, by_wa_id = self._messages()
        heard: dict[UUID, datetime] = {}
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
                conversations[message.conversation_id].changed_at = self._now
            if message.attempted_at is not None and _of_newest_attempt(message, status):
                known = heard.get(status.account_id)
                heard[status.account_id] = max(known or message.attempted_at, message.attempted_at)
        self._store_parked()
        self._session.flush()
        for account_id, attempted_at in heard.items():
            self._note_evidence(account_id, attempted_at)

    def _keys(self) -> tuple[set[UUID], set[tuple[UUID, str]]]:
        ids = {status.callback[0] for status in self._statuses if status.callback}
        return ids, {(status.account_id, status.item.wa_message_id) for status in self._statuses}

    def _messages(self) -> tuple[dict[UUID, Message], dict[tuple[UUID, str], Message]]:
        ids, wa_ids = self._keys()
        by_id: dict[UUID, Message] = {}
        for condition in one_of(self._session, Message.id, ids):
            query = select(Message).where(condition).order_by(Message.id).with_for_update()
            by_id.update({message.id: message for message in self._session.execute(query).scalars()})
        by_wa_id: dict[tuple[UUID, str], Message] = {}
        for condition in one_of_pairs(self._session, Message.account_id, Message.wa_message_id, wa_ids):
            query = select(Message).where(condition).order_by(Message.id).with_for_update()
            for message in self._session.execute(query).scalars():
                by_wa_id[message.account_id, str(message.wa_message_id)] = message
        return by_id, by_wa_id

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

    def _note_evidence(self, account_id: UUID, attempted_at: datetime) -> None:
        """Statuses of sends up to here have come back: what I7 compares an unknown send with."""
        older = or_(Account.statuses_through.is_(None), Account.statuses_through < attempted_at)
        statement = update(Account).where(Account.id == account_id, older).values(statuses_through=attempted_at)
        self._session.execute(statement)


def _of_newest_attempt(message: Message, status: _Status) -> bool:
    """True when the status is surely about the attempt that attempted_at belongs to."""
    return status.callback[1] == message.attempts if status.callback else message.attempts == 1


def _own(by_id: dict[UUID, Message], status: _Status) -> Message | None:
    """The message our callback data names, if it is this account's and could have been sent."""
    message = by_id.get(status.callback[0]) if status.callback else None
    if message is None or message.account_id != status.account_id or message.status == MessageStatus.RECEIVED:
        return None
    return message
