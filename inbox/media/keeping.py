"""Files of messages, kept before WhatsApp drops them (after 7 days), and deleted when their messages are.

A job for a conversation fetches what is not kept yet. Nothing waits for it: the message is stored and shown before, and
until its file is kept it comes straight from WhatsApp.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from inbox.cipher import TokenCipher
from inbox.clock import new_id
from inbox.db import Database
from inbox.errors import UpstreamError, UpstreamLocal
from inbox.gateways.whatsapp.media import Download, MediaGone, MediaTooLarge, Medium, WhatsAppMedia
from inbox.media import small, uploads
from inbox.media.kinds import HEAD, type_of
from inbox.media.sending import Sending
from inbox.media.store import Store, key_of, read_whole
from inbox.models import Account, JobKind, MediaFile, Message
from inbox.outbox import jobs
from inbox.outbox.jobs import JobClaim

log = logging.getLogger(__name__)

GONE, TOO_LARGE = "gone", "too_large"  #: why a file will never be kept
SMALL = ".small"  #: ends the key of the small picture
WHATSAPP_KEEPS = timedelta(days=8)  #: 7, and one for clocks that differ
SWEEP_EVERY = 300.0  # seconds
_AT_ONCE = 20  # files of one conversation, in one go
_AS_LONG_AS = 240.0  # seconds for them; the last begun may take ten minutes more, and the lease is longer still
_SWEPT = 100  # files deleted in one go
_FIRST_WAIT, _LONGEST_WAIT = 30.0, 3600.0  # seconds until the next try
_CALLER = "keeping"  # takes turns with the people who wait for a file


@dataclass(frozen=True, slots=True)
class Sweep:
    """The task of deleting files whose messages are gone."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    file_id: UUID
    account_id: UUID
    message_id: UUID
    media_id: str
    told: str | None  #: the type that the sender names
    phone_number_id: str
    token_encrypted: str | None


class Keeping:
    """The claim and handle functions of the crew for files. Of one process."""

    def __init__(self, db: Database, gateway: WhatsAppMedia, cipher: TokenCipher, store: Store) -> None:
        self._db = db
        self._gateway = gateway
        self._cipher = cipher
        self._store = store
        self._sending = Sending(db, gateway, cipher, store)
        self._swept = -SWEEP_EVERY

    def claims(self, threads: int) -> Sequence[JobClaim | Sweep]:
        """What is due: first, once a minute, the sweep."""
        if self._sweep_in() <= 0:
            self._swept = time.monotonic()
            return [Sweep()]
        return jobs.claim_due(self._db, JobKind.MEDIA, threads)

    def next_due(self) -> float | None:
        """Seconds until there is something to do."""
        with self._db.reading() as session:
            at = session.scalar(jobs.first_due(JobKind.MEDIA))
            due = float("inf") if at is None else (at - self._db.now(session)).total_seconds()
        return min(due, self._sweep_in())

    def _sweep_in(self) -> float:
        return self._swept + SWEEP_EVERY - time.monotonic()

    def work(self, claim: JobClaim | Sweep) -> None:
        """Do what was claimed."""
        if isinstance(claim, Sweep):
            self._store.tidy()
            self._forget_uploads()
            while self.sweep() == _SWEPT:
                pass
        else:
            self.keep(claim)

    # --- keeping -------------------------------------------------------------------------------------------------

    def keep(self, claim: JobClaim) -> None:
        """Hand over what waits to be sent of a conversation, and fetch what is not kept yet.

        A file that fails does not hold up the others.
        """
        until = time.monotonic() + _AS_LONG_AS
        failed = self._sending.hand_over(claim.conversation_id)
        wanted = self._wanted(claim.conversation_id)
        for each in wanted:
            if time.monotonic() > until:
                break
            try:
                self._keep(each)
            except UpstreamError as error:
                log.info("a file is not kept yet", extra={"message_id": str(each.message_id), "reason": error.reason})
                failed = error
                if isinstance(error, UpstreamLocal):
                    break  # nothing would be called for the others either
        self._settle(claim, failed, more=len(wanted) == _AT_ONCE or time.monotonic() > until)

    def _settle(self, claim: JobClaim, failed: UpstreamError | None, *, more: bool) -> None:
        with self._db.writing() as session:
            now = self._db.now(session)
            if failed is not None:
                wait = min(
                    _LONGEST_WAIT, max(failed.retry_after or 0.0, _FIRST_WAIT * 2.0 ** min(claim.attempts - 1, 10))
                )
                jobs.postpone_job(session, claim, now + timedelta(seconds=wait))
            elif more:
                jobs.keep_job(session, claim, now, now)
            else:
                jobs.finish_job(session, claim, now)

    def _wanted(self, conversation_id: UUID) -> list[_Wanted]:
        """Files that WhatsApp still has and we do not, the oldest first; each has a row afterwards."""
        with self._db.writing() as session:
            now = self._db.now(session)
            query = (
                select(Message, MediaFile.id, Account.phone_number_id, Account.access_token_encrypted)
                .join(Account, Message.account_id == Account.id)
                .outerjoin(MediaFile, MediaFile.message_id == Message.id)
                .where(
                    Message.conversation_id == conversation_id,
                    Message.timestamp > now - WHATSAPP_KEEPS,
                    Message.media_id.is_not(None),
                    or_(MediaFile.id.is_(None), MediaFile.kept_at.is_(None) & MediaFile.problem.is_(None)),
                )
                .order_by(Message.timestamp, Message.id)
                .limit(_AT_ONCE)
            )
            return [_wanted(session, now, *row) for row in session.execute(query)]

    def _keep(self, wanted: _Wanted) -> None:
        """Fetch one file. Raises UpstreamError when it may be tried again."""
        try:
            medium = Medium(wanted.media_id, wanted.phone_number_id, self._token(wanted))
            download = self._gateway.fetch(medium, caller=_CALLER)
        except (MediaGone, MediaTooLarge) as error:
            self._note(wanted, problem=GONE if isinstance(error, MediaGone) else TOO_LARGE)
            return
        try:
            head, pieces = _peek(download)
            size = self._store.put(key_of(wanted.account_id, wanted.file_id), pieces)
        finally:
            download.close()
        kind = type_of(head, wanted.told or download.mime_type)
        has_small = kind.startswith("image/") and size <= small.MOST_BYTES and self._make_small(wanted)
        self._note(wanted, mime_type=kind, size=size, has_small=has_small)

    def _token(self, wanted: _Wanted) -> str:
        if (token := self._cipher.read(wanted.token_encrypted)) is None:
            raise UpstreamLocal("whatsapp", "the number has no token that can be read")
        return token

    def _make_small(self, wanted: _Wanted) -> bool:
        made = small.small_of(read_whole(self._store, key_of(wanted.account_id, wanted.file_id)))
        if made is None:
            return False
        self._store.put(key_of(wanted.account_id, wanted.file_id, SMALL), [made])
        return True

    def _note(self, wanted: _Wanted, *, problem: str | None = None, **kept: object) -> None:
        with self._db.writing() as session:
            row = session.get(MediaFile, wanted.file_id, with_for_update=True)
            if row is None:
                return
            row.problem = problem
            row.kept_at = self._db.now(session) if problem is None else None
            for name, value in kept.items():
                setattr(row, name, value)

    def _forget_uploads(self) -> None:
        try:
            uploads.forget_old(self._db, self._store)
        except UpstreamError as error:
            log.warning("files that nobody sent are still there", extra={"reason": error.reason})

    # --- no longer -----------------------------------------------------------------------------------------------

    def sweep(self) -> int:
        """Delete some of the files whose messages are gone. How many; fewer than asked for: there are no more.

        The file before its row: what is interrupted is done again.
        """
        query = select(MediaFile).where(MediaFile.message_id.is_(None)).order_by(MediaFile.id).limit(_SWEPT)
        with self._db.reading() as session:
            orphans = list(session.execute(query).scalars())
        try:
            for file in orphans:
                for ending in ("", SMALL):
                    self._store.delete(key_of(file.account_id, file.id, ending))
        except UpstreamError as error:
            log.warning("files of deleted messages are still there", extra={"reason": error.reason})
            return 0
        if orphans:
            with self._db.writing() as session:
                session.execute(delete(MediaFile).where(MediaFile.id.in_([file.id for file in orphans])))
            log.info("deleted files of deleted messages", extra={"files": len(orphans)})
        return len(orphans)


def _wanted(
    session: Session, now: datetime, message: Message, file_id: UUID | None, phone_number_id: str, token: str | None
) -> _Wanted:
    if file_id is None:
        file_id = new_id()
        session.add(MediaFile(id=file_id, account_id=message.account_id, message_id=message.id, created_at=now))
    told = message.media_mime_type
    assert message.media_id is not None
    return _Wanted(file_id, message.account_id, message.id, message.media_id, told, phone_number_id, token)


def _peek(download: Download) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes, and all of them from the start."""
    ahead: list[bytes] = []
    while sum(map(len, ahead)) < HEAD and (piece := next(download, b"")):
        ahead.append(piece)
    return b"".join(ahead)[:HEAD], itertools.chain(ahead, download)
