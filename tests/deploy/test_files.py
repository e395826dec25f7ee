"""What is copied to a server, an image or a platform: linted, and held to what the program knows."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbox.config import Config, DatabaseLimits
from inbox.config.setting import settings_of
from tests.servers import program

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
#: Read by gunicorn and Python, or by those who start them.
NOT_OURS = {"PORT", "PYTHONUNBUFFERED"}
SETTINGS = {each.variable for holder in (Config, DatabaseLimits) for _, each in settings_of(holder)} | NOT_OURS


def procfile() -> dict[str, str]:
    lines = (ROOT / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


# --- systemd -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_is_correct_and_shut_in(unit: Path, tmp_path: Path) -> None:
    """Verified with this checkout in the place of /opt/inbox; exposure from 0 (none) to 10."""
    installed = tmp_path / unit.name
    binaries = f"{sys.prefix}/bin"
    installed.write_text(unit.read_text().replace("/opt/inbox/.venv/bin", binaries).replace("/opt/inbox", str(ROOT)))
    analyze = program("systemd-analyze")
    verified = subprocess.run([analyze, "verify", str(installed)], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = [analyze, "security", "--offline=true", "--threshold=20", str(installed)]
    assert subprocess.run(judged, capture_output=True, check=False).returncode == 0, "exposure above 2.0"


def test_the_units_start_what_the_procfile_starts() -> None:
    commands = {
        unit.stem: re.search(r"^ExecStart=/opt/inbox/.venv/bin/(.+)$", unit.read_text(), re.M) for unit in UNITS
    }
    assert commands["inbox-worker"] is not None
    assert commands["inbox-worker"][1] == procfile()["worker"]
    assert commands["inbox-web"] is not None
    assert commands["inbox-web"][1].replace(" --bind 127.0.0.1:8000", "") == procfile()["web"]


def test_a_unit_sets_only_what_there_is_to_set() -> None:
    for unit in UNITS:
        line = re.search(r"^Environment=(.+)$", unit.read_text(), re.M)
        assert line is not None
        assert {pair.split("=")[0] for pair in line[1].split()} <= SETTINGS


# --- the image -----------------------------------------------------------------------------------------------------


def instructions() -> Iterator[tuple[str, str]]:
    """Of the Dockerfile: its instructions in order, each on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        yield word, re.sub(r"\s+", " ", rest)


def test_the_linter_has_nothing_to_say_about_the_image() -> None:
    linter = Path(sys.prefix) / "bin/hadolint"
    done = subprocess.run([linter, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_the_image_runs_while_it_is_built_works(tmp_path: Path) -> None:
    """One command after the other, in a folder that holds what was copied until then, and nothing else."""
    image, etc = tmp_path / "app", tmp_path / "root/etc"
    image.mkdir()
    etc.mkdir(parents=True)
    for name in ("passwd", "group", "shadow"):
        (etc / name).write_text("")
    for word, rest in instructions():
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(ROOT / source, image, target)
        elif word == "RUN":
            for command in rest.split(" && "):
                _run(shlex.split(command), image, etc.parent)
    assert (image / "inbox/__pycache__").is_dir()
    assert (tmp_path / "root/data").is_dir()
    assert "inbox:x:10001" in (etc / "passwd").read_text()


def _copy(source: Path, image: Path, target: str) -> None:
    place = image / target / source.name if target.endswith("/") else image / target
    if source.is_dir():
        shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, place)


def _run(command: list[str], image: Path, root: Path) -> None:
    """In the folder of the image; what would change this machine's users and folders changes those under `root`."""
    name, *rest = command
    if name in ("pip", "python"):
        command = [sys.executable, *(["-m", "pip"] if name == "pip" else []), *rest]
    elif name == "useradd":
        command = [program("useradd"), "--prefix", str(root), *rest]
    else:
        assert name == "install"
        command = ["install", "-d", "-m", "0700", f"{root}{rest[-1]}"]
    done = subprocess.run(command, cwd=image, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_the_image_holds_no_keys_and_no_history() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    copied = [each for word, rest in instructions() if word == "COPY" for each in rest.split()[:-1]]
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)


def test_the_image_starts_what_the_procfile_starts() -> None:
    last = dict(instructions())["CMD"]
    assert " ".join(json.loads(last)).replace(" --bind 0.0.0.0:8000", "") == procfile()["web"]


# --- compose -------------------------------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return found


def test_compose_starts_what_the_procfile_starts() -> None:
    services = compose()["services"]
    for name in ("release", "worker"):
        assert " ".join(services[name]["command"]) == procfile()[name]
    assert "command" not in services["web"], "it runs what the image runs"


def test_compose_sets_only_what_there_is_to_set() -> None:
    for name in ("web", "worker"):
        assert set(compose()["services"][name]["environment"]) <= SETTINGS


def test_what_compose_mounts_is_there() -> None:
    told = compose()
    for name, service in told["services"].items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in told["volumes"], name
        for each in service.get("configs", []):
            assert each["source"] in told["configs"]
        assert set(service.get("depends_on", {})) <= set(told["services"])


def test_what_compose_has_prometheus_ask_is_what_deploy_says() -> None:
    """The same jobs and rules, at the names that the services have there."""
    inside = yaml.safe_load(compose()["configs"]["prometheus"]["content"])
    beside = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    for told, service in zip(inside["scrape_configs"], ("web:8000", "worker:9101"), strict=True):
        assert told["static_configs"] == [{"targets": [service]}]
    for both in (inside, beside):
        for told in both["scrape_configs"]:
            del told["static_configs"]
    assert inside == beside


# --- platforms -----------------------------------------------------------------------------------------------------


def test_app_json_asks_only_for_what_there_is_to_set() -> None:
    told = json.loads((ROOT / "app.json").read_text())
    assert set(told["env"]) <= SETTINGS
    assert set(told["formation"]) <= set(procfile())
    for each in told["env"].values():
        assert each["description"].endswith((".", "))'", ")."))


def test_the_platform_gets_the_python_that_this_is_tested_with() -> None:
    major, minor = sys.version_info[:2]
    assert (ROOT / ".python-version").read_text().strip() == f"{major}.{minor}"
    assert f"python:{major}.{minor}-" in dict(instructions())["FROM"]


def test_no_file_there_holds_a_secret() -> None:
    for folder, _, names in os.walk(DEPLOY):
        for name in names:
            assert not re.search(
                r"(?i)(password|token|secret|key)\s*[:=]\s*[\"']?[a-z0-9+/]{16,}", Path(folder, name).read_text()
            )
