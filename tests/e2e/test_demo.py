"""The README's first command: it starts, it lives, it ends and leaves nothing."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import requests

from tests.e2e.processes import flask, running
from tests.waiting import free_port, wait_until


def test_the_demo_lives_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    port = str(free_port())
    environment = {"TMPDIR": str(tmp_path)}
    command = ["-m", "flask", "--app", "wsgi", "demo", "--port", port, "--pace", "0.3"]
    with running(command, tmp_path / "demo.log", environment) as demo:
        text = wait_until(lambda: demo.output() if "Stop: Ctrl-C" in demo.output() else "", "the demo to greet")
        url = re.search(r"Upstreams (http://[\d.:]+)", text)
        key = re.search(r"inbox_[\w-]+", text)
        account = re.search(r"account_id=([\w-]+)", text)
        assert url
        assert key
        assert account
        wait_until(lambda: requests.get(f"{url[1]}/_deliveries", timeout=5).json()["count"] >= 2, "answers")
        rows = requests.get(
            f"http://127.0.0.1:{port}/conversations",
            params={"account_id": account[1]},
            headers={"Authorization": f"Bearer {key[0]}"},
            timeout=5,
        ).json()
        assert len(rows) >= 3
        owner = re.search(r"Supabase  (\S+)  (\S+)", text)
        assert owner
        session = requests.post(
            f"{url[1]}/auth/v1/token?grant_type=password",
            json={"email": owner[1], "password": owner[2]},
            headers={"apikey": "any"},
            timeout=5,
        ).json()
        signed_in = {"Authorization": f"Bearer {session['access_token']}"}
        me = requests.get(f"http://127.0.0.1:{port}/auth/me", headers=signed_in, timeout=5).json()
        assert (me["email"], me["roles"][0]["role_slug"]) == (owner[1], "admin")
        demo.child.send_signal(signal.SIGINT)
        assert demo.child.wait(40) == 0
        assert "Nothing is left behind." in demo.output()
    assert [path.name for path in tmp_path.iterdir()] == ["demo.log"]


def test_a_busy_port_is_a_clear_error(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken, socket.socket():
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with running(["-m", "flask", "--app", "wsgi", "demo", "--port", port], tmp_path / "log", {}) as demo:
            assert demo.child.wait(20) == 1
            assert f"Port {port} is taken" in demo.output()


def test_the_help_needs_no_settings() -> None:
    assert "living inbox" in flask({}, "demo", "--help")
