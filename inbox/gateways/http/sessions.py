"""The one requests.Session of this process."""

from __future__ import annotations

import os
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from inbox.gateways.http.sockets import DeadlineSSLSocket, Pool, SecurePool
from inbox.version import VERSION

POOL_SIZE = 256  # connections kept per host: more than any bulkhead allows, so none is ever thrown away
HOSTS = 32  # whose pools are kept; we call three, those that Meta keeps files on, and receivers of webhooks
USER_AGENT = f"inbox/{VERSION}"

#: One more connect, because nothing was sent yet; everything else is decided where its meaning is known.
RETRY = urllib3.Retry(
    total=1,
    connect=1,
    read=False,
    status=0,
    redirect=0,
    other=0,
    allowed_methods=None,
    respect_retry_after_header=False,
    raise_on_status=False,
)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = DeadlineSSLSocket
        context.load_default_certs()
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": Pool, "https": SecurePool}


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere: told not to follow a redirect, requests would still read all of its body, however long it is."""


def make_session() -> requests.Session:
    """Never changed after this: a header or cookie set later would leak between callers."""
    made = _Session()
    made.trust_env = False  # a .netrc would replace our token, a proxy variable our target
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    adapter = _Adapter(pool_connections=HOSTS, pool_maxsize=POOL_SIZE, pool_block=False, max_retries=RETRY)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    made.headers["User-Agent"] = USER_AGENT
    made.headers["Accept-Encoding"] = "identity"  # answers are small, and a bomb is one without a fuse
    return made


session = make_session()


def _renew_session() -> None:
    """For a forked child, before it has threads: two processes on one socket would read each other's answers."""
    global session
    session = make_session()


os.register_at_fork(after_in_child=_renew_session)
