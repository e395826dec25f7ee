"""Tokens as Graph knows them: what one may do, until when, and the proof that its app's secret is known."""

from __future__ import annotations

import hashlib
import hmac
import time

import pytest

from sandbox import Sandbox
from tests.sandbox.helpers import NUMBER_ID, graph


def debug(sandbox: Sandbox, token: str) -> dict[str, object]:
    data: dict[str, object] = graph(sandbox, "GET", "debug_token", params={"input_token": token}).json()["data"]
    return data


def refusal(answer) -> tuple[int, int, str]:
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


def test_a_token_tells_its_app_its_permissions_and_its_end(make_sandbox) -> None:
    sandbox = make_sandbox(app_id="7", token_scopes=("whatsapp_business_messaging",), waba_id="8")
    told = debug(sandbox, "token")
    assert (told["is_valid"], told["app_id"], told["expires_at"]) == (True, "7", 0)
    assert told["scopes"] == ["whatsapp_business_messaging"]
    assert told["granular_scopes"] == [{"scope": "whatsapp_business_messaging", "target_ids": ["8"]}]


def test_a_token_that_is_none_is_said_to_be_invalid(make_sandbox) -> None:
    sandbox = make_sandbox(access_tokens=["token"])
    assert debug(sandbox, "another")["is_valid"] is False
    assert refusal(graph(sandbox, "GET", "debug_token"))[:2] == (400, 100)


def test_a_token_that_has_ended_is_refused_everywhere(make_sandbox) -> None:
    sandbox = make_sandbox(token_expires_at=int(time.time()) - 1)
    assert refusal(graph(sandbox, "GET", NUMBER_ID))[:2] == (401, 190)


def test_a_wrong_proof_is_refused_and_a_right_one_is_not(make_sandbox) -> None:
    sandbox = make_sandbox(app_secret="s3cret")
    right = hmac.new(b"s3cret", b"token", hashlib.sha256).hexdigest()
    assert graph(sandbox, "GET", NUMBER_ID, params={"appsecret_proof": right}).status_code == 200
    wrong = graph(sandbox, "GET", NUMBER_ID, params={"appsecret_proof": "0" * 64})
    assert refusal(wrong) == (400, 100, "Invalid appsecret_proof provided in the API argument")


@pytest.mark.parametrize("path", [NUMBER_ID, "debug_token"])
def test_an_app_may_demand_the_proof_with_every_call(make_sandbox, path: str) -> None:
    answer = graph(make_sandbox(require_proof=True), "GET", path)
    assert refusal(answer) == (400, 100, "API calls from the server require an appsecret_proof argument")
