"""What the doctor says about the identity provider."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inbox.clock import utc_now
from inbox.config import Config
from inbox.operations.doctor.findings import Clocks, Level
from inbox.operations.doctor.upstreams import supabase
from sandbox import Sandbox

GOOD = "sb_publishable_good"
SECRET = "x" * 32


def levels(config: Config) -> dict[str, Level]:
    return {finding.what: finding.level for finding in supabase(config, Clocks(utc_now))}


@pytest.mark.parametrize(
    ("key", "level"),
    [
        (GOOD, Level.OK),
        ("sb_publishable_old", Level.PROBLEM),
        (None, Level.WARNING),
        ("sb_secret_good", Level.WARNING),
    ],
)
def test_the_key_is_tried_without_anybody_s_token(key: str | None, level: Level) -> None:
    with Sandbox(supabase_keys=[GOOD, "sb_secret_good"]) as sandbox:
        assert levels(Config(supabase_url=sandbox.url, supabase_key=key)) == {
            "Supabase": Level.OK,
            "Supabase key": level,
        }
        assert all("authorization" not in request.headers for request in sandbox.requests("supabase"))


def test_a_key_is_not_blamed_for_an_ill_server(sandbox: Sandbox) -> None:
    config = Config(supabase_url=sandbox.url, supabase_key=GOOD)
    sandbox.fault("supabase", "status", code=503, match={"path": "user"})
    assert levels(config) == {"Supabase": Level.OK, "Supabase key": Level.WARNING}


def test_a_project_without_published_keys_is_fine_where_its_secret_is_known(sandbox: Sandbox) -> None:
    sandbox.supabase.switch_signing("hs256")
    config = Config(supabase_url=sandbox.url, supabase_key=GOOD)
    assert levels(config)["Supabase"] is Level.WARNING
    assert levels(replace(config, supabase_jwt_secret=SECRET))["Supabase"] is Level.OK


def test_without_an_address_nobody_is_asked() -> None:
    assert levels(Config()) == levels(Config(supabase_jwt_secret=SECRET)) == {"Supabase": Level.OK}
