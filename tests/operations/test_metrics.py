"""What Prometheus reads: who may, what it is told, and what that costs."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete

from inbox import create_app
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.errors import ConfigError, DeadlineExceeded, UpstreamBusy, UpstreamOpen, UpstreamUnavailable
from inbox.memory.kept import Kept
from inbox.metrics import statements
from inbox.models import Account, Incident, Job, JobKind, Pause
from inbox.operations import processes
from inbox.operations.metrics.figures import FRESH, Figures
from inbox.operations.metrics.listener import Listener
from inbox.operations.metrics.page import Page
from inbox.operations.processes import Identity, Report
from inbox.outbox.outcomes import Accepted, Unknown
from inbox.resilience import GEMINI
from inbox.runtime import Runtime, crews_of, runtime_of
from sandbox import Sandbox
from tests.builders import ingest, store_events, text_message, the_conversation, webhook
from tests.outbox.world import World
from tests.servers import program
from tests.settings import METRICS_TOKEN
from tests.waiting import free_port, wait_until

SHOWN = {"Authorization": f"Bearer {METRICS_TOKEN}"}

Labels = dict[str, str]


def counted(name: str, **labels: str) -> float:
    """A meter of this process."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


def figures(text: str) -> Callable[..., float | None]:
    """Looks a sample up in a page."""
    found = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    return lambda name, **labels: found.get((name, frozenset(labels.items())))


def page(runtime: Runtime) -> Callable[..., float | None]:
    """What it says now: one that was asked before may show what it knew ten seconds ago."""
    return figures(Page(Figures(runtime.db, runtime.journal), METRICS_TOKEN).text().decode())


@pytest.fixture(autouse=True)
def _gemini_as_it_was(runtime: Runtime) -> Iterator[None]:
    yield
    GEMINI.breaker.reset()


# --- who may ---------------------------------------------------------------------------------------------------------


def test_only_the_token_opens_the_page(stranger: FlaskClient, client: FlaskClient) -> None:
    assert stranger.get("/metrics", headers=SHOWN).status_code == 200
    assert stranger.get("/metrics").status_code == 401
    assert client.get("/metrics").status_code == 401, "an administrator's key is another matter"
    for wrong in ("Bearer ", "Bearer x", f"Bearer {METRICS_TOKEN}x", f"Basic {METRICS_TOKEN}", "Bearer é"):
        assert stranger.get("/metrics", headers={"Authorization": wrong}).status_code == 401


def test_without_a_token_there_is_no_page(config: Config) -> None:
    app = create_app(dataclasses.replace(config, metrics_token=None))
    for headers in ({}, SHOWN, {"Authorization": "Bearer "}):
        response = app.test_client().get("/metrics", headers=headers)
        assert (response.status_code, response.json["code"]) == (404, "metrics_off")


def test_a_port_for_the_page_needs_a_token() -> None:
    with pytest.raises(ConfigError, match="METRICS_TOKEN"):
        Config(env="development", metrics_listen=("127.0.0.1", 9101)).check()


# --- what is told ----------------------------------------------------------------------------------------------------


def test_promtool_has_nothing_to_say(stranger: FlaskClient, client: FlaskClient) -> None:
    client.get("/conversations")
    text = stranger.get("/metrics", headers=SHOWN).data
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_requests_are_counted_by_the_route_as_it_is_declared(client: FlaskClient) -> None:
    labels = {"method": "GET", "route": "/conversations/<uuid:conversation_id>", "status": "404"}
    before = counted("inbox_http_requests_total", **labels)
    for last in "12":
        client.get(f"/conversations/00000000-0000-0000-0000-00000000000{last}")
    assert counted("inbox_http_requests_total", **labels) == before + 2
    assert counted("inbox_http_request_seconds_count", method="GET", route=labels["route"]) >= 2


def test_what_clients_invent_makes_no_label(stranger: FlaskClient) -> None:
    nowhere = {"method": "GET", "route": "none", "status": "404"}
    invented = {"method": "other", "route": "none", "status": "405"}
    before = counted("inbox_http_requests_total", **nowhere), counted("inbox_http_requests_total", **invented)
    stranger.get("/nowhere/1")
    stranger.get("/nowhere/2")
    stranger.open("/health", method="BREW")
    after = counted("inbox_http_requests_total", **nowhere), counted("inbox_http_requests_total", **invented)
    assert after == (before[0] + 2, before[1] + 1)


def test_an_error_of_ours_is_counted_as_one(app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError

    app.testing = False
    monkeypatch.setitem(app.view_functions, "health.get_liveness", broken)
    labels = {"method": "GET", "route": "/health/live", "status": "500"}
    before = counted("inbox_http_requests_total", **labels)
    assert client.get("/health/live").status_code == 500
    assert counted("inbox_http_requests_total", **labels) == before + 1


def test_the_statements_of_a_request_are_counted(client: FlaskClient, runtime: Runtime) -> None:
    ingest(runtime, webhook(messages=[text_message()]))
    path = f"/conversations/{the_conversation(runtime.db).id}"
    client.get(path)  # who asks is known from now on
    labels = {"method": "GET", "route": "/conversations/<uuid:conversation_id>"}
    before, sent = counted("inbox_http_request_statements_total", **labels), statements.so_far()
    client.get(path)
    added = counted("inbox_http_request_statements_total", **labels) - before
    assert added == statements.so_far() - sent >= 1


def test_calls_repeats_and_refusals_are_counted(runtime: Runtime) -> None:
    GEMINI.breaker.reset()
    error = UpstreamUnavailable("gemini", "no connection")

    @GEMINI.deadline
    @GEMINI.retry
    def call() -> None:
        raise error

    names = ("calls_total", {"outcome": "UpstreamUnavailable"}), ("retries_total", {})
    before = [counted(f"inbox_upstream_{name}", upstream="gemini", **more) for name, more in names]
    GEMINI.policy = dataclasses.replace(GEMINI.policy, attempts=2, total=1.0, minimum=0.1)
    with pytest.raises(UpstreamUnavailable):
        call()
    after = [counted(f"inbox_upstream_{name}", upstream="gemini", **more) for name, more in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1]


def test_what_is_not_called_says_why(runtime: Runtime) -> None:
    def refusals() -> list[float]:
        return [counted("inbox_refusals_total", place="gemini", why=why) for why in ("circuit", "bulkhead", "deadline")]

    before = refusals()
    openings = counted("inbox_circuit_openings_total", circuit="gemini")
    GEMINI.policy = dataclasses.replace(GEMINI.policy, total=0.01, minimum=0.5)
    with pytest.raises(DeadlineExceeded):
        GEMINI.deadline(GEMINI.check_time)()
    GEMINI.bulkhead.resize(1, line=0, patience=0.0)
    with GEMINI.bulkhead.place(), pytest.raises(UpstreamBusy):
        GEMINI.bulkhead.enter()
    for _ in range(GEMINI.policy.breaker_failures):
        with pytest.raises(UpstreamUnavailable):
            GEMINI.breaker.call(_fail)
    assert counted("inbox_circuit_state", circuit="gemini") == 2
    with pytest.raises(UpstreamOpen):
        GEMINI.breaker.call(_fail)
    assert [new - old for new, old in zip(refusals(), before, strict=True)] == [1, 1, 1]
    assert counted("inbox_circuit_openings_total", circuit="gemini") == openings + 1
    GEMINI.breaker.reset()
    assert counted("inbox_circuit_state", circuit="gemini") == 0


def _fail() -> None:
    raise UpstreamUnavailable("gemini", "no connection")


def test_a_request_that_left_is_counted_by_its_status(live: Runtime, sandbox: Sandbox) -> None:
    world = World(live)
    labels = {"upstream": "whatsapp", "outcome": "2xx"}
    before = counted("inbox_upstream_attempts_total", **labels), counted("inbox_sends_total", outcome="accepted")
    world.queue("hello")
    crews = crews_of(live)
    (claim,) = crews.sends(1)
    crews.deliver(claim)
    after = counted("inbox_upstream_attempts_total", **labels), counted("inbox_sends_total", outcome="accepted")
    assert after == (before[0] + 1, before[1] + 1)


def test_the_time_to_an_answer_runs_from_the_customers_message(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.gemini_responder = lambda _request: "We open at nine."
    asked = utc_now() - timedelta(seconds=30)
    ingest(live, webhook(messages=[text_message("When?", at=int(asked.timestamp()))]))
    before = [counted(f"inbox_answer_seconds_{part}") for part in ("count", "sum")]
    crews = crews_of(live)
    (job,) = wait_until(lambda: crews.answers(1), "the answer to be due")
    live.answering.run(job)
    (claim,) = crews.sends(1)
    crews.deliver(claim)
    count, seconds = (counted(f"inbox_answer_seconds_{part}") for part in ("count", "sum"))
    assert count == before[0] + 1
    assert 30 <= seconds - before[1] < 90


def test_lookups_are_hits_misses_and_old_values() -> None:
    def looked_up() -> list[float]:
        return [counted("inbox_cache_lookups_total", cache="test", result=each) for each in ("hit", "miss", "stale")]

    now, before = 0.0, looked_up()
    kept: Kept[int] = Kept(1.0, 60.0, clock=lambda: now, away=UpstreamUnavailable, name="test")  # type: ignore[type-var]
    kept.get("a", lambda: 1)
    kept.get("a", lambda: 1)
    now = 2.0

    def away() -> int:
        raise UpstreamUnavailable("test", "away")

    assert kept.get("a", away) == 1
    assert [new - old for new, old in zip(looked_up(), before, strict=True)] == [1, 2, 1]


# --- what the database knows -----------------------------------------------------------------------------------------


def test_what_waits_is_told_with_its_age(runtime: Runtime) -> None:
    world = World(runtime)
    world.queue("first")
    (claim,) = world.claim()
    world.record(claim, Unknown("no answer"))
    world.queue("second", to="somebody else")
    store_events(runtime.db, webhook(messages=[text_message()]))
    world.advance(40)
    told = page(runtime)
    assert told("inbox_outbox_jobs", kind="send", state="pending") == 1
    assert told("inbox_outbox_jobs", kind="send", state="unknown") == 1
    assert told("inbox_outbox_jobs", kind="answer", state="pending") == 0
    assert told("inbox_outbox_oldest_seconds", kind="send") == 40
    assert told("inbox_webhooks_waiting", state="pending") == 1
    assert told("inbox_database_up") == 1


def test_an_open_incident_is_told_with_its_beginning(runtime: Runtime, db: Database) -> None:
    began = utc_now()
    with db.writing() as session:
        session.add(Incident(upstream="gemini", started_at=began, affected={}))
        session.add(Incident(upstream="whatsapp", started_at=began, ended_at=began, affected={}))
    told = page(runtime)
    assert told("inbox_incident_started_seconds", upstream="gemini") == pytest.approx(began.timestamp(), abs=0.01)
    assert told("inbox_incident_conversations", upstream="gemini") == 0
    assert told("inbox_incident_started_seconds", upstream="whatsapp") is None


def test_processes_are_live_or_silent(runtime: Runtime, db: Database) -> None:
    with db.writing() as session:
        now = db.now(session)
        for kind, ago, works in (("web", 1, False), ("worker", 1, True), ("worker", 90, True)):
            who = Identity.of_this_process(kind)  # type: ignore[arg-type]
            processes.save(session, who, Report(dispatcher=works), now - timedelta(seconds=ago))
    told = page(runtime)
    assert [told("inbox_processes", kind=kind, state="live") for kind in ("web", "worker")] == [1, 1]
    assert told("inbox_processes", kind="worker", state="silent") == 1
    assert told("inbox_dispatchers") == 1
    assert told("inbox_heartbeat_age_seconds", kind="worker") == pytest.approx(90, abs=5)


def test_paused_numbers_are_counted(runtime: Runtime, db: Database) -> None:
    with db.writing() as session:
        account = session.query(Account).one()
        account.paused_reason, account.paused_at = Pause.TOKEN_EXPIRED, db.now(session)
    assert page(runtime)("inbox_paused_numbers") == 1


def test_the_terms_of_conservation_add_up_and_a_loss_shows(runtime: Runtime) -> None:
    world = World(runtime)
    twice = webhook(messages=[text_message()])
    world.ingest(twice)
    world.ingest(twice)
    for text in ("one", "two", "three"):
        world.queue(text, to=text)
    claim, *_ = world.claim(1)
    world.record(claim, Accepted("wamid.accepted"))
    told = page(runtime)
    terms = {
        term: told("inbox_conservation", equation="items", term=term) for term in ("items", "stored", "duplicates")
    }
    assert terms == {"items": 2, "stored": 1, "duplicates": 1}
    assert told("inbox_conservation", equation="sends", term="accepted") == 1
    assert told("inbox_conservation", equation="sends", term="waiting") == 2
    assert all(
        told("inbox_conservation_difference", equation=each) == 0 for each in ("events", "items", "sends", "hooks")
    )

    lost = next(job for job in world.jobs() if job.kind == JobKind.SEND)
    with runtime.db.writing() as session:
        session.execute(delete(Job).where(Job.id == lost.id))
    assert page(runtime)("inbox_conservation_difference", equation="sends") == 1


def test_while_the_database_is_away_the_page_says_so(config: Config) -> None:
    app = create_app(dataclasses.replace(config, database_url="postgresql://u@127.0.0.1:9/none"))
    response = app.test_client().get("/metrics", headers=SHOWN)
    told = figures(response.get_data(as_text=True))
    assert (response.status_code, told("inbox_database_up"), told("inbox_journal_events")) == (200, 0, 0)
    assert told("inbox_outbox_jobs", kind="send", state="pending") is None, "what is not known is not told"


def test_the_database_is_asked_every_ten_seconds_at_most(runtime: Runtime) -> None:
    assert FRESH == 10
    before = statements.so_far()
    runtime.metrics.text()
    assert statements.so_far() - before <= 12
    before = statements.so_far()
    runtime.metrics.text()
    assert statements.so_far() == before


# --- the worker's page -----------------------------------------------------------------------------------------------


def test_a_worker_answers_on_a_port_of_its_own(runtime: Runtime) -> None:
    place = ("127.0.0.1", free_port())
    listener = Listener(runtime.metrics, place)
    listener.start()
    try:
        url = f"http://127.0.0.1:{place[1]}"
        answered = wait_until(lambda: _answer(f"{url}/metrics"), "the port to open")
        assert "inbox_database_up 1.0" in answered.text
        assert requests.get(f"{url}/metrics", timeout=5).status_code == 401
        assert requests.get(f"{url}/health", headers=SHOWN, timeout=5).status_code == 404
    finally:
        listener.stop()


def test_a_worker_works_while_its_port_belongs_to_the_one_before_it(config: Config, runtime: Runtime) -> None:
    place = ("127.0.0.1", free_port())
    before, after = Listener(runtime.metrics, place), Listener(runtime.metrics, place)
    before.start()
    wait_until(lambda: _answer(f"http://127.0.0.1:{place[1]}/metrics"), "the port to open")
    after.start()
    before.stop()
    after.stop()


def _answer(url: str) -> requests.Response | None:
    try:
        return requests.get(url, headers=SHOWN, timeout=5)
    except requests.ConnectionError:
        return None


def test_the_worker_opens_it_only_where_it_is_told_to(config: Config) -> None:
    port = free_port()
    app = create_app(dataclasses.replace(config, metrics_listen=("127.0.0.1", port)))
    runtime = runtime_of(app)
    runtime.start("web")
    assert _answer(f"http://127.0.0.1:{port}/metrics") is None
    assert runtime.close(5)
