"""Objects in a bucket of any store that speaks S3: put whole, read while they come, deleted.

Requests go the way of all calls to upstreams, so only their signature is made here (AWS, Signature Version 4; its own
examples are our tests). A bucket stands in the path: every store knows that.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import IO, Any

from inbox.config import BucketAddress
from inbox.errors import UpstreamError, UpstreamMisconfigured, UpstreamOutcomeUnknown, UpstreamRejected
from inbox.gateways import http
from inbox.resilience import Upstream

NOTHING = hashlib.sha256(b"").hexdigest()
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_PARTIAL = re.compile(r"bytes [0-9]{1,15}-[0-9]{1,15}/([0-9]{1,15})")


class ObjectMissing(UpstreamRejected):
    """There is no object under this key."""


class Bucket:
    """`upstream` says how long an object may take, and how many at once."""

    def __init__(self, address: BucketAddress, upstream: Upstream) -> None:
        self._address = address
        self._upstream = upstream

    def put(self, key: str, file: IO[bytes], size: int, digest: str) -> None:
        """Keep `size` bytes whose SHA-256 is `digest` (hex), in place of what was there. Raises UpstreamError.

        The store refuses bytes of another digest, and shows nothing of an object that is not whole.
        """
        self._call(key, self._put, key, file, size, digest)

    def delete(self, key: str) -> None:
        """An object that is not there is no error. Raises UpstreamError."""
        self._call(key, self._delete, key)

    def open(self, key: str, first: int = 0, until: int | None = None) -> Object:
        """The object from byte `first` on, up to but without `until`; the caller closes it.

        Raises ObjectMissing, or another UpstreamError.
        """
        return self._upstream.deadline(self._open)(key, first, until)

    def _call(self, key: str, function: Callable[..., None], *arguments: Any) -> None:
        def call() -> None:
            with self._upstream.bulkhead.place():
                self._upstream.breaker.call_about(key, function, *arguments)

        self._upstream.deadline(call)()

    def _put(self, key: str, file: IO[bytes], size: int, digest: str) -> None:
        file.seek(0)
        self._exchange("PUT", key, file if size else b"", digest)

    def _delete(self, key: str) -> None:
        try:
            self._exchange("DELETE", key)
        except ObjectMissing:
            return

    def _exchange(self, method: str, key: str, body: Any = b"", digest: str = NOTHING) -> http.Answer:
        headers = self._headers(method, key, digest)
        answer = http.exchange(self._upstream, method, self._url(key), headers=headers, body=body)
        if answer.status not in (200, 204):
            raise self._refusal(answer.status, answer.headers, answer.raw)
        return answer

    def _open(self, key: str, first: int, until: int | None) -> Object:
        with ExitStack() as opened:
            opened.callback(self._upstream.bulkhead.enter())
            found = self._upstream.breaker.call_about(key, self._stream, key, first, until)
            if isinstance(found, int):
                return Object(None, found, opened)
            stream, size = found
            opened.callback(stream.close)
            return Object(stream, size, opened)

    def _stream(self, key: str, first: int, until: int | None) -> tuple[http.Stream, int] | int:
        """The bytes and the size of the whole object; the size alone where there are no such bytes."""
        wanted = {"range": f"bytes={first}-{'' if until is None else until - 1}"} if first or until is not None else {}
        stream = http.stream(self._upstream, self._url(key), headers=self._headers("GET", key, NOTHING, wanted))
        try:
            if stream.status == 416:
                stream.close()
                return self._size(key)
            if stream.status not in (200, 206):
                raise self._refusal(stream.status, stream.headers, stream.read())
            return stream, _size(self._upstream.name, stream, first)
        except BaseException:
            stream.close()
            raise

    def _size(self, key: str) -> int:
        answer = self._exchange("HEAD", key, None)
        return int(answer.headers.get("Content-Length") or 0)

    def _url(self, key: str) -> str:
        address = self._address
        return f"{address.origin}{address.path(key)}"

    def _headers(self, method: str, key: str, digest: str, more: Mapping[str, str] | None = None) -> dict[str, str]:
        address = self._address
        given = {"host": address.host, "x-amz-content-sha256": digest, **(more or {})}
        return signed(address, method, address.path(key), given, datetime.now(UTC))

    def _refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """What it says is about the set-up, except that an object is not there: the same call may work later."""
        found = _CODE.search(body[:65_536])
        code = found[1].decode() if found else None
        reason = code or f"HTTP {status}"
        if status == 404 and code != "NoSuchBucket":
            return ObjectMissing(self._upstream.name, reason, http_status=status, code=code)
        error = http.refusal(self._upstream.name, status, headers, scope="project", words=reason, code=code)
        if isinstance(error, UpstreamRejected) or 300 <= status < 400:
            return UpstreamMisconfigured(self._upstream.name, reason, http_status=status, code=code)
        return error


class Object:
    """An object that is read while it comes. `size` is of the whole, in bytes."""

    def __init__(self, stream: http.Stream | None, size: int, opened: ExitStack) -> None:
        self.size = size
        self._stream = stream
        self._piece = b""
        self._opened = opened.pop_all()  # from here on it is ours to close

    def read(self, most: int) -> bytes:
        """Up to so many bytes, b"" after the last. Raises UpstreamOutcomeUnknown when it breaks off."""
        if not self._piece and self._stream is not None:
            self._piece = self._stream.read()
        piece, self._piece = self._piece[:most], self._piece[most:]
        return piece

    def close(self) -> None:
        """Give back the connection and the place. Again, it does nothing."""
        self._opened.close()

    def __del__(self) -> None:
        """The net under a forgotten close()."""
        if hasattr(self, "_opened"):
            self.close()


def _size(upstream: str, stream: http.Stream, first: int) -> int:
    """Of the whole object. Raises UpstreamOutcomeUnknown for an answer that does not tell, or is another part."""
    if stream.status == 206:
        found = _PARTIAL.fullmatch(stream.headers.get("Content-Range", ""))
        if found:
            return int(found[1])
    elif not first and (told := stream.headers.get("Content-Length", "")).isdecimal():
        return int(told)
    raise UpstreamOutcomeUnknown(upstream, "the answer does not tell how long the object is", http_status=stream.status)


# --- the signature -----------------------------------------------------------------------------------------------


def signed(address: BucketAddress, method: str, path: str, headers: Mapping[str, str], now: datetime) -> dict[str, str]:
    """`headers` (names in lower case, among them host and x-amz-content-sha256) with the date and the signature."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    scope = f"{stamp[:8]}/{address.region}/s3/aws4_request"
    given = dict(sorted({**headers, "x-amz-date": stamp}.items()))
    names = ";".join(given)
    listed = "".join(f"{name}:{value}\n" for name, value in given.items())
    request = f"{method}\n{path}\n\n{listed}\n{names}\n{given['x-amz-content-sha256']}"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{address.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={address.key}/{scope},SignedHeaders={names},Signature={signature}"
    return {**given, "Authorization": credential}
