"""WhatsApp and Gemini in memory: they do what the test orders, and remember what really happened."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from inbox.errors import (
    UpstreamBusy,
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from inbox.gateways.gemini import Generated
from inbox.gateways.whatsapp.messages import Content, Recipient
from inbox.outbox.outcomes import parse_callback
from tests.builders import status
from tests.outbox.fibers import pause


class Fate(enum.StrEnum):
    """What becomes of one POST."""

    ACCEPTED = "accepted"
    LOST = "lost"  #: accepted, but the answer never comes
    SLOW = "slow"  #: the caller gives up, then it is accepted
    SILENT = "silent"  #: the connection breaks before WhatsApp has read the request
    REFUSED = "refused"
    PAIR_LIMIT = "pair_limit"
    NUMBER_LIMIT = "number_limit"
    OVERLOADED = "overloaded"  #: an error that says: not processed
    UNREACHABLE = "unreachable"
    NOT_TRIED = "not_tried"  #: our own bulkhead or breaker


#: Those that reach WhatsApp's check of the token.
_READ_BY_META = frozenset(Fate) - {Fate.SILENT, Fate.UNREACHABLE, Fate.NOT_TRIED}
_FURTHER = {"sent": (), "delivered": ("sent",), "read": ("sent",), "failed": ("sent",)}


@dataclass(slots=True)
class Send:
    """A message that WhatsApp accepted. `facts` are its statuses and their times (unix seconds)."""

    wa_id: str
    number_id: str
    message_id: UUID
    attempt: int
    callback: str
    at: datetime
    mute: bool  #: no status of it will ever come
    facts: dict[str, int] = field(default_factory=dict)

    def becomes(self, kind: str, now: datetime) -> bool:
        """Make `kind` a fact unless it cannot be: what was delivered did not fail. True when it is one."""
        if kind == "failed" and self.facts.keys() & {"delivered", "read"}:
            return kind in self.facts
        for fact in (*_FURTHER[kind], kind):
            self.facts.setdefault(fact, int(now.timestamp()))
        return True

    def status(self, kind: str, *, callback: bool) -> dict[str, Any]:
        """A fact as a status of a webhook; WhatsApp may leave our callback data out."""
        return status(kind, wa_id=self.wa_id, at=self.facts[kind], callback=self.callback if callback else None)


class FakeMeta:
    """The Graph API for any number. In a fiber it stops before a request is read ("post") and after ("answer")."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.tokens: dict[str, str | None] = {}  #: by phone_number_id; None: none is valid
        self.sends: list[Send] = []
        self.slow: list[Callable[[], None]] = []  #: requests still to be accepted

    def send(
        self,
        *,
        phone_number_id: str,
        token: str,
        recipient: Recipient,
        content: Content,
        callback_data: str,
        reply_to: str | None = None,
    ) -> str:
        """As gateways.whatsapp.WhatsApp.send. The order at "post" is (fate, seconds to wait, mute)."""
        fate, after, mute = pause("post")
        wa_id, error = "", None
        try:
            wa_id = self._read(fate, after, mute, phone_number_id, token, callback_data)
        except UpstreamError as raised:
            error = raised
        pause("answer")
        if error is not None:
            raise error
        return wa_id

    def _read(self, fate: Fate, after: float | None, mute: bool, number_id: str, token: str, callback: str) -> str:
        if fate in _READ_BY_META and self.tokens[number_id] != token:
            raise UpstreamMisconfigured("whatsapp", "expired", http_status=401, code=190)
        match fate:
            case Fate.ACCEPTED:
                return self._accept(number_id, callback, mute)
            case Fate.LOST:
                self._accept(number_id, callback, mute)
                raise UpstreamOutcomeUnknown("whatsapp", "reset", phase="sent")
            case Fate.SLOW:
                self.slow.append(lambda: self._accept(number_id, callback, mute) and None)
                raise UpstreamOutcomeUnknown("whatsapp", "timeout", phase="sent")
            case Fate.SILENT:
                raise UpstreamOutcomeUnknown("whatsapp", "HTTP 502", http_status=502)
            case Fate.REFUSED:
                raise UpstreamRejected("whatsapp", "undeliverable", http_status=400, code=131026)
            case Fate.PAIR_LIMIT:
                raise UpstreamThrottled("whatsapp", "pair", scope="pair", code=131056, retry_after=after)
            case Fate.NUMBER_LIMIT:
                raise UpstreamThrottled("whatsapp", "number", scope="number", code=130429, retry_after=after)
            case Fate.OVERLOADED:
                raise UpstreamUnavailable("whatsapp", "maintenance", http_status=500, code=131057, phase="headers")
            case Fate.UNREACHABLE:
                raise UpstreamUnavailable("whatsapp", "refused", phase="connect")
            case Fate.NOT_TRIED:
                raise UpstreamBusy("whatsapp", "busy", retry_after=after)

    def _accept(self, number_id: str, callback: str, mute: bool) -> str:
        parsed = parse_callback(callback)
        assert parsed is not None
        send = Send(f"wamid.out{len(self.sends)}", number_id, *parsed, callback, self._clock(), mute)
        send.becomes("sent", self._clock())
        self.sends.append(send)
        return send.wa_id


class FakeGemini:
    """Stops at "thinking"; the order there is the answer, or the error to raise."""

    def generate(self, *, model: str, system: str, turns: Sequence[object], about: object = None) -> Generated:
        answer = pause("thinking")
        if isinstance(answer, UpstreamError):
            raise answer
        return Generated(answer, model, 1)
