"""One call to an upstream, watched: what it gave, how long it took, and the promises that hold for every call.

The policies are short, so that a whole folder of dead upstreams takes seconds; the real numbers are tested elsewhere.
"""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

from inbox import config
from inbox.clock import new_id
from inbox.config import Policy
from inbox.errors import (
    UpstreamError,
    UpstreamLocal,
    UpstreamMisconfigured,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
    UpstreamUntrusted,
)
from inbox.gateways.gemini import Gemini, Turn
from inbox.gateways.whatsapp.messages import Content, Recipient, WhatsApp
from inbox.logs import set_request_id
from inbox.resilience import GEMINI, WHATSAPP, Upstream, remaining

SHORT: Mapping[str, Policy] = {
    "gemini": replace(config.GEMINI, total=1.2, connect=0.4, read=0.6, minimum=0.1, patience=0.1),
    "whatsapp": replace(config.WHATSAPP, total=1.2, connect=0.4, read=0.6, minimum=0.1),
    "whatsapp_templates": replace(config.WHATSAPP, total=1.2, connect=0.4, read=0.6, minimum=0.1),
    "whatsapp_receipts": replace(config.WHATSAPP, total=1.2, connect=0.4, read=0.6, minimum=0.1),
    "whatsapp_media": replace(config.WHATSAPP_MEDIA, total=1.2, connect=0.4, read=0.6, minimum=0.1),
    "media_store": replace(config.MEDIA_STORE, total=1.2, connect=0.4, read=0.6, minimum=0.1),
    "supabase": replace(config.SUPABASE, total=1.2, connect=0.4, read=0.6, minimum=0.1),
}
#: Seconds a call may take beyond its deadline. Idle, it is milliseconds; the machines that run this are not.
SLACK = 1.0

MODEL = "gemini-3.5-flash-lite"
GEMINI_KEY = "the-key-for-gemini-0123456789"
WHATSAPP_TOKEN = "the-token-for-whatsapp-0123456789"
WORDS = "What a customer said between us."
#: What may stand in no log line, no error and no breaker.
SECRETS = (GEMINI_KEY, WHATSAPP_TOKEN, WORDS)

#: HTTP requests of one call that may reach the upstream, by what their path contains.
MOST_REQUESTS = {":generateContent": 3, "/messages": 1}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call gave: `text` (the answer, or the id of the message) or the error."""

    text: str | None
    error: UpstreamError | None
    seconds: float

    @property
    def kind(self) -> str:
        """success, or what became of the request: not_sent, trust, server (it did nothing), ambiguous …"""
        match self.error:
            case None:
                return "success"
            case UpstreamLocal():
                return "local"
            case UpstreamUntrusted():
                return "trust"
            case UpstreamThrottled():
                return "throttled"
            case UpstreamOutcomeUnknown():
                return "ambiguous"
            case UpstreamMisconfigured() | UpstreamRejected():
                return "rejected"
            case UpstreamUnavailable():
                return "not_sent" if self.error.http_status is None else "server"
        raise AssertionError(self.error)


def ask(url: str, words: str = WORDS) -> Outcome:
    """Ask Gemini at `url`."""
    gemini = Gemini(f"{url}/v1beta", GEMINI_KEY)
    return observed(GEMINI, lambda: gemini.generate(model=MODEL, system="Be kind.", turns=[Turn("user", words)]).text)


def send(url: str) -> Outcome:
    """Send a text by WhatsApp at `url`."""
    whatsapp = WhatsApp(f"{url}/v26.0")
    recipient = Recipient("33600000001", None, None)

    def call() -> str:
        return whatsapp.send(
            phone_number_id="200000000000001",
            token=WHATSAPP_TOKEN,
            recipient=recipient,
            content=Content.of_text(WORDS),
            callback_data="inbox:1:1",
        )

    return observed(WHATSAPP, call)


def both(url: str) -> tuple[Outcome, Outcome]:
    """Ask and send, at the same time."""
    with ThreadPoolExecutor(2) as pool:
        asked, sent = pool.submit(ask, url), pool.submit(send, url)
        return asked.result(), sent.result()


def observed(upstream: Upstream, call: Callable[[], str]) -> Outcome:
    """Make one call under a request id of its own; fails the test when it overran its deadline or told a secret."""
    set_request_id(new_id().hex)
    text, error = None, None
    began = time.monotonic()
    try:
        text = call()
    except UpstreamError as raised:
        error = raised
    seconds = time.monotonic() - began
    assert seconds <= upstream.policy.total + SLACK
    assert remaining() is None
    if error is not None:
        assert told(str(error), repr(vars(error)), *traceback.format_exception(error)) == []
        # With them go the frames of the call, and what they hold.
        error.__traceback__ = error.__cause__ = error.__context__ = None
    return Outcome(text, error, seconds)


def told(*texts: str) -> list[str]:
    """The secrets that occur in any of the texts."""
    return [secret for secret in SECRETS if any(secret in text for text in texts)]


class Asked(Protocol):
    """A request that a server received; header names are in lower case."""

    @property
    def path(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...


def check_counts(requests: Iterable[Asked]) -> None:
    """No call reached its upstream more often than it may; calls are told apart by their request ids."""
    counts = Counter(
        (request.headers["x-request-id"], part)
        for request in requests
        for part in MOST_REQUESTS
        if part in request.path and "x-request-id" in request.headers
    )
    assert {key: count for key, count in counts.items() if count > MOST_REQUESTS[key[1]]} == {}
