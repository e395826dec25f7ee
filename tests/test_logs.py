"""Every line has one form, its time is UTC, and warnings that strangers cause do not fill the log."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from inbox.logs import Thinned
from tests.clocks import Clock

#: What a process logs that begins as gunicorn does, in New York.
_MASTER = """
import gunicorn.app.wsgiapp as app
sys.argv = ["gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
made = app.WSGIApplication()
made.logger_class = made.cfg.logger_class(made.cfg)
made.logger_class.info("Starting")
"""


def test_gunicorns_lines_have_our_form_and_every_time_is_utc() -> None:
    root = Path(__file__).parents[1]
    began = time.time()
    done = subprocess.run(
        [sys.executable, "-c", f"import sys{_MASTER}"],
        cwd=root,
        env={"TZ": "America/New_York", "INBOX_ENV": "production"},
        capture_output=True,
        text=True,
        check=True,
    )
    line = json.loads(done.stdout)
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "gunicorn.error", "Starting")
    assert began - 1 < datetime.fromisoformat(line["time"]).timestamp() < time.time() + 1
    assert line["time"].endswith("Z")
    assert done.stderr == ""


def test_a_python_that_is_too_old_is_told_in_one_line() -> None:
    older = "import sys; sys.version_info = (3, 11, 2, 'final', 0); import inbox"
    done = subprocess.run([sys.executable, "-c", older], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("inbox: needs Python 3.11.5 or newer; this is ")
    assert done.stderr.count("\n") == 1


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int | None]]:
    return [(record.address, getattr(record, "more", None)) for record in caplog.records]  # type: ignore[attr-defined]


def test_each_address_has_one_line_a_minute_and_the_next_minute_says_how_many_were_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    thinned = Thinned(logging.getLogger("inbox.test"), clock)
    for address in ["a", "b", "a", "a"]:
        thinned.warning("refused", address)
    assert lines(caplog) == [("a", None), ("b", None)]
    clock.now += 60
    thinned.warning("refused", "b")
    assert lines(caplog)[2:] == [("a", 2), ("b", None)]


def test_addresses_without_end_have_a_line_together(caplog: pytest.LogCaptureFixture) -> None:
    thinned = Thinned(logging.getLogger("inbox.test"), Clock())
    for number in range(1000):
        thinned.warning("refused", f"2001:db8:{number:x}::/64")
    assert len(caplog.records) == Thinned.ADDRESSES + 1
    assert lines(caplog)[-1] == ("others", None)
