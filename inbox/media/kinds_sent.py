"""What WhatsApp takes of a file: which types, as which kind of message, and how large.

Source: Meta, Cloud API: Media (read November 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from inbox.errors import FieldProblem

Kind = Literal["image", "video", "audio", "document", "sticker"]
_MB = 1024 * 1024
LARGEST = 100 * _MB
MAX_CAPTION = 1024  # characters
CAPTIONED = frozenset({"image", "video", "document"})

#: By type: the kind of message it makes, and the most bytes.
TAKEN: Mapping[str, tuple[Kind, int]] = {
    "image/jpeg": ("image", 5 * _MB),
    "image/png": ("image", 5 * _MB),
    "image/webp": ("sticker", 500 * 1024),
    **dict.fromkeys(("video/mp4", "video/3gpp"), ("video", 16 * _MB)),
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), ("audio", 16 * _MB)),
    **dict.fromkeys(
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        ("document", LARGEST),
    ),
}
_NOT_TAKEN = (
    "is no type that WhatsApp takes: send pictures as JPEG or PNG, sound as MP3, M4A, AAC, AMR or OGG (Opus), films as "
    "MP4, and documents as PDF, text, Word, Excel or PowerPoint"
)


def bare(mime_type: str) -> str:
    """The type without its parameters, in small letters."""
    return mime_type.partition(";")[0].strip().lower()


def kind_of(mime_type: str) -> Kind | None:
    """image, video, audio, document or sticker; None: WhatsApp does not take it."""
    found = TAKEN.get(bare(mime_type))
    return found[0] if found else None


def types_of(kind: str) -> list[str]:
    """The types that WhatsApp takes as this kind of message."""
    return [mime_type for mime_type, (each, _) in TAKEN.items() if each == kind]


def problems(mime_type: str, size: int) -> list[FieldProblem]:
    """What is to be changed before WhatsApp takes such a file. Empty: nothing."""
    found = TAKEN.get(bare(mime_type))
    if found is None:
        return [FieldProblem("/mime_type", "file_type", _NOT_TAKEN)]
    kind, most = found
    if size == 0:
        return [FieldProblem("/size", "file_empty", "is 0: there is nothing in the file")]
    if size > most:
        shown = f"{most // _MB} MB" if most >= _MB else f"{most // 1024} KB"
        words = f"is {size} bytes, and WhatsApp takes {shown} of this kind ({kind}): make it smaller"
        return [FieldProblem("/size", "file_too_large", words, {"megabytes": round(most / _MB, 1)})]
    return []
