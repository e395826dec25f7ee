"""Files of WhatsApp messages: asked for by their id, passed on while they come.

Two steps (Meta, Cloud API: Media, read December 2025): Graph tells an address that works for five minutes; the same
token gives the file there. Both are calls of their own kind, with their own circuit: neither says anything about
sending. Graph's answer is small, so it has the limits of a send.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol, Self
from urllib.parse import quote, urlencode

from inbox.errors import UpstreamError, UpstreamOutcomeUnknown, UpstreamRejected, UpstreamUntrusted
from inbox.gateways import http
from inbox.gateways.whatsapp.messages import refusal
from inbox.resilience import WHATSAPP, WHATSAPP_MEDIA, Upstream

log = logging.getLogger(__name__)

#: Where Meta keeps files: the host its page names, and the domains of its content network that people report.
_HOSTS = re.compile(r"lookaside\.fbsbx\.com|(?:[a-z0-9-]+\.)+(?:fbcdn\.net|whatsapp\.net)")
#: An address without anything that two parsers could read in two ways: no user, backslash, blank or fragment.
_ADDRESS = re.compile(r"(https?)://([a-z0-9.-]{1,253})(?::([0-9]{1,5}))?/[!-\"$-\[\]-~]*")
HOST = WHATSAPP_MEDIA.name  #: its name in the log, beside "whatsapp" for Graph
_PORTS = {"http": 80, "https": 443}
_MEDIA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:=-]*")
_PARTIAL = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15})")

_GONE = frozenset({33, 100, 131009, 131052})  # Graph's codes for an id it does not know, or no longer
_OVER = frozenset({401, 403, 404, 410})  # what the host of a file says to an address whose time is over


class MediaGone(UpstreamRejected):
    """WhatsApp has this file no longer: it keeps customers' files for 7 days, the business's own for 30."""


class RangeBeyond(UpstreamRejected):
    """The part that was asked for begins behind the end of the file."""


class MediaTooLarge(UpstreamRejected):
    """The file is larger than any that WhatsApp takes."""


class Readable(Protocol):
    """A file of `size` bytes."""

    size: int

    def read(self, most: int) -> bytes:
        """Up to so many bytes, b"" after the last."""


class Form:
    """A form with a file (RFC 7578), read while it is sent: never whole in memory."""

    def __init__(self, fields: Mapping[str, str], file: Readable, mime_type: str, name: str) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"multipart/form-data; boundary={boundary}"
        shown = "".join("_" if each in '"\\' or not each.isprintable() else each for each in name)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            for field, value in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{shown}"\r\n'
            f"Content-Type: {mime_type}\r\n\r\n"
        )
        self._ahead = "".join(parts).encode()
        self._behind = f"\r\n--{boundary}--\r\n".encode()
        self._file = file
        self._length = len(self._ahead) + file.size + len(self._behind)

    def __len__(self) -> int:
        return self._length

    def read(self, most: int = 65_536) -> bytes:
        """The next bytes of the form."""
        if self._ahead:
            piece, self._ahead = self._ahead[:most], self._ahead[most:]
            return piece
        if piece := self._file.read(most):
            return piece
        piece, self._behind = self._behind[:most], self._behind[most:]
        return piece

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read, b"")


@dataclass(frozen=True, slots=True)
class Medium:
    """Which file, and with whose token."""

    id: str
    phone_number_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """What Graph tells of a file. `size` is in bytes; None when it is not known (some stickers have 0)."""

    url: str = field(repr=False)
    mime_type: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `first` to `last` of a file of `total`."""

    first: int
    last: int
    total: int


class WhatsAppMedia:
    """`base_url` holds the Graph version. `files` says how long a file may take, how many at once, how large."""

    def __init__(self, base_url: str, files: Upstream) -> None:
        self._base_url = base_url
        self._origin = origin_of(f"{base_url}/")  # where a simulator keeps its files, too
        self._files = files

    def describe(self, medium: Medium, *, caller: str = "") -> Place:
        """Where the file is, without fetching it. Raises as `fetch`."""
        return self._files.deadline(self._describe)(medium, caller)

    def fetch(self, medium: Medium, byte_range: str | None = None, *, caller: str = "") -> Download:
        """The file, or the part of it that `byte_range` (a Range header) names, if its host knows how.

        The caller closes it. Callers take turns where they have to wait for a place. Raises MediaGone,
        MediaTooLarge, or another UpstreamError when WhatsApp or the host of the file is away, busy, slow or answers
        what cannot be the file.
        """
        return self._files.deadline(self._fetch)(medium, byte_range, caller)

    def upload(self, phone_number_id: str, token: str, file: Readable, mime_type: str, name: str) -> str:
        """Hand a file over, to be sent; the id WhatsApp gave it. Handed over twice, it has two: no harm.

        Raises UpstreamRejected when it will never be taken, or another UpstreamError.
        """
        return self._files.deadline(self._upload)(phone_number_id, token, file, mime_type, name)

    def _upload(self, phone_number_id: str, token: str, file: Readable, mime_type: str, name: str) -> str:
        with self._files.bulkhead.place("sending"):
            hand_over = self._files.breaker.call_about
            return hand_over(phone_number_id, self._post, phone_number_id, token, file, mime_type, name)

    def _post(self, phone_number_id: str, token: str, file: Readable, mime_type: str, name: str) -> str:
        """Within the breaker, because an answer that cannot be read is a failure."""
        form = Form({"messaging_product": "whatsapp", "type": mime_type}, file, mime_type, name)
        url = f"{self._base_url}/{quote(phone_number_id, safe='')}/media"
        headers = _bearer(token) | {"Content-Type": form.content_type}
        answer = http.exchange(self._files, "POST", url, headers=headers, body=form)
        if answer.status != 200:
            raise refusal(answer)
        media_id = answer.data.get("id") if isinstance(answer.data, dict) else None
        if not isinstance(media_id, str) or not _MEDIA_ID.fullmatch(media_id) or len(media_id) > 255:
            raise UpstreamOutcomeUnknown(WHATSAPP.name, "the answer has no id of the file", http_status=answer.status)
        return media_id

    def _describe(self, medium: Medium, caller: str) -> Place:
        with self._files.bulkhead.place(caller):
            return self._find(medium)

    def _fetch(self, medium: Medium, byte_range: str | None, caller: str) -> Download:
        with ExitStack() as opened:
            opened.callback(self._files.bulkhead.enter(caller))
            place = self._find(medium)
            try:
                stream = self._open(place, medium, byte_range)
            except UpstreamError as error:
                if error.http_status not in _OVER:
                    raise
                place = self._find(medium)  # too late by a moment: once more, with a new address
                stream = self._open(place, medium, byte_range)
            opened.callback(stream.close)
            return Download(place, stream, opened, most=self._files.policy.max_bytes)

    def _find(self, medium: Medium) -> Place:
        if not _MEDIA_ID.fullmatch(medium.id):
            raise MediaGone(WHATSAPP.name, "this is no id of a file")
        place = self._files.breaker.call_about(medium.id, self._ask, medium)
        if place.size is not None and place.size > self._files.policy.max_bytes:
            raise MediaTooLarge(WHATSAPP.name, f"the file has {place.size} bytes")
        return place

    @WHATSAPP.deadline
    def _ask(self, medium: Medium) -> Place:
        """What Graph tells; within the breaker, because an answer that cannot be read is a failure."""
        query = urlencode({"phone_number_id": medium.phone_number_id})
        url = f"{self._base_url}/{quote(medium.id, safe='')}?{query}"
        answer = http.exchange(WHATSAPP, "GET", url, headers=_bearer(medium.token))
        if answer.status == 200:
            return _place(answer)
        error = refusal(answer)
        if error.code in _GONE or (error.code is None and answer.status in (404, 410)):
            raise MediaGone(WHATSAPP.name, error.reason, http_status=answer.status, code=error.code)
        raise error

    def _open(self, place: Place, medium: Medium, byte_range: str | None) -> http.Stream:
        origin = origin_of(place.url)
        ours = origin is not None and origin == self._origin
        if not ours and not is_metas(origin):
            log.error("a file is kept where our token must not go", extra={"host": origin and origin[1]})
            raise UpstreamUntrusted(HOST, "the file is kept on a host that is not Meta's")
        headers = _bearer(medium.token) | ({"Range": byte_range} if byte_range else {})
        return self._files.breaker.call_about(medium.id, self._stream, place.url, headers, public_only=not ours)

    def _stream(self, url: str, headers: dict[str, str], *, public_only: bool) -> http.Stream:
        stream = http.stream(self._files, url, headers=headers, public_only=public_only)
        if stream.status == 200 or (stream.status == 206 and "Range" in headers):
            return stream
        stream.close()
        raise _host_refusal(stream)


Origin = tuple[str, str, int]


def origin_of(url: str) -> Origin | None:
    """Scheme, host and port of an address that everybody reads alike; None for any other."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return None
    scheme, host, written = found.groups()
    port = _PORTS[scheme] if written is None else int(written)
    return (scheme, host, port) if 0 < port < 65536 else None


def is_metas(origin: Origin | None) -> bool:
    """True for the hosts on which Meta keeps files: a token may go there, over TLS."""
    return origin is not None and origin[0] == "https" and origin[2] == 443 and bool(_HOSTS.fullmatch(origin[1]))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _place(answer: http.Answer) -> Place:
    """Raises UpstreamOutcomeUnknown when the answer tells no address."""
    told = answer.data if isinstance(answer.data, dict) else {}
    url, mime_type = told.get("url"), told.get("mime_type")
    if not isinstance(url, str):
        raise UpstreamOutcomeUnknown(WHATSAPP.name, "the answer has no address of the file", http_status=answer.status)
    return Place(url, mime_type if isinstance(mime_type, str) else None, _number(told.get("file_size")))


def _number(value: object) -> int | None:
    """A count above 0 that may be written as text; None for anything else."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return int(text) or None if text.isascii() and text.isdigit() and len(text) <= 15 else None


def _host_refusal(stream: http.Stream) -> UpstreamError:
    """The typed error for a host that gives no file. Its body is not read: it is anybody's."""
    if stream.status in (404, 410):
        return MediaGone(HOST, f"HTTP {stream.status}", http_status=stream.status)
    if stream.status == 416:
        return RangeBeyond(HOST, f"HTTP {stream.status}", http_status=stream.status)
    return http.refusal(HOST, stream.status, stream.headers, scope="number")


class Download:
    """A file on its way: pieces that come to `size` bytes, or an UpstreamError while some are still held back.

    The last bytes are given out when the end has been seen, so that what is too long or too short never looks whole.
    """

    def __init__(self, place: Place, stream: http.Stream, opened: ExitStack, *, most: int) -> None:
        self.mime_type = place.mime_type
        self.part = _part(stream) if stream.status == 206 else None
        self.size = self._left = _size(place, stream, self.part, most)  #: bytes of the file, or of the part
        self.ends_at = stream.ends_at  #: time.monotonic() when it has to be with its reader
        self._stream = stream
        self._ahead = self._read()
        self._piece = self._advance()
        self._opened = opened.pop_all()  # from here on it is ours to close

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = self._piece
        if not piece:
            raise StopIteration
        self._piece = self._advance()
        return piece

    def close(self) -> None:
        """Give back the connection and the place among the downloads. Again, it does nothing."""
        self._opened.close()

    def __del__(self) -> None:
        """The net under a forgotten close(): a place that nobody gives back is lost until the process ends."""
        if hasattr(self, "_opened"):
            self.close()

    def _advance(self) -> bytes:
        """What was read ahead; what comes next takes its place."""
        piece = self._ahead
        self._ahead = self._read() if piece else b""
        return piece

    def _read(self) -> bytes:
        piece = self._stream.read()
        self._left -= len(piece)
        if self._left < 0 or (self._left and not piece):
            how = "longer" if self._left < 0 else "shorter"
            raise _not_the_file(f"it is {how} than the {self.size} bytes promised")
        return piece


def _size(place: Place, stream: http.Stream, part: Part | None, most: int) -> int:
    """How many bytes will come. Raises MediaTooLarge, UpstreamOutcomeUnknown for what cannot be the file.

    What the host says goes before what Graph says, which may have it from the sender's phone.
    """
    if stream.headers.get("Content-Encoding", "identity") != "identity":
        raise _not_the_file("it is packed")
    kind = stream.headers.get("Content-Type", "").lower()
    if kind.startswith("text/html") and place.mime_type and not place.mime_type.lower().startswith("text/html"):
        raise _not_the_file("it is a page")
    declared = _number(stream.headers.get("Content-Length"))
    told = part.last - part.first + 1 if part else place.size
    size = told if declared is None else declared
    if size is None and stream.headers.get("Content-Length") != "0":
        raise _not_the_file("nobody says how long it is")
    if part and declared not in (None, told):
        raise _not_the_file("the part has another length than it says")
    if declared and told and declared != told:
        log.warning("a file has another size than we were told", extra={"told": told, "bytes": declared})
    if max(size or 0, part.total if part else 0) > most:
        raise MediaTooLarge(HOST, f"the file has {size} bytes")
    return size or 0


def _part(stream: http.Stream) -> Part:
    """Raises UpstreamOutcomeUnknown when the answer does not say which part it is."""
    found = _PARTIAL.fullmatch(stream.headers.get("Content-Range", ""))
    part = Part(*map(int, found.groups())) if found else None
    if part is None or not part.first <= part.last < part.total:
        raise _not_the_file("nobody says which part it is")
    return part


def _not_the_file(reason: str) -> UpstreamOutcomeUnknown:
    return UpstreamOutcomeUnknown(HOST, f"what came is not the file: {reason}", phase="headers")
