"""Files in a bucket. A key is the same as in a folder, so files can be copied from one to the other."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable

from inbox.errors import UpstreamUnavailable
from inbox.gateways.bucket import Bucket, ObjectMissing
from inbox.media.store import NAME, FileMissing, Stored, checked

_IN_MEMORY = 1024 * 1024  # bytes: what is larger goes by way of a file


class BucketStore:
    """What comes in pieces is gathered on this machine first: whoever sends it may break off, or be slow."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def put(self, key: str, pieces: Iterable[bytes]) -> int:
        checked(key)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            size, digest = 0, hashlib.sha256()
            for piece in pieces:
                try:
                    file.write(piece)
                except OSError as error:
                    raise UpstreamUnavailable(NAME, f"{type(error).__name__}: {error.strerror}") from error
                digest.update(piece)
                size += len(piece)
            self._bucket.put(key, file, size, digest.hexdigest())
        return size

    def open(self, key: str, first: int = 0, until: int | None = None) -> Stored:
        try:
            return self._bucket.open(checked(key), first, until)
        except ObjectMissing:
            raise FileMissing from None

    def delete(self, key: str) -> None:
        self._bucket.delete(checked(key))

    def tidy(self) -> None:
        """There is nothing to do: an object is there whole or not at all."""
