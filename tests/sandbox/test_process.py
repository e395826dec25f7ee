import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sandbox.__main__ import main
from tests.sandbox.helpers import CAMILLE, wait_for

ROOT = Path(__file__).parents[2]


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m sandbox`, killed at the end if it has not ended."""
    command = [sys.executable, "-m", "sandbox", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def url_of(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    line = started.stdout.readline()
    assert line.startswith("sandbox: ready on http://127.0.0.1:")
    return line.split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_ends_on_a_signal(number: signal.Signals) -> None:
    with process("--port", "0") as started:
        url = url_of(started)
        requests.post(f"{url}/_faults", json={"upstream": "whatsapp", "fault": "hang", "seconds": 600}, timeout=5)
        with socket.create_connection((url.split(":")[1][2:], int(url.split(":")[2]))) as sock:
            sock.sendall(b"GET /v26.0/1 HTTP/1.1\r\n\r\n")
            wait_for(lambda: requests.get(f"{url}/_requests", timeout=5).json()["count"])
            started.send_signal(number)
            out, err = started.communicate(timeout=10)
    assert (started.returncode, out, err) == (0, "", "")


def test_a_port_that_is_taken_is_one_line_and_code_2() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process("--port", str(port)) as started:
            out, err = started.communicate(timeout=10)
    assert (started.returncode, out) == (2, "")
    assert err == f"sandbox: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_every_option_reaches_the_sandbox(application) -> None:
    arguments = [
        "--port", "0", "--seed", "3", "--record-limit", "100",
        "--webhook-url", application.url, "--app-secret", "s", "--access-token", "good",
        "--number", "2001=447000000000",
        "--waba-id", "1001", "--enforce-window", "--enforce-limits", "--status-delays", "0,-,-",
        "--webhook-retry-delays", "0.01,0.02", "--webhook-timeout", "5", "--webhook-workers", "2",
        "--gemini-key", "k", "--gemini-latency", "0.01",
        "--supabase-key", "sb", "--jwt-secret", "x" * 32, "--signing", "hs256",
    ]  # fmt: skip
    with process(*arguments) as started:
        url = url_of(started)
        requests.post(f"{url}/_customers/messages", json={"phone": CAMILLE, "text": "Bonjour"}, timeout=5)
        body = {"messaging_product": "whatsapp", "to": f"+{CAMILLE}", "text": {"body": "Bonjour"}}
        answers = [
            requests.post(
                f"{url}/v26.0/2001/messages", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=5
            )
            for token in ("good", "bad")
        ]
        wait_for(lambda: application.messages() and application.statuses())
    assert [answer.status_code for answer in answers] == [200, 401]
    assert [status["status"] for status in application.statuses()] == ["sent"]


@pytest.mark.parametrize(
    "arguments",
    [["--number", "x=1"], ["--number", "2001"], ["--status-delays", "1,2"], ["--status-delays", "soon"], ["--colour"]],
)
def test_an_option_that_makes_no_sense_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as ended:
        main(["--port", "0", *arguments])
    signal.signal(signal.SIGTERM, handlers[0])
    signal.signal(signal.SIGINT, handlers[1])
    assert ended.value.code == 2
    assert "python -m sandbox: error:" in capsys.readouterr().err
