"""Everything that could break it, and needs more time or more of a machine than a test may take.

    python -m tests.benchmarks.break_it [CASE …]

Each case makes an installation of its own, breaks something in it, and says what became of everybody: a line each. It
fails (exit code 1) where a message was lost or doubled, or something else was answered than 2xx, or 503 while it was
broken. `disk` and `sqlite` mount small file systems and want root; all others run as anybody.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg

from tests import servers
from tests.benchmarks.break_place import Place, installed, middle, pass_time
from tests.benchmarks.load import beside
from tests.builders import NUMBER_ID, status, text_message, webhook
from tests.e2e.nginx import nginx
from tests.e2e.processes import ROOT, gunicorn
from tests.waiting import wait_until

OTHER_NUMBER = "200000000000002"


class Broken(AssertionError):
    """Something was lost, doubled, or answered as it must not be."""


def check(good: bool, what: str) -> None:
    if not good:
        raise Broken(what)


def only(place: Place, *allowed: int) -> str:
    """What the API answered, which must be nothing else than 2xx and `allowed`."""
    wrong = {
        status: count for status, count in place.answers.items() if not 200 <= status < 300 and status not in allowed
    }
    check(not wrong, f"answers {wrong}")
    return f"API: {dict(sorted(place.answers.items()))}, slowest {place.slowest:.1f} s"


def stored_once(place: Place, texts: list[str]) -> None:
    """Each of these customers' messages is there, once."""
    with psycopg.connect(place.database_url) as connection:
        rows = connection.execute("SELECT content_text FROM messages WHERE direction = 'inbound'").fetchall()
    found = Counter(text for (text,) in rows)
    lost = [text for text in texts if found[text] == 0]
    doubled = [text for text in texts if found[text] > 1]
    check(not lost and not doubled, f"{len(lost)} lost, {len(doubled)} doubled")


def write(place: Place, number: int, say: str) -> list[str]:
    """So many customers write, one message each, to a WhatsApp that repeats what is not taken; their texts."""
    texts = [f"{say} {each}" for each in range(number)]
    for each, text in enumerate(texts):
        place.meta.customer_writes(phone=f"3361{each:07d}", text=text)
    return texts


def fill(disk: Path) -> Path:
    """Leave no byte free there; the file that takes them."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 65_536) == 65_536:
            pass
        while file.write(b"x"):
            pass
    return ballast


@contextlib.contextmanager
def own(folder: Path, *settings: str, workers: int = 1, **more: str) -> Iterator[tuple[Place, servers.OwnPostgres]]:
    """An installation with a PostgreSQL of its own."""
    with (
        servers.own_postgres(*settings) as postgres,
        installed(folder, servers.create_database(postgres.url, "inbox_break"), workers=workers, **more) as place,
    ):
        yield place, postgres


# --- cases -------------------------------------------------------------------------------------------------------


def keys(folder: Path) -> str:
    """kill -9 of a web worker or a worker with every fourth send; people repeat with the same key until it is taken."""
    rng, over = random.Random(13), threading.Event()
    sent: list[str] = []
    with own(folder) as (place, _):
        phones = [f"3362{number:07d}" for number in range(6)]
        for phone in phones:
            place.meta.customer_writes(phone=phone, text="hello")
        talks = [place.conversation(phone) for phone in phones]

        def person(number: int) -> None:
            while not over.is_set():
                text = f"person {number}: {len(sent)} {time.time()}"
                body = {"conversation_id": talks[number], "content": text, "client_key": text}
                while (answer := place.ask("POST", "/messages/send", json=body)) is None or not answer.ok:
                    pass_time(0.1)
                sent.append(text)
                pass_time(0.1)

        people = [threading.Thread(target=person, args=(number,)) for number in range(len(phones))]
        for each in people:
            each.start()
        kills = Counter[str]()
        while sum(kills.values()) < 25:
            so_far = len(sent)
            wait_until(lambda so_far=so_far: len(sent) >= so_far + 4, "four more to be taken", 90)  # type: ignore[misc]
            victims = psutil.Process(place.web.child.pid).children()
            if rng.random() < 0.6 and victims:
                with contextlib.suppress(psutil.NoSuchProcess):
                    rng.choice(victims).send_signal(signal.SIGKILL)
                kills["web"] += 1
            else:
                place.workers.pop().kill()
                place.workers.append(place.start_worker())
                kills["worker"] += 1
        over.set()
        for each in people:
            each.join(60)
        place.waits(120, "SELECT count(*) FROM outbox WHERE state <> 'unknown' OR due_at IS NOT NULL", "the outbox")
        arrived = Counter(each.text for each in place.meta.deliveries())
        doubled = [text for text in sent if arrived[text] > 1]
        missing = {text for text in sent if arrived[text] == 0}
        check(not doubled, f"doubled: {doubled[:3]}")
        rows = place.number("SELECT count(*) FROM messages WHERE author_kind <> 'customer' AND client_key IS NOT NULL")
        check(rows == len(sent), f"{rows} rows for {len(sent)} keys")
        asks = place.number("SELECT count(*) FROM messages WHERE status = 'unconfirmed'")
        check(len(missing) <= asks, f"{len(missing)} did not arrive, {asks} ask a person")
        return (
            f"{dict(kills)} killed; {len(sent)} keys, {sum(place.answers.values())} requests, {rows} messages, "
            f"{len(sent) - len(missing)} arrived once, 0 twice, {asks} ask a person"
        )


def disk(folder: Path) -> str:
    """The database's disk is full for 10 s: a cluster on a file system of 200 MB."""
    folder.chmod(0o711)  # the server runs as somebody else
    place_of_data = folder / "disk"
    place_of_data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(place_of_data)], check=True)
    try:
        postgres = servers.OwnPostgres(
            servers._binaries(folder), place_of_data, ["max_wal_size=48MB", "min_wal_size=32MB"]
        )
        postgres.initialise()
        postgres.start()
        try:
            return _disk(folder, place_of_data, postgres)
        finally:
            postgres.kill()
    finally:
        subprocess.run(["umount", "-l", str(place_of_data)], check=True)


def _disk(folder: Path, place_of_data: Path, postgres: servers.OwnPostgres) -> str:
    with installed(folder, servers.create_database(postgres.url, "inbox_break")) as place:
        texts = write(place, 20, "before")
        place.ingested()
        ballast = fill(place_of_data)
        place.forget()
        began = time.monotonic()
        texts += write(place, 400, "full")
        while time.monotonic() - began < 10:
            place.ask("GET", "/accounts")
            pass_time(0.2)
        refused = sum(attempt.status == 503 for hook in place.meta.webhooks() for attempt in hook.attempts)
        died = postgres.process.status() == psutil.STATUS_ZOMBIE
        ballast.unlink()
        if died:
            postgres.kill()
            postgres.start()
        said = only(place, 503)
        place.waits(90, f"SELECT {len(texts)} - count(*) FROM messages WHERE direction = 'inbound'", "all messages")
        place.ingested()
        stored_once(place, texts)
        server = "stopped itself" if died else "stayed"
        return f"{refused} webhooks 503, the server {server}; all {len(texts)} stored once; {said}"


def readonly(folder: Path) -> str:
    """A failover to a server that is read-only for 10 s: every connection breaks, then no write is taken."""
    with own(folder) as (place, postgres), psycopg.connect(postgres.url, autocommit=True) as admin:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'inbox_break'"
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute(others)
        texts, began = write(place, 100, "read-only"), time.monotonic()
        while time.monotonic() - began < 10:
            place.ask("GET", "/accounts")
            pass_time(0.2)
        said = only(place, 503)
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")
        admin.execute(others)
        place.waits(90, f"SELECT {len(texts)} - count(*) FROM messages WHERE direction = 'inbound'", "all messages")
        place.ingested()
        stored_once(place, texts)
        return f"all {len(texts)} stored once; {said}"


def connections(folder: Path) -> str:
    """Somebody else takes every connection that the server has, for 10 s, after all of ours were broken."""
    with own(folder, "max_connections=40") as (place, postgres):
        place.get("/accounts")
        with contextlib.ExitStack() as stack:
            admin = stack.enter_context(psycopg.connect(postgres.url, autocommit=True))
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'inbox_break'")
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(psycopg.connect(postgres.url))
            place.forget()
            texts, began = write(place, 100, "exhausted"), time.monotonic()
            while time.monotonic() - began < 10:
                place.ask("GET", "/accounts")
                pass_time(0.2)
            said = only(place, 503)
        back = place.waits(90, f"SELECT {len(texts)} - count(*) FROM messages WHERE direction = 'inbound'", "all")
        place.ingested()
        stored_once(place, texts)
        return f"all {len(texts)} stored once, {back:.1f} s after the connections were free; {said}"


def lock(folder: Path) -> str:
    """An administrator locks the tables of messages and webhooks for 20 s."""
    with own(folder) as (place, _):
        place.meta.customer_writes(phone="33630000000", text="hello")
        talk = place.conversation("33630000000")
        place.forget()
        with psycopg.connect(place.database_url) as admin:
            admin.execute("LOCK TABLE messages, webhook_events IN ACCESS EXCLUSIVE MODE")
            texts, began = write(place, 60, "locked"), time.monotonic()
            while time.monotonic() - began < 20:
                place.ask(
                    "POST", "/messages/send", json={"conversation_id": talk, "content": "x", "client_key": "same"}
                )
                place.ask("GET", "/accounts")
                pass_time(0.2)
            said = only(place, 503)
            admin.rollback()
        back = place.waits(90, f"SELECT {len(texts) + 1} - count(*) FROM messages WHERE direction = 'inbound'", "all")
        place.ingested()
        stored_once(place, texts)
        check(place.ask("GET", "/health/ready") is not None, "no answer")
        return f"all {len(texts)} stored once, {back:.1f} s after the lock; {said}"


def sqlite(folder: Path) -> str:
    """SQLite with two processes that both answer and work; then its disk is full for 6 s."""
    small = folder / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(small)], check=True)
    try:
        with installed(folder, f"sqlite:///{small}/inbox.db", workers=0) as place:
            return _sqlite(place, small)
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def _sqlite(place: Place, small: Path) -> str:
    account = place.get("/accounts")[0]["id"]

    def arrived() -> set[str | None]:
        return {each.phone for each in place.meta.deliveries()}

    said = []
    for turn, trouble in enumerate(("two processes", "disk full")):
        place.forget()
        phones = {f"336{4 + turn}{number:07d}" for number in range(60)}
        if trouble == "disk full":
            fill(small)
        for phone in sorted(phones):
            place.meta.customer_writes(phone=phone, text=f"{trouble} {phone}")
        began = time.monotonic()
        while time.monotonic() - began < (6 if turn else 0.1):
            place.ask("GET", f"/conversations?account_id={account}")
            pass_time(0.2)
        said.append(f"{trouble}: {only(place, *([503] if turn else []))}")
        (small / "ballast").unlink(missing_ok=True)
        wait_until(lambda wanted=phones: wanted <= arrived(), f"answers after {trouble}", 120)  # type: ignore[misc]
    twice = {phone for phone, count in Counter(each.phone for each in place.meta.deliveries()).items() if count > 1}
    check(not twice, f"answered twice: {twice}")
    return f"120 customers answered once; {'; '.join(said)}"


def journal(folder: Path) -> str:
    """The database is away, the journal is at its cap, and its writers are killed (-9) in the middle."""
    with own(folder, JOURNAL_MAX_BYTES="100000") as (place, postgres):
        postgres.kill()
        texts = write(place, 400, "journal")
        held = 0
        for _ in range(12):
            pass_time(0.5)
            for child in psutil.Process(place.web.child.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.send_signal(signal.SIGKILL)
            answer = place.ask("GET", "/health")
            held = max(held, answer.json()["journal"]["bytes"] if answer is not None else 0)
        postgres.start()
        place.waits(120, f"SELECT {len(texts)} - count(*) FROM messages WHERE direction = 'inbound'", "all messages")
        place.ingested()
        stored_once(place, texts)
        check(held <= 100_000, f"the journal held {held} bytes")
        return f"the journal held {held} bytes of 100,000; 24 writers killed; all {len(texts)} stored once"


def dead(folder: Path) -> str:
    """20,000 sends wait behind a number at which WhatsApp hangs, while another number's go out."""
    with own(folder) as (place, _):
        account = {"name": "Other", "phone_number_id": OTHER_NUMBER, "access_token": "another-token-of-a-number"}
        answer = place.ask("POST", "/accounts", json=account)
        check(answer is not None and answer.status_code == 201, "the other number")
        bodies = [
            webhook(
                number_id=number,
                messages=[text_message(wa_id=f"wamid.{number}.{each}", phone=f"3366{each:07d}", at=int(time.time()))],
            )
            for number, many in ((NUMBER_ID, 200), (OTHER_NUMBER, 20))
            for each in range(many)
        ]
        place.webhooks(bodies)
        wait_until(lambda: len(place.meta.deliveries()) == 220, "the first answers", 120)
        place.meta.fault("whatsapp", "hang", match={"path": f"{NUMBER_ID}/messages"})
        _queue(place, 20_000)
        others = next(each["id"] for each in place.get("/accounts") if each["phone_number_id"] == OTHER_NUMBER)
        rows = place.get(f"/conversations?account_id={others}&limit=20")
        took = []
        for turn in range(40):
            text, began = f"other {turn}", time.monotonic()
            body = {"conversation_id": rows[turn % len(rows)]["id"], "content": text, "client_key": text}
            check((sent := place.ask("POST", "/messages/send", json=body)) is not None and sent.ok, "a send")
            wait_until(lambda text=text: any(each.text == text for each in place.meta.deliveries()[-5:]), text, 60)  # type: ignore[misc]
            took.append(time.monotonic() - began)
        waiting = place.number("SELECT count(*) FROM outbox WHERE kind = 'send'")
        return f"{waiting} wait behind it; the other number's 40 replies: {middle(took)}; {only(place)}"


def _queue(place: Place, number: int) -> None:
    """So many replies in the first number's conversations, as if people had written them."""
    with psycopg.connect(place.database_url) as connection:
        connection.execute(_COPY_MESSAGES, {"number": number, "phone_number_id": NUMBER_ID})
        connection.execute(_QUEUE_THEM)
        connection.execute(_LANES)


#: A message of the bot's as the model of `number` more, spread over all conversations of the number.
_COPY_MESSAGES = """
    INSERT INTO messages SELECT (jsonb_populate_record(m, jsonb_build_object(
        'id', gen_random_uuid(), 'conversation_id', c.id, 'position', 1000 + n, 'wa_message_id', NULL,
        'client_key', 'dead ' || n, 'status', 'queued', 'attempts', 0, 'attempted_at', NULL, 'sent_at', NULL,
        'delivered_at', NULL, 'read_at', NULL, 'author_kind', 'agent', 'content_text', 'dead ' || n))).*
    FROM messages AS m
    JOIN LATERAL generate_series(1, %(number)s) AS n ON true
    JOIN LATERAL (SELECT id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS many
                  FROM conversations WHERE account_id = m.account_id) AS c ON c.place = 1 + n %% c.many
    WHERE m.id = (SELECT messages.id FROM messages JOIN whatsapp_accounts a ON a.id = account_id
                  WHERE a.phone_number_id = %(phone_number_id)s AND direction = 'outbound' LIMIT 1)
"""
_QUEUE_THEM = """
    INSERT INTO outbox (id, kind, account_id, conversation_id, message_id, seq, state, due_at,
                        attempts, resends, raised, revision, payload, created_at)
    SELECT gen_random_uuid(), 'send', account_id, conversation_id, id, 1000 + position, 'pending', now(), 0, 0, 0, 0,
           '{}', now()
    FROM messages WHERE content_text LIKE 'dead %'
"""
_LANES = """
    INSERT INTO lanes (conversation_id, account_id, due_at, next_seq)
    SELECT DISTINCT conversation_id, account_id, now(), 100000 FROM messages WHERE content_text LIKE 'dead %'
    ON CONFLICT (conversation_id) DO UPDATE SET due_at = now(), next_seq = 100000
"""


def statuses(folder: Path) -> str:
    """5,000 statuses at once of our messages, and 100,000 of messages that nobody knows, while customers write."""
    with own(folder) as (place, _):
        write(place, 100, "known")
        wait_until(lambda: len(place.meta.deliveries()) == 100, "the answers", 120)
        wait_until(lambda: all(hook.state != "waiting" for hook in place.meta.webhooks()), "their statuses")
        known = [each.wamid for each in place.meta.deliveries()]
        said = []
        for name, ids in (
            ("5,000 known", [known[each % len(known)] for each in range(5_000)]),
            ("100,000 unknown", [f"wamid.unknown.{each}" for each in range(100_000)]),
        ):
            pieces = [ids[first : first + 100] for first in range(0, len(ids), 100)]
            bodies = [
                webhook(statuses=[status("read", wa_id=each, at=int(time.time())) for each in piece])
                for piece in pieces
            ]
            took: list[float] = []

            def somebody_writes(took: list[float] = took, prefix: str = name[:1]) -> None:
                took.append(place.answered_within(f"337{prefix}{len(took):07d}"))

            with beside(somebody_writes, 0.5):
                result = place.webhooks(bodies)
                check(result.refused == 0, f"{result.refused} of {len(bodies)} webhooks were not taken")
                read = place.ingested(300)
            said.append(
                f"{name}: taken in {result.seconds:.1f} s, read {read:.1f} s later, "
                f"customers meanwhile answered {middle(took)}"
            )
        return f"{'; '.join(said)}; {place.number('SELECT count(*) FROM dead_letters')} dead letters"


def slow(folder: Path) -> str:
    """300 clients that send a byte a second, and 1,000 that say nothing, with nginx in front and without."""
    with own(folder) as (place, _), nginx(folder / "nginx", place.url) as (url, _trusted):
        said = []
        for name, target in (("gunicorn", place.url), ("nginx", url)):
            parts = urlsplit(target)
            address = (parts.hostname or "", parts.port or 443)
            with contextlib.ExitStack() as stack:
                idle = [
                    stack.enter_context(contextlib.closing(socket.create_connection(address)))
                    for _ in range(1000 if name == "gunicorn" else 150)
                ]
                senders = [
                    stack.enter_context(contextlib.closing(socket.create_connection(address)))
                    for _ in range(300 if name == "gunicorn" else 50)
                ]
                for each in senders:
                    each.sendall(b"POST /auth/login HTTP/1.1\r\nHost: inbox\r\nContent-Length: 4000\r\n\r\n")
                place.forget()
                began = time.monotonic()
                while time.monotonic() - began < 12:
                    for each in senders:
                        with contextlib.suppress(OSError):
                            each.send(b"x")
                    place.ask("GET", "/accounts")
                    pass_time(0.1)
                said.append(f"{name}, {len(idle)} idle and {len(senders)} slow: {only(place)}")
        return "; ".join(said)


def upgrades(folder: Path) -> str:
    """Four `db upgrade` at the same moment on an empty database, twice."""
    with own(folder) as (place, postgres):
        said = []
        for turn in range(2):
            fresh = servers.create_database(postgres.url, f"inbox_fresh_{turn}")
            command = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
            environment = {"PATH": "/usr/bin:/bin", **place.environment, "DATABASE_URL": fresh}
            begun = [
                subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                for _ in range(4)
            ]
            outputs = [each.communicate(timeout=120)[0].decode().strip().splitlines()[-1] for each in begun]
            check([each.returncode for each in begun] == [0] * 4, json.dumps(outputs))
            done, idle = (sum(word in each for each in outputs) for word in ("upgraded", "up to date"))
            said.append(f"{done} upgraded, {idle} found it up to date")
        return "; ".join(said)


def rollback(folder: Path) -> str:
    """Web and worker are restarted with the guards switched off, while Gemini hangs under every answer."""
    off = dict.fromkeys(("RESILIENCE_RETRY", "RESILIENCE_BREAKER", "RESILIENCE_CACHE"), "off")
    with own(folder) as (place, _):
        place.meta.fault("gemini", "hang", seconds=60)
        texts = write(place, 8, "rollback")
        wait_until(lambda: len(place.meta.requests("gemini")) >= 4, "answers to be under way")
        began = time.monotonic()
        ending = [place.web, *place.workers]
        for each in ending:
            each.child.terminate()
        check([each.child.wait(40) for each in ending] == [0, 0], "not ended in time")
        stopped = time.monotonic() - began
        place.environment |= off
        place.workers = [place.start_worker()]
        port = urlsplit(place.url).port
        place.stack.enter_context(gunicorn(folder / "again.log", place.environment | {"DISPATCHER": "off"}, port))
        switches = place.get("/health")["switches"]
        took = time.monotonic() - began
        check(set(switches.values()) == {"off"}, str(switches))
        place.meta.clear_faults()
        wait_until(lambda: len(place.meta.deliveries()) == len(texts), "the answers", 120)
        return f"stopped after {stopped:.1f} s, ready again after {took:.1f} s; all {len(texts)} answered once"


CASES: dict[str, Callable[[Path], str]] = {
    case.__name__: case
    for case in (keys, disk, readonly, connections, lock, sqlite, journal, dead, statuses, slow, upgrades, rollback)
}


def main() -> int:
    wanted = sys.argv[1:] or list(CASES)
    broken = 0
    for name in wanted:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="inbox-break-") as folder:
            try:
                said = CASES[name](Path(folder))
            except Exception as error:
                broken += 1
                said = f"BROKEN: {type(error).__name__}: {error}"
        print(f"{name:12}{time.monotonic() - began:5.0f} s  {said}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
