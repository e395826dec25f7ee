"""The Supabase Auth gateway against the simulator: what is asked, and what every way of not answering means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import responses

from inbox.errors import (
    UpstreamError,
    UpstreamMisconfigured,
    UpstreamOpen,
    UpstreamOutcomeUnknown,
    UpstreamRejected,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from inbox.gateways.supabase import SupabaseAuth
from inbox.resilience import SUPABASE
from sandbox import Sandbox
from sandbox.supabase_users import User
from tests.waiting import free_port

KEY = "sb_publishable_test"


@pytest.fixture
def user(sandbox: Sandbox) -> User:
    return sandbox.supabase.save_user(email="anna@example.com", invited=True)


@pytest.fixture
def gateway(sandbox: Sandbox) -> SupabaseAuth:
    return SupabaseAuth(sandbox.url, KEY)


def test_the_user_of_a_token_is_asked_for_with_our_key(sandbox: Sandbox, gateway: SupabaseAuth, user: User) -> None:
    token = sandbox.supabase.mint(user)
    found = gateway.user(token)
    assert (found["id"], found["email"], bool(found["invited_at"])) == (user.id, "anna@example.com", True)
    (request,) = sandbox.requests("supabase")
    assert (request.method, request.path) == ("GET", "/auth/v1/user")
    assert (request.headers["apikey"], request.headers["authorization"]) == (KEY, f"Bearer {token}")


def test_the_keys_are_asked_for_without_a_token(sandbox: Sandbox) -> None:
    (key,) = SupabaseAuth(sandbox.url, None).jwks()
    assert (key["kty"], key["alg"]) == ("EC", "ES256")
    (request,) = sandbox.requests("supabase")
    assert request.path == "/auth/v1/.well-known/jwks.json"
    assert not {"apikey", "authorization"} & set(request.headers)


def test_a_project_that_signs_with_a_secret_has_no_keys(sandbox: Sandbox, gateway: SupabaseAuth) -> None:
    sandbox.supabase.switch_signing("hs256")
    assert gateway.jwks() == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"expires_in": -60}, 403, "bad_jwt"),
        ({"foreign": True}, 403, "bad_jwt"),
        ({"sub": "anna"}, 400, "bad_jwt"),
        ({"aud": "other"}, 400, "validation_failed"),
        ({"session_id": "00000000-0000-0000-0000-000000000000"}, 403, "session_not_found"),
    ],
)
def test_a_refused_token_is_rejected(
    sandbox: Sandbox, gateway: SupabaseAuth, user: User, changes: dict[str, Any], status: int, code: str
) -> None:
    with pytest.raises(UpstreamRejected) as raised:
        gateway.user(sandbox.supabase.mint(user, **changes))
    assert (raised.value.http_status, raised.value.code) == (status, code)


def test_a_banned_user_and_a_deleted_one_are_rejected(sandbox: Sandbox, gateway: SupabaseAuth, user: User) -> None:
    token = sandbox.supabase.mint(user)
    sandbox.supabase.save_user(id=user.id, banned=True)
    with pytest.raises(UpstreamRejected, match="refused"):
        gateway.user(token)
    sandbox.supabase.users.delete(user.id)
    with pytest.raises(UpstreamRejected, match="refused"):
        gateway.user(token)


def test_without_a_known_apikey_it_is_our_fault_and_not_the_token_s(sandbox: Sandbox, user: User) -> None:
    with pytest.raises(UpstreamMisconfigured, match="SUPABASE_KEY"):
        SupabaseAuth(sandbox.url, None).user(sandbox.supabase.mint(user))


@pytest.mark.parametrize(
    ("fault", "settings", "error"),
    [
        ("status", {"code": 401}, UpstreamRejected),
        ("status", {"code": 401, "body": "html"}, UpstreamMisconfigured),
        ("status", {"code": 401, "body": "empty"}, UpstreamMisconfigured),
        ("status", {"code": 403, "body": "html"}, UpstreamMisconfigured),
        ("status", {"code": 400, "body": "html"}, UpstreamMisconfigured),
        ("status", {"code": 404, "body": "html"}, UpstreamMisconfigured),
        ("status", {"code": 408}, UpstreamUnavailable),
        ("status", {"code": 429}, UpstreamThrottled),
        ("auth_error", {}, UpstreamThrottled),
        ("status", {"code": 500}, UpstreamUnavailable),
        ("status", {"code": 503}, UpstreamUnavailable),
        ("status", {"code": 502, "body": "html"}, UpstreamUnavailable),
        ("redirect", {"location": "/elsewhere"}, UpstreamMisconfigured),
        ("hang", {"seconds": 5}, UpstreamOutcomeUnknown),
        ("reset_before", {}, UpstreamOutcomeUnknown),
        ("cut_headers", {}, UpstreamOutcomeUnknown),
        ("cut_body", {}, UpstreamOutcomeUnknown),
        ("empty_200", {}, UpstreamOutcomeUnknown),
        ("html_200", {}, UpstreamOutcomeUnknown),
        ("wrong_json", {}, UpstreamOutcomeUnknown),
        ("wrong_shape", {"shape": "list"}, UpstreamOutcomeUnknown),
        ("wrong_shape", {"shape": "object"}, UpstreamOutcomeUnknown),
        ("wrong_shape", {"shape": "null"}, UpstreamOutcomeUnknown),
        ("big_body", {"bytes": 1_000_000}, UpstreamOutcomeUnknown),
    ],
)
def test_every_way_of_not_answering_has_its_meaning(
    sandbox: Sandbox,
    gateway: SupabaseAuth,
    user: User,
    fault: str,
    settings: dict[str, Any],
    error: type[UpstreamError],
) -> None:
    token = sandbox.supabase.mint(user)
    sandbox.fault("supabase", fault, **settings)
    with pytest.raises(UpstreamError) as raised:
        gateway.user(token)
    assert type(raised.value) is error
    assert token not in f"{raised.value!r} {vars(raised.value)}"
    with pytest.raises(UpstreamError) as raised:
        gateway.jwks()
    assert type(raised.value) is error


def test_nobody_listening_is_unavailable() -> None:
    with pytest.raises(UpstreamUnavailable):
        SupabaseAuth(f"http://127.0.0.1:{free_port()}", KEY).jwks()


@pytest.mark.parametrize(
    ("body", "error", "code"),
    [
        ({"code": 401, "msg": "Invalid token: token is expired"}, UpstreamRejected, "unknown"),  # before 2024
        ({"code": 403, "error_code": "bad_jwt", "msg": "invalid JWT"}, UpstreamRejected, "bad_jwt"),
        ({"code": "bad_jwt", "message": "invalid JWT"}, UpstreamRejected, "bad_jwt"),  # API version 2024-01-01
        ({"message": "Invalid API key", "hint": "Double check it."}, UpstreamMisconfigured, None),
        ({"code": True, "msg": None}, UpstreamMisconfigured, None),
        (["bad_jwt"], UpstreamMisconfigured, None),
    ],
)
def test_the_error_body_of_every_version_is_read(body: Any, error: type[UpstreamError], code: str | None) -> None:
    with responses.RequestsMock() as server:
        server.get("https://project.example/auth/v1/user", status=401, json=body)
        with pytest.raises(UpstreamError) as raised:
            SupabaseAuth("https://project.example", KEY).user("a.b.c")
    assert (type(raised.value), raised.value.code) == (error, code)


def test_the_pause_that_it_asks_for_is_passed_on(sandbox: Sandbox, gateway: SupabaseAuth) -> None:
    sandbox.fault("supabase", "retry_after", value="7")
    with pytest.raises(UpstreamThrottled) as raised:
        gateway.jwks()
    assert raised.value.retry_after == 7.0


def test_what_may_be_over_at_once_is_asked_again(sandbox: Sandbox, gateway: SupabaseAuth) -> None:
    SUPABASE.configure(replace(SUPABASE.policy, attempts=2), retries=True, breaker=False)
    sandbox.fault("supabase", "status", code=503, times=1)
    assert len(gateway.jwks()) == 1
    assert len(sandbox.requests("supabase")) == 2


def test_refused_tokens_open_no_circuit_and_failures_do(sandbox: Sandbox, gateway: SupabaseAuth) -> None:
    SUPABASE.configure(replace(SUPABASE.policy, breaker_failures=3), retries=True, breaker=True)
    for _ in range(30):
        with pytest.raises(UpstreamRejected):
            gateway.user("a.b.c")
    with pytest.raises(UpstreamMisconfigured):
        SupabaseAuth(sandbox.url, None).user("a.b.c")
    assert SUPABASE.breaker.state == "closed"
    sandbox.fault("supabase", "html_200")
    for _ in range(3):
        with pytest.raises(UpstreamOutcomeUnknown):
            gateway.jwks()
    with pytest.raises(UpstreamOpen):
        gateway.jwks()
