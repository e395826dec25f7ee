"""The journal: what the database could not take is kept, survives kill -9 anywhere, and is stored exactly once."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import itertools
import logging
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, text, update

from inbox import create_app
from inbox.config import Config
from inbox.db import Database
from inbox.db.wake import Work
from inbox.errors import DatabaseUnavailable
from inbox.models import WebhookEvent
from inbox.runtime import Runtime, runtime_of
from inbox.webhooks.ingest import ingest_batch
from inbox.webhooks.journal import segments
from inbox.webhooks.journal.journal import Journal, store_event
from inbox.webhooks.journal.segments import Row, Segments, decode, encode
from inbox.webhooks.routes import new_event
from tests.builders import all_messages, signed, text_message, webhook
from tests.settings import APP_SECRET
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024


class Still(Journal):
    """A journal that drains only when it is told to."""

    def _start(self) -> None:
        pass


def still(folder: Path, db: Any, max_bytes: int = 64 * MIB, **more: Any) -> Still:
    return Still(folder, db, max_bytes=max_bytes, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@pytest.fixture
def journal(folder: Path, db: Database) -> Journal:
    return still(folder, db)


@pytest.fixture
def away() -> Iterator[Database]:
    """A database that refuses every connection."""
    db = Database("postgresql://u@127.0.0.1:9/none")
    yield db
    db.close()


def stored(db: Database) -> dict[UUID, str]:
    """The state of every event in the database, in the order of their ids."""
    with db.reading() as session:
        found = session.execute(select(WebhookEvent.id, WebhookEvent.state).order_by(WebhookEvent.id))
        return {row.id: row.state for row in found}


def in_files(folder: Path) -> list[UUID]:
    """The events of the journal's files, in their order."""
    files = Segments(folder, 0)
    return [row["id"] for path in files._files() if path.exists() for row in files.read(path)[0]]


def bodies(count: int, size: int = 10) -> list[Row]:
    return [new_event(b"%d " % number * size) for number in range(count)]


# --- one line ----------------------------------------------------------------------------------------------------


@given(st.binary(max_size=3000))
def test_a_line_gives_back_its_row(body: bytes) -> None:
    row = new_event(body)
    line = encode(row)
    assert line.index(b"\n") == len(line) - 1
    del row["statuses_only"]  # read out of the body again when it is drained
    assert decode(line) == decode(line[:-1]) == row


@given(st.binary(max_size=300), st.data())
def test_a_line_that_is_cut_or_changed_is_torn(body: bytes, data: st.DataObject) -> None:
    line = encode(new_event(body))
    end = data.draw(st.integers(0, len(line) - 2))
    assert decode(line[:end]) is None
    place, byte = data.draw(st.integers(0, len(line) - 2)), data.draw(st.integers(0, 255))
    changed = line[:place] + bytes([byte]) + line[place + 1 :]
    assert changed == line or decode(changed) is None


@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_an_error(junk: bytes) -> None:
    assert decode(junk) is None


# --- keeping and draining ----------------------------------------------------------------------------------------


def test_what_is_kept_comes_out_as_it_went_in(journal: Journal, db: Database) -> None:
    row = new_event(b'{"text": "\xc3\xa9\\n"}\n\n  \x00\xff')
    assert journal.append(row)
    assert journal.drain() == 1
    with db.reading() as session:
        event = session.get_one(WebhookEvent, row["id"])
    assert (event.body, event.size, event.received_at) == (row["body"], row["size"], row["received_at"])
    assert (event.state, event.attempts) == ("pending", 0)
    assert journal.depth() == segments.Depth(0, 0)


def test_nobody_else_can_read_the_files(journal: Journal, folder: Path) -> None:
    journal.append(new_event(b"x"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_nothing_is_touched_while_nothing_is_kept(journal: Journal, folder: Path) -> None:
    journal.start()
    assert journal.drain() == 0
    assert journal.depth().events == 0
    assert not folder.exists()


def test_many_and_large_events_leave_in_order_in_segments_of_bounded_size(
    journal: Journal, db: Database, folder: Path
) -> None:
    rows = [*bodies(50, 20_000), new_event(b"x" * 4 * MIB), *bodies(50, 20_000)]
    for row in rows:
        assert journal.append(row)
    sizes = [path.stat().st_size for path in folder.glob("*.segment")]
    assert len(sizes) > 2
    assert max(sizes) < segments.SEGMENT_BYTES + 6 * MIB
    assert in_files(folder) == [row["id"] for row in rows]
    assert journal.depth().events == len(rows)
    assert journal.drain() == len(rows)
    assert list(stored(db)) == [row["id"] for row in rows]


def test_draining_wakes_the_ingester(folder: Path, db: Database) -> None:
    rung: list[bool] = []
    db.signals.connect(Work.INGEST, lambda: rung.append(True))
    journal = still(folder, db)
    journal.append(new_event(b"x"))
    assert rung == []
    journal.drain()
    assert rung == [True]


def test_an_event_that_is_stored_already_stays_as_it_is(journal: Journal, db: Database) -> None:
    row = new_event(b"x")
    db.insert_alone(WebhookEvent, row)
    with db.writing() as session:
        session.execute(update(WebhookEvent).values(state="done"))
    journal.append(row)
    journal.drain()
    assert stored(db) == {row["id"]: "done"}


def test_while_the_database_is_away_everything_stays(folder: Path, away: Database, db: Database) -> None:
    waiting = still(folder, away)
    rows = bodies(3)
    for row in rows:
        waiting.append(row)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            waiting.drain()
    assert waiting.depth().events == 3
    assert still(folder, db).drain() == 3
    assert list(stored(db)) == [row["id"] for row in rows]


def test_what_comes_while_one_drains_is_kept_for_the_next_time(folder: Path, away: Database, db: Database) -> None:
    first, second = bodies(2)
    waiting = still(folder, away)
    waiting.append(first)
    with pytest.raises(DatabaseUnavailable):
        waiting.drain()  # it is a segment by now
    waiting.append(second)
    assert in_files(folder) == [first["id"], second["id"]]
    assert still(folder, db).drain() == 2


def test_the_depth_is_counted_once_for_each_change(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    original = Segments.read
    monkeypatch.setattr(Segments, "read", lambda self, path: read.append(path) or original(self, path))
    for expected in (1, 2):
        journal.append(new_event(b"x"))
        assert [journal.depth().events for _ in range(3)] == [expected] * 3
        assert len(read) == expected
    assert journal.depth().bytes == (folder / "events.log").stat().st_size


def test_one_process_drains_at_a_time(journal: Journal, folder: Path, db: Database) -> None:
    journal.append(new_event(b"x"))
    with Segments(folder, 0).turn() as mine:
        assert mine
        assert journal.drain() == 0
    assert journal.drain() == 1


def test_an_insert_that_fails_is_journaled_and_still_fails(folder: Path, away: Database, db: Database) -> None:
    journal = still(folder, db)
    row = new_event(b"x")
    with pytest.raises(DatabaseUnavailable):
        store_event(away, journal, row)
    assert (journal.written, in_files(folder)) == (1, [row["id"]])
    store_event(db, journal, new_event(b"y"))
    assert journal.written == 1


# --- torn lines --------------------------------------------------------------------------------------------------


def test_a_torn_line_is_skipped_and_its_neighbours_are_not(
    journal: Journal, folder: Path, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    before, torn, after = bodies(3)
    journal.append(before)
    with (folder / "events.log").open("ab") as file:
        file.write(encode(torn)[:-20])
    journal.append(after)
    assert journal.depth().events == 2
    with caplog.at_level(logging.WARNING):
        assert journal.drain() == 2
    assert list(stored(db)) == [before["id"], after["id"]]
    assert [record.lines for record in caplog.records if "torn" in record.message] == [1]  # type: ignore[attr-defined]


def test_a_line_that_lacks_only_its_end_counts(journal: Journal, folder: Path, db: Database) -> None:
    whole, after = bodies(2)
    folder.mkdir(mode=0o700)
    (folder / "events.log").write_bytes(encode(whole).rstrip(b"\n"))
    journal.append(after)
    journal.drain()
    assert list(stored(db)) == [whole["id"], after["id"]]


def test_a_file_of_nothing_but_torn_lines_is_dropped(journal: Journal, folder: Path, db: Database) -> None:
    folder.mkdir(mode=0o700)
    (folder / "events.log").write_bytes(b"junk\n\xff\n\n")
    assert journal.drain() == 0
    assert journal.depth().bytes == 0
    assert stored(db) == {}


# --- limits of the disk ------------------------------------------------------------------------------------------


def alarms(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno == logging.ERROR]


def test_a_full_journal_takes_nothing_and_says_so_every_ten_seconds(
    folder: Path, away: Database, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    now = [100.0]
    journal = still(folder, away, max_bytes=3000, clock=lambda: now[0])
    row = new_event(b"x" * 1000)
    assert [journal.append(row) for _ in range(4)] == [True, True, False, False]
    assert journal.depth().bytes <= 3000
    (said,) = alarms(caplog)
    assert said.startswith("journal full")
    assert "JOURNAL_MAX_BYTES" in said
    now[0] += 9.9
    journal.append(row)
    assert len(alarms(caplog)) == 1
    now[0] += 0.2
    journal.append(row)
    assert len(alarms(caplog)) == 2
    still(folder, db).drain()
    assert journal.append(row)


def test_the_limit_counts_what_is_being_drained_too(folder: Path, away: Database) -> None:
    journal = still(folder, away, max_bytes=3000)
    row = new_event(b"x" * 1000)
    journal.append(row)
    with pytest.raises(DatabaseUnavailable):
        journal.drain()
    assert [journal.append(row), journal.append(row)] == [True, False]


def test_a_limit_of_zero_keeps_no_journal(folder: Path, db: Database) -> None:
    journal = still(folder, db, max_bytes=0)
    assert not journal.append(new_event(b"x"))
    assert not folder.exists()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, mounted for the test: needs root."""
    mounted = tmp_path / "journal"
    mounted.mkdir()
    options = ["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(mounted)]
    subprocess.run(["mount", *options], check=True, timeout=20)
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True, timeout=20)


def test_a_full_disk_is_logged_and_leaves_no_torn_line(
    tiny_disk: Path, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    journal = still(tiny_disk, db)
    kept = [row for row in bodies(100, 3000) if journal.append(row)]
    assert 1 < len(kept) < 100
    assert alarms(caplog) == ["journal not written, only Meta's repeats are left: No space left on device"]
    assert journal.drain() == len(kept)
    assert not [record for record in caplog.records if "torn" in record.message]
    assert journal.append(new_event(b"there is room again"))


def test_a_disk_that_became_read_only_is_logged(
    tiny_disk: Path, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    journal = still(tiny_disk, db)
    journal.append(new_event(b"before"))
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True, timeout=20)
    assert not journal.append(new_event(b"after"))
    assert alarms(caplog) == ["journal not written, only Meta's repeats are left: Read-only file system"]
    assert journal.depth().events == 1


def test_a_place_that_is_no_folder_is_logged(tmp_path: Path, db: Database, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    journal = still(tmp_path / "file" / "journal", db)
    journal.start()
    assert [alarm.split(",")[0] for alarm in alarms(caplog)] == ["INBOX_INSTANCE_PATH is a file"], "before it matters"
    assert not journal.append(new_event(b"x"))
    assert alarms(caplog)[1:] == ["journal not written, only Meta's repeats are left: Not a directory"]
    assert journal.depth().events == 0


def test_a_lock_that_nobody_lets_go_of_is_not_waited_for_for_long(
    journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(segments, "LOCK_WAIT", 0.1)
    journal.append(new_event(b"x"))
    with (folder / "events.log").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not journal.append(new_event(b"y"))
    assert "stays locked" in alarms(caplog)[0]
    assert journal.append(new_event(b"z"))


# --- the thread --------------------------------------------------------------------------------------------------


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "journal"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.webhooks.journal.journal.POLL", 0.01)


@pytest.mark.usefixtures("quick")
def test_the_first_event_starts_a_thread_that_ends_when_nothing_is_left(folder: Path, db: Database) -> None:
    journal = Journal(folder, db, max_bytes=MIB)
    for row in bodies(5):
        assert journal.append(row)
        wait_until(lambda: not threads(), "the thread to end")
        assert row["id"] in stored(db)
    journal.close()


@pytest.mark.usefixtures("quick")
def test_what_an_earlier_process_left_is_drained_from_the_start(folder: Path, db: Database) -> None:
    row = new_event(b"left behind")
    still(folder, db).append(row)
    journal = Journal(folder, db, max_bytes=MIB)
    journal.start()
    wait_until(lambda: row["id"] in stored(db), "the thread to drain")
    journal.close()


@pytest.mark.usefixtures("quick")
def test_the_thread_goes_on_until_the_database_is_back_or_the_journal_is_closed(folder: Path, away: Database) -> None:
    journal = Journal(folder, away, max_bytes=MIB)
    journal.append(new_event(b"x"))
    wait_until(lambda: away.breaker.failures_total > 3, "some attempts")
    assert len(threads()) == 1
    journal.close()
    assert threads() == []
    assert journal.depth().events == 1
    assert journal.append(new_event(b"after the close, kept for the next start"))
    assert threads() == []


@pytest.mark.usefixtures("quick")
def test_the_thread_does_not_end_while_another_process_drains(folder: Path, db: Database) -> None:
    journal = Journal(folder, db, max_bytes=MIB)
    folder.mkdir(mode=0o700)
    with Segments(folder, 0).turn():
        journal.append(new_event(b"x"))
        (thread,) = threads()
        thread.join(0.3)
        assert thread.is_alive()
    wait_until(lambda: len(stored(db)) == 1, "its turn")
    journal.close()


@pytest.mark.usefixtures("quick")
def test_an_error_in_the_drain_is_logged_and_does_not_end_the_thread(
    folder: Path, db: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.webhooks.journal.journal._AFTER_ERROR", 0.01)
    journal = Journal(folder, db, max_bytes=MIB)
    once = itertools.chain([OSError("the disk")], itertools.repeat(mock.DEFAULT))
    monkeypatch.setattr(journal._files, "read", mock.Mock(wraps=journal._files.read, side_effect=once))
    journal.append(new_event(b"x"))
    wait_until(lambda: alarms(caplog), "the error to be logged")
    wait_until(lambda: not threads(), "the thread to finish")
    assert len(stored(db)) == 1
    journal.close()


# --- the webhook -------------------------------------------------------------------------------------------------


def inbound(words: str) -> bytes:
    return webhook(messages=[text_message(words, wa_id=f"wamid.{words}")])


def post(app: Flask, body: bytes) -> Any:
    return app.test_client().post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET))


@contextlib.contextmanager
def table_missing(db: Database) -> Iterator[None]:
    """A database that takes no webhook: works on both kinds."""
    with db.writing() as session:
        session.execute(text("ALTER TABLE webhook_events RENAME TO elsewhere"))
    yield
    with db.writing() as session:
        session.execute(text("ALTER TABLE elsewhere RENAME TO webhook_events"))


def test_a_webhook_that_cannot_be_stored_is_journaled_answered_503_and_ingested_later(
    app: Flask, runtime: Runtime, config: Config
) -> None:
    with table_missing(runtime.db):
        response = post(app, inbound("kept"))
        assert (response.status_code, response.json["code"]) == (503, "database_timeout")
        assert int(response.headers["Retry-After"]) >= 1
        assert runtime.journal.depth().events == 1
        assert (config.instance_path / "journal").is_dir()
    assert post(app, inbound("kept")).status_code == 200  # Meta's repeat
    wait_until(lambda: runtime.journal.depth().events == 0, "the journal to be drained")
    ingest_batch(runtime.db, settings=runtime.ingest_settings)
    assert [message.content_text for message in all_messages(runtime.db)] == ["kept"]


def test_a_webhook_is_503_even_when_the_journal_cannot_keep_it(config: Config, tmp_path: Path) -> None:
    (tmp_path / "no-folder").write_bytes(b"")
    app = create_app(dataclasses.replace(config, instance_path=tmp_path / "no-folder"))
    runtime = runtime_of(app)
    runtime.prepare_database()
    with table_missing(runtime.db):
        assert post(app, inbound("refused")).status_code == 503
    assert runtime.journal.written == 0
    assert runtime.close(5)


def test_a_webhook_that_is_stored_does_not_touch_the_journal(app: Flask, runtime: Runtime, config: Config) -> None:
    assert post(app, inbound("stored")).status_code == 200
    assert not (config.instance_path / "journal").exists()
    assert runtime.journal.written == 0


def test_starting_the_services_drains_what_was_left(runtime: Runtime, config: Config) -> None:
    row = new_event(inbound("left"))
    still(config.instance_path / "journal", runtime.db).append(row)
    runtime.journal.start()
    wait_until(lambda: row["id"] in stored(runtime.db), "the journal to be drained")


def test_what_may_not_be_read_for_a_while_is_drained_when_it_may(
    folder: Path, db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row, look, denied = new_event(inbound("locked away")), Path.stat, threading.Event()

    def guarded(path: Path, **options: Any) -> os.stat_result:
        if denied.is_set() and path.name == "events.log":
            raise PermissionError(errno.EACCES, "Permission denied")
        return look(path, **options)

    still(folder, db).append(row)
    monkeypatch.setattr(Path, "stat", guarded)
    monkeypatch.setattr("inbox.webhooks.journal.journal.POLL", 0.01)
    monkeypatch.setattr("inbox.webhooks.journal.journal._AFTER_ERROR", 0.01)
    denied.set()
    journal = Journal(folder, db, max_bytes=1_000_000)
    assert not journal.is_empty()
    journal.start()
    wait_until(lambda: "the journal cannot be drained: Permission denied" in caplog.text, "the first attempt")
    assert row["id"] not in stored(db)
    denied.clear()
    wait_until(lambda: row["id"] in stored(db), "the journal to be drained")
    journal.close()


# --- kill -9 -----------------------------------------------------------------------------------------------------


def test_several_processes_append_and_drain_while_kill_9_strikes(folder: Path, db: Database, database_url: str) -> None:
    """What append() promised is stored, once, whoever died when."""
    rng = random.Random(7)
    promised: set[UUID] = set()
    command = [sys.executable, "-m", "tests.webhooks.appender", str(folder), database_url]
    for _ in range(2):
        processes = [
            subprocess.Popen([*command, "4000"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            for _ in range(3)
        ]
        readers = [
            threading.Thread(target=_read_then_kill, args=(process, rng.randint(5, 300), promised))
            for process in processes
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(60)
            assert not reader.is_alive()
    still(folder, db).drain()
    assert len(promised) > 50
    assert promised <= set(stored(db))
    assert in_files(folder) == []


def _read_then_kill(process: subprocess.Popen[bytes], lines: int, promised: set[UUID]) -> None:
    assert process.stdout is not None
    for number, line in enumerate(process.stdout):
        if line.endswith(b"\n"):
            promised.add(UUID(line.strip().decode()))
        if number == lines:
            process.send_signal(signal.SIGKILL)  # what it has printed by then is still read
    process.stdout.close()
    assert process.wait(20) == -signal.SIGKILL


class Killed(BaseException):
    """The process is gone: no handler of errors sees it."""


class Mortal:
    """Dies at the n-th step; every call that changes something outside the process is a step, and so is its end."""

    def __init__(self, db: Database, steps: int, written: float) -> None:
        self._db = db
        self._left = steps
        self._written = written  # the part of the bytes that a write gets done before it dies

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        with self._db.writing() as session:
            yield session
            self._step()  # before COMMIT
        self._step()

    @contextlib.contextmanager
    def living(self) -> Iterator[None]:
        """The time during which this process runs."""
        with contextlib.ExitStack() as stack:
            for target, name in ((os, "fsync"), (Path, "rename"), (Path, "unlink"), (Path, "mkdir")):
                stack.enter_context(mock.patch.object(target, name, self._deadly(getattr(target, name))))
            stack.enter_context(mock.patch.object(os, "write", self._write(os.write)))
            yield

    def _deadly(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def deadly(*args: Any, **kwargs: Any) -> Any:
            self._step()
            result = call(*args, **kwargs)
            self._step()
            return result

        return deadly

    def _write(self, call: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
        def write(file: int, data: Any) -> int:
            try:
                self._step()
            except Killed:
                call(file, bytes(data)[: int(self._written * len(data))])
                raise
            done = call(file, data)
            self._step()
            return done

        return write


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 4)),
        st.tuples(st.just("killed append"), st.integers(1, 8), st.floats(0, 1)),
        st.tuples(st.just("drain")),
        st.tuples(st.just("killed drain"), st.integers(1, 8)),
        st.tuples(st.just("drain in vain")),
        st.tuples(st.just("ingest"), st.sampled_from(["done", "failed"])),
        st.tuples(st.just("cut off")),
    ),
    max_size=14,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60
)
@given(OPERATIONS)
def test_received_is_ingested_pending_failed_and_journal_whatever_happens_in_between(
    db: Database, tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[Any, ...]]
) -> None:
    """I13 after every step. A drain that died between COMMIT and dropping leaves events in both places until the next
    drain: they are the only ones that are."""
    folder = tmp_path_factory.mktemp("journal") / "kept"
    with db.writing() as session:
        session.execute(delete(WebhookEvent))
    promised: set[UUID] = set()
    offered: set[UUID] = set()
    in_both: set[UUID] = set()
    for operation in [*operations, ("drain",)]:
        _operate(operation, folder, db, promised, offered)
        rows, files, depth = stored(db), in_files(folder), still(folder, db).depth()
        received = rows.keys() | set(files)
        assert promised <= received <= offered
        states = list(rows.values())
        ingested, pending, failed = (states.count(state) for state in ("done", "pending", "failed"))
        if operation[0] == "killed drain":
            in_both = rows.keys() & set(files)
        else:
            in_both &= set(files)
        assert len(received) == ingested + pending + failed + depth.events - len(in_both)
    assert (in_both, files, depth.events) == (set(), [], 0)


def _operate(operation: tuple[Any, ...], folder: Path, db: Database, promised: set[UUID], offered: set[UUID]) -> None:
    """Each operation is a process of its own; a killed one promises nothing more."""
    name, *details = operation
    if name == "append":
        journal = still(folder, db)
        for row in bodies(details[0]):
            offered.add(row["id"])
            assert journal.append(row)
            promised.add(row["id"])
    elif name == "killed append":
        dying = Mortal(db, details[0], details[1])
        row = new_event(b"x" * 50)
        offered.add(row["id"])
        with contextlib.suppress(Killed), dying.living():
            if still(folder, dying).append(row):
                promised.add(row["id"])
    elif name == "drain":
        still(folder, db).drain()
        assert in_files(folder) == []
    elif name == "killed drain":
        dying = Mortal(db, details[0], 0)
        with contextlib.suppress(Killed), dying.living():
            still(folder, dying).drain()
    elif name == "drain in vain":
        with contextlib.suppress(DatabaseUnavailable):
            still(folder, _Away()).drain()
    elif name == "ingest":
        with db.writing() as session:
            oldest = select(WebhookEvent.id).where(WebhookEvent.state == "pending").order_by(WebhookEvent.id).limit(2)
            session.execute(update(WebhookEvent).where(WebhookEvent.id.in_(oldest)).values(state=details[0]))
    elif name == "cut off" and (folder / "events.log").exists():
        Segments(folder, 0)._cut_off()


class _Away:
    """A database that is away, without the time that finding out takes."""

    @contextlib.contextmanager
    def writing(self) -> Iterator[Any]:
        raise DatabaseUnavailable
        yield


def test_a_folder_that_cannot_be_looked_into_stops_nothing(tmp_path: Path) -> None:
    files = Segments(tmp_path / ("x" * 300), 0)  # as in a folder of somebody else's: to look is an error
    assert (files.is_empty(), files.depth().events) == (True, 0)
