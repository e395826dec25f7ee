"""Sending a file that was handed over (`media.uploads`): with a caption, with its name, as a voice note."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from inbox.conversations.writing import Written
from inbox.errors import FieldProblem, InvalidRequest
from inbox.gateways.whatsapp.text import is_visible
from inbox.media import kinds_sent
from inbox.media.uploads import whole_upload
from inbox.models import Conversation, MediaFile, Message, Upload
from inbox.outbox import jobs
from inbox.outbox.outcomes import NOT_HANDED_OVER


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file with what is said about it: `conversations.writing.Content`."""

    upload_id: UUID
    caption: str | None = None
    voice: bool = False
    any_time: bool = False

    def is_of(self, message: Message) -> bool:
        return message.payload.get("sent_as") == self._asked()

    def write(self, session: Session, conversation: Conversation) -> Written:
        """Raises UploadNotFound, UploadIncomplete, InvalidRequest."""
        upload = whole_upload(session, self.upload_id, conversation.account_id)
        kind = kinds_sent.kind_of(upload.mime_type) or "document"
        self._check(kind, upload.mime_type)
        said: dict[str, Any] = {"caption": self.caption} if self.caption else {}
        if kind == "document" and upload.filename:
            said["filename"] = upload.filename
        if self.voice:
            said["voice"] = True
        return with_file(Written(kind, self.caption or f"[{kind}]", {kind: said, "sent_as": self._asked()}), upload)

    def _asked(self) -> dict[str, Any]:
        return {"upload_id": str(self.upload_id), "caption": self.caption, "voice": self.voice}

    def _check(self, kind: str, mime_type: str) -> None:
        problems = []
        if self.caption and kind not in kinds_sent.CAPTIONED:
            words = "WhatsApp takes no caption with this kind of file: send it as a message of its own"
            problems.append(FieldProblem("/caption", "no_caption", words))
        elif self.caption and not is_visible(self.caption):
            problems.append(FieldProblem("/caption", "invisible", "must hold some visible text"))
        if self.voice and kinds_sent.bare(mime_type) != "audio/ogg":
            words = "a voice note is OGG with Opus: send it as it is, or without voice"
            problems.append(FieldProblem("/voice", "no_voice_note", words))
        if problems:
            raise InvalidRequest(problems)


def with_file(written: Written, upload: Upload) -> Written:
    """A message with its file, which is the message's once it is stored, and goes to WhatsApp before it."""

    def stored(session: Session, message: Message) -> None:
        session.add(
            MediaFile(
                id=upload.id,
                account_id=upload.account_id,
                message_id=message.id,
                mime_type=upload.mime_type,
                size=upload.size,
                kept_at=message.stored_at,
                created_at=upload.created_at,
            )
        )
        session.delete(upload)
        jobs.request_media(session, {message.conversation_id: message.account_id}, message.stored_at)

    return replace(
        written,
        media_id=f"{NOT_HANDED_OVER}{upload.id.hex}",
        media_mime_type=upload.mime_type,
        media_filename=upload.filename,
        stored=stored,
    )
