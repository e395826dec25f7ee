"""The doctor names what is broken and what to do, whatever is broken, in time, and tells no secrets."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
import uuid
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from sqlalchemy import text

from inbox import create_app
from inbox.clock import new_id, utc_now
from inbox.config import Config
from inbox.db import Database
from inbox.models import Account, BotProfile, CoolDown, DeadLetter, Incident, Pause
from inbox.operations import doctor, processes
from inbox.operations import text as operator
from inbox.operations.doctor import Finding, Level, examine, examine_numbers
from inbox.operations.doctor.findings import Clocks, seconds
from inbox.operations.doctor.machine import descriptors, disk, settings
from inbox.operations.processes import Circuit, Identity, Report
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import store_events, the_account, webhook
from tests.outbox.world import World
from tests.waiting import free_port

ROOT = Path(__file__).parents[2]
MODEL = "gemini-3.5-flash-lite"

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # where the database does not matter
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def one(findings: list[Finding], what: str) -> Finding:
    """The only finding about `what`."""
    (only,) = [finding for finding in findings if finding.what == what]
    return only


def level_of(runtime: Runtime, what: str) -> Level:
    return one(examine(runtime), what).level


def with_config(config: Config, **changes: object) -> Runtime:
    """Services of a process that is only asked questions; nothing is opened before."""
    return runtime_of(create_app(dataclasses.replace(config, **changes)))


@pytest.fixture
def dispatching(live: Runtime) -> Runtime:
    """As if a worker were at work."""
    with live.db.writing() as session:
        who = Identity(uuid.uuid4(), "worker", "here", 1, utc_now())
        processes.save(session, who, Report(dispatcher=True), live.db.now(session))
    return live


# --- all is well -------------------------------------------------------------------------------------------------


def test_a_healthy_installation_has_no_problem(dispatching: Runtime) -> None:
    findings = examine(dispatching)
    assert [finding for finding in findings if finding.level is Level.PROBLEM] == []
    for what in ("database", "schema", "tokens", "WhatsApp +33700000000", f"Gemini {MODEL}", "Supabase", "clock"):
        assert one(findings, what).level is Level.OK, what


@on_sqlite
def test_looking_leaves_the_breakers_alone(dispatching: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("any", "status", code=503)
    names = ("whatsapp", "gemini", "supabase")
    before = {name: dispatching.watch.breakers[name].snapshot() for name in names}
    examine(dispatching)
    assert {name: dispatching.watch.breakers[name].snapshot() for name in names} == before


def test_everything_that_is_not_ok_says_what_to_do(config: Config) -> None:
    runtime = with_config(config, redis_url="redis://127.0.0.1:9/0", supabase_url="http://127.0.0.1:9")
    findings = examine(runtime)
    assert any(finding.level is not Level.OK for finding in findings)
    assert all(finding.do for finding in findings if finding.level is not Level.OK)
    runtime.close(0)


# --- WhatsApp ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "level", "words"),
    [
        (190, Level.PROBLEM, "expired"),
        (33, Level.PROBLEM, "phone number id"),
        (10, Level.PROBLEM, "permission"),
        (80007, Level.WARNING, "code 80007"),
        (131000, Level.WARNING, "code 131000"),
        (131031, Level.PROBLEM, "locked"),
    ],
)
@on_sqlite
def test_what_whatsapp_says_of_a_number_is_put_in_plain_words(
    live: Runtime, sandbox: Sandbox, code: int, level: Level, words: str
) -> None:
    sandbox.fault("whatsapp", "graph_error", code=code)
    finding = one(examine(live), "WhatsApp +33700000000")
    assert finding.level is level
    assert words in finding.found


@on_sqlite
def test_an_expired_token_comes_with_the_command_that_replaces_it(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "graph_error", code=190)
    assert "accounts resume 200000000000001 --new-token" in (one(examine(live), "WhatsApp +33700000000").do or "")


@on_sqlite
def test_a_number_that_is_not_the_one_we_think_is_noticed(live_config: Config) -> None:
    runtime = with_config(live_config, whatsapp_phone_number="33711111111")
    runtime.prepare_database()
    finding = one(examine(runtime), "WhatsApp +33711111111")
    assert finding.level is Level.WARNING
    assert "+33700000000" in finding.found
    runtime.close(0)


@on_sqlite
def test_every_number_is_asked_about_with_its_own_token(live: Runtime, sandbox: Sandbox) -> None:
    now = utc_now()
    with live.db.writing() as session:
        session.add(
            Account(
                name="second",
                phone_number_id="200000000000002",
                access_token_encrypted=live.cipher.encrypt("the-second-token"),
                created_at=now,
                updated_at=now,
            )
        )
    examine(live)
    asked = {request.path.split("?")[0]: request.headers["authorization"] for request in sandbox.requests("whatsapp")}
    assert asked["/v26.0/200000000000001"] == "Bearer test-access-token"
    assert asked["/v26.0/200000000000002"] == "Bearer the-second-token"


# --- Gemini ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "level", "words"),
    [
        ("key_invalid", Level.PROBLEM, "does not accept the API key"),
        ("permission_denied", Level.PROBLEM, "does not accept the API key"),
        ("retired", Level.PROBLEM, "not any more"),
        ("rate_limit_day", Level.WARNING, "quota"),
        ("precondition", Level.PROBLEM, "FAILED_PRECONDITION"),
        ("unavailable", Level.WARNING, "HTTP 503"),
    ],
)
@on_sqlite
def test_what_gemini_says_of_a_model_is_put_in_plain_words(
    live: Runtime, sandbox: Sandbox, shape: str, level: Level, words: str
) -> None:
    sandbox.fault("gemini", "shape", name=shape)
    finding = one(examine(live), f"Gemini {MODEL}")
    assert finding.level is level
    assert words in finding.found


@on_sqlite
def test_a_fallback_model_that_is_gone_is_named_with_its_setting(live_config: Config) -> None:
    runtime = with_config(live_config, gemini_fallback_model="gemini-1.5-flash")
    runtime.prepare_database()
    findings = examine(runtime)
    assert one(findings, f"Gemini {MODEL}").level is Level.OK
    gone = one(findings, "Gemini gemini-1.5-flash")
    assert gone.level is Level.PROBLEM
    assert "GEMINI_FALLBACK_MODEL" in (gone.do or "")
    runtime.close(0)


def test_models_that_profiles_name_are_looked_at_too(live: Runtime) -> None:
    with live.db.writing() as session:
        account = the_account(live.db)
        session.add(BotProfile(account_id=account.id, content={"model": "gemini-2.0-flash"}, updated_at=utc_now()))
    gone = one(examine(live), "Gemini gemini-2.0-flash")
    assert (gone.level, "profile" in (gone.do or "")) == (Level.PROBLEM, True)


@on_sqlite
def test_a_bot_without_a_key_is_a_warning(live_config: Config) -> None:
    runtime = with_config(live_config, gemini_api_key=None)
    runtime.prepare_database()
    assert one(examine(runtime), "Gemini").level is Level.WARNING
    runtime.close(0)


# --- what hangs, refuses or lies ---------------------------------------------------------------------------------


@on_sqlite
def test_an_upstream_that_hangs_is_named_and_ends_in_time(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("any", "hang", seconds=60)
    began = time.monotonic()
    findings = examine(live)
    assert time.monotonic() - began < 25  # two rounds of 5 s; the rest is a busy machine
    for what in ("WhatsApp +33700000000", f"Gemini {MODEL}", "Supabase"):
        finding = one(findings, what)
        assert finding.level is Level.PROBLEM
        assert "no whole answer came" in finding.found


@on_sqlite
def test_an_upstream_that_refuses_connections_is_named(live_config: Config) -> None:
    runtime = with_config(live_config, gemini_api_url=f"http://127.0.0.1:{free_port()}/v1beta")
    runtime.prepare_database()
    finding = one(examine(runtime), f"Gemini {MODEL}")
    assert finding.level is Level.PROBLEM
    assert "cannot be reached" in finding.found
    runtime.close(0)


@on_sqlite
def test_a_stranger_at_the_address_of_supabase_is_noticed(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("supabase", "html_200")
    assert level_of(live, "Supabase") is Level.PROBLEM


@on_sqlite
def test_a_project_without_signing_keys_is_a_warning(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.supabase.switch_signing("hs256")
    assert level_of(live, "Supabase") is Level.WARNING


@on_sqlite
def test_redis_is_asked_and_missed_without_alarm(config: Config, redis: str) -> None:
    for url, level in ((redis, Level.OK), (f"redis://127.0.0.1:{free_port()}/0", Level.WARNING)):
        runtime = with_config(config, redis_url=url, gemini_api_key=None, whatsapp_phone_number_id=None)
        runtime.prepare_database()
        assert one(examine(runtime), "Redis").level is level
        runtime.close(0)


@on_sqlite
def test_a_check_that_never_ends_becomes_a_finding(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections into its backlog and says nothing
        monkeypatch.setattr(doctor.upstreams, "_REDIS_TIMEOUT", 30.0)
        address = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        runtime = with_config(live.config, redis_url=address)
        finding = one(examine(runtime, limit=2.0), "Redis")
    assert (finding.level, "no answer" in finding.found) == (Level.PROBLEM, True)
    runtime.close(0)


@on_sqlite
def test_a_check_that_fails_becomes_a_finding(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.machine, "disk", lambda _config: 1 / 0)
    finding = one(examine(live), "disk")
    assert (finding.level, "ZeroDivisionError" in finding.found) == (Level.PROBLEM, True)


# --- clocks ------------------------------------------------------------------------------------------------------


@on_sqlite
def test_a_wrong_clock_of_ours_is_found_by_everybody_else_s(live: Runtime) -> None:
    finding = one(examine(live, now=lambda: utc_now() - timedelta(minutes=10)), "clock")
    assert finding.level is Level.PROBLEM
    assert "10 min behind" in finding.found


def test_a_wrong_clock_of_somebody_else_is_told_apart() -> None:
    now = utc_now()
    clocks = Clocks(lambda: now)
    for whose in ("WhatsApp", "Gemini"):
        clocks.saw(whose, now + timedelta(seconds=1))
    clocks.saw("the database", now - timedelta(seconds=45))
    (finding,) = clocks.check()
    assert finding.level is Level.PROBLEM
    assert finding.found.startswith("the clock of the database differs")


def test_half_a_minute_is_forgiven() -> None:
    now = utc_now()
    clocks = Clocks(lambda: now)
    clocks.saw("WhatsApp", now + timedelta(seconds=29))
    assert [finding.level for finding in clocks.check()] == [Level.OK]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.25, "0.2 s"), (42, "42 s"), (119, "119 s"), (600, "10 min"), (7200, "2 h"), (400_000, "5 days")],
)
def test_durations_are_said_as_people_say_them(value: float, shown: str) -> None:
    assert seconds(value) == shown


# --- the database ------------------------------------------------------------------------------------------------


@on_sqlite
def test_a_database_that_is_away_is_named_and_the_rest_is_still_examined(live_config: Config, sandbox: Sandbox) -> None:
    runtime = with_config(live_config, database_url="postgresql://user:very-secret@127.0.0.1:9/none")
    findings = examine(runtime)
    finding = one(findings, "database")
    assert finding.level is Level.PROBLEM
    assert "very-secret" not in operator.as_text(findings)
    assert one(findings, "WhatsApp +33700000000").level is Level.OK  # by the settings' own token
    assert one(findings, f"Gemini {MODEL}").level is Level.OK


@on_sqlite
def test_a_database_without_tables_names_the_command(live_config: Config, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    runtime = with_config(live_config, database_url=f"sqlite:///{tmp_path / 'empty.db'}")
    finding = one(examine(runtime), "schema")
    assert (finding.level, finding.do) == (Level.PROBLEM, "Run: flask --app wsgi db upgrade")
    runtime.close(0)


@on_sqlite
def test_looking_for_a_mistyped_file_makes_none(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "mistyped"
    runtime = with_config(config, database_url=f"sqlite:///{folder / 'x.db'}", instance_path=folder)
    for findings in (examine(runtime), examine_numbers(runtime)):
        finding = one(findings, "database")
        assert (finding.level, "DATABASE_URL" in (finding.do or "")) == (Level.PROBLEM, True)
    assert not folder.exists()
    runtime.close(0)


@pytest.mark.parametrize(("version", "do"), [("0001", "db upgrade"), ("9999", "newer release")])
def test_a_schema_of_another_release_is_noticed(live: Runtime, version: str, do: str) -> None:
    with live.db.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    finding = one(examine(live), "schema")
    assert finding.level is Level.PROBLEM
    assert do in (finding.do or "")


@on_postgresql
def test_more_processes_than_connections_is_a_warning(live: Runtime) -> None:
    assert one(examine(live), "connections").level is Level.OK
    db = live.db
    with db.writing() as session:
        for _ in range(50):
            who = Identity(uuid.uuid4(), "web", "here", 1, utc_now())
            processes.save(session, who, Report(dispatcher=True), db.now(session))
    finding = one(examine(live), "connections")
    assert finding.level is Level.WARNING
    assert "50 processes" in finding.found


@on_postgresql
def test_a_database_that_takes_no_writes_is_a_problem(live: Runtime) -> None:
    db = live.db
    with db.reading() as session:
        session.execute(text(f'ALTER DATABASE "{db.url.database}" SET default_transaction_read_only = on'))
    db.close()  # the setting is read when a connection begins
    findings = [finding for finding in examine(live) if finding.what == "database"]
    assert [finding.level for finding in findings] == [Level.OK, Level.PROBLEM]
    assert findings[1].found == "takes no writes"


# --- tokens, numbers, quotas -------------------------------------------------------------------------------------


def test_a_token_that_no_key_can_read_is_a_problem(live_config: Config, live: Runtime) -> None:
    runtime = with_config(live_config, encryption_keys=(Fernet.generate_key().decode(),))
    findings = examine(runtime)
    finding = one(findings, "token of +33700000000")
    assert finding.level is Level.PROBLEM
    assert "ENCRYPTION_KEYS" in (finding.do or "")
    assert not any(finding.what.startswith("WhatsApp") for finding in findings)
    runtime.close(0)


def test_an_installation_without_numbers_is_a_warning(live_config: Config) -> None:
    runtime = with_config(live_config, whatsapp_phone_number_id=None, whatsapp_access_token=None)
    runtime.prepare_database()
    assert one(examine(runtime), "numbers").level is Level.WARNING
    runtime.close(0)


def test_a_paused_number_is_a_problem_with_its_reason(live: Runtime) -> None:
    with live.db.writing() as session:
        account = session.get_one(Account, the_account(live.db).id)
        account.paused_reason, account.paused_at = Pause.TOKEN_EXPIRED, utc_now() - timedelta(hours=3)
    finding = one(examine(live), "number +33700000000")
    assert finding.level is Level.PROBLEM
    assert finding.found == "sends nothing for 3 h: The access token has expired or was revoked."


def test_a_number_that_cools_down_and_a_used_up_quota_are_warnings(live: Runtime) -> None:
    soon = utc_now() + timedelta(minutes=5)
    with live.db.writing() as session:
        session.get_one(Account, the_account(live.db).id).send_not_before = soon
        session.add(CoolDown(key=f"gemini:{MODEL}", until=soon, reason="the daily quota is used up"))
        session.add(CoolDown(key="gemini:old", until=utc_now() - timedelta(minutes=1), reason="over"))
    findings = examine(live)
    assert one(findings, "number +33700000000").level is Level.WARNING
    assert one(findings, f"quota gemini:{MODEL}").level is Level.WARNING
    assert not [finding for finding in findings if finding.what == "quota gemini:old"]


# --- processes, circuits, queues ---------------------------------------------------------------------------------


def test_nobody_at_work_is_a_warning_and_with_work_waiting_a_problem(live: Runtime) -> None:
    assert level_of(live, "processes") is Level.WARNING
    store_events(live.db, webhook())
    with live.db.writing() as session:
        session.execute(text("UPDATE webhook_events SET received_at = :then"), {"then": "2026-01-01 00:00:00+00:00"})
    findings = examine(live)
    assert one(findings, "processes").level is Level.PROBLEM
    assert one(findings, "inbox").level is Level.PROBLEM


def test_a_process_that_went_silent_is_a_warning(dispatching: Runtime) -> None:
    db = dispatching.db
    with db.writing() as session:
        who = Identity(uuid.uuid4(), "web", "there", 77, utc_now())
        processes.save(session, who, Report(), db.now(session) - timedelta(seconds=40))
    first, second = [finding for finding in examine(dispatching) if finding.what == "processes"]
    assert (first.level, "77 on there has been silent for 40 s" in first.found) == (Level.WARNING, True)
    assert second.level is Level.OK


def test_an_open_circuit_is_a_problem_and_its_incident_is_named(dispatching: Runtime) -> None:
    db = dispatching.db
    with db.writing() as session:
        who = Identity(uuid.uuid4(), "web", "there", 2, utc_now())
        circuits = {"gemini": Circuit(state="open", last_error="UpstreamUnavailable connect")}
        processes.save(session, who, Report(circuits=circuits), db.now(session))
        session.add(Incident(upstream="gemini", started_at=utc_now() - timedelta(minutes=5), affected={}))
    findings = examine(dispatching)
    circuit = one(findings, "circuit gemini")
    assert (circuit.level, circuit.found) == (
        Level.PROBLEM,
        "open in 1 of 1 processes (UpstreamUnavailable connect)",
    )
    assert one(findings, "incident gemini").level is Level.WARNING


def test_old_work_and_dead_letters_are_named(live: Runtime) -> None:
    World(live).queue("waiting since long ago")
    del live.db.now
    with live.db.writing() as session:
        session.execute(text("UPDATE outbox SET created_at = :then"), {"then": "2026-01-01 00:00:00+00:00"})
        session.add(DeadLetter(event_id=new_id(), reason="test", detail="", raw=b"{}", at=utc_now()))
    findings = examine(live)
    assert one(findings, "outbox").level is Level.PROBLEM
    assert one(findings, "dead letters").level is Level.WARNING


# --- settings and the machine ------------------------------------------------------------------------------------


def test_dangerous_settings_are_named() -> None:
    config = Config(
        env="production",
        resilience_breaker=False,
        gemini_api_url="http://simulator:8080/v1beta",
        encryption_keys=(Fernet.generate_key().decode(),),
    )
    shown = " ".join(finding.found for finding in settings(config))
    for word in ("RESILIENCE_BREAKER", "GEMINI_API_URL", "WHATSAPP_VERIFY_TOKEN"):
        assert word in shown
    assert "WHATSAPP_API_URL" not in shown


def test_names_that_nothing_reads_and_an_address_without_a_version_are_named() -> None:
    config = Config(
        whatsapp_verify_token="x",
        whatsapp_api_url="https://graph.facebook.com",
        mistyped=(("WHATSAPP_TOKNE", "WHATSAPP_ACCESS_TOKEN"),),
    )
    name, version = settings(config)
    assert (name.found, "WHATSAPP_ACCESS_TOKEN" in (name.do or "")) == (
        "WHATSAPP_TOKNE is set, and nothing reads it",
        True,
    )
    assert version.found.startswith("WHATSAPP_API_URL names no version")


def test_the_addresses_that_are_plain_http_are_listed() -> None:
    config = Config(whatsapp_verify_token="x", whatsapp_api_url="http://a/v26.0", gemini_api_url="http://a/v1beta")
    (plain,) = settings(config)
    assert plain.found.startswith("WHATSAPP_API_URL and GEMINI_API_URL are plain http:")


@on_sqlite
def test_a_backup_number_that_is_one_of_ours_is_named(config: Config, db: Database) -> None:
    runtime = with_config(config, human_backup_number=the_account(db).phone_number)
    found = [finding.found for finding in examine(runtime) if finding.level is Level.PROBLEM]
    assert any(each.startswith("HUMAN_BACKUP_NUMBER is ") for each in found), found
    runtime.close(0)


@on_sqlite
def test_a_process_that_was_perhaps_killed_just_now_is_told_with_the_time_of_its_last_word(live: Runtime) -> None:
    with live.db.writing() as session:
        now = live.db.now(session)
        for pid, ago in ((1, 0), (2, 20)):
            who = Identity(uuid.uuid4(), "worker", "here", pid, utc_now())
            processes.save(session, who, Report(dispatcher=True), now - timedelta(seconds=ago))
    found = one(examine(live), "processes").found
    assert re.fullmatch(r"2 live, 2 of them with a dispatcher; 1 of them not heard of for 2\d s, perhaps killed", found)


def test_good_settings_are_one_line() -> None:
    assert [finding.level for finding in settings(Config(whatsapp_verify_token="x"))] == [Level.OK]


@pytest.mark.parametrize(
    ("free", "level"), [(50 * 1024**3, Level.OK), (500 * 1024**2, Level.WARNING), (10 * 1024**2, Level.PROBLEM)]
)
@on_sqlite
def test_a_full_disk_is_noticed_before_it_is_full(
    config: Config, monkeypatch: pytest.MonkeyPatch, free: int, level: Level
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: SimpleNamespace(free=free))
    assert {finding.level for finding in disk(config)} == {level}


@on_sqlite
def test_on_a_full_disk_nobody_is_said_to_be_idle(live: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: SimpleNamespace(free=0))
    finding = one(examine(live), "processes")
    assert (finding.level, "the disk is full" in finding.found) == (Level.PROBLEM, True)


@on_sqlite
def test_an_instance_path_that_is_a_file_is_said_everywhere(
    config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    runtime = with_config(config, instance_path=tmp_path / "file" / "inbox")
    runtime.journal.start()
    assert "INBOX_INSTANCE_PATH is a file, so no webhook can be kept" in caplog.text
    finding = one(examine(runtime), "journal")
    assert (finding.level, "INBOX_INSTANCE_PATH" in (finding.do or "")) == (Level.PROBLEM, True)
    runtime.close(0)


@pytest.mark.parametrize(("limit", "level"), [(65_536, Level.OK), (256, Level.WARNING), (64, Level.PROBLEM)])
@on_sqlite
def test_few_open_files_are_noticed(config: Config, monkeypatch: pytest.MonkeyPatch, limit: int, level: Level) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (limit, limit))
    assert [finding.level for finding in descriptors(config, pool=20)] == [level]


@on_sqlite
def test_what_waits_in_the_journal_is_shown(live: Runtime) -> None:
    assert level_of(live, "journal") is Level.OK
    row = {"id": new_id(), "body": b"{}", "size": 2, "received_at": utc_now()}
    live.journal.close()  # its thread would drain what we want to see
    assert live.journal.append(row)
    finding = one(examine(live), "journal")
    assert (finding.level, finding.found.startswith("1 webhooks wait")) == (Level.WARNING, True)


# --- the command -------------------------------------------------------------------------------------------------


def test_the_output_is_lines_for_people_or_json_for_programs() -> None:
    findings = [Finding(Level.OK, "a", "well"), Finding(Level.PROBLEM, "bb", "broken", "Mend it.")]
    lines = operator.as_text(findings).splitlines()
    assert lines[0] == "ok       a   well"
    assert lines[1:3] == ["problem  bb  broken", "             → Mend it."]
    assert json.loads(operator.as_json(findings)) == {
        "status": "problem",
        "findings": [
            {"level": "ok", "what": "a", "found": "well", "do": None},
            {"level": "problem", "what": "bb", "found": "broken", "do": "Mend it."},
        ],
    }


@on_sqlite
def test_the_exit_code_says_whether_there_is_a_problem(live_config: Config, sandbox: Sandbox) -> None:
    app: Flask = create_app(live_config)
    runtime = runtime_of(app)
    runtime.prepare_database()
    well = app.test_cli_runner().invoke(args=["doctor"])
    assert (well.exit_code, "0 to repair" in well.output) == (0, True)
    sandbox.fault("whatsapp", "graph_error", code=190)
    ill = app.test_cli_runner().invoke(args=["doctor", "--json"])
    assert ill.exit_code == 1
    assert json.loads(ill.output)["status"] == "problem"
    runtime.close(0)


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("flask")), "--app", "wsgi", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_real_command_works_where_everything_is_broken_and_tells_no_secret(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    secrets = {
        "SECRET_KEY": "s3cret" * 8,
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "WHATSAPP_ACCESS_TOKEN": "EAAsecretsecretsecretsecret",
        "WHATSAPP_APP_SECRET": "app-secret-app-secret",
        "GEMINI_API_KEY": "AIzasecretsecretsecretsecret",
    }
    environment = {
        **secrets,
        "INBOX_INSTANCE_PATH": str(tmp_path / "instance"),
        "DATABASE_URL": f"postgresql://somebody:pa55word@127.0.0.1:{free_port()}/none",
        "REDIS_URL": f"redis://:redispa55@127.0.0.1:{free_port()}/0",
        "WHATSAPP_PHONE_NUMBER_ID": "200000000000001",
        "WHATSAPP_API_URL": nowhere,
        "GEMINI_API_URL": nowhere,
        "SUPABASE_URL": nowhere,
    }
    done = run(environment, "doctor", "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    found = {row["what"]: row["level"] for row in json.loads(done.stdout)["findings"]}
    for what in ("database", "WhatsApp 200000000000001", f"Gemini {MODEL}", "Supabase"):
        assert found[what] == "problem", what
    assert found["Redis"] == "warning"
    for secret in (*secrets.values(), "pa55word", "redispa55"):
        assert secret not in done.stdout + done.stderr


def test_a_setting_that_stops_the_start_is_a_finding_too(tmp_path: Path) -> None:
    done = run({"INBOX_INSTANCE_PATH": str(tmp_path), "SECRET_KEY": "short"}, "doctor")
    assert done.returncode == 1
    assert done.stdout.startswith("problem  settings  SECRET_KEY: must have 32 characters")


def test_the_incidents_command_says_so_when_there_were_none(app: Flask, db: Database) -> None:
    done = app.test_cli_runner().invoke(args=["incidents"])
    assert (done.exit_code, done.output) == (0, "There were no incidents.\n")


def test_the_incidents_command_prints_a_table(app: Flask, db: Database) -> None:
    now = utc_now()
    with db.writing() as session:
        session.add(
            Incident(
                upstream="gemini",
                started_at=now - timedelta(days=9),
                ended_at=now - timedelta(days=9) + timedelta(seconds=90),
                first_error="UpstreamUnavailable connect",
                affected={"failed_calls": 5, "conversations": 2},
            )
        )
        session.add(Incident(upstream="whatsapp", started_at=now - timedelta(minutes=10), affected={}))
    invoke = app.test_cli_runner().invoke
    heading, newest, oldest = invoke(args=["incidents"]).output.splitlines()
    assert heading.split() == ["from", "to", "how", "long", "upstream", "what", "it", "affected", "first", "error"]
    assert newest.split()[1:] == ["now", "10", "min", "whatsapp", "nothing"]
    assert oldest.endswith("90 s      gemini    5 failed, 2 conversations waited  UpstreamUnavailable connect")
    assert "gemini" not in invoke(args=["incidents", "--open"]).output
    assert "gemini" not in invoke(args=["incidents", "--days", "7"]).output
    assert "whatsapp" not in invoke(args=["incidents", "--upstream", "gemini"]).output
    assert invoke(args=["incidents", "--upstream", "supabase"]).output == "There were no such incidents.\n"


@on_sqlite
def test_without_a_database_the_incidents_command_points_to_the_doctor(config: Config) -> None:
    app = create_app(dataclasses.replace(config, database_url="postgresql://u@127.0.0.1:9/none"))
    done = app.test_cli_runner().invoke(args=["incidents"])
    assert done.exit_code == 1
    assert "flask --app wsgi doctor" in done.output
