"""How a file that a stranger sent is handed to a browser: as what, and under which name.

A type is shown only when a browser does nothing but show or play it. Everything else is for saving, and what could run
as a page is not even called what it is.
"""

from __future__ import annotations

import os
import re
import unicodedata
from urllib.parse import quote

from werkzeug.http import dump_options_header

_OFFICE = "application/vnd.openxmlformats-officedocument"
#: Types a browser only shows or plays → the endings a file of that type may have; the first is given to one without.
_SHOWN: dict[str, tuple[str, ...]] = {
    "image/jpeg": (".jpg", ".jpeg", ".jfif"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "audio/aac": (".aac",),
    "audio/amr": (".amr",),
    "audio/mpeg": (".mp3",),
    "audio/mp4": (".m4a", ".mp4"),
    "audio/ogg": (".ogg", ".oga", ".opus"),
    "audio/opus": (".opus",),
    "audio/wav": (".wav",),
    "audio/x-wav": (".wav",),
    "audio/webm": (".webm",),
    "video/mp4": (".mp4", ".m4v"),
    "video/3gpp": (".3gp", ".3gpp"),
}
#: Types that are saved, and called what they are.
_SAVED: dict[str, tuple[str, ...]] = {
    "application/pdf": (".pdf",),  # may hold scripts, and viewers run them
    "text/plain": (".txt", ".csv", ".log", ".md"),
    "text/csv": (".csv",),
    "application/zip": (".zip",),
    "application/msword": (".doc", ".dot"),
    "application/vnd.ms-excel": (".xls", ".xlt", ".csv"),
    "application/vnd.ms-powerpoint": (".ppt", ".pps"),
    f"{_OFFICE}.wordprocessingml.document": (".docx",),
    f"{_OFFICE}.spreadsheetml.sheet": (".xlsx",),
    f"{_OFFICE}.presentationml.presentation": (".pptx",),
}
_ANYTHING = "application/octet-stream"
_CODECS = re.compile(r"(?:audio|video)/[a-z0-9-]+; ?codecs=([A-Za-z0-9.]{1,32})")

MAX_NAME = 200  # bytes of UTF-8: file systems take 255, and a browser may add to it
_NAMELESS = "file"
#: Characters no file name has somewhere, or that mean something to a shell, a browser or Windows.
_FORBIDDEN = re.compile(r'[<>:"|?*%;]')
#: Direction marks turn "gpj.exe" into what looks like "exe.jpg"; the other format characters belong to scripts.
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])(?=\.|$)", re.IGNORECASE)


def headers_for(mime_type: str | None, name: str | None, kind: str) -> dict[str, str]:
    """Content-Type and Content-Disposition, and what keeps a browser from running the file after all.

    mime_type and name are what the sender says, `kind` is the message's type and names a file without a name.
    """
    bare = (mime_type or "").partition(";")[0].strip().lower()
    shown = bare in _SHOWN
    return {
        "Content-Type": _content_type(mime_type or "", bare),
        "Content-Disposition": _disposition("inline" if shown else "attachment", safe_name(name or kind, bare)),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }


def _content_type(told: str, bare: str) -> str:
    """One of the types above, with the codecs a player asks for; nothing else of what the sender says."""
    if bare not in _SHOWN | _SAVED:
        return _ANYTHING
    codecs = _CODECS.fullmatch(told.strip())
    return f"{bare}; codecs={codecs[1]}" if codecs else bare


def _disposition(how: str, name: str) -> str:
    """RFC 6266: the name in ASCII for old clients, and as it is (RFC 8187)."""
    if name.isascii():
        return dump_options_header(how, {"filename": name})
    stem, ending = os.path.splitext(name)
    # Made safe again: "／" becomes "/" in ASCII.
    plain = safe_name((_ascii(stem) or _NAMELESS) + _ascii(ending), "")
    return dump_options_header(how, {"filename": plain, "filename*": f"UTF-8''{quote(name, safe='')}"})


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().strip()


def safe_name(name: str, mime_type: str) -> str:
    """The last part of `name`, safe to save anywhere, at most MAX_NAME bytes, with an ending that fits the type."""
    text = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    text = "".join(" " if character.isspace() else character for character in text if _is_storable(character))
    text = _FORBIDDEN.sub("_", _DIRECTIONS.sub("", text))
    stem, ending = os.path.splitext(_trimmed(text))
    endings = (_SHOWN | _SAVED).get(mime_type, ())
    if endings and ending.lower() not in endings:
        stem, ending = stem + ending, endings[0]
    if len(ending.encode()) > 16:  # no ending, a sentence with a dot in it
        stem, ending = stem + ending, ""
    stem = _trimmed(_cut(stem, MAX_NAME - len(ending.encode()) - 1)) or _NAMELESS
    return f"{'_' if _RESERVED.match(stem + ending) else ''}{stem}{ending}"


def _is_storable(character: str) -> bool:
    """False for control characters other than blanks, lone surrogates, and what Unicode has not assigned."""
    return character.isspace() or unicodedata.category(character) not in ("Cc", "Cs", "Cn", "Co")


def _trimmed(text: str) -> str:
    """Without blanks and dots around it: they hide a file, or are lost on Windows."""
    return text.strip(" .\u00a0\u3000")


def _cut(text: str, size: int) -> str:
    """As many characters of `text` as fit into `size` bytes of UTF-8."""
    return text.encode()[:size].decode(errors="ignore")
