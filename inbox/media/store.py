"""Where files are kept: put once, read from any byte on, deleted by key. Nothing is under a key unless it is whole.

Keys are ours (`key_of`), so a name that a stranger gave never becomes a path.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Protocol
from uuid import UUID

from inbox.errors import UpstreamRejected, UpstreamUnavailable

NAME = "media_store"
_KEY = re.compile(r"[0-9a-f]{32}/[0-9a-f]{2}/[0-9a-f]{32}(?:\.[a-z]{1,16})?")
_INCOMING = "incoming"
_IN_MEMORY, _PIECE = 1024 * 1024, 65_536  # bytes
_LEFT_BEHIND = 86_400.0  # seconds: what is written takes minutes


class FileMissing(UpstreamRejected):
    """Nothing is kept under this key: it was never put, or somebody has taken it away."""

    def __init__(self) -> None:
        super().__init__(NAME, "nothing is kept under this key")


class Stored(Protocol):
    """A file that is open for reading. `size` is of the whole file, in bytes."""

    size: int

    def read(self, most: int) -> bytes:
        """Up to so many bytes, b"" after the last. Raises UpstreamError."""

    def close(self) -> None:
        """Again, it does nothing."""


class Store(Protocol):
    """Raises UpstreamUnavailable when it cannot be used at the moment, whatever the reason."""

    def put(self, key: str, pieces: Iterable[bytes]) -> int:
        """Keep what `pieces` come to, in place of what was there. How many bytes. What `pieces` raises passes."""

    def open(self, key: str, first: int = 0, until: int | None = None) -> Stored:
        """The file from byte `first` on; the caller closes it. Raises FileMissing.

        `until`: what is from there on will not be read, and need not come.
        """

    def delete(self, key: str) -> None:
        """Keep it no longer. A key under which nothing is kept is no error."""

    def tidy(self) -> None:
        """Delete what processes left behind that ended while they wrote."""


def key_of(account_id: UUID, file_id: UUID, ending: str = "") -> str:
    """A key: the number, then 256 folders, so that none gets too large."""
    return f"{account_id.hex}/{file_id.hex[-2:]}/{file_id.hex}{ending}"


def read_whole(store: Store, key: str) -> bytes:
    """All of a file. Raises FileMissing, UpstreamError."""
    file = store.open(key)
    try:
        return b"".join(iter(lambda: file.read(_PIECE), b""))
    finally:
        file.close()


def checked(key: str) -> str:
    """The key, if it is one. Raises ValueError."""
    if not _KEY.fullmatch(key):
        raise ValueError("this is no key")
    return key


@contextlib.contextmanager
def copy_of(store: Store, key: str) -> Iterator[Stored]:
    """A file that may be read slowly: what is at hand as it is, of anything else a copy. Raises UpstreamError."""
    file = store.open(key)
    try:
        if isinstance(file, _Stored):
            yield file
            return
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
            while piece := file.read(_PIECE):
                copy.write(piece)
            file.close()
            copy.seek(0)
            yield _Copy(copy, file.size)
    finally:
        file.close()


@dataclass(slots=True)
class _Copy:
    file: IO[bytes]
    size: int

    def read(self, most: int) -> bytes:
        return self.file.read(most)

    def close(self) -> None:
        self.file.close()


class FolderStore:
    """A folder on a disk. Made when the first file comes."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, pieces: Iterable[bytes]) -> int:
        path = self._path(key)
        try:
            beside = self._root / _INCOMING
            for folder in (beside, path.parent):
                folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=beside)
        except OSError as error:
            raise _unavailable(error) from error
        try:
            size = _write(handle, pieces)
            _replace(Path(name), path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        return size

    def open(self, key: str, first: int = 0, until: int | None = None) -> Stored:  # noqa: ARG002 (it costs nothing)
        try:
            file = self._path(key).open("rb")
            file.seek(first)
            return _Stored(file)
        except FileNotFoundError:
            raise FileMissing from None
        except OSError as error:
            raise _unavailable(error) from error

    def delete(self, key: str) -> None:
        try:
            self._path(key).unlink(missing_ok=True)
        except OSError as error:
            raise _unavailable(error) from error

    def tidy(self) -> None:
        with contextlib.suppress(OSError):  # there is none yet, or another process is as quick
            for path in (self._root / _INCOMING).iterdir():
                if path.stat().st_mtime < time.time() - _LEFT_BEHIND:
                    path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._root / checked(key)


class _Stored:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, most: int) -> bytes:
        try:
            return self._file.read(most)
        except OSError as error:
            raise _unavailable(error) from error

    def close(self) -> None:
        self._file.close()


def _write(handle: int, pieces: Iterable[bytes]) -> int:
    """Only what the disk does is the store's trouble; what `pieces` raises is its own."""
    size = 0
    with open(handle, "wb", buffering=0) as file:
        for piece in pieces:
            try:
                view = memoryview(piece)
                while view:
                    view = view[file.write(view) :]
            except OSError as error:
                raise _unavailable(error) from error
            size += len(piece)
        try:
            os.fsync(file.fileno())
        except OSError as error:
            raise _unavailable(error) from error
    return size


def _replace(source: Path, target: Path) -> None:
    """The name as well is on the disk when this returns."""
    try:
        source.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unavailable(error) from error


def _unavailable(error: OSError) -> UpstreamUnavailable:
    return UpstreamUnavailable(NAME, f"{type(error).__name__}: {error.strerror}")
