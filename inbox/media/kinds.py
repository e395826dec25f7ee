"""What a file is, by its first bytes: the type that its sender names is only believed where it fits."""

from __future__ import annotations

HEAD = 512  #: bytes that are looked at
_ANYTHING = "application/octet-stream"

#: Where its sign stands, the sign, and the type. The first that fits counts.
_SIGNS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"OggS", "audio/ogg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"ID3", "audio/mpeg"),
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
)
#: Types whose files look alike in their first bytes: any of them is believed where one of them is found.
_ALIKE: tuple[frozenset[str], ...] = (
    frozenset({"audio/mp4", "video/mp4", "audio/aac", "video/3gpp"}),
    frozenset({"audio/ogg", "audio/opus"}),
    frozenset({"audio/webm", "video/webm"}),
    frozenset({"audio/wav", "audio/x-wav"}),
)
_IN_ZIP = "application/vnd.openxmlformats-officedocument."
_IN_OLE = frozenset({"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"})
#: Types without a sign of their own in each file.
_WITHOUT = frozenset({"audio/aac", "audio/mpeg", "audio/amr", "audio/opus", "text/plain", "text/csv"})


def type_of(head: bytes, told: str | None) -> str:
    """The type of a file that begins with `head`, whose sender says it is `told` (parameters and all)."""
    bare = (told or "").partition(";")[0].strip().lower()
    found = next((kind for at, sign, kind in _SIGNS if head[at : at + len(sign)] == sign), None)
    if found is None:
        return bare if bare in _WITHOUT else _ANYTHING
    return str(told) if _fits(bare, found) else found


def _fits(bare: str, found: str) -> bool:
    if bare == found or any({bare, found} <= alike for alike in _ALIKE):
        return True
    if found == "application/zip":
        return bare.startswith(_IN_ZIP)
    return found == "application/x-ole-storage" and bare in _IN_OLE
