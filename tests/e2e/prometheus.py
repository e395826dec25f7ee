"""A real Prometheus with the configuration and the rules of deploy/, and what the dashboard asks of it."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from tests.deploy.test_prometheus import DASHBOARD, DEPLOY
from tests.servers import program
from tests.waiting import free_port, wait_until


class Prometheus:
    """A running server that has begun to scrape."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._began = time.time()

    def is_ready(self) -> bool:
        return requests.get(f"{self._url}/-/ready", timeout=10).status_code == 200

    def ask(self, path: str, **parameters: Any) -> Any:
        response = requests.get(f"{self._url}/api/v1/{path}", params=parameters, timeout=10)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def value(self, expression: str) -> float | None:
        """The first value of an instant query."""
        result = self.ask("query", query=expression)["result"]
        return float(result[0]["value"][1]) if result else None

    def has_shown(self, expression: str) -> bool:
        """True when the expression had a value that can be drawn, at some time of the run."""
        asked = expression.replace("$__rate_interval", "20s")
        found = self.ask("query_range", query=asked, start=self._began, end=time.time(), step="1s")
        values = [float(value) for series in found["result"] for _, value in series["values"]]
        return any(math.isfinite(value) for value in values)

    def alerts(self) -> set[str]:
        """The names of those that are pending or firing."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"]}


@contextlib.contextmanager
def prometheus(folder: Path, token: str, webs: Sequence[str], worker: str) -> Iterator[Prometheus]:
    """A server that asks the web processes and the worker every second; addresses as `host:port`."""
    (folder / "token").write_text(token)
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    for ours, theirs in (
        ("15s", "1s"),
        ("/etc/prometheus/inbox-token", f"{folder}/token"),
        ('"127.0.0.1:8000"', ", ".join(map(json.dumps, webs))),
        ("127.0.0.1:9101", worker),
        ("rules/*.yml", f"{DEPLOY}/prometheus/rules/*.yml"),
    ):
        assert ours in text
        text = text.replace(ours, theirs)
    (folder / "prometheus.yml").write_text(text)
    place = f"127.0.0.1:{free_port()}"
    command = [program("prometheus"), f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "prometheus.log").open("wb") as log:
        server = subprocess.Popen([*command, f"--web.listen-address={place}"], stdout=log, stderr=log)
    try:
        running = Prometheus(f"http://{place}")
        wait_until(lambda: _sees(running, len(webs) + 1), "Prometheus to scrape everything")
        yield running
    finally:
        server.terminate()
        server.wait(20)


def _sees(server: Prometheus, processes: int) -> bool:
    try:
        return server.is_ready() and server.value('sum(up{job=~"inbox-.*"})') == processes
    except requests.ConnectionError:
        return False


def panels() -> dict[str, list[str]]:
    """The queries of every panel of the dashboard, by its title."""
    found = json.loads(DASHBOARD.read_text())["panels"]
    return {panel["title"]: [each["expr"] for each in panel.get("targets", [])] for panel in found}
