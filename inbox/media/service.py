"""The file of a message: who may have it, and how it is handed out.

One of the two calls to an upstream on a request path, so it is bounded: by one deadline from the first question to the
last byte, by places for half as many as there are request threads, a short line before them, and the size WhatsApp
allows. Nothing is kept: WhatsApp has the file.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from inbox.auth.access import Access
from inbox.cipher import TokenCipher
from inbox.db import Database
from inbox.errors import (
    ConfigError,
    DomainError,
    MediaNotFound,
    MessageNotFound,
    TemporarilyUnavailable,
    UpstreamError,
)
from inbox.gateways.whatsapp.media import Download, MediaGone, MediaTooLarge, Medium, RangeBeyond, WhatsAppMedia
from inbox.media.headers import headers_for
from inbox.models import Account, Message

log = logging.getLogger(__name__)

#: Seconds a browser keeps a file. It never changes, but a customer may delete it, and rights may be taken away; to ask
#: again costs us one row and WhatsApp nothing.
MAX_AGE = 3600
_LONGEST_WAIT = 3600  # seconds, whatever WhatsApp names
#: One range from a start, or the last bytes. Several at once are ignored, as RFC 9110 allows.
_RANGE = re.compile(r"bytes=(?:[0-9]{1,15}-[0-9]{0,15}|-[0-9]{1,15})")


class MediaUnavailable(TemporarilyUnavailable):
    """WhatsApp, or the host of the file, does not give it at the moment."""

    code = "media_unavailable"
    title = "WhatsApp does not hand out this file at the moment. Try again shortly."


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
    head: bool = False
    byte_range: str | None = None  #: the Range header
    if_range: str | None = None  #: the If-Range header


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to answer. `content` is open: the caller closes it."""

    status: int
    headers: dict[str, str]
    etag: str
    content: Download | None = None


@dataclass(frozen=True, slots=True)
class _Source:
    """What the database knows of a file."""

    media_id: str
    mime_type: str | None
    name: str | None
    kind: str
    phone_number_id: str
    token_encrypted: str | None


def get_media(
    db: Database, gateway: WhatsAppMedia, cipher: TokenCipher, access: Access, message_id: UUID, asked: Asked
) -> Found:
    """The file of a message; a part of it where its host gives one, else the whole, as RFC 9110 allows.

    Raises MessageNotFound, MediaNotFound, MediaRefused, MediaUnavailable, RangeNotSatisfiable.
    """
    source = _source(db, access, message_id)  # the database is done before WhatsApp is asked
    etag = hashlib.sha256(source.media_id.encode()).hexdigest()[:32]
    if asked.has(etag):
        return Found(304, {}, etag)
    try:
        return _found(gateway, source, _token(cipher, source), etag, asked, str(access.principal.id))
    except MediaGone as error:
        raise MediaNotFound from error
    except RangeBeyond as error:
        raise RangeNotSatisfiable from error
    except MediaTooLarge as error:
        raise MediaRefused from error
    except UpstreamError as error:
        log.info("media unavailable", extra={"message_id": str(message_id), "reason": error.reason})
        wait = math.ceil(min(max(error.retry_after or 5.0, 1.0), _LONGEST_WAIT))
        raise MediaUnavailable(retry_after=wait) from error


def _source(db: Database, access: Access, message_id: UUID) -> _Source:
    query = (
        select(Message, Account.phone_number_id, Account.access_token_encrypted)
        .join(Account, Message.account_id == Account.id)
        .where(Message.id == message_id, Account.deleted_at.is_(None))
    )
    with db.reading() as session:
        row = session.execute(query).one_or_none()
        if row is None or not access.allows(row[0].account_id):
            raise MessageNotFound
        message, phone_number_id, token = row
        if message.media_id is None:
            raise MediaNotFound
        return _Source(
            message.media_id,
            message.media_mime_type,
            message.media_filename,
            message.message_type,
            phone_number_id,
            token,
        )


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
    try:
        if source.token_encrypted is not None:
            return cipher.decrypt(source.token_encrypted)
    except ConfigError as error:
        log.error("an access token cannot be read", extra={"reason": str(error)})
    raise MediaUnavailable
