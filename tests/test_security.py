"""What docs/security.md says of strangers and of members, line by line: each test's name begins with the line's id."""

from __future__ import annotations

import dataclasses
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from inbox import create_app
from inbox.auth import keys
from inbox.auth.access import Grant, Role
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.page.assets import assets
from inbox.runtime import Runtime, runtime_of
from inbox.web.limits import counters
from inbox.web.limits.counters import Counters
from tests.auth.people import PASSWORD, local_user
from tests.builders import NUMBER_ID, ingest, signed, text_message, the_conversation, webhook
from tests.e2e.processes import Process, flask, gunicorn, production
from tests.e2e.test_shedding import Client
from tests.queries import asked
from tests.settings import APP_SECRET, METRICS_TOKEN
from tests.users.people import another_account
from tests.waiting import wait_until

DOCUMENT = (Path(__file__).parent.parent / "docs" / "security.md").read_text()
UNKNOWN = "019a8f3e-2f5c-7c11-9a55-8a2c3d4e5f60"
EVERYWHERE = "https://elsewhere.example"


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """On SQLite: what is asked of a database here is the same on both kinds."""
    (tmp_path / "inbox.db").write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{tmp_path / 'inbox.db'}"


def lines() -> dict[str, list[str]]:
    """The cells of each line of the document's tables, by its id."""
    rows = re.findall(r"^\| ([SM]\d+) \| (.+) \|$", DOCUMENT, re.M)
    return {number: [cell.strip() for cell in cells.split(" | ")] for number, cells in rows}


def test_each_line_has_a_test_and_each_test_a_line() -> None:
    tested = {match[1].upper() for name in vars(sys.modules[__name__]) if (match := re.match(r"test_([sm]\d+)_", name))}
    assert tested == lines().keys()


def test_there_is_no_public_route_that_the_document_leaves_out(app: Flask) -> None:
    told = " ".join(cells[0] for number, cells in lines().items() if number.startswith("S"))
    for rule in app.url_map.iter_rules():
        if str(getattr(app.view_functions[rule.endpoint], "decision", "public")).startswith("public"):
            assert re.sub(r"<.*", "…", rule.rule) in told, rule


def without_its_own(response: Any) -> dict[str, Any]:
    """The answer without what differs between two requests anyway."""
    return {key: value for key, value in response.json.items() if key not in ("request_id", "instance")}


def told_all(response: Any) -> str:
    return f"{response.headers}{response.text}"


# --- strangers ---------------------------------------------------------------------------------------------------


def test_s1_a_stranger_asks_no_query_of_any_route(config: Config) -> None:
    app = create_app(dataclasses.replace(config, rate_limit_anonymous=40))
    client, db = app.test_client(), runtime_of(app).db
    statuses = []
    with asked(db) as queries:
        for rule in app.url_map.iter_rules():
            if not str(getattr(app.view_functions[rule.endpoint], "decision", "public")).startswith("public"):
                path = rule.build(dict.fromkeys(rule.arguments, UNKNOWN))[1]  # type: ignore[index]
                for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
                    statuses.append(client.open(path, method=method).status_code)
    assert queries == []
    assert {*statuses[:40]} == {401}
    assert {*statuses[40:]} <= {429}
    runtime_of(app).close(5)


def test_s2_all_guesses_look_the_same_and_then_cost_no_query(app: Flask, stranger: FlaskClient, db: Database) -> None:
    shapes = ["inbox_" + "x" * 43, "inbox_session_" + "x" * 43, "eyJhbGciOiJIUzI1NiJ9.e30.eA", "x", "ÿ", "x" * 9000]
    answers = [stranger.get("/accounts", headers={"Authorization": f"Bearer {token}"}) for token in shapes]
    assert {each.status_code for each in answers} == {401}
    assert len({str(without_its_own(each)) for each in answers}) == 1
    for number in range(120):
        stranger.get("/accounts", headers={"Authorization": f"Bearer inbox_{number:043d}"})
    with asked(db) as queries:
        for token in shapes * 5:
            refused = stranger.get("/accounts", headers={"Authorization": f"Bearer {token}"})
            assert refused.status_code == 429
    assert len(queries) <= 2  # the list of what is good, once a second


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), ("GET", "/.env"), ("PUT", "/health"), ("GET", "/x//y")]
)
def test_s3_unknown_paths_and_methods_cost_no_query(
    stranger: FlaskClient, db: Database, method: str, path: str
) -> None:
    with asked(db) as queries:
        response = stranger.open(path, method=method)
    assert response.status_code in (404, 405, 308)
    assert queries == []
    assert "inbox." not in told_all(response)


def test_s4_a_webhook_with_a_wrong_signature_is_not_stored(stranger: FlaskClient, db: Database) -> None:
    body = webhook(messages=[text_message()])
    with asked(db) as queries:
        wrong = [
            stranger.post("/webhook/whatsapp", data=body),
            stranger.post("/webhook/whatsapp", data=body, headers=signed(body, "guess")),
            stranger.post("/webhook/whatsapp", data=body, headers={"X-Hub-Signature-256": "sha256=ÿ"}),
            stranger.post("/webhook/whatsapp", data=body, headers=signed(body + b" ", APP_SECRET)),
        ]
    assert {each.status_code for each in wrong} == {401}
    assert len({str(without_its_own(each)) for each in wrong}) == 1
    assert queries == []


def test_s5_a_guessed_verify_token_costs_one_query(stranger: FlaskClient, db: Database) -> None:
    asks = {"hub.mode": "subscribe", "hub.challenge": "<script>", "hub.verify_token": "guess"}
    with asked(db) as queries:
        refused = stranger.get("/webhook/whatsapp", query_string=asks)
    assert refused.status_code == 403
    assert len([each for each in queries if each.startswith("SELECT")]) <= 1
    knows = stranger.get("/webhook/whatsapp", query_string=asks | {"hub.verify_token": "verify-me"})
    assert knows.status_code == 403  # markup is not echoed
    echo = stranger.get(
        "/webhook/whatsapp", query_string=asks | {"hub.verify_token": "verify-me", "hub.challenge": "42"}
    )
    assert (echo.status_code, echo.text, echo.mimetype) == (200, "42", "text/plain")


def test_s6_health_tells_states_and_probes_are_shared(config: Config) -> None:
    app = create_app(dataclasses.replace(config, database_url="postgresql://inbox:geheim@127.0.0.1:9/inbox"))
    client = app.test_client()
    answers = [client.get(path) for path in ("/health", "/health/live", "/health/ready") for _ in range(3)]
    assert {each.status_code for each in answers} == {200, 503}
    for each in answers:
        assert not re.search(r"geheim|127\.0\.0\.1|Error|refused|Traceback|/work|/tmp", each.text), each.text
    taken = {each.json["timestamp"] for each in answers[:3]}
    assert len(taken) == 1
    runtime_of(app).close(5)


def test_s7_guesses_at_passwords_are_few_and_all_look_the_same(app: Flask, db: Database) -> None:
    local_user(db, "anna@example.com", [Grant(Role.VIEWER)])
    client = app.test_client()
    names = ["anna@example.com"] * 10 + ["nobody@example.com"] * 12
    answers = [client.post("/auth/login", json={"email": name, "password": "a wrong password"}) for name in names]
    assert [each.status_code for each in answers] == [401] * 20 + [429] * 2
    assert len({str(without_its_own(each)) for each in answers[:20]}) == 1
    assert int(answers[-1].headers["Retry-After"]) > 0
    elsewhere = {"REMOTE_ADDR": "203.0.113.9"}
    right = {"email": "anna@example.com", "password": PASSWORD}
    locked = client.post("/auth/login", json=right, environ_overrides=elsewhere)
    assert (locked.status_code, locked.json["code"]) == (429, "too_many_requests")


@pytest.mark.parametrize(
    "body", [b"[" * 900_000, b"[" + b"1," * 400_000 + b"1]", b'"' * 1_000_000, b"x" * 2_000_000, b"\x1f\x8b" * 1000]
)
def test_s8_hostile_bodies_are_refused_in_words(stranger: FlaskClient, body: bytes) -> None:
    response = stranger.post("/auth/login", data=body, content_type="application/json")
    assert response.status_code in (400, 413)
    assert response.mimetype == "application/problem+json"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    """A gunicorn with the whole application, and its address."""
    folder = tmp_path_factory.mktemp("served")
    environment = production(
        f"sqlite:///{folder / 'inbox.db'}", "http://127.0.0.1:9", folder, WHATSAPP_APP_SECRET="s" * 32
    )
    flask(environment, "db", "upgrade")
    with gunicorn(folder / "web.log", environment) as started:
        yield started


@pytest.fixture
def process(served: tuple[Process, str]) -> str:
    """Its address."""
    return served[1]


def client_of(url: str) -> Client:
    return Client(int(url.rpartition(":")[2]))


def test_s9_slow_senders_hold_no_thread(process: str) -> None:
    beginnings = [
        "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{",
        "POST /webhook/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{",
        "POST /webhook/whatsapp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
        "POST /webhook/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: 4000000\r\n\r\n{",
        "GET /accounts HTTP/1.1\r\nHo",
    ]
    slow = [client_of(process).send_bytes(each) for each in beginnings for _ in range(8)]
    for _ in range(10):
        assert requests.get(f"{process}/accounts", timeout=10).status_code == 401
        assert requests.post(f"{process}/webhook/whatsapp", data=b"{}", timeout=10).status_code == 401
    for client in slow:
        client.close()


def test_s10_nothing_tells_what_runs(process: str) -> None:
    heads = [requests.get(f"{process}{path}", timeout=10).headers for path in ("/health/live", "/accounts", "/nowhere")]
    assert {head["Server"] for head in heads} == {"inbox"}
    assert not [head for head in heads if re.search(r"gunicorn|werkzeug|python|flask", str(head), re.I)]
    for line in ("GET / HTTP/9.9", "get / HTTP/1.1", "GET /" + "x" * 9000 + " HTTP/1.1", "GET / HTTP/1.1\r\nX: \x01"):
        client = client_of(process).send_bytes(f"{line}\r\nHost: x\r\n\r\n")
        text = client._file.read().decode()
        assert re.match(r"HTTP/1.1 4\d\d ", text)
        assert not re.search(r"gunicorn|python|Traceback|\.py", text, re.I)
        client.close()


def test_s10_nothing_of_a_bad_request_is_repeated_in_our_logs(served: tuple[Process, str]) -> None:
    started, url = served
    secret = "inbox_session_" + "q" * 43
    client = client_of(url).send_bytes(f"GET / HTTP/1.1\r\nHost: x\r\n{secret} : x\r\n\r\n")
    assert b" 400 " in client._file.read()
    client.close()
    wait_until(lambda: "refused what is no request" in started.output(), "the line")
    assert secret not in started.output()


def test_s15_a_body_with_broken_chunks_is_400_and_no_stack_trace(served: tuple[Process, str]) -> None:
    started, url = served
    head = "HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for path in ("/auth/login", "/webhook/whatsapp", "/accounts"):
        client = client_of(url).send_bytes(f"POST {path} {head}zz\r\n{{}}\r\n0\r\n\r\n")
        assert client.answer().status in (400, 401)
        assert client.is_closed()
        client.close()
    assert "Traceback" not in started.output()


def test_s10_an_error_of_ours_tells_no_more_than_its_request_id(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.view_functions, "accounts.list_accounts", lambda: {}["a secret key"])
    app.testing = False
    broken = client.get("/accounts")
    app.testing = True
    assert (broken.status_code, broken.json["code"]) == (500, "internal_error")
    assert "secret" not in told_all(broken)
    assert "KeyError" not in told_all(broken)


def test_s11_a_header_makes_nobody_somebody_else(config: Config) -> None:
    app = create_app(dataclasses.replace(config, rate_limit_anonymous=3))
    invented = [
        app.test_client().get("/nowhere", headers={"X-Forwarded-For": f"6.6.6.{n}", "X-Real-IP": f"6.6.6.{n}"})
        for n in range(4)
    ]
    assert [each.status_code for each in invented] == [404, 404, 404, 429]
    runtime_of(app).close(5)


def test_s12_other_sites_can_read_frame_and_write_nothing(app: Flask, db: Database) -> None:
    local_user(db, "anna@example.com", [Grant(Role.ADMIN)])
    browser = app.test_client()
    browser.post("/auth/login", json={"email": "anna@example.com", "password": PASSWORD})
    read = browser.get("/accounts", headers={"Origin": EVERYWHERE})
    assert read.status_code == 200
    assert "Access-Control-Allow-Origin" not in read.headers
    assert "frame-ancestors 'none'" in read.headers["Content-Security-Policy"]
    write = browser.post("/auth/logout", headers={"Origin": EVERYWHERE, "Sec-Fetch-Site": "cross-site"})
    assert (write.status_code, write.json["code"]) == (403, "csrf_failed")


def test_s13_a_flood_fills_neither_log_nor_memory(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = app.test_client()
    with caplog.at_level(logging.INFO):
        for _ in range(400):
            client.get("/nowhere")
    assert len([record for record in caplog.records if record.name.startswith(("inbox", "flask"))]) <= 2
    monkeypatch.setattr(counters, "LIMIT", 1000)
    made = Counters()
    for number in range(20_000):
        made.add(f"2001:db8:{number:x}::/64", 60)
    assert sum(made.look(f"2001:db8:{number:x}::/64").used for number in range(20_000)) <= 1001


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_s14_the_description_costs_no_query(stranger: FlaskClient, db: Database, path: str) -> None:
    with asked(db) as queries:
        response = stranger.get(path)
    assert response.status_code == 200
    assert queries == []
    assert APP_SECRET not in response.text
    assert "verify-me" not in response.text


def test_s16_the_pages_files_cost_no_query_and_are_not_counted(config: Config) -> None:
    app = create_app(dataclasses.replace(config, rate_limit_anonymous=3))
    client, db = app.test_client(), runtime_of(app).db
    files = assets()
    with asked(db) as queries:
        assert {client.get(files.address("style/base.css")).status_code for _ in range(20)} == {200}
        assert client.get("/manifest.webmanifest").status_code == 200
        assert client.get("/notifier.js").mimetype == "text/javascript"
        assert client.get("/assets/elsewhere/style/base.css").status_code == 404
    assert queries == []
    runtime_of(app).close(5)


def test_s17_metrics_open_to_their_token_alone_and_hold_nothing_of_anybody(app: Flask, db: Database) -> None:
    stranger = app.test_client()
    shapes = ["", "Bearer x", f"Basic {METRICS_TOKEN}", f"Bearer {METRICS_TOKEN}x", "Bearer ÿ"]
    with asked(db) as queries:
        answers = [stranger.get("/metrics", headers={"Authorization": shape} if shape else {}) for shape in shapes]
    assert {each.status_code for each in answers} == {401}
    assert len({str(without_its_own(each)) for each in answers}) == 1
    assert queries == []
    told = stranger.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).text
    for secret in (NUMBER_ID, METRICS_TOKEN, "test-access-token", "33700000000", "127.0.0.1", "/tmp"):
        assert secret not in told


# --- members -----------------------------------------------------------------------------------------------------


@pytest.fixture
def outsider(app: Flask, db: Database, runtime: Runtime) -> FlaskClient:
    """Somebody with every right over one account, while the conversations are another's."""
    ingest(runtime, webhook(messages=[text_message("for your eyes only", at=int(utc_now().timestamp()))]))
    made = app.test_client()
    key = keys.create(db, name="Outsider", role=Role.ADMIN, accounts=[another_account(db)])
    made.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key.secret}"
    return made


def test_m1_rows_of_another_account_are_like_rows_that_are_not_there(
    app: Flask, outsider: FlaskClient, db: Database
) -> None:
    talk = str(the_conversation(db).id)
    routes = [
        ("GET", "/conversations/{}", None),
        ("POST", "/conversations/{}/read", None),
        ("POST", "/conversations/{}/favorite", {"favorite": True}),
        ("POST", "/conversations/{}/bot", {"enabled": True}),
        ("GET", "/messages/{}", None),
        ("POST", "/messages/send", {"conversation_id": "{}", "content": "hello"}),
    ]
    for method, path, body in routes:
        answers = []
        for which in (talk, UNKNOWN):
            sent = {key: which if value == "{}" else value for key, value in body.items()} if body else None
            answers.append(outsider.open(path.format(which), method=method, json=sent))
        theirs, nothing = answers
        assert theirs.status_code == nothing.status_code == 404, (method, path)
        assert without_its_own(theirs) == without_its_own(nothing)


def test_m2_lists_hold_only_ones_own(outsider: FlaskClient, db: Database) -> None:
    account = the_account_with_conversations(db)
    assert [row["id"] for row in outsider.get("/accounts").json] != [str(account)]
    for path in ("/conversations", "/contacts"):
        response = outsider.get(path, query_string={"account_id": str(account)})
        assert response.status_code == 403
        missing = outsider.get(path, query_string={"account_id": UNKNOWN})
        assert without_its_own(missing) == without_its_own(response)
    own = outsider.get("/accounts").json[0]["id"]
    assert outsider.get("/conversations", query_string={"account_id": own}).json == []


def the_account_with_conversations(db: Database) -> UUID:
    return the_conversation(db).account_id


@pytest.mark.parametrize("path", ["/admin/circuit-breakers", "/admin/incidents", "/admin/cache/stats"])
def test_m3_a_role_for_one_account_is_none_for_the_installation(outsider: FlaskClient, path: str) -> None:
    assert outsider.get(path).status_code == 403


def test_m4_a_key_that_was_ended_is_refused_at_once(app: Flask, client: FlaskClient, db: Database) -> None:
    assert client.get("/accounts").status_code == 200
    for row, _ in keys.listed(db):
        keys.revoke(db, row.prefix)
    assert client.get("/accounts").status_code == 401
