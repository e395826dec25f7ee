"""Files of our own messages, handed to WhatsApp before the message is sent: it then names them by WhatsApp's id."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from inbox.cipher import TokenCipher
from inbox.db import Database, fixed
from inbox.errors import UpstreamError, UpstreamLocal, UpstreamRejected
from inbox.gateways.whatsapp.media import WhatsAppMedia
from inbox.media.store import Store, copy_of, key_of
from inbox.models import Account, Conversation, Job, JobKind, JobState, MediaFile, Message
from inbox.outbox import store as sends
from inbox.outbox.outcomes import NOT_HANDED_OVER, naming_file
from inbox.outbox.status import StatusError

log = logging.getLogger(__name__)

_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class _Waiting:
    job_id: UUID
    message_id: UUID
    file_id: UUID
    account_id: UUID
    mime_type: str | None
    name: str | None
    phone_number_id: str
    token_encrypted: str | None


class Sending:
    """Hands over what the messages of a conversation wait for."""

    def __init__(self, db: Database, gateway: WhatsAppMedia, cipher: TokenCipher, store: Store) -> None:
        self._db = db
        self._gateway = gateway
        self._cipher = cipher
        self._store = store

    def hand_over(self, conversation_id: UUID) -> UpstreamError | None:
        """The files of a conversation's queued messages, in order. What stopped it, if that may be over later."""
        for each in self._waiting(conversation_id):
            try:
                media_id = self._upload(each)
            except UpstreamRejected as error:
                log.warning("a file is refused", extra={"message_id": str(each.message_id), "reason": error.reason})
                code = str(error.code) if error.code is not None else "file_refused"
                self._settle(conversation_id, each, StatusError(code, error.reason, error.detail))
            except UpstreamError as error:
                log.info("a file waits", extra={"message_id": str(each.message_id), "reason": error.reason})
                return error
            else:
                self._settle(conversation_id, each, media_id)
        return None

    def _waiting(self, conversation_id: UUID) -> list[_Waiting]:
        query = (
            select(
                Job.id,
                Message.id,
                MediaFile.id,
                Message.account_id,
                Message.media_mime_type,
                Message.media_filename,
                Account.phone_number_id,
                Account.access_token_encrypted,
            )
            .join(Message, Message.id == Job.message_id)
            .join(MediaFile, MediaFile.message_id == Message.id)
            .join(Account, Account.id == Job.account_id)
            .where(
                Job.conversation_id == conversation_id,
                Job.kind == fixed(JobKind.SEND),
                Job.state != fixed(JobState.UNKNOWN),
                Message.media_id.startswith(NOT_HANDED_OVER),
            )
            .order_by(Job.seq)
            .limit(_AT_ONCE)
        )
        with self._db.reading() as session:
            return [_Waiting(*row) for row in session.execute(query)]

    def _upload(self, each: _Waiting) -> str:
        if (token := self._cipher.read(each.token_encrypted)) is None:
            raise UpstreamLocal("whatsapp", "the number has no token that can be read")
        with copy_of(self._store, key_of(each.account_id, each.file_id)) as file:
            return self._gateway.upload(each.phone_number_id, token, file, each.mime_type or "", each.name or "file")

    def _settle(self, conversation_id: UUID, each: _Waiting, outcome: str | StatusError) -> None:
        with self._db.writing() as session:
            now: datetime = self._db.now(session)
            conversation = session.get(Conversation, conversation_id, with_for_update=True)
            lane = sends.lock_lane(session, conversation_id)
            message = session.get(Message, each.message_id, with_for_update=True)
            job = session.get(Job, each.job_id, with_for_update=True)
            if conversation is None or lane is None or message is None or job is None:
                return
            conversation.touch()
            if isinstance(outcome, StatusError):
                sends.fail(session, message, job, outcome, now)
            else:
                message.media_id = outcome
                message.payload = naming_file(message.message_type, message.payload, outcome)
                job.due_at = now
            session.flush()
            if lane.lease is None:
                sends.rest_lanes(session, [conversation_id], now)
