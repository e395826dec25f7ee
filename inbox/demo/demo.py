"""`flask --app wsgi demo`: a living inbox on this machine. The app and the sandbox are processes of their own, in a
folder that is thrown away afterwards; simulated customers write at a gentle pace."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import requests
from flask import Flask

from inbox.accounts import changes
from inbox.accounts.schemas import AccountPatch
from inbox.accounts.service import all_accounts
from inbox.auth import keys
from inbox.auth.access import OPERATOR, Access, Permission, Role
from inbox.bot.profile_cache import ProfileCache
from inbox.bot.profiles import put_profile
from inbox.bot.schemas import ProfileContent
from inbox.config import Config
from inbox.demo import bakery, entry
from inbox.models import WebhookEvent
from inbox.runtime import Runtime, build
from inbox.users.grants import Assignment
from inbox.users.service import Newcomer, create_local, invite
from inbox.users.sign_in.service import begin_for
from inbox.webhooks.ingest import ingest_batch
from inbox.webhooks.routes import new_event

ROOT = Path(__file__).parents[2]
_START_WITHIN = 30.0  # seconds for a process to answer
_END_WITHIN = 28.0  # seconds for a process to drain
_NEVER = threading.Event()  # waiting for it is waiting for time to pass
_TTY_EVERY, _LOG_EVERY = 1.0, 10.0  # seconds between two summaries


class DemoError(Exception):
    """The demo cannot start; the text says why and what to do."""


@dataclass(frozen=True)
class Place:
    """Where everything of one run is."""

    folder: Path
    app_url: str
    sandbox_url: str
    app_secret: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Child:
    """A process of the demo. What it writes is in `log`."""

    what: str
    process: subprocess.Popen[str]
    log: Path

    def check(self) -> None:
        """Raises DemoError when it has ended."""
        if (code := self.process.poll()) is not None:
            raise DemoError(f"{self.what} has ended, with code {code}. So does the demo.\n{self.end_of_log()}")

    def end_of_log(self) -> str:
        return self.log.read_text()[-2000:]


def run(port: int, *, seconds: float | None, pace: float) -> None:
    """Run until Ctrl-C, or for `seconds`. `pace` is the average pause between two customers' messages, in seconds.

    Raises DemoError when the port is taken, or a process does not start, or ends by itself.
    """
    _check_port(port)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(_stoppable())
        folder = Path(tempfile.mkdtemp(prefix="inbox-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        secret = secrets.token_hex(16)
        app_url = f"http://127.0.0.1:{port}"
        sandbox_url, sandbox = stack.enter_context(_sandbox(app_url, secret, folder))
        place = Place(folder, app_url, sandbox_url, secret, _environment(folder, port, sandbox_url, secret))
        config = Config.from_env(place.environment)
        shop = _furnish(_runtime(config), timedelta(days=config.session_days))
        _post(f"{sandbox_url}/_supabase/users", {"email": shop.supabase_email, "password": shop.password})
        app = stack.enter_context(_app(place))
        _greet(place, shop)
        _customers_write(place, [app, sandbox], stop, time.monotonic() + seconds if seconds else None, pace)
        _say("\nStopping: finishing what is begun …")
    _say("Done. Nothing is left behind.")


# --- processes ---------------------------------------------------------------------------------------------------


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DemoError(f"Port {port} is taken. End what listens there, or choose another: --port 8001") from None


@contextlib.contextmanager
def _stoppable() -> Iterator[list[bool]]:
    """A list that becomes non-empty on Ctrl-C or SIGTERM."""
    asked: list[bool] = []

    def ask(_number: int, _frame: FrameType | None) -> None:
        asked.append(True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


#: Settings of the caller's that the app takes over, with what a process needs at all.
_KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "CORS_ORIGINS", "WEBHOOKS_ALLOW_PRIVATE")


def _environment(folder: Path, port: int, sandbox_url: str, secret: str) -> dict[str, str]:
    """The app's environment: everything embedded or simulated, and what the caller sets of `_KEPT`."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "INBOX_ENV": "development",
        "INBOX_INSTANCE_PATH": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'inbox.db'}",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "PORT": str(port),
        "WEB_CONCURRENCY": "1",
        "PYTHONUNBUFFERED": "1",
        "WHATSAPP_API_URL": f"{sandbox_url}/v26.0",
        "WHATSAPP_APP_SECRET": secret,
        "WHATSAPP_VERIFY_TOKEN": "demo",
        "WHATSAPP_PHONE_NUMBER_ID": "200000000000001",
        "WHATSAPP_PHONE_NUMBER": "33700000000",
        "WHATSAPP_ACCESS_TOKEN": "demo-token",
        "GEMINI_API_URL": f"{sandbox_url}/v1beta",
        "GEMINI_API_KEY": "demo-key",
        "SUPABASE_URL": sandbox_url,
        "SUPABASE_KEY": "demo-key",
        "DEMO_SIMULATOR_URL": sandbox_url,
        # What takes minutes in earnest is to be seen within one.
        "GEMINI_BREAKER_OPEN_SECONDS": "8",
        "BOT_DEBOUNCE_SECONDS": "1",
    }


@contextlib.contextmanager
def _process(what: str, command: list[str], log: Path, environment: dict[str, str] | None = None) -> Iterator[Child]:
    """A child in a session of its own, so that Ctrl-C reaches us alone and we end things in order."""
    log.touch(0o600)
    with log.open("a") as output:
        child = subprocess.Popen(  # noqa: S603 (our own commands)
            command,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield Child(what, child, log)
        finally:
            child.terminate()
            try:
                child.wait(_END_WITHIN)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextlib.contextmanager
def _sandbox(app_url: str, secret: str, folder: Path) -> Iterator[tuple[str, Child]]:
    log = folder / "sandbox.log"
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--app-secret", secret]
    command += ["--webhook-url", f"{app_url}/webhook/whatsapp", "--gemini-latency", "0.8"]
    with _process("The sandbox", command, log) as child:
        ready = "sandbox: ready on "

        def address() -> str | None:
            return next(
                (line.removeprefix(ready) for line in log.read_text().splitlines() if line.startswith(ready)), None
            )

        yield _await(address, child), child


@contextlib.contextmanager
def _app(place: Place) -> Iterator[Child]:
    log = place.folder / "app.log"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-c",
        "gunicorn.conf.py",
        "--bind",
        place.app_url.removeprefix("http://"),
    ]
    with _process("The app", [*command, "wsgi:app"], log, place.environment) as child:
        _await(lambda: _get(f"{place.app_url}/health/ready"), child)
        yield child


def _await(condition: Callable[[], Any], child: Child) -> Any:
    until = time.monotonic() + _START_WITHIN
    while time.monotonic() < until and child.process.poll() is None:
        if value := condition():
            return value
        _NEVER.wait(0.05)
    raise DemoError(f"{child.what} did not start:\n{child.end_of_log()}")


# --- a business --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shop:
    """What to look at, and how to come in."""

    account_id: str
    key: str
    password: str
    way_in: str  #: a path that is good once
    email: str = "baker@example.com"
    supabase_email: str = "owner@example.com"  #: of somebody who signs in at Supabase, with the same password


def _runtime(config: Config) -> Runtime:
    """What the app's process will hold, for arranging its data before it starts."""
    return build(config, ProfileCache(Flask("demo"), config))


def _furnish(runtime: Runtime, lifetime: timedelta) -> Shop:
    """A business with a profile, a history, somebody who may sign in, and a key."""
    try:
        runtime.prepare_database()
        key = keys.create(runtime.db, name="Demo", role=Role.ADMIN).secret
        (account,) = all_accounts(runtime.db)
        password = secrets.token_urlsafe(12)
        baker = Newcomer(Shop.email, "The baker", [Assignment(Role.ADMIN.id)], password)
        begun = begin_for(runtime.db, create_local(runtime.db, OPERATOR, baker), lifetime)
        shop = Shop(str(account.id), key, password, entry.prepare(runtime.config.instance_path, begun.token))
        invite(runtime.db, OPERATOR, Newcomer(shop.supabase_email, "The owner", [Assignment(Role.ADMIN.id)]))
        named = AccountPatch(name=str(bakery.PROFILE["business_name"]))
        changes.update(runtime.db, runtime.cipher, Access(OPERATOR, Permission.ACCOUNTS_MANAGE), account.id, named)
        me = Access(OPERATOR, Permission.SETTINGS_MANAGE)
        put_profile(runtime.db, me, account.id, ProfileContent.model_validate(bakery.PROFILE))
        with runtime.db.writing() as session:
            session.add(WebhookEvent(**new_event(json.dumps(bakery.history(time.time())).encode())))
        ingest_batch(runtime.db, settings=runtime.ingest_settings)
        return shop
    finally:
        runtime.close(0)


def _greet(place: Place, shop: Shop) -> None:
    _say(
        f"""
{place.app_url}{shop.way_in}
  opens the inbox of {bakery.PROFILE["business_name"]}, signed in; the link is good once.

  Customers are writing, the bot answers. "Demo" in the corner breaks things, and shows what becomes of it.

  Inbox     {place.app_url}   how it stands: {place.app_url}/status, the API: {place.app_url}/docs
  Sign in   {shop.email}  {shop.password}
  Supabase  {shop.supabase_email}  {shop.password}   project: {place.sandbox_url}, with any key
  Key       {shop.key}
  Account   {shop.account_id}
  Upstreams {place.sandbox_url}   what customers received: {place.sandbox_url}/_deliveries

Look at the conversations:
  curl -H 'Authorization: Bearer {shop.key}' '{place.app_url}/conversations?account_id={shop.account_id}'

Take Gemini away for a minute, and watch nobody lose a message:
  curl {place.sandbox_url}/_faults -d '{{"upstream":"gemini","fault":"status","code":503,"schedule":{{"for":60}}}}'

Logs: {place.folder}    Stop: Ctrl-C
"""
    )


# --- customers ---------------------------------------------------------------------------------------------------


def _customers_write(
    place: Place, children: Sequence[Child], stop: list[bool], until: float | None, pace: float
) -> None:
    """Let customers write until somebody stops us, with a line that says how things stand.

    Raises DemoError when a process has ended: nobody would begin it again.
    """
    rng = random.Random()
    next_message = time.monotonic()
    next_line = 0.0
    started = time.monotonic()
    live = sys.stdout.isatty()
    while not stop and (until is None or time.monotonic() < until):
        for child in children:
            child.check()
        now = time.monotonic()
        if now >= next_message:
            next_message = now + rng.uniform(0.4, 1.6) * pace
            _post(f"{place.sandbox_url}/_customers/messages", bakery.somebody_writes(rng))
        if now >= next_line:
            next_line = now + (_TTY_EVERY if live else _LOG_EVERY)
            line = _summary(place, now - started)
            sys.stdout.write(f"\r\033[K{line}" if live else f"{line}\n")
            sys.stdout.flush()
        _NEVER.wait(0.1)


def _summary(place: Place, seconds: float) -> str:
    health = _get(f"{place.app_url}/health") or {}
    received = _get(f"{place.sandbox_url}/_deliveries?limit=1") or {}
    outbox = health.get("outbox") or {}
    states = {name: part["status"] for name, part in health.get("dependencies", {}).items()}
    away = [name for name, state in states.items() if state in ("error", "timeout")]
    circuits = health.get("circuit_breakers", {}).values()
    away += [f"{circuit['name']} (circuit {circuit['state']})" for circuit in circuits if circuit["state"] != "closed"]
    missing = ", ".join(away) or "none"
    return (
        f"{int(seconds) // 60:d}:{int(seconds) % 60:02d}  {health.get('status', 'no answer'):8}"
        f"  customers received {received.get('count', 0)}  waiting {outbox.get('waiting', '?')}"
        f"  unconfirmed {outbox.get('unconfirmed', '?')}  away: {missing}"
    )


def _get(url: str) -> Any:
    """The JSON behind `url`, or None while nobody answers."""
    try:
        response = requests.get(url, timeout=3)
        return response.json() if response.status_code in (200, 503) else None
    except (requests.RequestException, ValueError):
        return None


def _post(url: str, body: dict[str, Any]) -> None:
    with contextlib.suppress(requests.RequestException):
        requests.post(url, json=body, timeout=3)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
