"""What an operator sees and does, with several real processes: one of them is ill, another one is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import requests

from sandbox import Sandbox
from tests.e2e.processes import flask, gunicorn, running
from tests.waiting import wait_until


def test_an_illness_of_one_process_is_seen_counted_and_reset_through_another(
    installation: dict[str, str], sandbox: Sandbox, tmp_path: Path
) -> None:
    web_only = installation | {"DISPATCHER": "off"}
    stubborn = installation | {"GEMINI_BREAKER_OPEN_SECONDS": "600"}
    headers = {"Authorization": f"Bearer {installation['INBOX_TEST_KEY']}"}
    with (
        gunicorn(tmp_path / "web.log", web_only) as (web, url),
        running(["-m", "flask", "--app", "wsgi", "worker"], tmp_path / "worker.log", stubborn) as worker,
    ):

        def get(path: str) -> Any:
            response = requests.get(f"{url}{path}", headers=headers, timeout=10)
            assert response.status_code == 200, response.text
            return response.json()

        def circuit(name: str) -> Any:
            return next(row for row in get("/admin/circuit-breakers") if row["name"] == name)

        kinds = ["web", "web", "worker"]
        wait_until(
            lambda: sorted(each["process"]["kind"] for each in circuit("gemini")["processes"]) == kinds,
            "three processes to report",
        )
        sandbox.webhook_url = f"{url}/webhook/whatsapp"
        sandbox.gemini_responder = lambda _request: "We open at nine."
        sandbox.fault("gemini", "status", code=503)
        for number in range(6):  # a circuit opens for several conversations, not for one
            sandbox.customer_writes(phone=f"3360000000{number}", text="When do you open?")
        wait_until(lambda: circuit("gemini")["state"] == "open", "the worker's circuit to be seen open")
        states = {each["process"]["kind"]: each["state"] for each in circuit("gemini")["processes"]}
        assert states == {"web": "closed", "worker": "open"}
        wait_until(
            lambda: get("/admin/incidents?open=true&upstream=gemini")[0]["affected"]["conversations"] == 6,
            "all six customers to be counted",
            seconds=30,
        )

        sandbox.clear_faults()
        done = requests.post(f"{url}/admin/circuit-breakers/gemini/reset", headers=headers, timeout=10)
        assert done.status_code == 200
        wait_until(lambda: circuit("gemini")["state"] == "closed", "the worker to hear of the reset", seconds=30)
        wait_until(lambda: get("/admin/incidents?open=false"), "the incident to end", seconds=30)
        assert "what it affected" in (table := flask(installation, "incidents", "--upstream", "gemini"))
        assert "6 conversations waited" in table
        assert "0 to repair" in flask(installation, "doctor")

        assert worker.stop() == 0
        assert [each["process"]["kind"] for each in circuit("gemini")["processes"]] == ["web", "web"]
        assert web.stop() == 0
