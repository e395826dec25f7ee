"""The way into the demo is good once, and none of its routes exists elsewhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inbox import create_app
from inbox.config import Config
from inbox.demo import entry
from inbox.errors import ConfigError
from inbox.runtime import runtime_of


def test_the_link_gives_the_session_once_and_to_nobody_who_guesses(tmp_path: Path) -> None:
    word = entry.prepare(tmp_path, "inbox_session_x").rpartition("/")[2]
    assert entry.pick_up(tmp_path, "guessed") is None
    assert entry.pick_up(tmp_path, word) == "inbox_session_x"
    assert entry.pick_up(tmp_path, word) is None


def test_only_its_owner_may_read_what_waits_for_the_link(tmp_path: Path) -> None:
    entry.prepare(tmp_path, "inbox_session_x")
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("path", ["/demo/desk?phone=33610000001", "/demo/enter/x"])
def test_elsewhere_there_is_no_demo(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_api_of_the_demo_is_described_too(config: Config) -> None:
    app = create_app(replace(config, demo_simulator_url="http://127.0.0.1:9"))
    described = app.test_client().get("/openapi.json").json
    assert "/demo/desk" in described["paths"]
    assert runtime_of(app).close(5)


def test_production_refuses_to_be_a_demo() -> None:
    with pytest.raises(ConfigError, match="DEMO_SIMULATOR_URL"):
        Config.from_env({"DEMO_SIMULATOR_URL": "http://127.0.0.1:9"})
