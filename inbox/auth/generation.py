"""Word between the processes of a machine that somebody's rights have changed: a file that grows by a byte."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from sqlalchemy.orm import Session

from inbox.db.after_commit import after_commit

log = logging.getLogger(__name__)

RIGHTS = "rights"  #: the signal


def rights_changed(session: Session) -> None:
    """This transaction changes what somebody may do: once it has committed, nobody goes by what they could before."""
    after_commit(session, RIGHTS)


class Changes:
    """Thread-safe. Looking costs a microsecond, so it is done with every request; other machines wait for `FRESH`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._size()

    def tell(self) -> None:
        """There was a change. It is in the database already, so a process that looks now reads it."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(0o600)
            with self._path.open("ab") as file:
                file.write(b".")
        except OSError as error:  # a read-only folder: then a change is felt within a second
            log.warning("cannot tell the other processes of a change", extra={"error": type(error).__name__})

    def since_last_look(self) -> bool:
        """True when somebody has told of a change since this was last asked."""
        size = self._size()
        with self._lock:
            changed = size != self._seen
            self._seen = size
        return changed

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0
