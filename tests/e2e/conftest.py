"""A production-like installation: PostgreSQL, the simulator, and the environment that ties them together."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from inbox.accounts.adding import ensure_default
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.cipher import TokenCipher
from inbox.config import Config
from inbox.db import Database
from sandbox import Sandbox
from tests import servers
from tests.e2e.processes import production
from tests.settings import APP_SECRET


@pytest.fixture
def installation(postgres: str, postgres_template: str, sandbox: Sandbox, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of every process of it. The schema is there, an administrator's key is in INBOX_TEST_KEY."""
    name = f"inbox_e2e_{uuid.uuid4().hex[:12]}"
    environment = production(
        servers.create_database(postgres, name, postgres_template),
        sandbox.url,
        tmp_path,
        WHATSAPP_APP_SECRET=APP_SECRET,
        WHATSAPP_VERIFY_TOKEN="verify-me",
        WHATSAPP_PHONE_NUMBER="+33 7 00 00 00 00",
        BOT_DEBOUNCE_SECONDS="0.2",
        RATE_LIMIT="1000000",  # tests ask as fast as they can until something has happened
    )
    yield {**environment, "INBOX_TEST_KEY": _set_up(environment)}
    servers.drop_database(postgres, name)


def _set_up(environment: dict[str, str]) -> str:
    """What `db upgrade` does with a schema that is there, and `keys create`, without their processes; the key."""
    config = Config.from_env(environment)
    db = Database(config.database_url)
    ensure_default(db, config, TokenCipher(config.encryption_keys))
    key = keys.create(db, name="e2e", role=Role.ADMIN)
    db.close()
    return key.secret
