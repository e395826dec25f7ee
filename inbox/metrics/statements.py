"""How many statements a thread has sent to the database: of a request, the difference between its ends."""

from __future__ import annotations

import threading
from typing import Any

from inbox.metrics import meters


class _Counts(threading.local):
    sent = 0


_here = _Counts()


def count(*_: Any) -> None:
    """One more, of this thread and of the process. Takes what SQLAlchemy hands to its listeners."""
    _here.sent += 1
    meters.STATEMENTS.inc()


def so_far() -> int:
    """Statements of this thread since it began."""
    return _here.sent
