"""The journal's files: many processes append lines at once, one takes them out in order, kill -9 may hit anywhere.

    events.log           what is appended to
    0000000001.segment   what was cut off to be drained, oldest first
    drain.lock           held by the process that drains

A line is a checksum, the event's id, when it came (ms since 1970) and its body in base64. A process that dies while it
writes leaves a torn line: the next one begins a new line after it, and a reader skips what has no valid checksum.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

SEGMENT_BYTES = 1024 * 1024  # a file that has grown to this is cut off: one segment fits into memory and a transaction
LOCK_WAIT = 2.0  # seconds; the lock is held for one write to the page cache
_LOOK_AGAIN = 0.002  # seconds
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

Row = dict[str, Any]  #: of webhook_events: id, body, size, received_at


class JournalFull(Exception):
    """The files have reached their limit."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in the files."""

    events: int
    bytes: int


class Trouble(NamedTuple):
    """`what` INBOX_INSTANCE_PATH is that it must not be, and what to `do`."""

    what: str
    do: str


_ANOTHER = "set it to a folder that this process may write to"


def encode(row: Row) -> bytes:
    """`row` as one line."""
    since = (row["received_at"] - _EPOCH) // _MILLISECOND
    content = b"%s %d %s" % (row["id"].hex.encode(), since, base64.b64encode(row["body"]))
    return b"%08x %s\n" % (zlib.crc32(content), content)


def decode(line: bytes) -> Row | None:
    """The row of a line; None when it is torn."""
    checksum, _, content = line.rstrip(b"\n").partition(b" ")
    if checksum != b"%08x" % zlib.crc32(content):
        return None
    try:
        event_id, since, encoded = content.split(b" ")
        body = base64.b64decode(encoded, validate=True)
        received_at = _EPOCH + int(since) * _MILLISECOND
        return {"id": UUID(event_id.decode()), "body": body, "size": len(body), "received_at": received_at}
    except (ValueError, OverflowError, binascii.Error):
        return None


class Segments:
    """The files of one folder. Safe for any number of threads and processes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._open_file = folder / "events.log"
        self._pause = threading.Event()
        self._counted: dict[tuple[int, int, int], int] = {}  # valid lines by inode, size and time of change

    # --- adding --------------------------------------------------------------------------------------------------

    def append(self, line: bytes) -> None:
        """Write `line` and sync it to the disk. Raises JournalFull, and OSError, also for a lock nobody lets go of."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._current() as file:
            size = os.fstat(file).st_size
            if size and os.pread(file, 1, size - 1) != b"\n":
                line = b"\n" + line  # somebody died while writing
            if self._bytes() + len(line) > self._max_bytes:
                raise JournalFull
            _write(file, line, size)
            if size + len(line) >= SEGMENT_BYTES:
                self._cut_off()
            # Others may write while we wait for the disk, and one sync then serves them all.
            fcntl.flock(file, fcntl.LOCK_UN)
            os.fsync(file)
        if not size:
            _sync_folder(self._folder)

    @contextlib.contextmanager
    def _current(self) -> Iterator[int]:
        """The file that is appended to, locked. It may be cut off while we wait: then it is another one."""
        until = time.monotonic() + LOCK_WAIT
        while True:
            file = os.open(self._open_file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._lock(file, until)
                if _is_at(file, self._open_file):
                    yield file
                    return
            finally:
                os.close(file)

    def _lock(self, file: int, until: float) -> None:
        while not _locked(file):
            if time.monotonic() > until:
                raise TimeoutError("the journal stays locked")
            self._pause.wait(_LOOK_AGAIN)

    def _cut_off(self) -> Path:
        """Make a segment of the open file. The caller holds its lock, so nobody else can do so."""
        segments = self._segments()
        number = int(segments[-1].stem) + 1 if segments else 1
        return self._open_file.rename(self._folder / f"{number:010d}.segment")

    # --- taking out ----------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def turn(self) -> Iterator[bool]:
        """Whether it is this process's turn to drain; it stays so for the block."""
        file = os.open(self._folder / "drain.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield _locked(file)
        finally:
            os.close(file)

    def oldest(self) -> Path | None:
        """The segment to drain next; None when nothing is left."""
        segments = self._segments()
        if segments:
            return segments[0]
        if self.is_empty():
            return None
        with self._current() as file:
            return self._cut_off() if os.fstat(file).st_size else None

    def read(self, segment: Path) -> tuple[list[Row], int]:
        """The rows of a segment in order, and how many torn lines were between them."""
        with segment.open("rb") as lines:
            decoded = [decode(line) for line in lines if line != b"\n"]
        rows = [row for row in decoded if row is not None]
        return rows, len(decoded) - len(rows)

    def drop(self, segment: Path) -> None:
        """Forget a segment that is stored. Should it come back after a power cut, it is stored once more: a no-op."""
        segment.unlink(missing_ok=True)

    # --- looking -------------------------------------------------------------------------------------------------

    def trouble(self) -> Trouble | None:
        """What is wrong with the folder, or with the nearest one above it that is there; None: nothing."""
        place = next(each for each in (self._folder, *self._folder.parents) if os.path.exists(each))
        if not place.is_dir():
            return Trouble("is a file", _ANOTHER)
        if os.access(place, os.R_OK | os.W_OK | os.X_OK):
            return None
        if place != self._folder:
            return Trouble("cannot be written to", _ANOTHER)
        held = f"holds a folder {place.name} that this process may not read and write"
        return Trouble(held, "give it its rights back: webhooks may wait in it")

    def is_empty(self) -> bool:
        """True when nothing waits. What may not be looked at may hold something."""
        try:
            return self._bytes() == 0
        except PermissionError:
            return False

    def depth(self) -> Depth:
        """What waits. Reads a file once for each time it has changed, so it is cheap to repeat."""
        counted: dict[tuple[int, int, int], int] = {}
        total = 0
        for path in self._files():
            with contextlib.suppress(OSError):  # drained meanwhile, or the disk is failing: appending will say so
                found = path.stat()
                key = (found.st_ino, found.st_size, found.st_mtime_ns)
                known = self._counted.get(key)
                counted[key] = len(self.read(path)[0]) if known is None else known
                total += found.st_size
        self._counted = counted
        return Depth(sum(counted.values()), total)

    def _segments(self) -> list[Path]:
        """Oldest first. None where the folder cannot be looked into: that stops nothing, and `trouble` tells it."""
        try:
            return sorted(self._folder.glob("*.segment"))
        except OSError:
            return []

    def _files(self) -> list[Path]:
        return [*self._segments(), self._open_file]

    def _bytes(self) -> int:
        total = 0
        for path in self._files():
            try:
                total += path.stat().st_size
            except PermissionError:
                raise
            except OSError:  # drained meanwhile, or the disk is failing: appending will say so
                continue
        return total


def _locked(file: int) -> bool:
    """Take the lock on an open file if it is free. It goes with the file's closing, so also with the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _write(file: int, line: bytes, size: int) -> None:
    """Append all of `line`, or leave the file as it was."""
    left = memoryview(line)
    try:
        while left:
            left = left[os.write(file, left) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, size)
        raise


def _sync_folder(folder: Path) -> None:
    """A new file survives a power cut only when its folder is on the disk too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
