"""What Prometheus reads of real processes: several gunicorn workers as one, and a worker on its own port."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path

import psutil
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.processes import gunicorn, running
from tests.waiting import free_port, wait_until

TOKEN = "an-end-to-end-token"


def read(url: str) -> dict[str, float]:
    """Every sample by its name and labels, as they are written."""
    response = requests.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    assert response.status_code == 200, response.text
    return {
        "{}{}".format(sample.name, sorted(sample.labels.items()) or ""): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def live_requests(url: str) -> float:
    """Answers of /health/live, over all workers."""
    key = "inbox_http_requests_total[('method', 'GET'), ('route', '/health/live'), ('status', '200')]"
    return read(url).get(key, 0)


def test_whichever_worker_is_asked_answers_for_all(installation: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    environment = installation | {"METRICS_TOKEN": TOKEN, "DISPATCHER": "off", "RATE_LIMIT_ANONYMOUS": "1000000"}
    listening = environment | {"METRICS_LISTEN": f"127.0.0.1:{port}"}
    with (
        gunicorn(tmp_path / "web.log", environment) as (web, url),
        running(["-m", "flask", "--app", "wsgi", "worker"], tmp_path / "worker.log", listening) as worker,
    ):
        for _ in range(20):  # a connection each, so that both workers get some
            requests.get(f"{url}/health/live", timeout=10)
        assert {live_requests(url) for _ in range(8)} == {20}

        workers = psutil.Process(web.child.pid).children()
        held = "inbox_database_connections[('state', 'size')]"
        both = wait_until(lambda: read(url).get(held, 0), "the workers to have said what they hold")
        os.kill(workers[0].pid, signal.SIGKILL)
        wait_until(lambda: workers[0].pid not in {each.pid for each in _children(web.child.pid)}, "its end")
        wait_until(lambda: len(_children(web.child.pid)) == 2, "another worker")
        assert live_requests(url) == 20, "what the dead one counted stays"
        wait_until(lambda: read(url).get(held, 0) == both, "its successor to hold as much, and not more")

        threads = "inbox_crew_threads[('crew', 'deliver')]"
        own = f"http://127.0.0.1:{port}"
        wait_until(lambda: "dispatcher started" in worker.output(), "the worker")  # what is told is then kept for 10 s
        wait_until(lambda: _told(own).get(threads) == 4, "the worker's port to open, and its crews to begin")
        wait_until(lambda: _told(own).get("inbox_dispatchers") == 1, "the worker's report")
        (folder,) = (owner.parent for owner in _owners() if owner.read_text() == str(web.child.pid))
        web.stop()
        assert not folder.exists()


def _owners() -> list[Path]:
    return [
        *Path("/dev/shm").glob("inbox-metrics-*/master"),
        *Path(tempfile.gettempdir()).glob("inbox-metrics-*/master"),
    ]


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children()


def _told(url: str) -> dict[str, float]:
    try:
        return read(url)
    except requests.ConnectionError:
        return {}
