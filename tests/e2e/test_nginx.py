"""Behind nginx: addresses and the scheme are what nginx says, whatever a client claims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.builders import signed, text_message, webhook
from tests.conftest import APP_SECRET
from tests.e2e.nginx import nginx
from tests.e2e.processes import flask, gunicorn

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


@pytest.fixture
def site(installation: dict[str, str], tmp_path: Path) -> Iterator[Site]:
    flask(installation, "users", "create", "--email", EMAIL, "--role", "admin", typed=PASSWORD)
    # One process: without Redis each counts for itself.
    behind = installation | {"TRUSTED_PROXY_COUNT": "1", "WEB_CONCURRENCY": "1"}
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


def test_webhooks_pass_and_giants_do_not(site: Site) -> None:
    body = webhook(messages=[text_message()])
    with site.visitor() as meta:
        url = f"{site.url}/webhook/whatsapp"
        assert meta.post(url, data=body, headers=signed(body, APP_SECRET), timeout=10).json() == {"status": "received"}
        assert meta.post(url, data=b"x" * (5 * 1024 * 1024 + 1), timeout=10).status_code == 413
        large = b"x" * (4 * 1024 * 1024 + 1)
        assert meta.post(url, data=large, headers=signed(large, APP_SECRET), timeout=10).status_code == 413
