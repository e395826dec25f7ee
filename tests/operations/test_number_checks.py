"""`accounts check`: a number is set up well, or it is said plainly what is wrong. The doctor says the same."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from inbox import create_app
from inbox.auth.access import OPERATOR, Access, Permission
from inbox.config import Config
from inbox.models import Account, Pause
from inbox.operations import doctor
from inbox.operations.doctor import Finding, Level, examine, examine_numbers
from inbox.operations.doctor.number_check import check_number
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import NUMBER_ID, WABA_ID, the_account
from tests.settings import APP_SECRET
from tests.waiting import free_port

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the database does not matter

ME = "WhatsApp +33700000000"
ME_AS_OPERATOR = Access(OPERATOR, Permission.ACCOUNTS_MANAGE)
Check = Callable[..., dict[str, Finding]]


@pytest.fixture
def check(config: Config) -> Iterator[Check]:
    """Findings by subject, of the default number, against a sandbox with these options."""
    running: list[Any] = []

    def run(*, secrets: tuple[str, ...] = (APP_SECRET,), account: dict[str, Any] | None = None, **options: Any) -> Any:
        sandbox = Sandbox(**{"app_secret": APP_SECRET, **options}).start()
        url = f"{sandbox.url}/v26.0"
        made = create_app(dataclasses.replace(config, whatsapp_api_url=url, whatsapp_app_secrets=secrets))
        runtime = runtime_of(made)
        running.extend((sandbox, runtime))
        runtime.prepare_database()
        with runtime.db.writing() as session:
            for name, value in (account or {}).items():
                setattr(session.get_one(Account, the_account(runtime.db).id), name, value)
        findings = examine_numbers(runtime, NUMBER_ID)
        told = {finding.what.removeprefix(ME).strip(): finding for finding in findings}
        assert len(told) == len(findings), findings
        return told

    yield run
    for each in running:
        each.close()


def levels(told: dict[str, Finding]) -> dict[str, str]:
    return {what: finding.level.value for what, finding in told.items() if finding.level is not Level.OK}


def test_a_number_that_is_set_up_well_gets_a_good_word_for_everything(check: Check) -> None:
    told = check(account={"waba_id": WABA_ID})
    assert levels(told) == {}
    assert list(told) == ["tokens", "", "token", "account", "webhooks", "app secret"]


def test_its_account_is_found_by_its_token_before_the_first_webhook(check: Check) -> None:
    told = check()
    assert levels(told) == {}
    assert WABA_ID in told["account"].found


@pytest.mark.parametrize(
    ("options", "account", "level", "what", "words"),
    [
        ({"access_tokens": ["another"]}, {}, "problem", "", "expired or was revoked"),
        ({"token_expires_at": 1}, {}, "problem", "", "expired or was revoked"),
        ({"token_expires_at": int(time.time()) + 3 * 86_400}, {}, "warning", "token", "ends in"),
        ({"token_scopes": ["whatsapp_business_messaging"]}, {"waba_id": WABA_ID}, "problem", "token", "_management"),
        ({"token_scopes": ["whatsapp_business_management"]}, {}, "problem", "token", "_messaging"),
        ({"numbers": {"5": "33700000000"}}, {}, "problem", "", "no number with this phone number id"),
        ({"numbers": {NUMBER_ID: "33799999999"}}, {}, "warning", "", "belongs to +33799999999"),
        (
            {"numbers": {NUMBER_ID: "33700000000"}},
            {"waba_id": "5"},
            "problem",
            "account",
            "not in the WhatsApp Business",
        ),
        ({"require_proof": True}, {}, "problem", "", "wants an appsecret_proof"),
        ({"app_secret": "another-secret"}, {}, "problem", "app secret", "its webhooks are refused"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    check: Check, options: dict[str, Any], account: dict[str, Any], level: str, what: str, words: str
) -> None:
    told = check(account=account, **options)
    assert (told[what].level.value, words in told[what].found) == (level, True), told[what]
    assert told[what].do
    assert all(finding.do for finding in told.values() if finding.level is not Level.OK)


def test_an_address_where_nothing_is_found_is_named_as_a_cause(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "status", code=404)
    (finding,) = [each for each in examine_numbers(live) if each.what == ME]
    assert finding.level is Level.PROBLEM
    assert "WHATSAPP_API_URL" in (finding.do or "")


def test_a_token_that_ends_later_is_well(check: Check) -> None:
    told = check(token_expires_at=int(time.time()) + 60 * 86_400)
    assert levels(told) == {}
    assert "ends in" in told["token"].found


def test_while_the_secret_is_rotated_one_of_several_has_to_fit(config: Config, sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/v26.0"
    made = dataclasses.replace(config, whatsapp_api_url=url, whatsapp_app_secrets=("next", APP_SECRET, "before"))
    runtime = runtime_of(create_app(made))
    runtime.prepare_database()
    secrets = [finding for finding in examine_numbers(runtime) if finding.what == f"{ME} app secret"]
    assert [(each.level, each.code) for each in secrets] == [
        (Level.OK, "secret_next"),
        (Level.OK, "secret_good"),
        (Level.OK, "secret_old"),
    ]
    assert secrets[0].found.startswith("the first of WHATSAPP_APP_SECRET is the next one")
    assert "take it out after a week" in secrets[2].found
    runtime.close(1)


def test_a_missing_subscription_is_the_reason_why_nothing_comes(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.graph._webhooks.subscribed = False
    (finding,) = [each for each in examine_numbers(live) if each.what == f"{ME} webhooks"]
    assert finding.level is Level.PROBLEM
    assert f"POST /{WABA_ID}/subscribed_apps" in (finding.do or "")


def test_webhooks_that_go_to_another_app_are_noticed(live: Runtime, sandbox: Sandbox) -> None:
    other = {"data": {"app_id": "9", "is_valid": True, "scopes": [], "granular_scopes": None, "expires_at": "soon"}}
    sandbox.graph._routes = dict(sandbox.graph._routes) | {("GET", ""): _telling(sandbox, other)}
    told = {finding.what: finding for finding in with_waba(live)}
    assert told[f"{ME} webhooks"].level is Level.PROBLEM
    assert "another app gets them" in told[f"{ME} webhooks"].found


def _telling(sandbox: Sandbox, told: dict[str, Any]) -> Any:
    from sandbox.protocol import json_answer

    usual = sandbox.graph._get_object
    return lambda node, request: json_answer(200, told) if node == "debug_token" else usual(node, request)


def test_what_whatsapp_answers_is_kept_with_the_number(live: Runtime) -> None:
    check_number(live, ME_AS_OPERATOR, the_account(live.db).id)
    said = the_account(live.db).reputation or {}
    assert (said["quality"], said["limit"], said["name_status"]) == ("GREEN", "2000", "APPROVED")


def test_another_version_of_the_graph_api_is_asked_for_less(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.faults.add("whatsapp", "graph_error", code=100, times=1, match={"method": "GET"})
    rows = check_number(live, ME_AS_OPERATOR, the_account(live.db).id)
    assert {row.level for row in rows if row.about == "number"} == {Level.OK}


def test_a_token_that_is_refused_pauses_the_number_before_anybody_sends(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.faults.add("whatsapp", "graph_error", code=190)
    (row,) = check_number(live, ME_AS_OPERATOR, the_account(live.db).id)
    assert (row.about, row.code, row.values["meta"]) == ("token", "token_refused", "190")
    assert the_account(live.db).paused_reason == Pause.TOKEN_EXPIRED


def with_waba(runtime: Runtime) -> list[Finding]:
    with runtime.db.writing() as session:
        session.get_one(Account, the_account(runtime.db).id).waba_id = WABA_ID
    return examine_numbers(runtime)


@pytest.mark.parametrize("told", [{}, {"data": []}, {"data": {}}, {"data": {"scopes": 5, "granular_scopes": [5, {}]}}])
def test_nonsense_about_a_token_is_no_crash(live: Runtime, sandbox: Sandbox, told: dict[str, Any]) -> None:
    sandbox.graph._routes = dict(sandbox.graph._routes) | {("GET", ""): _telling(sandbox, told)}
    findings = {finding.what: finding for finding in with_waba(live)}
    assert findings[f"{ME} token"].level is not Level.OK
    assert findings[ME].level is Level.OK


def test_a_token_whose_app_we_may_not_ask_about_is_a_warning(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("whatsapp", "graph_error", code=100, status=400, match={"path": "debug_token"})
    told = {finding.what: finding for finding in with_waba(live)}
    assert told[f"{ME} token"].level is Level.WARNING
    assert told[f"{ME} webhooks"].level is Level.OK
    assert told[f"{ME} app secret"].level is Level.OK


def test_a_paused_number_is_a_problem_here_too(check: Check) -> None:
    told = check(account={"paused_reason": "paused_by_a_person"})
    assert told["number +33700000000"].level is Level.PROBLEM


@pytest.mark.parametrize("account", [{"access_token_encrypted": None}, {"access_token_encrypted": "gibberish"}])
def test_a_token_that_is_not_there_or_cannot_be_read_is_said(check: Check, account: dict[str, Any]) -> None:
    told = check(account=account)
    assert list(told) == ["token of +33700000000"]
    assert told["token of +33700000000"].level is not Level.OK


# --- when WhatsApp is away ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "hang", "seconds": 60},
        {"fault": "status", "code": 503},
        {"fault": "html_200"},
        {"fault": "reset_before"},
    ],
)
def test_where_whatsapp_says_nothing_of_use_that_is_a_problem_and_ends_in_time(
    live: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(doctor, "PATIENT", 1.0)
    sandbox.fault("whatsapp", **fault)
    began = time.monotonic()
    findings = examine_numbers(live)
    assert time.monotonic() - began < 20  # 1 s, on a busy machine
    (finding,) = [each for each in findings if each.what == ME]
    assert finding.level is Level.PROBLEM


def test_where_it_stops_answering_the_rest_is_said_to_be_unknown(
    live: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "PATIENT", 1.0)
    sandbox.fault("whatsapp", "hang", seconds=60, match={"path": "debug_token"})
    first, last = [each for each in examine_numbers(live) if each.what == ME]
    assert (first.level, last.level) == (Level.OK, Level.PROBLEM)
    assert "cannot tell the rest" in last.found


def test_the_command_ends_with_1_and_tells_no_secret(live_config: Config, sandbox: Sandbox) -> None:
    app: Flask = create_app(live_config)
    runtime_of(app).prepare_database()
    invoke = app.test_cli_runner().invoke
    well = invoke(args=["accounts", "check", NUMBER_ID])
    assert (well.exit_code, "0 to repair" in well.output) == (0, True), well.output
    assert invoke(args=["accounts", "check"]).exit_code == 0
    assert invoke(args=["accounts", "check", "999"]).exit_code == 1
    sandbox.fault("whatsapp", "graph_error", code=190)
    ill = invoke(args=["accounts", "check", "--json"])
    told = json.loads(ill.output)
    assert (ill.exit_code, told["status"]) == (1, "problem")
    for secret in live_config.secrets:
        assert secret not in well.output + ill.output
    runtime_of(app).close(1)


def test_the_command_says_when_whatsapp_cannot_be_reached(config: Config) -> None:
    app = create_app(dataclasses.replace(config, whatsapp_api_url=f"http://127.0.0.1:{free_port()}/v26.0"))
    runtime_of(app).prepare_database()
    done = app.test_cli_runner().invoke(args=["accounts", "check"])
    assert done.exit_code == 1
    assert "so we cannot tell whether it works" in done.output
    runtime_of(app).close(1)


def test_a_database_that_is_away_is_a_finding(config: Config) -> None:
    runtime = runtime_of(create_app(dataclasses.replace(config, database_url="postgresql://u:p@127.0.0.1:9/none")))
    (finding,) = examine_numbers(runtime)
    assert (finding.what, finding.level) == ("database", Level.PROBLEM)


def test_the_doctor_says_the_same(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.graph._webhooks.subscribed = False
    asked = [each for each in examine(live) if each.what.startswith("WhatsApp")]
    assert asked == [each for each in examine_numbers(live) if each.what.startswith("WhatsApp")]
    assert len(asked) == 5
