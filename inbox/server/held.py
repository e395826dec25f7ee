"""Questions for changes whose clients can wait for an answer: `GET /changes?…&wait=5`.

Whether one has to be answered at once is for others to say (`live/quiet.py`); here it is only read from its first line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import parse_qs
from uuid import UUID

MOST = 20  #: seconds; proxies wait for 30 and longer
_LINE = re.compile(rb"GET /changes\?([!-~]{1,2000}) HTTP/1\.[01]\r\n")


class Quiet(Protocol):
    """Who knows whether there is something to tell."""

    def holds(self, account_id: UUID, position: str) -> bool:
        """Whether the answer to a question from there would be that nothing has changed. Waits for nothing."""

    def moved(self, account_ids: Iterable[UUID]) -> list[UUID]:
        """Look (on a pool's thread): of which of these there may be something to tell. Raises nothing."""


@dataclass(frozen=True, slots=True)
class Question:
    """What changed in an account since a position? Its client can wait `until`: monotonic seconds."""

    account_id: UUID
    since: str
    until: float


def question(head: bytes, now: float) -> Question | None:
    """The question that the request beginning with `head` asks, when it can wait; None for any other request."""
    line = _LINE.match(head)
    if line is None:
        return None
    query = parse_qs(line[1].decode("ascii"))
    try:
        (account_id,), (since,), (wait,) = query["account_id"], query["since"], query["wait"]
        return Question(UUID(account_id), since, now + min(int(wait), MOST)) if int(wait) > 0 else None
    except (KeyError, ValueError):  # the route says what is wrong with it
        return None
