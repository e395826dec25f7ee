"""The way into the demo is good once, none of its routes exists elsewhere, and it ends when a part of it has."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from inbox import create_app
from inbox.config import Config
from inbox.demo import demo, entry
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


def test_the_demo_ends_with_a_sentence_when_one_of_its_processes_has(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text("its last words")
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"], text=True) as process:
        process.wait()
        place = demo.Place(tmp_path, "http://127.0.0.1:1", "http://127.0.0.1:1", "secret", {})
        with pytest.raises(demo.DemoError, match=r"The app has ended, with code 3[^\x00]*its last words"):
            demo._customers_write(place, [demo.Child("The app", process, log)], [], time.monotonic() + 5, 1000.0)


def test_production_refuses_to_be_a_demo() -> None:
    with pytest.raises(ConfigError, match="DEMO_SIMULATOR_URL"):
        Config.from_env({"DEMO_SIMULATOR_URL": "http://127.0.0.1:9"})
