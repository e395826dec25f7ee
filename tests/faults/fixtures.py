"""Fixtures for the scenarios of the whole application; loaded by name, as not every test of the folder wants them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from inbox import config as defaults
from inbox.config import Config
from sandbox import Sandbox
from tests import servers
from tests.faults.calls import check_counts
from tests.faults.stage import Stage, serving
from tests.settings import APP_SECRET


@pytest.fixture
def echoing() -> Iterator[Sandbox]:
    """Upstreams whose only status is `sent`, at once; at the end, no call may have reached them too often."""
    with Sandbox(app_secret=APP_SECRET, status_delays=(0.0, None, None)) as running:
        yield running
        check_counts(running.requests())


@pytest.fixture
def whole(live_config: Config, postgres_databases: servers.Databases) -> Iterator[Config]:
    """Settings for the whole application: PostgreSQL, the sandbox, and the policies of production."""
    url = postgres_databases.take()
    yield dataclasses.replace(
        live_config, database_url=url, gemini=defaults.GEMINI, whatsapp=defaults.WHATSAPP, supabase=defaults.SUPABASE
    )
    postgres_databases.give_back(url)


@pytest.fixture
def idle_stage(whole: Config, sandbox: Sandbox) -> Iterator[Stage]:
    """The web server, without anybody who works."""
    with serving(whole, sandbox, dispatcher=False) as running:
        yield running
