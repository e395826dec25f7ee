"""A store that speaks S3: s3rver, from its npm package. It checks keys and buckets, and no signatures."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import requests

from tests.waiting import free_port, wait_until

NPM = shutil.which("npm")
PACKAGE = "s3rver@3.7.1"
KEY = "S3RVER"  #: the one that it knows
BUCKET = "files"


def _installed() -> Path:
    """Its program, installed once on this machine; two that come at once take turns."""
    assert NPM is not None
    folder = Path(tempfile.gettempdir()) / f"inbox-{PACKAGE}"
    folder.mkdir(exist_ok=True)
    program = folder / "node_modules" / "s3rver" / "bin" / "s3rver.js"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            command = [NPM, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), PACKAGE]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=180)
            (folder / "done").touch()
    return program


@contextlib.contextmanager
def server() -> Iterator[str]:
    """Its address, with a bucket that is empty."""
    program, port = _installed(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["node", str(program), "-d", folder, "-a", "127.0.0.1", "-p", str(port), "-s"]
        with subprocess.Popen([*command, "--configure-bucket", BUCKET], stdout=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: _answers(port), "s3rver to start")
                yield f"http://{KEY}:{KEY}@127.0.0.1:{port}/{BUCKET}"
            finally:
                process.terminate()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/", timeout=2).status_code > 0
    except requests.ConnectionError:
        return False
