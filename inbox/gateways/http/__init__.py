"""The way out: one pooled session, one exchange over it, one stream for files."""

from inbox.gateways.http.exchange import Answer, exchange, tell
from inbox.gateways.http.refusals import refusal, retry_after
from inbox.gateways.http.stream import Stream, stream

__all__ = ["Answer", "Stream", "exchange", "refusal", "retry_after", "stream", "tell"]
