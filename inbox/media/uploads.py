"""Files that people hand over to be sent, piece by piece: what broke off goes on where it was.

A piece is as small as an ordinary request, so a slow line holds up nobody. A file is put together when its last piece
has come; then it can be sent (`conversations.attachments`), and its `Upload` becomes the `MediaFile` of the message.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from inbox.accounts.service import require_account
from inbox.auth.access import Access
from inbox.clock import new_id
from inbox.db import Database
from inbox.db.transactions import whole_transaction
from inbox.errors import (
    FieldProblem,
    IdempotencyConflict,
    InvalidRequest,
    MediaUnavailable,
    UploadIncomplete,
    UploadNotFound,
    UploadOffset,
    UpstreamError,
)
from inbox.media import kinds_sent
from inbox.media.kinds import HEAD, type_of
from inbox.media.schemas import PIECE, UploadBody, UploadRow
from inbox.media.store import FileMissing, Store, key_of
from inbox.models import LET_GO, Upload

log = logging.getLogger(__name__)

KEPT = timedelta(hours=24)  # that nobody sends
_READ = 65_536  # bytes at a time


def begin(db: Database, access: Access, body: UploadBody, key: str) -> tuple[UploadRow, bool]:
    """Make room for a file, or find what there is of it: the same key goes on where it broke off. True: it is new.

    Raises AccountNotFound, PermissionDenied, InvalidRequest, IdempotencyConflict.
    """
    if wrong := kinds_sent.problems(body.mime_type, body.size):
        raise InvalidRequest(wrong)
    return _begin(db, access, body, key)


@whole_transaction(idempotent=True)
def _begin(db: Database, access: Access, body: UploadBody, key: str) -> tuple[UploadRow, bool]:
    with db.writing() as session:
        require_account(session, access, body.account_id, lock=True)
        keyed = select(Upload).where(Upload.account_id == body.account_id, Upload.client_key == key)
        keyed = keyed.with_for_update()  # a sweep may be taking it just now
        earlier = session.execute(keyed).scalar_one_or_none()
        if earlier is not None and earlier.created_at == LET_GO:
            earlier.client_key = str(earlier.id)  # its key is free again
            session.flush()
        elif earlier is not None:
            if (earlier.size, earlier.filename) != (body.size, body.filename):
                raise IdempotencyConflict
            return upload_row(earlier), False
        given = body.model_dump(include={"account_id", "mime_type", "filename", "size"})
        upload = Upload(**given, id=new_id(), client_key=key, received=0, created_at=db.now(session))
        session.add(upload)
        session.flush()
        return upload_row(upload), True


def put_piece(db: Database, store: Store, access: Access, upload_id: UUID, offset: int, data: bytes) -> UploadRow:
    """Take the piece that begins at `offset`. One that is there already changes nothing.

    Raises UploadNotFound, UploadOffset (it is not the next one), InvalidRequest, MediaUnavailable.
    """
    with db.reading() as session:
        upload = _found(session, upload_id, access.allows, lock=False)
    _check_piece(upload, offset, data)
    if offset < upload.received:
        return upload_row(upload)
    if offset > upload.received:
        raise UploadOffset(extra={"received": upload.received})
    is_last = offset + len(data) == upload.size
    try:
        store.put(_piece_key(upload, offset // PIECE), [data])
        mime_type = _put_together(store, upload) if is_last else upload.mime_type
        row = _received(db, upload_id, offset, len(data), mime_type)
    except FileMissing as error:
        row = _done_by_another(db, access, upload_id, error)
    except UploadNotFound:  # given up, or sent, meanwhile: nobody else looks for what has just come
        _let_pieces_go(store, upload)
        raise
    except UpstreamError as error:
        raise MediaUnavailable(retry_after=5) from error
    if is_last:
        _let_pieces_go(store, upload)
    return row


def _done_by_another(db: Database, access: Access, upload_id: UUID, error: FileMissing) -> UploadRow:
    """A piece is gone: a request with the same last piece was quicker. Raises UploadNotFound, MediaUnavailable."""
    with db.reading() as session:
        upload = _found(session, upload_id, access.allows, lock=False)
    if upload.done_at is None:
        raise MediaUnavailable(retry_after=5) from error
    return upload_row(upload)


@whole_transaction(idempotent=True)
def _received(db: Database, upload_id: UUID, offset: int, size: int, mime_type: str) -> UploadRow:
    with db.writing() as session:
        upload = _found(session, upload_id, lambda _: True)
        if upload.received == offset:
            upload.received = offset + size
            if upload.received == upload.size:
                upload.mime_type, upload.done_at = mime_type, db.now(session)
        return upload_row(upload)


@whole_transaction(idempotent=True)
def drop(db: Database, access: Access, upload_id: UUID) -> None:
    """Somebody has thought better of it. Raises UploadNotFound."""
    with db.writing() as session:
        upload = _found(session, upload_id, access.allows)
        upload.created_at = LET_GO


def whole_upload(session: Session, upload_id: UUID, account_id: UUID) -> Upload:
    """A whole file that was handed over for this number, locked. Raises UploadNotFound, UploadIncomplete."""
    upload = _found(session, upload_id, lambda number: number == account_id)
    if upload.done_at is None:
        raise UploadIncomplete
    return upload


def _found(session: Session, upload_id: UUID, mine: Callable[[UUID], bool], *, lock: bool = True) -> Upload:
    """Raises UploadNotFound, also for one that was given up or is of a number that is not `mine`."""
    upload = session.get(Upload, upload_id, with_for_update=lock)
    if upload is None or upload.created_at == LET_GO or not mine(upload.account_id):
        raise UploadNotFound
    return upload


def forget_old(db: Database, store: Store, limit: int = 100) -> None:
    """Forget files that nobody has sent for a day. The file before its row: what is interrupted is done again.

    Raises UpstreamError.
    """
    with db.writing() as session:
        old = Upload.created_at <= db.now(session) - KEPT
        these = select(Upload.id).where(old).order_by(Upload.created_at).limit(limit)
        let_go = update(Upload).where(Upload.id.in_(these), old).values(created_at=LET_GO)  # nobody sends one now
        options = {"synchronize_session": False}
        found = session.scalars(let_go.returning(Upload), execution_options=options).all()
    for upload in found:
        _forget_pieces(store, upload)
        store.delete(key_of(upload.account_id, upload.id))
    if found:
        with db.writing() as session:
            session.execute(delete(Upload).where(Upload.id.in_([upload.id for upload in found])))


def upload_row(upload: Upload) -> UploadRow:
    """As the wire shows it."""
    return UploadRow(
        id=upload.id,
        account_id=upload.account_id,
        mime_type=upload.mime_type,
        kind=kinds_sent.kind_of(upload.mime_type) or "document",
        filename=upload.filename,
        size=upload.size,
        received=upload.received,
        piece_size=PIECE,
        done=upload.done_at is not None,
    )


def _check_piece(upload: Upload, offset: int, data: bytes) -> None:
    whole = len(data) == PIECE or offset + len(data) == upload.size
    if not data or offset % PIECE or not whole or offset + len(data) > upload.size:
        words = f"each piece but the last has {PIECE} bytes, and the file {upload.size}"
        raise InvalidRequest([FieldProblem("?offset", "wrong_piece", words, {"piece": PIECE, "size": upload.size})])


def _put_together(store: Store, upload: Upload) -> str:
    """One file of all the pieces; its type by its first bytes. Raises InvalidRequest for what it should not be."""
    count = -(-upload.size // PIECE)
    head = next(_read(store, _piece_key(upload, 0)), b"")[:HEAD]
    found = type_of(head, upload.mime_type)
    if kinds_sent.kind_of(found) != kinds_sent.kind_of(upload.mime_type) or kinds_sent.problems(found, upload.size):
        values = {"found": found, "said": upload.mime_type}
        sentence = "the file is {found}, not {said}".format_map(values)
        raise InvalidRequest([FieldProblem("/mime_type", "file_differs", sentence, values)])
    store.put(
        key_of(upload.account_id, upload.id),
        (part for number in range(count) for part in _read(store, _piece_key(upload, number))),
    )
    return found


def _read(store: Store, key: str) -> Iterator[bytes]:
    file = store.open(key)
    try:
        while part := file.read(_READ):
            yield part
    finally:
        file.close()


def _let_pieces_go(store: Store, upload: Upload) -> None:
    """Forget them if that can be done now: the file is as it is without them."""
    try:
        _forget_pieces(store, upload)
    except UpstreamError as error:
        log.warning("pieces of a file are still there", extra={"upload_id": str(upload.id), "reason": error.reason})


def _forget_pieces(store: Store, upload: Upload) -> None:
    for number in range(-(-upload.size // PIECE)):
        store.delete(_piece_key(upload, number))


def _piece_key(upload: Upload, number: int) -> str:
    """Numbers in letters, as endings of keys are."""
    return key_of(upload.account_id, upload.id, f".piece{chr(97 + number // 26)}{chr(97 + number % 26)}")
