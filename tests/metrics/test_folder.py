"""The folder in which the workers of one gunicorn count: new for each master, and gone with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from inbox.metrics import folder
from inbox.metrics.folder import VARIABLE


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    return tmp_path


def test_a_master_has_a_folder_of_its_own_and_removes_it(parent: Path) -> None:
    folder.prepare(str(parent))
    (made,) = parent.iterdir()
    assert (made / "master").read_text() == str(os.getpid())
    assert os.environ[VARIABLE] == str(made)
    folder.prepare(str(parent))  # a reload reads gunicorn.conf.py again
    assert list(parent.iterdir()) == [made]
    folder.remove()
    assert not list(parent.iterdir())


def test_a_folder_whose_master_was_killed_goes_with_the_next_start(parent: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name, owner in (("inbox-metrics-dead", dead.pid), ("inbox-metrics-alive", os.getpid())):
        (parent / name).mkdir()
        (parent / name / "master").write_text(str(owner))
    (parent / "inbox-metrics-begun").mkdir()
    folder.prepare(str(parent))
    names = {path.name for path in parent.iterdir()}
    assert {"inbox-metrics-alive", "inbox-metrics-begun"} < names
    assert "inbox-metrics-dead" not in names


def test_the_old_master_of_an_upgrade_leaves_the_folder_to_the_new_one(parent: Path) -> None:
    folder.prepare(str(parent))
    folder.own()
    made = Path(os.environ[VARIABLE])
    (made / "master").write_text("1")  # the new master, of another process id, has taken over
    folder.remove()
    assert made.is_dir()


def test_a_folder_that_somebody_else_named_is_left_alone(parent: Path) -> None:
    os.environ[VARIABLE] = str(parent)
    folder.prepare(str(parent))
    folder.own()
    folder.remove()
    assert parent.is_dir()
    assert not list(parent.iterdir())


def test_naming_the_folder_does_not_load_the_library() -> None:
    """It decides where it counts as soon as it is imported."""
    check = "import sys, inbox.metrics.folder; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
