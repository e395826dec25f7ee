"""The Procfile under a real runner, as a platform would: release, web and worker; and the way back to plain calls."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.e2e.processes import Process, running
from tests.waiting import free_port, wait_until

_OFF = {"RESILIENCE_RETRY": "off", "RESILIENCE_BREAKER": "off", "RESILIENCE_CACHE": "off"}


@contextmanager
def platform(log: Path, environment: dict[str, str]) -> Iterator[tuple[Process, str]]:
    """web and worker, started by honcho; ready."""
    port = free_port()
    found = environment | {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    with running(["-m", "honcho", "start", "--port", str(port), "web", "worker"], log, found) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_complete(process, url), "web and worker")
        yield process, url


def _is_complete(process: Process, url: str) -> bool:
    """Asks /health last: what it finds is shared for 5 s."""
    assert process.child.poll() is None, process.output()
    if "dispatcher started" not in process.output():
        return False
    try:
        if requests.get(f"{url}/health/ready", timeout=5).status_code != 200:
            return False
        health = requests.get(f"{url}/health", timeout=5).json()
    except (requests.ConnectionError, requests.Timeout):
        return False
    return bool(health["processes"].get("worker") == 1 and health["processes"].get("web"))


def test_a_platform_runs_it_and_the_way_back_is_a_restart(installation: dict[str, str], tmp_path: Path) -> None:
    log, environment = tmp_path / "log", installation | {"DISPATCHER": "off"}
    release = environment | {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}
    with running(["-m", "honcho", "run", "flask", "--app", "wsgi", "db", "upgrade"], log, release) as process:
        assert process.child.wait(60) == 0, process.output()
        assert "up to date" in process.output()
    with platform(log, environment) as (process, url):
        assert switches(url) == {"retry": "on", "breaker": "on", "cache": "on"}
        everybody = psutil.Process(process.child.pid).children(recursive=True)
        began = time.monotonic()
        process.stop(40)
        assert not [each for each in everybody if _works(each)], "SIGTERM ends all of them"
    with platform(tmp_path / "plain.log", environment | _OFF) as (_, url):
        print(f"back to plain calls after {time.monotonic() - began:.1f} s")
        assert switches(url) == {"retry": "off", "breaker": "off", "cache": "off"}


def switches(url: str) -> Any:
    return requests.get(f"{url}/health", timeout=10).json()["switches"]


def _works(process: psutil.Process) -> bool:
    """False also for one that has ended and was not asked for its exit code: its parent is gone."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
