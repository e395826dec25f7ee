"""A production-like installation: PostgreSQL, the simulator, and the environment that ties them together."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from inbox.sandbox import Sandbox
from tests import servers
from tests.conftest import APP_SECRET
from tests.e2e.processes import flask


@pytest.fixture
def installation(postgres: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of every process of it. The schema is there, an administrator's key is in INBOX_TEST_KEY."""
    name = f"inbox_e2e_{uuid.uuid4().hex[:12]}"
    environment = {
        "DATABASE_URL": servers.create_database(postgres, name),
        "SECRET_KEY": "s" * 40,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "INBOX_INSTANCE_PATH": str(tmp_path / "instance"),
        "WHATSAPP_API_URL": f"{sandbox.url}/v26.0",
        "WHATSAPP_APP_SECRET": APP_SECRET,
        "WHATSAPP_VERIFY_TOKEN": "verify-me",
        "WHATSAPP_PHONE_NUMBER_ID": "200000000000001",
        "WHATSAPP_PHONE_NUMBER": "+33 7 00 00 00 00",
        "WHATSAPP_ACCESS_TOKEN": "production-like-token",
        "GEMINI_API_URL": f"{sandbox.url}/v1beta",
        "GEMINI_API_KEY": "production-like-key",
        "BOT_DEBOUNCE_SECONDS": "0.2",
        "WEB_CONCURRENCY": "2",
    }
    assert "upgraded" in flask(environment, "db", "upgrade")
    assert "up to date" in flask(environment, "db", "upgrade")
    key = flask(environment, "keys", "create", "--name", "e2e", "--role", "admin").strip().splitlines()[-1]
    yield {**environment, "INBOX_TEST_KEY": key}
    servers.drop_database(postgres, name)
