"""Scenario 50: whatever goes wrong, nothing that is written down or shown holds a secret or a customer's words."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import logging
import secrets
import string
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from inbox import create_app, logs
from inbox.auth import keys
from inbox.auth.access import Role
from inbox.config import Config
from inbox.db import Database
from inbox.errors import UpstreamError
from inbox.gateways.gemini import Gemini
from inbox.gateways.whatsapp.messages import Content, Recipient, WhatsApp
from inbox.logs import redact, set_request_id
from inbox.resilience import GEMINI, UPSTREAMS, WHATSAPP
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from sandbox.fault_kinds import GEMINI_SHAPES, KINDS
from tests.builders import signed, text_message, webhook
from tests.e2e.processes import gunicorn, running
from tests.faults.stage import QUICK, ask, hits, numbers, queue_to
from tests.faults.workers import WORKER, environment, log_lines, working
from tests.waiting import free_port, wait_until

pytest_plugins = ["tests.faults.fixtures"]

QUESTION, ANSWER, REPLY = "Do you have gluten-free bread?", "We bake gluten-free on Mondays.", "Come by at eleven, Ann"
WORDS = (QUESTION, ANSWER, REPLY)
APP_SECRET = "5f0e8a6b41c24f7d9b1f6c0a3d2e7c58"
DATABASE_PASSWORD = "Tr0ub4dor/and=three words"
FAULTS: list[tuple[str, str, dict[str, Any]]] = [
    (upstream, fault, {})
    for upstream in ("gemini", "whatsapp")
    for fault, kind in KINDS.items()
    if upstream in kind.upstreams and not any(param.default is ... for param in kind.params.values())
]
FAULTS += [("gemini", "shape", {"name": name}) for name in GEMINI_SHAPES]
FAULTS += [("whatsapp", "graph_error", {"code": code}) for code in (0, 1, 100, 190, 130429, 131000, 131047, 131056)]
FAULTS += [(upstream, "redirect", {"location": "http://127.0.0.1:9/elsewhere"}) for upstream in ("gemini", "whatsapp")]


@pytest.fixture
def secretive(live_config: Config) -> Config:
    """Settings with secrets that are like real ones, and of which no part occurs by chance."""
    return dataclasses.replace(
        live_config,
        log_format="json",
        secret_key=secrets.token_urlsafe(48),
        encryption_keys=(Fernet.generate_key().decode(),),
        whatsapp_app_secrets=(APP_SECRET,),
        whatsapp_verify_token="verify-" + secrets.token_hex(8),
        whatsapp_access_token="EAAG" + secrets.token_hex(60),
        gemini_api_key="AIza" + secrets.token_urlsafe(26),
    )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(app_secret=APP_SECRET, status_delays=(0.0, 0.1, 0.2), gemini_latency=0.0) as running:
        running.gemini_responder = lambda _request: ANSWER
        yield running


def told(config: Config, *written: str) -> set[str]:
    """What of the settings' secrets and of people's words stands in one of the texts."""
    hidden = {*config.secrets, *WORDS, DATABASE_PASSWORD}
    hidden |= {base64.b64encode(secret.encode()).decode() for secret in hidden}
    hidden |= {json.dumps(secret)[1:-1] for secret in hidden}
    return {secret for secret in hidden if any(secret in each for each in written)}


# --- every fault there is, one by one ----------------------------------------------------------------------------


@pytest.mark.parametrize(("upstream", "fault", "params"), FAULTS, ids=lambda value: str(value))
def test_no_fault_makes_a_gateway_tell_anything(
    secretive: Config,
    sandbox: Sandbox,
    capsys: pytest.CaptureFixture[str],
    upstream: str,
    fault: str,
    params: dict[str, Any],
) -> None:
    """The lines as production writes them, the error with everything that hangs on it, and what the breaker keeps."""
    quick = dataclasses.replace(QUICK, total=1.0, connect=0.3, read=0.4, minimum=0.1)
    sandbox.fault(upstream, fault, **params)
    written: list[str] = []
    with numbers(GEMINI, quick), numbers(WHATSAPP, dataclasses.replace(quick, attempts=1)):
        logs.configure("json", "DEBUG", secretive.secrets)
        try:
            call(upstream, secretive)
        except UpstreamError as error:
            written += [str(error), repr(error), repr(vars(error)), repr(error.detail)]
            written += traceback.format_exception(error)
            logging.getLogger("inbox").exception("an error nobody expected")
        written += [repr(vars(each.breaker)) + repr(each.breaker.snapshot()) for each in UPSTREAMS.values()]
    output = capsys.readouterr()
    assert '"upstream": "' in output.out
    assert told(secretive, output.out, output.err, *written) == set()
    logs.configure("text", "INFO")


def call(upstream: str, config: Config) -> None:
    set_request_id(secrets.token_hex(8))
    if upstream == "gemini":
        ask(Gemini(config.gemini_api_url, config.gemini_api_key), QUESTION)
        return
    WhatsApp(config.whatsapp_api_url).send(
        phone_number_id="200000000000001",
        token=config.whatsapp_access_token or "",
        recipient=Recipient("33600000001", None, None),
        content=Content.of_text(REPLY),
        callback_data="inbox:1:1",
    )


# --- a whole installation on a bad day ---------------------------------------------------------------------------

BAD_DAY: list[tuple[str, str, dict[str, Any]]] = [
    ("gemini", "status", {"code": 503, "probability": 0.2}),
    ("gemini", "reset_after", {"probability": 0.1}),
    ("gemini", "html_200", {"probability": 0.1}),
    ("gemini", "cut_body", {"probability": 0.1}),
    ("gemini", "shape", {"name": "key_invalid", "times": 1}),
    ("gemini", "shape", {"name": "safety_partial", "times": 1}),
    ("whatsapp", "status", {"code": 502, "body": "html", "probability": 0.1}),
    ("whatsapp", "graph_error", {"code": 131000, "times": 2}),
    ("whatsapp", "graph_error", {"code": 100, "times": 2}),
    ("whatsapp", "close_after", {"probability": 0.1}),
    ("whatsapp", "no_id_200", {"probability": 0.05}),
    ("webhook", "duplicate", {"probability": 0.2}),
    ("webhook", "bad_signature", {"probability": 0.1}),
    ("webhook", "reorder", {"probability": 0.1}),
]


def test_a_bad_day_of_real_processes_leaves_no_secret_in_any_log_line_or_answer(
    whole: Config, secretive: Config, sandbox: Sandbox, tmp_path: Path
) -> None:
    address = make_url(whole.database_url).set(password=DATABASE_PASSWORD).render_as_string(hide_password=False)
    config = dataclasses.replace(secretive, database_url=address)
    short = {"GEMINI_BREAKER_OPEN_SECONDS": "1", "WHATSAPP_BREAKER_OPEN_SECONDS": "1"}
    settings = environment(config, DISPATCHER="off", WEB_CONCURRENCY="1", **short)
    answers: list[str] = []
    with (
        office(config) as (runtime, key),
        gunicorn(tmp_path / "web.log", settings) as (web, url),
        working(tmp_path / "worker.log", settings) as worker,
    ):
        for upstream, fault, params in BAD_DAY:
            sandbox.fault(upstream, fault, **params)
        sandbox.webhook_url = f"{url}/webhook/whatsapp"
        for number in range(30):
            sandbox.customer_writes(f"336000001{number:02d}", QUESTION, name="Ann")
            queue_to(runtime, f"336000002{number:02d}", REPLY)
        answers += strange_requests(url, config, key)
        wait_until(lambda: hits(sandbox, "gemini") >= 30 and hits(sandbox, "whatsapp") >= 20, "the day to pass")
        sandbox.fault("whatsapp", "graph_error", code=190)
        queue_to(runtime, "33600000300", REPLY)
        wait_until(lambda: "number paused" in worker.output(), "the token to be refused")
        answers += [requests.get(f"{url}{path}", timeout=10).text for path in ("/health", "/health/ready")]
        assert (worker.stop(), web.stop()) == (0, 0)
        assert {"INFO", "WARNING", "ERROR"} <= {line["level"] for line in log_lines(worker)}  # it was a bad day
    blind = settings | {"DATABASE_URL": make_url(address).set(host="127.0.0.1", port=9).render_as_string(False)}
    with unready(tmp_path / "blind.log", blind) as url, running(WORKER, tmp_path / "blind_worker.log", blind) as worker:
        answers += strange_requests(url, config, key)
        answers.append(requests.get(f"{url}/health", timeout=10).text)
        wait_until(worker.output, "the worker to complain")
    written = {path.name: path.read_text(errors="replace") for path in tmp_path.glob("*.log")}
    assert len(written) == 4
    assert {name: found for name, text in written.items() if (found := told(config, text))} == {}
    assert told(config, *answers) == set()
    assert key not in "".join([*written.values(), *answers])


@contextlib.contextmanager
def office(config: Config) -> Iterator[tuple[Runtime, str]]:
    """Where agents write: services over the same database, and an administrator's key."""
    runtime = runtime_of(create_app(dataclasses.replace(config, dispatcher=False)))
    runtime.prepare_database()
    try:
        yield runtime, keys.create(runtime.db, name="Agents", role=Role.ADMIN).secret
    finally:
        runtime.close(5)


@contextlib.contextmanager
def unready(log: Path, settings: dict[str, str]) -> Iterator[str]:
    """A web process that lives, but without its database; its address."""
    url = f"http://127.0.0.1:{free_port()}"
    command = ["-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", url.removeprefix("http://"), "wsgi:app"]

    def lives() -> bool:
        try:
            return requests.get(f"{url}/health/live", timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    with running(command, log, settings):
        wait_until(lives, "gunicorn to live")
        yield url


def strange_requests(url: str, config: Config, key: str) -> list[str]:
    """What strangers and mistaken programs send, and what they are told."""
    body = webhook(messages=[text_message(QUESTION)])
    verify = {"hub.mode": "subscribe", "hub.challenge": "42"}
    mine = {"Authorization": f"Bearer {key}"}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/webhook/whatsapp", {"data": body, "headers": signed(body, "somebody else's secret")}),
        ("POST", "/webhook/whatsapp", {"data": body[:-5], "headers": signed(body[:-5], APP_SECRET)}),
        ("POST", "/webhook/whatsapp", {"data": body, "headers": signed(body, APP_SECRET)}),
        ("GET", "/webhook/whatsapp", {"params": verify | {"hub.verify_token": config.whatsapp_verify_token}}),
        ("GET", "/webhook/whatsapp", {"params": verify | {"hub.verify_token": "a guess"}}),
        ("GET", "/accounts", {"headers": {"Authorization": "Bearer inbox_" + "x" * 43}}),
        ("GET", "/accounts", {"headers": {"Authorization": f"Basic {key}"}}),
        ("GET", "/nowhere", {"params": {"key": config.gemini_api_key, "access_token": config.whatsapp_access_token}}),
        ("POST", "/messages/send", {"data": f'{{"content": "{REPLY}"', "headers": mine}),
        ("POST", "/messages/send", {"json": {"conversation_id": "not an id", "content": REPLY}, "headers": mine}),
    ]
    answers = []
    for method, path, more in calls:
        response = requests.request(method, f"{url}{path}", timeout=15, **more)
        answers.append(f"{response.headers}{response.text}")
    return answers


# --- what an error of the database knows -------------------------------------------------------------------------


def test_a_statement_that_fails_is_logged_without_the_words_in_it(
    whole: Config, secretive: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    db = Database(whole.database_url)
    statement = text("INSERT INTO contacts (id, account_id, display_name) VALUES (gen_random_uuid(), NULL, :words)")
    for log_format in ("json", "text"):
        logs.configure(log_format, "INFO", secretive.secrets)  # type: ignore[arg-type]
        try:
            with db.writing() as session:
                session.execute(statement, {"words": QUESTION})
        except DBAPIError:
            logging.getLogger("inbox").exception("a batch failed")
    db.close()
    logs.configure("text", "INFO")
    output = capsys.readouterr().out
    assert output.count("NotNullViolation") >= 2
    assert "INSERT INTO contacts" in output
    assert told(secretive, output) == set()


# --- redaction ---------------------------------------------------------------------------------------------------

_WORD = string.ascii_letters + string.digits
TOKENS = st.one_of(
    st.from_regex(r"EAA[A-Za-z0-9]{20,200}", fullmatch=True),
    st.from_regex(r"AIza[A-Za-z0-9_-]{35}", fullmatch=True),
    st.from_regex(r"AQ\.[A-Za-z0-9_-]{30,60}", fullmatch=True),
    st.from_regex(r"eyJ[A-Za-z0-9_-]{10,80}\.[A-Za-z0-9_-]{10,80}\.[A-Za-z0-9_-]{10,80}", fullmatch=True),
    st.from_regex(r"sb_(secret|publishable)_[A-Za-z0-9_]{10,40}", fullmatch=True),
    st.from_regex(r"inbox_[A-Za-z0-9_-]{43}", fullmatch=True),
)
PLACES = st.sampled_from(["Bearer {}", "bearer {}", "BEARER  {}", "?key={}", "https://x/?a=1&access_token={}&b=2"])
BEARERS = st.text(_WORD + "._~+/-", min_size=4, max_size=80)
AROUND = st.text(max_size=60)


@given(AROUND, TOKENS, AROUND)
def test_a_token_is_found_by_its_shape_in_any_text(before: str, token: str, after: str) -> None:
    assert token not in redact(f"{before}{token}{after}")


@given(AROUND, PLACES, BEARERS, AROUND)
def test_a_token_of_any_shape_is_found_by_its_place(before: str, place: str, token: str, after: str) -> None:
    shown = redact(f"{before} {place.format(token)} {after}")
    assert shown.count(token) <= f"{before} {place.format('')} {after}".count(token)
    assert "[redacted]" in shown


@given(st.text(_WORD, min_size=1, max_size=20), st.text(_WORD + "!#$%&*+-.=_~", min_size=1, max_size=40))
def test_a_password_within_an_address_is_not_shown(user: str, password: str) -> None:
    assert redact(f"postgresql://{user}:{password}@db/inbox") == f"postgresql://{user}:[redacted]@db/inbox"


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


PLAIN = (
    "Circuit gemini: closed → open, message 019a8f3e-2f5c-7c11-9a55-8a2c3d4e5f60 for https://graph.facebook.com/v26.0"
)


def test_what_is_no_secret_is_left_alone() -> None:
    assert redact(PLAIN) == PLAIN


class Line:
    """The lines that a handler of ours writes."""

    def __init__(self, log_format: str, known: tuple[str, ...]) -> None:
        logs.configure(log_format, "INFO", known)  # type: ignore[arg-type]
        self._handler = logging.getLogger().handlers[-1]

    def of(self, message: str, *args: object, error: Exception | None = None, **extra: object) -> str:
        record = logging.LogRecord("inbox", logging.INFO, __file__, 1, message, args, None)
        record.__dict__.update(extra)
        if error is not None:
            record.exc_info = (type(error), error, None)
        return self._handler.format(record)


# No letters and digits alone: such a text may occur in a time or a word of the line itself.
SECRET_TEXTS = st.text(min_size=14, max_size=60).map(lambda text: f"§{text}§").filter(lambda text: text == text.strip())


@pytest.mark.parametrize("log_format", ["json", "text"])
@given(secret=SECRET_TEXTS, before=AROUND, after=AROUND)
def test_a_known_secret_is_found_wherever_it_stands_in_a_line(
    log_format: str, secret: str, before: str, after: str
) -> None:
    whole = f"{before}{secret}{after}"
    line = Line(log_format, (secret,)).of(
        "at the start %s", whole, error=RuntimeError(whole), plain=whole, nested={"list": [whole]}
    )
    logs.configure("text", "INFO")
    assert secret not in line
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in line
    if log_format == "json":
        assert secret not in json.dumps(json.loads(line), ensure_ascii=False)


@given(message=st.text(max_size=100), extra=st.text(max_size=100))
def test_a_line_stays_one_line_of_json_whatever_stands_in_it(message: str, extra: str) -> None:
    line = Line("json", ("a-secret-that-is-known",)).of("%s", message, reason=f'Bearer {extra}"\\')
    logs.configure("text", "INFO")
    assert "\n" not in line
    assert set(json.loads(line)) >= {"time", "level", "logger", "message", "reason"}
