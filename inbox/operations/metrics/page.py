"""The text of /metrics, and who may read it."""

from __future__ import annotations

import hmac

from prometheus_client import CollectorRegistry, generate_latest

from inbox.metrics import exposition
from inbox.operations.metrics.figures import Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Page:
    """What this process answers to a scrape."""

    def __init__(self, figures: Figures, token: str | None) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(figures)
        self._token = token

    @property
    def exists(self) -> bool:
        """False while no token is set: then nobody may read it, and there is no page."""
        return self._token is not None

    def may_be_read_with(self, authorization: str) -> bool:
        """True when the header shows the token. Takes as long for a wrong one as for the right one."""
        shown = authorization.removeprefix("Bearer ").strip().encode(errors="surrogateescape")
        return self._token is not None and hmac.compare_digest(shown, self._token.encode())

    def text(self) -> bytes:
        """Every number: counted by this process and its siblings, then what the database knows of all."""
        return exposition.text() + generate_latest(self._registry)
