"""Web pages of a business: one GET, redirects followed by hand, each address looked at before it is asked."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin

from requests.utils import requote_uri

from inbox.config import PAGES
from inbox.errors import UpstreamError, UpstreamRejected
from inbox.gateways import http
from inbox.gateways.whatsapp.media import origin_of
from inbox.resilience import Upstream

#: For deadline, metrics and the log. When a page is asked for again stands in its row, so there is no circuit.
UPSTREAM = Upstream("web_pages", PAGES)

TOO_LARGE, REDIRECTS, PACKED = "too_large", "redirects", "packed"  #: codes of what is wrong with a page itself
_MOST_REDIRECTS = 5
_HEADERS = {"Accept": "text/html, application/xhtml+xml, application/pdf, text/plain, text/markdown;q=0.9"}


@dataclass(frozen=True, slots=True)
class WebPage:
    """What stood at an address. `content_type` is as it was told, parameters and all."""

    url: str
    content_type: str
    data: bytes


class Pages:
    """`private`: addresses of private networks are allowed."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    def fetch(self, url: str) -> WebPage:
        """The page at `url`, or where it leads.

        Raises UpstreamRejected with a code above for what is wrong with the page, UpstreamUnavailable when nothing was
        sent (also where a name leads into a private network: its reason is then NotPublicError), and another
        UpstreamError for any other answer, or none.
        """
        return UPSTREAM.deadline(self._fetch)(url)

    def _fetch(self, url: str) -> WebPage:
        for _ in range(_MOST_REDIRECTS + 1):
            stream = http.stream(UPSTREAM, url, headers=_HEADERS, public_only=not self._private)
            try:
                if stream.status in (301, 302, 303, 307, 308):
                    url = _next(url, stream.headers.get("Location", ""))
                    continue
                if stream.status != 200:
                    raise http.refusal(UPSTREAM.name, stream.status, stream.headers, scope="project")
                return WebPage(url, stream.headers.get("Content-Type", ""), _whole(stream))
            finally:
                stream.close()
        raise _refused(REDIRECTS, "it leads on and on")


def _next(url: str, location: str) -> str:
    """Where a redirect leads. Raises UpstreamRejected for what is no address."""
    try:
        following = urldefrag(requote_uri(urljoin(url, location)))[0]
    except ValueError:
        following = ""
    if not location or origin_of(following) is None:
        raise _refused(REDIRECTS, "it leads nowhere")
    return following


def _whole(stream: http.Stream) -> bytes:
    """All of it, up to the limit. We ask for it as it is: what is packed all the same may be a bomb."""
    if stream.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _refused(PACKED, "it comes packed")
    data = bytearray()
    while piece := stream.read():
        data += piece
        if len(data) > UPSTREAM.policy.max_bytes:
            raise _refused(TOO_LARGE, "it is too large")
    return bytes(data)


def _refused(code: str, words: str) -> UpstreamError:
    return UpstreamRejected(UPSTREAM.name, words, code=code)
