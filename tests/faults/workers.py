"""Worker processes for the fault scenarios: real ones, with the settings of a test's Config."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inbox.config import Config
from tests.e2e.processes import Process, running
from tests.waiting import wait_until

WORKER = ["-m", "flask", "--app", "wsgi", "worker"]


def environment(config: Config, **more: str) -> dict[str, str]:
    """What a process needs to run with `config` in production; `more` are further variables."""
    (encryption_key,), (app_secret,) = config.encryption_keys, config.whatsapp_app_secrets
    made = {
        "DATABASE_URL": config.database_url,
        "INBOX_INSTANCE_PATH": str(config.instance_path),
        "SECRET_KEY": config.secret_key,
        "ENCRYPTION_KEYS": encryption_key,
        "WHATSAPP_API_URL": config.whatsapp_api_url,
        "WHATSAPP_APP_SECRET": app_secret,
        "WHATSAPP_VERIFY_TOKEN": config.whatsapp_verify_token,
        "WHATSAPP_PHONE_NUMBER_ID": config.whatsapp_phone_number_id,
        "WHATSAPP_PHONE_NUMBER": config.whatsapp_phone_number,
        "WHATSAPP_ACCESS_TOKEN": config.whatsapp_access_token,
        "GEMINI_API_URL": config.gemini_api_url,
        "GEMINI_API_KEY": config.gemini_api_key,
        "BOT_DEBOUNCE_SECONDS": "0",
    }
    return {name: value for name, value in (made | more).items() if value is not None}


@contextlib.contextmanager
def working(log: Path, settings: dict[str, str], command: list[str] | None = None) -> Iterator[Process]:
    """A worker that has begun to work. The block's end kills it, if it has not ended by then."""
    with running(command or WORKER, log, settings) as process:

        def begun() -> bool:
            assert process.child.poll() is None, process.output()
            return "dispatcher started" in process.output()

        wait_until(begun, "the worker to begin")
        yield process


def log_lines(process: Process) -> list[dict[str, Any]]:
    """What the process has logged: JSON, a line each."""
    return [json.loads(line) for line in process.output().splitlines() if line.startswith("{")]
