"""Behind nginx: addresses and the scheme are what nginx says, whatever a client claims."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.builders import signed, text_message, webhook
from tests.e2e.nginx import nginx
from tests.e2e.processes import flask, gunicorn
from tests.settings import APP_SECRET

EMAIL, PASSWORD = "anna@example.com", "correct horse battery staple"


class _From(HTTPAdapter):
    """Connections from one address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **kwargs)


@dataclass(frozen=True)
class Site:
    """The installation as the world sees it."""

    url: str
    trusted: Path

    def visitor(self, address: str = "127.0.0.1") -> requests.Session:
        """A browser at this address."""
        made = requests.Session()
        made.trust_env = False  # or a bundle of certificates named there would be used instead
        made.verify = str(self.trusted)
        made.mount("https://", _From(address))
        return made

    def exchange(self, request: str) -> bytes:
        """All that is answered to these very bytes, until the connection is closed or nothing has come for a second."""
        answer, place = b"", urlsplit(self.url)
        context = ssl.create_default_context(cafile=str(self.trusted))
        with (
            socket.create_connection(("127.0.0.1", place.port or 443), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=place.hostname) as connection,
            contextlib.suppress(TimeoutError, ConnectionError, ssl.SSLError),
        ):
            connection.sendall(request.encode("latin-1"))
            connection.settimeout(1)
            while piece := connection.recv(65_536):
                answer += piece
        return answer


@pytest.fixture
def site(installation: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    flask(installation, "users", "create", "--email", EMAIL, "--role", "admin", typed=PASSWORD)
    # One process: without Redis each counts for itself. It takes nothing in: a giant would hold up who comes next.
    behind = installation | {"TRUSTED_PROXY_COUNT": "1", "WEB_CONCURRENCY": "1", "DISPATCHER": "off"}
    with (
        gunicorn(tmp_path / "web.log", behind) as (_, upstream),
        nginx(tmp_path / "nginx", upstream) as (url, trusted),
    ):
        yield Site(url, trusted)


def test_signing_in_over_tls(site: Site) -> None:
    with site.visitor() as anna:
        answer = anna.post(f"{site.url}/auth/login", json={"email": EMAIL, "password": PASSWORD}, timeout=10)
        assert answer.status_code == 200, answer.text
        assert "__Host-inbox_session" in anna.cookies
        assert "Strict-Transport-Security" in answer.headers
        me = anna.get(f"{site.url}/auth/me", timeout=10).json()
        assert (me["email"], me["csrf_token"]) == (EMAIL, answer.json()["user"]["csrf_token"])


def test_a_guesser_is_limited_by_the_address_nginx_sees_and_nobody_else_is(site: Site) -> None:
    with site.visitor("127.0.0.2") as guesser, site.visitor("127.0.0.3") as anna:

        def guess(number: int) -> int:
            body = {"email": f"user{number}@example.com", "password": "x" * 12}
            claims = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
            return guesser.post(f"{site.url}/auth/login", json=body, headers=claims, timeout=10).status_code

        found = [guess(number) for number in range(21)]
        assert found == [401] * 20 + [429]
        right = {"email": EMAIL, "password": PASSWORD}
        assert anna.post(f"{site.url}/auth/login", json=right, timeout=10).status_code == 200


def test_a_webhook_comes_through_byte_for_byte_and_giants_and_metrics_do_not(site: Site) -> None:
    odd = webhook(messages=[text_message("é \U0001f950 " + "x" * 2_000_000)]).replace(b":", b" :  ")
    with site.visitor() as meta:
        url = f"{site.url}/webhook/whatsapp"
        taken = meta.post(url, data=odd, headers=signed(odd, APP_SECRET), timeout=20)
        assert (taken.status_code, taken.json()) == (200, {"status": "received"})
        large = b"x" * (4 * 1024 * 1024 + 1)
        assert meta.post(url, data=large, headers=signed(large, APP_SECRET), timeout=20).status_code == 413
        assert meta.post(f"{site.url}/auth/login", data=b"x" * (1024 * 1024 + 1), timeout=20).status_code == 413
        closed = meta.get(f"{site.url}/metrics", headers={"Authorization": "Bearer x"}, timeout=10)
        assert (closed.status_code, closed.headers["Server"]) == (404, "nginx")
        assert meta.get(f"{site.url}/sign-in", timeout=10).status_code == 200


HIDDEN = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = f"0\r\n\r\n{HIDDEN}"
#: Headers whose end of the body one server may see elsewhere than the other, and what they call the body.
SMUGGLED = [
    (f"Content-Length: {len(CHUNKED)}\r\nTransfer-Encoding: chunked", CHUNKED),
    ("Transfer-Encoding: chunked\r\nContent-Length: 4", f"{len(HIDDEN):x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
    (f"Content-Length: {len(CHUNKED)}\r\nTransfer-Encoding : chunked", CHUNKED),
    (f"Content-Length: {len(CHUNKED)}\r\nTransfer-Encoding: xchunked", CHUNKED),
    ("Transfer-Encoding: chunked, identity", CHUNKED),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", CHUNKED),
    (f"Content-Length: 0\r\nContent-Length: {len(HIDDEN)}", HIDDEN),
    (f"Content-Length: +{len(HIDDEN)}", HIDDEN),
    (f"Content-Length: {len(HIDDEN)}\x00", HIDDEN),
    (f"Content-Length: 0, {len(HIDDEN)}", HIDDEN),
    (f"X: y\rContent-Length: {len(HIDDEN)}", HIDDEN),
    (f"Content_Length: {len(HIDDEN)}\r\nContent-Length: {len(HIDDEN)}", HIDDEN),
]


def test_no_request_is_smuggled_past_nginx_in_anothers_body(site: Site) -> None:
    """Nor waits in a connection between the two servers for the next visitor."""
    with site.visitor() as visitor:
        for headers, body in SMUGGLED:
            answer = site.exchange(f"POST /auth/logout HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{body}")
            assert answer.count(b"HTTP/1.1 ") <= 2, headers  # nginx may end with its 400 what it answered before
            assert b"smuggled" not in answer, headers
            for _ in range(2):
                next_one = visitor.get(f"{site.url}/health/live", timeout=10)
                assert (next_one.status_code, next_one.json()) == (200, {"status": "alive"}), headers
