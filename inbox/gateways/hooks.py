"""Other people's systems, which are told of events: one POST, and whether it was taken."""

from __future__ import annotations

from collections.abc import Mapping

from inbox.config import HOOKS
from inbox.errors import UpstreamError
from inbox.gateways import http
from inbox.resilience import Upstream

#: For deadline, metrics and the log. Whether an endpoint is called at all stands in its row, so there is no circuit.
UPSTREAM = Upstream("webhook_endpoints", HOOKS)


#: What went wrong before an answer came, by the class of what broke.
_WORDS = {
    "NotPublicError": "the address leads into a private network",
    "NameResolutionError": "the name is not known",
    "NewConnectionError": "nobody answers at this address",
    "ConnectTimeoutError": "nobody answers at this address in time",
    "ReadTimeoutError": "no answer came in time",
    "TimeoutError": "no answer came in time",
    "MaxRetryError": "nobody answers at this address",
}


def in_words(error: UpstreamError) -> str:
    """Why an event was not taken, for people."""
    return _WORDS.get(error.reason, error.reason)


class Hooks:
    """`private`: addresses of private networks and plain http are allowed."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """The status of a 2xx answer. Redirects are not followed, and what the answer says is not kept.

        Raises UpstreamUnavailable when nothing was sent (also where the name leads into a private network, which is
        looked at after DNS, when connecting), and another UpstreamError for any other answer, or none.
        """
        return UPSTREAM.deadline(self._post)(url, headers, body)

    def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        answer = http.tell(UPSTREAM, url, headers=headers, body=body, public_only=not self._private)
        if 200 <= answer.status < 300:
            return answer.status
        raise http.refusal(UPSTREAM.name, answer.status, answer.headers, scope="project")
