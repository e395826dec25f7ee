"""Health: alive without touching anything, ready with database and schema, the state of everything else."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text, update

from inbox import create_app
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db import Database, migrations
from inbox.errors import UpstreamUnavailable
from inbox.models import SCHEMA, Account, Job, Pause, WebhookEvent
from inbox.operations import probes, processes
from inbox.operations.processes import Circuit, Identity, Report
from inbox.outbox.outcomes import Unknown
from inbox.resilience import GEMINI
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import signed, store_events, text_message, webhook
from tests.outbox.world import World
from tests.settings import APP_SECRET
from tests.waiting import free_port


def test_live_touches_nothing(config: Config) -> None:
    app = create_app(dataclasses.replace(config, database_url="postgresql://u@127.0.0.1:9/none"))
    response = app.test_client().get("/health/live")
    assert (response.status_code, response.json) == (200, {"status": "alive"})


def test_ready_is_503_without_a_database(config: Config) -> None:
    app = create_app(dataclasses.replace(config, database_url="postgresql://u@127.0.0.1:9/none"))
    response = app.test_client().get("/health/ready")
    assert (response.status_code, response.json) == (503, {"status": "not_ready", "reason": "database"})


def test_a_folder_that_cannot_be_written_to_is_told_and_webhooks_are_answered(config: Config, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    app = create_app(dataclasses.replace(config, instance_path=tmp_path / "file"))
    runtime_of(app).prepare_database()
    body = webhook()
    assert app.test_client().post("/webhook/whatsapp", data=body, headers=signed(body, APP_SECRET)).status_code == 200
    told = app.test_client().get("/health").json["journal"]
    assert told["lasts"] is False
    assert told["reason"] == "INBOX_INSTANCE_PATH is a file; set it to a folder that this process may write to"
    runtime_of(app).close(0)


def test_ready_is_503_before_the_migrations(app: Flask, db: Database, stranger: FlaskClient) -> None:
    assert stranger.get("/health/ready").json == {"status": "ready"}
    migrations.downgrade(db, "base")
    response = stranger.get("/health/ready")
    assert (response.status_code, response.json) == (503, {"status": "not_ready", "reason": "migrations"})


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("0001", f"the schema is 0001, this release needs {SCHEMA}; Run: flask --app wsgi db upgrade"),
        ("9999", f"the schema is 9999, newer than the {SCHEMA} of this release"),
    ],
)
def test_health_and_the_log_say_that_the_schema_is_another_release_s(
    app: Flask, db: Database, stranger: FlaskClient, caplog: pytest.LogCaptureFixture, found: str, told: str
) -> None:
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :found"), {"found": found})
    body = stranger.get("/health").json
    assert body["status"] == "degraded"
    assert body["dependencies"]["database"]["reason"].startswith(told)
    runtime = runtime_of(app)
    runtime.health.refresh().join()
    assert stranger.get("/health/ready").status_code == 503
    said = [record for record in caplog.records if record.getMessage().startswith("the schema is not this release's")]
    assert [record.levelname for record in said] == ["ERROR"], "said once"


def test_unconfirmed_messages_are_counted_and_nobody_is_late_with_them(runtime: Runtime) -> None:
    world = World(runtime)
    world.queue("perhaps there")
    world.record(world.claim()[0], Unknown("no answer"))
    world.advance(600)
    waiting = runtime.health.snapshot().outbox
    assert waiting is not None
    assert (waiting.waiting, waiting.oldest_s, waiting.unconfirmed) == (0, 0.0, 1)


def test_a_process_without_crews_notices_another_release_s_schema_by_itself(runtime: Runtime, db: Database) -> None:
    with db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    runtime.reporter.tick()
    assert not runtime.schema.is_open()


def test_ready_is_503_on_a_database_that_was_never_migrated(config: Config, tmp_path: Path) -> None:
    app = create_app(dataclasses.replace(config, database_url=f"sqlite:///{tmp_path / 'new.db'}"))
    response = app.test_client().get("/health/ready")
    assert (response.status_code, response.json["reason"]) == (503, "migrations")
    runtime_of(app).close(0)


@pytest.fixture
def live_client(live_config: Config, redis: str) -> Iterator[FlaskClient]:
    app = create_app(dataclasses.replace(live_config, redis_url=redis))
    runtime_of(app).prepare_database()
    yield app.test_client()
    runtime_of(app).close(5)


def test_health_names_every_dependency(live_client: FlaskClient) -> None:
    response = live_client.get("/health")
    assert response.status_code == 200
    body = response.json
    assert body["status"] == "ok"
    assert {name: part["status"] for name, part in body["dependencies"].items()} == {
        "database": "ok",
        "whatsapp": "ok",
        "gemini": "ok",
        "supabase": "ok",
        "redis": "ok",
        "media_store": "not_configured",
    }
    looked = [part for part in body["dependencies"].values() if part["status"] != "not_configured"]
    assert all(part["latency_ms"] >= 0 and part["since"] for part in looked)
    nothing = {"waiting": 0, "oldest_s": 0.0, "unconfirmed": 0, "dead_letters": 0, "paused_numbers": 0, "bot_failed": 0}
    nothing["untold"] = 0
    assert body["outbox"] == nothing
    assert body["webhooks"] == {"pending": 0, "oldest_s": 0.0}
    assert body["journal"] == {"events": 0, "bytes": 0, "lasts": True, "reason": None}
    assert {name: part["state"] for name, part in body["circuit_breakers"].items()} == {
        "gemini": "closed",
        "whatsapp": "closed",
        "whatsapp_receipts": "closed",
        "whatsapp_templates": "closed",
        "whatsapp_media": "closed",
        "supabase": "closed",
        "media_store": "closed",
        "database": "closed",
        "storage": "closed",
    }
    assert body["limits"]["gemini"] == {
        "total_s": 15.0,
        "connect_s": 3.0,
        "read_s": 12.0,
        "attempts": 3,
        "breaker_failures": 5,
        "breaker_open_s": 60.0,
        "bulkhead": 4,
        "line": 16,
        "patience_s": 2.0,
    }
    assert (body["limits"]["database"]["statement_s"], body["limits"]["database"]["watchdog_s"]) == (10.0, 12.0)
    assert body["switches"] == {"retry": "on", "breaker": "on", "cache": "on"}
    assert body["version"]


def test_an_anonymous_caller_sees_states_and_no_errors(live_client: FlaskClient) -> None:
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            GEMINI.breaker.call(_refused)
    response = live_client.get("/health")
    shown = response.json["circuit_breakers"]["gemini"]
    assert (shown["state"], shown["failure_count"]) == ("open", 5)
    assert 50 < shown["retry_in_s"] < 70
    assert shown["opened_at"]
    assert "last_error" not in shown
    assert response.json["status"] == "degraded"


def test_a_circuit_that_is_open_in_another_process_is_seen_here(live_client: FlaskClient) -> None:
    runtime = runtime_of(live_client.application)
    assert live_client.get("/health").json["circuit_breakers"]["gemini"]["state"] == "closed"
    worker = Identity(uuid4(), "worker", "elsewhere", 1, utc_now())
    report = Report(circuits={"gemini": Circuit(state="open", retry_in_s=40.0, last_error="secret reason")})
    with runtime.db.writing() as session:
        processes.save(session, worker, report, runtime.db.now(session))
    runtime.health.refresh().join(10)
    response = live_client.get("/health")
    assert (response.json["status"], response.json["circuit_breakers"]["gemini"]["state"]) == ("degraded", "open")
    assert response.json["processes"]["worker"] == 1
    assert "secret reason" not in response.text


def _refused() -> None:
    raise UpstreamUnavailable("gemini", "refused")


def test_a_paused_number_makes_it_degraded(live: Runtime) -> None:
    with live.db.writing() as session:
        session.execute(select(Account)).scalar_one().paused_reason = Pause.TOKEN_EXPIRED
    snapshot = live.health.snapshot()
    assert snapshot.outbox is not None
    assert (snapshot.status, snapshot.outbox.paused_numbers) == ("degraded", 1)


def test_an_upstream_that_is_away_makes_it_degraded_not_down(config: Config) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    app = create_app(dataclasses.replace(config, gemini_api_url=away, redis_url="redis://127.0.0.1:9/0"))
    runtime_of(app).prepare_database()
    response = app.test_client().get("/health")
    assert (response.status_code, response.json["status"]) == (200, "degraded")
    states = {name: part["status"] for name, part in response.json["dependencies"].items()}
    assert (states["gemini"], states["redis"], states["supabase"]) == ("error", "error", "not_configured")
    assert "127.0.0.1" not in response.text
    runtime_of(app).close(0)


def test_a_database_that_is_away_makes_it_503(config: Config) -> None:
    app = create_app(dataclasses.replace(config, database_url="postgresql://u@127.0.0.1:9/none"))
    response = app.test_client().get("/health")
    assert (response.status_code, response.json["status"], response.json["outbox"]) == (503, "error", None)


def test_hammering_costs_the_upstreams_one_probe(live: Runtime, sandbox: Sandbox) -> None:
    threads = [threading.Thread(target=live.health.snapshot) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    live.health.snapshot()
    assert len(sandbox.requests("gemini")) == 1


def test_a_probe_that_hangs_is_a_timeout_and_holds_up_nobody(
    live: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PROBE_TIMEOUT", 0.3)
    sandbox.fault("gemini", "hang", seconds=5)
    snapshot = live.health.snapshot()
    assert snapshot.dependencies["gemini"].status in ("timeout", "error")
    assert snapshot.dependencies["database"].status == "ok"
    assert snapshot.status == "degraded"


def test_work_that_waits_too_long_is_degraded(live: Runtime) -> None:
    World(live).queue("waiting")
    with live.db.writing() as session:
        session.execute(select(Job)).scalar_one().created_at -= timedelta(seconds=61)
    del live.db.now
    snapshot = live.health.snapshot()
    assert snapshot.outbox is not None
    assert (snapshot.status, snapshot.outbox.waiting) == ("degraded", 1)


def test_health_shows_how_many_webhooks_wait_and_since_when(live: Runtime) -> None:
    store_events(live.db, webhook(messages=[text_message()]), webhook(messages=[text_message()]))
    with live.db.writing() as session:
        session.execute(update(WebhookEvent).values(received_at=utc_now() - timedelta(seconds=90)))
    snapshot = live.health.snapshot()
    assert snapshot.webhooks is not None
    assert snapshot.webhooks.pending == 2
    assert 90 <= snapshot.webhooks.oldest_s < 150
    assert snapshot.status == "degraded"


def test_health_never_shows_an_old_look_as_how_things_stand(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live.health.snapshot().dependencies["database"].status == "ok"
    monkeypatch.setattr(probes, "PROBE_TIMEOUT", 0.1)
    stuck = threading.Event()
    monkeypatch.setattr(live.health, "_probes", {"database": lambda: stuck.wait(20)})
    live.health._taken -= probes.OLDEST + 1
    assert live.health.snapshot().dependencies["database"].status == "timeout"
    stuck.set()
