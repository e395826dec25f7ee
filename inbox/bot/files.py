"""Voice messages and pictures of a customer, as the model takes them: kept already, of a type it knows, not too large.

Source: Google, Gemini API: Audio, Image understanding (read November 2026). A request with files inside it has 20 MB at
most, and base64 adds a third.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from inbox.db import Database, one_of
from inbox.errors import UpstreamError
from inbox.gateways.gemini import InlineFile
from inbox.media.kinds_sent import bare
from inbox.media.store import Store, key_of, read_whole
from inbox.models import MediaFile, Message

log = logging.getLogger(__name__)

MOST_BYTES = 10 * 1024 * 1024  #: of all files of a request, as they are kept
MOST_FILES = 5
#: What WhatsApp's types are called there.
_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/webp": "image/webp",
    "image/heic": "image/heic",
    "image/heif": "image/heif",
    "audio/ogg": "audio/ogg",
    "audio/opus": "audio/ogg",
    "audio/mpeg": "audio/mp3",
    "audio/aac": "audio/aac",
    "audio/wav": "audio/wav",
    "audio/flac": "audio/flac",
}
_KINDS = frozenset({"image", "audio"})


@dataclass(frozen=True, slots=True)
class Seen:
    """The files of some messages, in their order. `of`: whose; `pending`: some of the others may be kept soon."""

    files: tuple[InlineFile, ...] = ()
    of: frozenset[UUID] = frozenset()
    pending: bool = False


@dataclass(frozen=True, slots=True)
class CustomerFiles:
    """Looks for what is kept of customers' files (`media.keeping`)."""

    db: Database
    store: Store

    def seen_in(self, messages: Sequence[Message]) -> Seen:
        """What the model can be shown of these messages. Without a statement when there is nothing to show."""
        wanted = [message for message in messages if _is_wanted(message)][:MOST_FILES]
        if not wanted:
            return Seen()
        kept = self._kept([message.id for message in wanted])
        files: dict[UUID, InlineFile] = {}
        room = MOST_BYTES
        for message in wanted:
            file = kept.get(message.id)
            if file is None or file.kept_at is None or (file.size or 0) > room:
                continue
            found = self._read(file)
            if found is not None:
                files[message.id] = found
                room -= len(found.data)
        pending = any(message.id not in kept or _is_pending(kept[message.id]) for message in wanted)
        return Seen(tuple(files.values()), frozenset(files), pending)

    def _kept(self, ids: Sequence[UUID]) -> dict[UUID | None, MediaFile]:
        with self.db.reading() as session:
            (of_these,) = one_of(session, MediaFile.message_id, ids)
            return {file.message_id: file for file in session.execute(select(MediaFile).where(of_these)).scalars()}

    def _read(self, file: MediaFile) -> InlineFile | None:
        mime_type = _TYPES.get(bare(file.mime_type or ""))
        if mime_type is None:
            return None
        try:
            return InlineFile(mime_type, read_whole(self.store, key_of(file.account_id, file.id)))
        except UpstreamError as error:
            log.warning("a kept file cannot be shown to the model", extra={"reason": error.reason})
            return None


def _is_wanted(message: Message) -> bool:
    of_a_type = bare(message.media_mime_type or "") in _TYPES
    return message.message_type in _KINDS and message.media_id is not None and of_a_type


def _is_pending(file: MediaFile) -> bool:
    return file.kept_at is None and file.problem is None
