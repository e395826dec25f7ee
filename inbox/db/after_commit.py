"""What a transaction makes necessary, and what may happen only once everybody can see what it wrote.

Waking a crew before the COMMIT would let it look too early and go back to sleep; forgetting what is cached before it
would let somebody cache the old rows again. So both are said inside the transaction and done after it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable

from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

Action = Callable[..., object]
_KEY = "inbox.after_commit"


class Signals:
    """Who in this process wants to hear of what: actions by the name of a signal."""

    def __init__(self) -> None:
        self._actions: defaultdict[str, list[Action]] = defaultdict(list)

    def connect(self, name: str, action: Action) -> None:
        """Run `action` whenever the signal is sent, with its details. It must be quick; its failure is only logged."""
        self._actions[name].append(action)

    def send(self, name: str, *details: object) -> None:
        """Tell everybody who is connected, now. Never raises."""
        for action in self._actions[name]:
            try:
                action(*details)
            except Exception:
                log.exception("what follows a change failed", extra={"signal": name})


class AfterCommit:
    """The signals that one transaction has asked for: each is sent once, in the order of the first asking."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._asked: dict[tuple[object, ...], None] = {}

    def bind(self, session: Session) -> None:
        """From here on `after_commit(session, …)` is kept here."""
        session.info[_KEY] = self._asked

    def send(self) -> None:
        """The transaction has committed."""
        for name, *details in self._asked:
            self._signals.send(str(name), *details)


def after_commit(session: Session, name: str, *details: object) -> None:
    """Send this signal, with its details, once the session's transaction has committed; never if it is rolled back.

    `session` comes from Database.writing(): one that only reads has nothing to tell, and a KeyError says so.
    """
    session.info[_KEY][name, *details] = None
