"""Real processes: gunicorn, the worker, the simulator. Each belongs to a `with` block that ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests
from cryptography.fernet import Fernet

from tests.builders import NUMBER_ID
from tests.waiting import free_port, wait_until

ROOT = Path(__file__).parents[2]


def production(database_url: str, upstreams: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a production-like installation over the simulator at `upstreams`; `more` is added to it."""
    return {
        "DATABASE_URL": database_url,
        "INBOX_INSTANCE_PATH": str(folder / "instance"),
        "SECRET_KEY": "s" * 40,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "WHATSAPP_API_URL": f"{upstreams}/v26.0",
        "WHATSAPP_PHONE_NUMBER_ID": NUMBER_ID,
        "WHATSAPP_ACCESS_TOKEN": "production-like-token",
        "GEMINI_API_URL": f"{upstreams}/v1beta",
        "GEMINI_API_KEY": "production-like-key",
        "WEB_CONCURRENCY": "2",
        **more,
    }


class Process:
    """A command that runs until it is told to stop. Its output is in `log`."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str], root: Path = ROOT) -> None:
        self.log = log
        with log.open("ab") as output:
            self.child = subprocess.Popen(
                [sys.executable, *command],
                cwd=root,
                env={"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, seconds: float = 30) -> int:
        """SIGTERM, and wait for the end. The exit code."""
        self.child.terminate()
        return self.child.wait(seconds)

    def kill(self) -> None:
        """SIGKILL to the whole session, master and workers at once, and to what runs below in sessions of its own."""
        below = psutil.Process(self.child.pid).children(recursive=True) if self.child.poll() is None else []
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        for each in below:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.child.wait(10)


@contextlib.contextmanager
def running(command: list[str], log: Path, environment: dict[str, str], root: Path = ROOT) -> Iterator[Process]:
    """Run `command` with our Python for the time of the block, of the release in the folder `root`."""
    process = Process(command, log, environment, root)
    try:
        yield process
    finally:
        process.kill()


@contextlib.contextmanager
def gunicorn(
    log: Path, environment: dict[str, str], port: int | None = None, root: Path = ROOT, *, patient: bool = False
) -> Iterator[tuple[Process, str]]:
    """The web process, ready; with its address. `patient`: it refuses nobody for having waited."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    settings = "tests/e2e/ours_but_patient_conf.py" if patient else "gunicorn.conf.py"
    command = ["-m", "gunicorn", "-c", settings, "--bind", f"127.0.0.1:{port}", "wsgi:app"]
    with running(command, log, environment, root) as process:
        wait_until(lambda: _ready(process, url), "gunicorn to be ready")
        yield process, url


def _ready(process: Process, url: str) -> bool:
    assert process.child.poll() is None, process.output()
    try:
        return requests.get(f"{url}/health/ready", timeout=5).status_code == 200
    except (requests.ConnectionError, requests.Timeout):  # a busy machine takes its time
        return False


def flask(environment: dict[str, str], *arguments: str, typed: str = "", root: Path = ROOT, exit_code: int = 0) -> str:
    """Run a `flask --app wsgi` command to its end, with `typed` as its input; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *arguments],
        cwd=root,
        env={"PATH": os.environ["PATH"], **environment},
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done.stdout + (done.stderr if exit_code else "")
