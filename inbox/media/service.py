"""The file of a message: who may have it, and how it is handed out.

It comes from where files are kept (`media.keeping`); until it is there, or while that is away, from WhatsApp. That is
one of the two calls to an upstream on a request path, so it is bounded: by one deadline from the first question to the
last byte, by places for half as many as there are request threads, a short line before them, and the size WhatsApp
allows.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self
from uuid import UUID

from sqlalchemy import select
from werkzeug.http import parse_range_header

from inbox.auth.access import Access
from inbox.cipher import TokenCipher
from inbox.db import Database
from inbox.errors import (
    DomainError,
    MediaNotFound,
    MediaUnavailable,
    MessageNotFound,
    UpstreamError,
    UpstreamOutcomeUnknown,
)
from inbox.gateways.whatsapp.media import MediaGone, MediaTooLarge, Medium, RangeBeyond, WhatsAppMedia
from inbox.media import small
from inbox.media.headers import headers_for
from inbox.media.keeping import GONE, SMALL
from inbox.media.store import NAME, FileMissing, Store, Stored, key_of
from inbox.models import Account, MediaFile, Message

log = logging.getLogger(__name__)

#: Seconds a browser keeps a file. It never changes, but a customer may delete it, and rights may be taken away; to ask
#: again costs us one row and WhatsApp nothing.
MAX_AGE = 3600
_LONGEST_WAIT = 3600  # seconds, whatever WhatsApp names
#: One range from a start, or the last bytes. Several at once are ignored, as RFC 9110 allows.
_RANGE = re.compile(r"bytes=(?:[0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")


class MediaRefused(DomainError):
    """The file is larger than any that WhatsApp takes, so it is none of WhatsApp's."""

    status, code, title = 404, "media_too_large", "The file is larger than the 100 MB that WhatsApp takes."


class RangeNotSatisfiable(DomainError):
    """The part that was asked for begins behind the end of the file."""

    status, code, title = 416, "range_not_satisfiable", "The file ends before the part that was asked for."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants of a file. `has` tells whether it has what an ETag names."""

    has: Callable[[str], bool]
    small: bool = False  #: the small picture will do, if there is one
    head: bool = False
    byte_range: str | None = None  #: the Range header
    if_range: str | None = None  #: the If-Range header


class Content(Protocol):
    """A file on its way: an iterator over its pieces, which raises UpstreamError when it breaks off."""

    ends_at: float  #: time.monotonic() when it has to be with its reader

    def __iter__(self) -> Self: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None:
        """Again, it does nothing."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to answer. `content` is open: the caller closes it."""

    status: int
    headers: dict[str, str]
    etag: str
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """What the database knows of a file."""

    message_id: UUID
    media_id: str
    mime_type: str | None
    name: str | None
    kind: str
    phone_number_id: str
    token_encrypted: str | None
    kept: _Kept | None  #: as it was asked for: the whole file, or the small picture


@dataclass(frozen=True, slots=True)
class _Kept:
    key: str
    mime_type: str | None


@dataclass(frozen=True, slots=True)
class Shelves:
    """Where files come from. `seconds` is how long a reader may take."""

    store: Store
    gateway: WhatsAppMedia
    cipher: TokenCipher
    seconds: float


def get_media(db: Database, shelves: Shelves, access: Access, message_id: UUID, asked: Asked) -> Found:
    """The file of a message; a part of it where its host gives one, else the whole, as RFC 9110 allows.

    Raises MessageNotFound, MediaNotFound, MediaRefused, MediaUnavailable, RangeNotSatisfiable.
    """
    source = _source(db, access, message_id, asked)  # the database is done before anybody else is asked
    is_small = source.kept is not None and source.kept.key.endswith(SMALL)
    etag = hashlib.sha256(f"{source.media_id}{SMALL if is_small else ''}".encode()).hexdigest()[:32]
    if asked.has(etag):
        return Found(304, {}, etag)
    if source.kept is not None:
        try:
            return _kept(shelves, source, source.kept, etag, asked)
        except RangeBeyond as error:
            raise RangeNotSatisfiable from error
        except UpstreamError as error:  # WhatsApp may have it still
            log.warning("a kept file cannot be read", extra={"message_id": str(message_id), "reason": error.reason})
            if not isinstance(error, FileMissing):
                return _from_whatsapp(shelves, source, etag, asked, access, gone=MediaUnavailable(retry_after=5))
    return _from_whatsapp(shelves, source, etag, asked, access, gone=MediaNotFound())


def _from_whatsapp(
    shelves: Shelves, source: _Source, etag: str, asked: Asked, access: Access, *, gone: DomainError
) -> Found:
    """Raises `gone` when WhatsApp has it no longer."""
    try:
        token = _token(shelves.cipher, source)
        return _found(shelves.gateway, source, token, etag, asked, str(access.principal.id))
    except MediaGone as error:
        raise gone from error
    except RangeBeyond as error:
        raise RangeNotSatisfiable from error
    except MediaTooLarge as error:
        raise MediaRefused from error
    except UpstreamError as error:
        log.info("media unavailable", extra={"message_id": str(source.message_id), "reason": error.reason})
        wait = math.ceil(min(max(error.retry_after or 5.0, 1.0), _LONGEST_WAIT))
        raise MediaUnavailable(retry_after=wait) from error


def _source(db: Database, access: Access, message_id: UUID, asked: Asked) -> _Source:
    query = (
        select(Message, Account.phone_number_id, Account.access_token_encrypted, MediaFile)
        .join(Account, Message.account_id == Account.id)
        .outerjoin(MediaFile, MediaFile.message_id == Message.id)
        .where(Message.id == message_id, Account.deleted_at.is_(None))
    )
    with db.reading() as session:
        row = session.execute(query).one_or_none()
        if row is None or not access.allows(row[0].account_id):
            raise MessageNotFound
        message, phone_number_id, token, file = row
        if message.media_id is None or (file is not None and file.problem == GONE):
            raise MediaNotFound
        return _Source(
            message.id,
            message.media_id,
            message.media_mime_type,
            message.media_filename,
            message.message_type,
            phone_number_id,
            token,
            None if file is None or file.kept_at is None else _kept_as(file, is_small=asked.small),
        )


def _kept_as(file: MediaFile, *, is_small: bool) -> _Kept:
    if is_small and file.has_small:
        return _Kept(key_of(file.account_id, file.id, SMALL), small.TYPE)
    return _Kept(key_of(file.account_id, file.id), file.mime_type)


def _kept(shelves: Shelves, source: _Source, kept: _Kept, etag: str, asked: Asked) -> Found:
    """From where it is kept. Raises FileMissing, RangeBeyond and what a Store raises."""
    wanted = parse_range_header(_byte_range(asked, etag) if not asked.head else None)
    first, until = wanted.ranges[0] if wanted is not None else (0, None)
    # Where its size alone is asked for, a byte of it is enough.
    file = shelves.store.open(kept.key, max(first, 0), 1 if asked.head or first < 0 else until)
    size = file.size
    part = None if wanted is None else wanted.range_for_length(size)
    if wanted is not None and part is None:
        file.close()
        raise RangeBeyond(NAME, "the file ends before")
    if first < 0 and part is not None:  # its last bytes: only now it is known where they begin
        file.close()
        file = shelves.store.open(kept.key, *part)
    headers = headers_for(kept.mime_type, source.name, source.kind)
    if asked.head:
        file.close()
        return Found(200, headers | {"Content-Length": str(size)}, etag)
    first, until = part or (0, size)
    content = _Reading(file, until - first, time.monotonic() + shelves.seconds)
    headers |= {"Content-Length": str(until - first)}
    if part is None:
        return Found(200, headers, etag, content)
    return Found(206, headers | {"Content-Range": f"bytes {first}-{until - 1}/{size}"}, etag, content)


class _Reading:
    """So many bytes of a kept file."""

    PIECE = 65_536  # bytes

    def __init__(self, file: Stored, size: int, ends_at: float) -> None:
        self.ends_at = ends_at
        self._file = file
        self._left = size

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        piece = self._file.read(min(self.PIECE, self._left))
        if not piece:
            raise UpstreamOutcomeUnknown(NAME, "the file ends too early")
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        self._file.close()


def _found(gateway: WhatsAppMedia, source: _Source, token: str, etag: str, asked: Asked, caller: str) -> Found:
    medium = Medium(source.media_id, source.phone_number_id, token)
    if asked.head:
        place = gateway.describe(medium, caller=caller)
        length = {} if place.size is None else {"Content-Length": str(place.size)}
        return Found(200, _headers(source, place.mime_type) | length, etag)
    file = gateway.fetch(medium, _byte_range(asked, etag), caller=caller)
    headers = _headers(source, file.mime_type) | {"Content-Length": str(file.size)}
    if file.part is None:
        return Found(200, headers, etag, file)
    part = f"bytes {file.part.first}-{file.part.last}/{file.part.total}"
    return Found(206, headers | {"Content-Range": part}, etag, file)


def _byte_range(asked: Asked, etag: str) -> str | None:
    """The part to ask for; None for the whole file, also where the client has a part of another one."""
    wanted = asked.byte_range or ""
    return wanted if _RANGE.fullmatch(wanted) and asked.if_range in (None, f'"{etag}"') else None


def _headers(source: _Source, mime_type: str | None) -> dict[str, str]:
    return headers_for(source.mime_type or mime_type, source.name, source.kind)


def _token(cipher: TokenCipher, source: _Source) -> str:
    """Raises MediaUnavailable when there is none, or none of our keys can read it."""
    if (token := cipher.read(source.token_encrypted)) is None:
        raise MediaUnavailable
    return token
