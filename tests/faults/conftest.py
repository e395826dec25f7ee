"""What holds for every call, whatever the fault: no secret told, no wait beyond the deadline, nothing left behind."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inbox.config import Config
from inbox.gateways.http import sessions
from inbox.resilience import UPSTREAMS, Upstream, remaining
from sandbox import Sandbox
from tests.faults.calls import SHORT, check_counts, told
from tests.faults.certificates import Authority
from tests.faults.server import FaultServer, behind_tls
from tests.waiting import wait_until


def _port(address: object) -> int | None:
    return getattr(address, "port", None)


def _served() -> set[int | None]:
    """The ports of servers that are there for many tests: the page's upstreams, called whenever its processes like."""
    found = psutil.Process().net_connections("tcp")
    return {_port(each.laddr) for each in found if each.status == psutil.CONN_LISTEN}


def _threads_and_sockets(served: set[int | None]) -> set[object]:
    """Beside those of the servers that were `served` before; a server of the test itself waits for its threads."""
    sockets = psutil.Process().net_connections("all")
    threads = [each for each in threading.enumerate() if not (served and "process_request_thread" in each.name)]
    return {*threads, *((each.fd, each.laddr, each.raddr) for each in sockets if _port(each.laddr) not in served)}


@pytest.fixture(autouse=True)
def leaves_nothing() -> Iterator[None]:
    """No thread and no socket outlives a test. The pool's idle connections are closed, as at the end of a process."""
    served = _served()
    before = _threads_and_sockets(served)
    yield
    sessions.session.close()

    def is_clean() -> bool:
        if _threads_and_sockets(served) <= before:
            return True
        gc.collect()  # a pool that was dropped closes its connections when it is collected
        return False

    with contextlib.suppress(AssertionError):
        wait_until(is_clean, "every thread and socket of the test to end")
    assert _threads_and_sockets(served) - before == set()


@pytest.fixture(autouse=True)
def short_policies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process's upstreams with short times, short pauses between attempts and a clean slate."""
    monkeypatch.setattr(Upstream, "BASE", 0.1)
    before = {name: upstream.policy for name, upstream in UPSTREAMS.items()}
    for name, upstream in UPSTREAMS.items():
        upstream.configure(SHORT[name], retries=True, breaker=True)
    yield
    for upstream in UPSTREAMS.values():
        assert told(repr(vars(upstream.breaker)), repr(upstream.breaker.snapshot())) == []
    for name, upstream in UPSTREAMS.items():
        upstream.configure(before[name], retries=True, breaker=True)


class Journal(logging.Handler):
    """Every record of every logger, before anything is redacted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it as text: an exception in it would keep its frames, and with them their sockets."""
        self.records.append(record)
        record.msg, record.args = record.getMessage(), None
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None

    def lines(self, logger: str = "inbox", level: int = logging.INFO) -> list[logging.LogRecord]:
        """The records of this logger and those under it, from this level on."""
        return [each for each in self.records if each.name.split(".")[0] == logger and each.levelno >= level]


@pytest.fixture(autouse=True)
def journal() -> Iterator[Journal]:
    """The log of the test; no secret may stand in it at any level."""
    root, handler = logging.getLogger(), Journal()
    loggers = [root, logging.getLogger("urllib3")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler
    root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    formatter = logging.Formatter()
    for record in handler.records:
        assert told(formatter.format(record), repr(vars(record))) == []


@pytest.fixture(autouse=True)
def no_sleep_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A thread with a deadline never sleeps longer than what is left of it."""
    sleep, beyond = time.sleep, []

    def watched(seconds: float) -> None:
        left = remaining()
        if left is not None and seconds > left:
            beyond.append((seconds, left))
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", watched)
    yield
    assert beyond == []


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    """The simulated upstreams; at the end, no call may have reached them too often."""
    yield sandbox
    check_counts(sandbox.requests())


# --- TLS ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that SSL_CERT_FILE makes trusted."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The session of a process that was started with SSL_CERT_FILE."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    made = sessions.make_session()
    monkeypatch.setattr(sessions, "session", made)
    yield
    made.close()


@pytest.fixture(params=["http", "https"])
def url(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[str]:
    """The sandbox's address; every test that asks for it runs without TLS and with it."""
    if request.param == "http":
        yield sandbox.url
        return
    authority: Authority = request.getfixturevalue("authority")
    request.getfixturevalue("trusting")
    with FaultServer(behind_tls(sandbox), tls=authority.server()) as front:
        yield front.url


# --- rows --------------------------------------------------------------------------------------------------------


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated, empty SQLite file: what is stored of an outcome does not hang on the kind of database."""
    shutil.copy(sqlite_template, tmp_path / "inbox.db")
    return f"sqlite:///{tmp_path / 'inbox.db'}"


@pytest.fixture
def config(config: Config) -> Config:
    """Settings with the short policies."""
    return dataclasses.replace(config, gemini=SHORT["gemini"], whatsapp=SHORT["whatsapp"])
