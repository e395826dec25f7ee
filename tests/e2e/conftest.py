"""A production-like installation: PostgreSQL, the simulator, and the environment that ties them together."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests import servers
from tests.conftest import APP_SECRET
from tests.e2e.processes import flask, production


@pytest.fixture
def installation(postgres: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of every process of it. The schema is there, an administrator's key is in INBOX_TEST_KEY."""
    name = f"inbox_e2e_{uuid.uuid4().hex[:12]}"
    environment = production(
        servers.create_database(postgres, name),
        sandbox.url,
        tmp_path,
        WHATSAPP_APP_SECRET=APP_SECRET,
        WHATSAPP_VERIFY_TOKEN="verify-me",
        WHATSAPP_PHONE_NUMBER="+33 7 00 00 00 00",
        BOT_DEBOUNCE_SECONDS="0.2",
        RATE_LIMIT="1000000",  # tests ask as fast as they can until something has happened
    )
    assert "upgraded" in flask(environment, "db", "upgrade")
    assert "up to date" in flask(environment, "db", "upgrade")
    key = flask(environment, "keys", "create", "--name", "e2e", "--role", "admin").strip().splitlines()[-1]
    yield {**environment, "INBOX_TEST_KEY": key}
    servers.drop_database(postgres, name)
