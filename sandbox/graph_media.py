"""Media: uploaded by the business or sent by customers, and the short-lived addresses they are fetched from.

Source: Meta, "Cloud API > Media".
"""

import base64
import hashlib
import hmac
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sandbox.graph_errors import GraphError
from sandbox.protocol import Request

PATH = "/whatsapp_business/attachments/"
#: Seconds an address works.
ADDRESS_LIFETIME = 300
#: The oldest files go when all together hold more.
MAX_STORED_BYTES = 256 * 1024 * 1024

_MB = 1024 * 1024
#: Mime type → the most bytes that may be uploaded.
UPLOAD_LIMITS: Mapping[str, int] = {
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * _MB),
    **dict.fromkeys(("video/mp4", "video/3gpp"), 16 * _MB),
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * _MB),
    "image/webp": 500 * 1024,
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
        100 * _MB,
    ),
}


@dataclass(frozen=True, slots=True)
class Medium:
    """A stored file. `number_id` is the business number it came to or was uploaded for."""

    id: str
    data: bytes
    mime_type: str
    number_id: str

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.data).digest()


class MediaStore:
    """The files, and the addresses handed out for them."""

    def __init__(self) -> None:
        self._media: OrderedDict[str, Medium] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._ids = itertools.count(int.from_bytes(os.urandom(6), "big") % 10**9 * 10**6 + 3 * 10**15)
        self._secret = os.urandom(16)

    def add(self, data: bytes, mime_type: str, number_id: str) -> Medium:
        medium = Medium(str(next(self._ids)), data, mime_type, number_id)
        with self._lock:
            self._media[medium.id] = medium
            self._bytes += len(data)
            while self._bytes > MAX_STORED_BYTES and len(self._media) > 1:
                self._bytes -= len(self._media.popitem(last=False)[1].data)
        return medium

    def get(self, medium_id: str) -> Medium | None:
        return self._media.get(medium_id)

    def delete(self, medium_id: str) -> bool:
        with self._lock:
            medium = self._media.pop(medium_id, None)
            self._bytes -= len(medium.data) if medium else 0
        return medium is not None

    def clear(self) -> None:
        with self._lock:
            self._media.clear()
            self._bytes = 0

    def address(self, medium: Medium, base_url: str, now: float, source: str) -> str:
        """A URL that works until ADDRESS_LIFETIME from now. source is `webhook` or `getMedia`, as in Meta's URLs."""
        expires = str(int(now) + ADDRESS_LIFETIME)
        query = {"mid": medium.id, "source": source, "ext": expires, "hash": self._hash(medium.id, expires)}
        return f"{base_url}{PATH}?{urlencode(query)}"

    def at_address(self, query: Mapping[str, str], now: float) -> Medium | None:
        """The file an address stands for; None when the address is not ours, is over, or the file is gone."""
        medium_id, expires = query.get("mid", ""), query.get("ext", "")
        genuine = hmac.compare_digest(self._hash(medium_id, expires).encode(), query.get("hash", "").encode())
        return self.get(medium_id) if genuine and int(expires) >= now else None

    def _hash(self, medium_id: str, expires: str) -> str:
        digest = hmac.new(self._secret, f"{medium_id}:{expires}".encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest[:12]).decode()


def read_upload(request: Request) -> tuple[bytes, str]:
    """The file in a `POST /{phone_number_id}/media` and its mime type; raises GraphError."""
    form = read_form(request)
    if form.get("messaging_product", (b"", ""))[0] != b"whatsapp":
        raise GraphError(100, "The parameter messaging_product is required")
    if "file" not in form:
        raise GraphError(100, "The parameter file is required")
    data, part_type = form["file"]
    mime_type = (form["type"][0].decode("latin-1") if "type" in form else part_type).strip()
    plain_type = mime_type.partition(";")[0].strip().lower()
    if plain_type not in UPLOAD_LIMITS:
        known = ", ".join(UPLOAD_LIMITS)
        raise GraphError(100, f"Param file must be a file with one of the following types: {known}. Got {mime_type!r}")
    if len(data) > UPLOAD_LIMITS[plain_type]:
        raise GraphError(131053, f"A file of type {plain_type} may have {UPLOAD_LIMITS[plain_type]} bytes")
    return data, mime_type


def read_form(request: Request) -> dict[str, tuple[bytes, str]]:
    """A multipart/form-data body: field name → its bytes and its own content type (RFC 7578)."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    name, _, boundary = parameters.strip().partition("=")
    if kind.strip().lower() != "multipart/form-data" or name != "boundary" or not boundary:
        raise GraphError(100, "The body must be multipart/form-data")
    delimiter = b"--" + boundary.strip('"').encode("latin-1")
    form = {}
    for part in (b"\r\n" + request.body).split(b"\r\n" + delimiter)[1:-1]:
        head, separator, data = part.partition(b"\r\n\r\n")
        field, content_type = _part_head(head.decode("utf-8", "replace"))
        if not separator or field is None:
            raise GraphError(100, "A part of the form cannot be read")
        form[field] = (data, content_type)
    return form


def _part_head(head: str) -> tuple[str | None, str]:
    """The field's name and its content type."""
    field, content_type = None, "text/plain"
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-type":
            content_type = value.strip()
        elif name.lower() == "content-disposition":
            found = [each.strip() for each in value.split(";")]
            field = next((each[5:].strip('"') for each in found if each.startswith("name=")), None)
    return field, content_type
