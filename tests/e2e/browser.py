"""A headless Chromium, driven over its DevTools protocol by a pipe: what a page shows, and what it did to get there."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1280,900 --remote-debugging-pipe"
)


class Page:
    """One tab. What it asked for, and what went wrong in it, gathers while calls are made."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._read = b""
        self._last = 0
        self._session: str | None = None
        self.requests: list[str] = []  #: addresses
        self.problems: list[str] = []  #: errors and warnings of the console, CSP violations, exceptions
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, (method, answer)
                result: dict[str, Any] = answer["result"]
                return result
            self._note(answer.get("method", ""), answer.get("params", {}))

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is waited for."""
        done = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """What it looks like, as a PNG."""
        import base64

        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _next(self, seconds: float = 60) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            piece = os.read(self._answers, 65536)
            assert piece, "the browser has ended"
            self._read += piece
        message, _, self._read = self._read.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed

    def _note(self, event: str, what: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(what["request"]["url"])
        elif event == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
            self.problems.append(what["entry"]["text"])
        elif event == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
            self.problems.append(str([argument.get("value") for argument in what["args"]]))
        elif event == "Runtime.exceptionThrown":
            self.problems.append(str(what["exceptionDetails"]))
        elif event == "Audits.issueAdded" and what["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.problems.append(str(what["issue"]["details"]))


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A browser with one tab, for the time of the block."""
    assert PROGRAM is not None
    (from_us, commands), (answers, to_us) = os.pipe(), os.pipe()
    # It reads commands from descriptor 3 and writes answers to 4.
    script = f'exec "$0" {_FLAGS} --user-data-dir="$1" about:blank 3<&{from_us} 4>&{to_us}'
    with (profile.parent / f"{profile.name}.log").open("wb") as log:
        child = subprocess.Popen(
            ["bash", "-c", script, PROGRAM, str(profile)],
            pass_fds=(from_us, to_us),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    os.close(from_us)
    os.close(to_us)
    try:
        yield Page(commands, answers)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)
        os.close(commands)
        os.close(answers)
