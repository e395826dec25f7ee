"""Asking Supabase about tokens: how often, what is remembered, and who stays signed in while it is away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from inbox.auth.supabase.remote import GOOD, PAUSE, REFUSED
from inbox.errors import IdentityUnavailable, InvalidCredentials
from inbox.resilience import SUPABASE
from tests.auth.supabase_stage import QUICK, SECRET, Stage, staged
from tests.auth.test_supabase_keys import at_once

AWAY = [
    ("hang", {}),
    ("status", {"code": 503}),
    ("status", {"code": 429}),
    ("status", {"code": 401, "body": "html"}),
    ("status", {"code": 403, "body": "html"}),
    ("reset_before", {}),
    ("cut_body", {}),
    ("html_200", {}),
    ("wrong_shape", {"shape": "object"}),
]
HOUR = 3600.0


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


@pytest.fixture
def legacy() -> Iterator[Stage]:
    """A project that signs with a secret, which we do not have: every token has to be asked about."""
    with staged(signing="hs256") as made:
        yield made


# --- asking ------------------------------------------------------------------------------------------------------


def test_a_good_answer_serves_for_a_minute(legacy: Stage) -> None:
    token = legacy.mint()
    for _ in range(50):
        legacy.tokens.verify(token)
    legacy.times.pass_(GOOD - 1)
    legacy.tokens.verify(token)
    assert legacy.asked() == 1
    legacy.times.pass_(2)
    legacy.tokens.verify(token)
    assert legacy.asked() == 2


def test_a_good_answer_does_not_outlive_its_token(legacy: Stage) -> None:
    token = legacy.mint(expires_in=30)
    legacy.tokens.verify(token)
    legacy.times.pass_(31)
    with pytest.raises(InvalidCredentials):
        legacy.tokens.verify(token)


def test_a_ban_is_felt_within_a_minute_and_a_refusal_is_not_asked_about_again_at_once(legacy: Stage) -> None:
    token = legacy.mint()
    legacy.tokens.verify(token)
    legacy.sandbox.supabase.save_user(id=legacy.user.id, banned=True)
    legacy.times.pass_(GOOD + 1)
    for _ in range(20):
        with pytest.raises(InvalidCredentials):
            legacy.tokens.verify(token)
    assert legacy.asked() == 2
    legacy.sandbox.supabase.save_user(id=legacy.user.id, banned=False)
    legacy.times.pass_(REFUSED)
    assert legacy.tokens.verify(token).subject == legacy.user.id


def test_many_requests_with_one_token_ask_once(legacy: Stage) -> None:
    token = legacy.mint()
    legacy.sandbox.fault("supabase", "slow", seconds=0.1)
    assert at_once(16, lambda: legacy.tokens.verify(token).subject) == [legacy.user.id] * 16
    assert legacy.asked() == 1


@pytest.mark.parametrize(("fault", "settings"), AWAY)
def test_about_an_unknown_token_we_cannot_tell_while_supabase_is_away(
    legacy: Stage, fault: str, settings: dict[str, Any]
) -> None:
    token = legacy.mint()
    legacy.sandbox.fault("supabase", fault, **settings)
    for _ in range(3):
        with pytest.raises(IdentityUnavailable) as raised:
            legacy.tokens.verify(token)
        assert 1 <= int(raised.value.headers["Retry-After"]) <= 5
    assert legacy.asked() == 1
    legacy.sandbox.clear_faults()
    legacy.times.pass_(PAUSE)
    assert legacy.tokens.verify(token).subject == legacy.user.id


@pytest.mark.parametrize(("fault", "settings"), AWAY)
def test_a_token_that_supabase_has_vouched_for_stays_good_while_it_is_away(
    legacy: Stage, fault: str, settings: dict[str, Any]
) -> None:
    token = legacy.mint()
    legacy.tokens.verify(token)
    legacy.sandbox.fault("supabase", fault, **settings)
    for minutes in (2, 20, 30):
        legacy.times.pass_(minutes * 60)
        assert legacy.tokens.verify(token).subject == legacy.user.id
    legacy.sandbox.clear_faults()
    legacy.sandbox.supabase.save_user(id=legacy.user.id, banned=True)
    legacy.times.pass_(PAUSE)
    with pytest.raises(InvalidCredentials):
        legacy.tokens.verify(token)
    legacy.sandbox.fault("supabase", fault, **settings)
    legacy.times.pass_(REFUSED)
    with pytest.raises(IdentityUnavailable):  # a refusal ends what was vouched for
        legacy.tokens.verify(token)


# --- tokens that have ended --------------------------------------------------------------------------------------


def test_an_expired_token_is_refused_while_supabase_answers(stage: Stage) -> None:
    token = stage.mint()
    stage.tokens.verify(token)
    stage.times.pass_(HOUR + 11)
    for _ in range(20):
        with pytest.raises(InvalidCredentials):
            stage.tokens.verify(token)
    assert stage.asked() == 1


@pytest.mark.parametrize("signing", ["es256", "hs256"])
@pytest.mark.parametrize(("fault", "settings"), AWAY)
def test_an_expired_token_stays_good_for_the_grace_while_supabase_is_away(
    fault: str, settings: dict[str, Any], signing: str
) -> None:
    secret = SECRET if signing == "hs256" else None
    with staged(signing=signing, supabase_grace=2 * HOUR, supabase_jwt_secret=secret) as stage:
        token = stage.mint()
        stage.tokens.verify(token)
        stage.sandbox.fault("supabase", fault, **settings)
        stage.times.pass_(2 * HOUR)
        assert stage.tokens.verify(token).subject == stage.user.id
        stage.times.pass_(HOUR - 1)
        assert stage.tokens.verify(token).subject == stage.user.id
        stage.times.pass_(2)
        with pytest.raises(IdentityUnavailable):
            stage.tokens.verify(token)


def test_a_vouched_token_has_the_same_grace(legacy: Stage) -> None:
    token, stranger = legacy.mint(), legacy.mint()
    legacy.tokens.verify(token)
    legacy.sandbox.fault("supabase", "status", code=503)
    legacy.times.pass_(2 * HOUR)
    assert legacy.tokens.verify(token).subject == legacy.user.id
    with pytest.raises(IdentityUnavailable):
        legacy.tokens.verify(stranger)


def test_without_grace_an_ended_token_has_to_wait_for_supabase(stage: Stage) -> None:
    tokens = stage.anew(supabase_grace=0.0)
    token = stage.mint()
    tokens.verify(token)
    stage.sandbox.fault("supabase", "status", code=503)
    stage.times.pass_(HOUR + 9)  # within the leeway
    assert tokens.verify(token).subject == stage.user.id
    stage.times.pass_(2)
    with pytest.raises(IdentityUnavailable):
        tokens.verify(token)


def test_the_grace_ends_with_the_outage_and_for_whoever_is_banned(stage: Stage) -> None:
    token = stage.mint()
    stage.tokens.verify(token)
    stage.sandbox.fault("supabase", "status", code=503)
    stage.times.pass_(2 * HOUR)
    stage.tokens.verify(token)
    stage.sandbox.clear_faults()
    stage.times.pass_(PAUSE)
    with pytest.raises(InvalidCredentials):
        stage.tokens.verify(token)
    assert stage.tokens.verify(stage.mint()).subject == stage.user.id


def test_a_forged_token_has_no_grace(stage: Stage) -> None:
    stage.tokens.verify(stage.mint())
    forged, service = stage.mint(foreign=True, expires_in=-60), stage.mint(role="service_role", expires_in=-60)
    stage.sandbox.fault("supabase", "status", code=503)
    for token in (forged, service):
        with pytest.raises(InvalidCredentials):
            stage.tokens.verify(token)


def test_a_clock_of_ours_that_is_ahead_signs_nobody_out(stage: Stage) -> None:
    token = stage.mint()
    stage.tokens.verify(token)
    ahead = stage.anew()
    ahead._now = lambda: stage.times.wall + 2 * HOUR
    for _ in range(20):
        assert ahead.verify(token).subject == stage.user.id
    assert stage.asked() == 1


def test_the_log_says_once_a_minute_who_is_in_by_grace_and_never_the_token(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = stage.mint()
    stage.tokens.verify(token)
    stage.sandbox.fault("supabase", "status", code=503)
    stage.times.pass_(2 * HOUR)
    for _ in range(10):
        stage.tokens.verify(token)
    stage.times.pass_(61)
    stage.tokens.verify(token)
    told = [record for record in caplog.records if "beyond its end" in record.message]
    assert [(record.levelno, record.subject, record.ended_s) for record in told] == [
        (logging.WARNING, stage.user.id, 3600),
        (logging.WARNING, stage.user.id, 3661),
    ]
    assert not any(piece in str(vars(record)) for record in caplog.records for piece in token.split("."))


# --- the circuit -------------------------------------------------------------------------------------------------


def test_an_outage_costs_supabase_few_calls_and_ends_by_itself() -> None:
    with staged(breaker=True) as stage:
        tokens = [stage.mint() for _ in range(40)]
        for token in tokens:
            stage.tokens.verify(token)
        stage.sandbox.fault("supabase", "status", code=503)
        stage.times.pass_(2 * HOUR)
        for token in tokens:
            assert stage.tokens.verify(token).subject == stage.user.id
        assert SUPABASE.breaker.state == "open"
        assert stage.asked("user") + stage.asked("jwks") <= 2 + SUPABASE.policy.breaker_failures
        stage.sandbox.clear_faults()
        SUPABASE.breaker.reset()
        stage.times.pass_(PAUSE)
        for token in tokens:
            with pytest.raises(InvalidCredentials):
                stage.tokens.verify(token)
        assert SUPABASE.breaker.state == "closed"


def test_when_too_much_is_asked_at_once_the_rest_is_told_to_come_back(legacy: Stage) -> None:
    SUPABASE.configure(replace(QUICK, bulkhead=1, read=1.0), retries=False, breaker=False)
    legacy.sandbox.fault("supabase", "slow", seconds=0.5)
    mine = iter([legacy.mint() for _ in range(4)])
    outcomes = at_once(4, lambda: legacy.tokens.verify(next(mine)).subject)
    assert legacy.user.id in outcomes
    assert set(outcomes) == {legacy.user.id, IdentityUnavailable}


# --- profiles ----------------------------------------------------------------------------------------------------


def test_a_profile_says_what_membership_needs(stage: Stage) -> None:
    stage.sandbox.supabase.save_user(id=stage.user.id, email="Anna@Example.COM", invited=True)
    token = stage.mint()
    profile = stage.tokens.profile(token)
    assert (profile.subject, profile.email, profile.name, profile.invited) == (
        stage.user.id,
        "anna@example.com",
        "Anna",
        True,
    )
    stage.tokens.profile(token)
    assert stage.asked() == 1


@pytest.mark.parametrize(
    ("settings", "invited"),
    [
        ({}, False),
        ({"invited": True}, True),
        ({"app_metadata": {"invited": True}}, True),
        ({"app_metadata": {"invited": "true"}}, False),
        ({"app_metadata": {"invited": 1}}, False),
        ({"user_metadata": {"invited": True, "invited_at": "2026-01-01T00:00:00Z"}}, False),
    ],
)
def test_only_the_provider_s_operator_can_invite(stage: Stage, settings: dict[str, Any], invited: bool) -> None:
    stage.sandbox.supabase.save_user(id=stage.user.id, **settings)
    assert stage.tokens.profile(stage.mint()).invited is invited


@pytest.mark.parametrize(
    ("email", "confirmed", "shown"),
    [
        ("anna@example.com", True, "anna@example.com"),
        ("anna@example.com", False, None),
        ("", True, None),
        ("anna", True, None),
        ("ÄNNA@example.com", True, "änna@example.com"),
        ("\u212aarl@example.com", True, None),  # the Kelvin sign, whose lower case is the letter k
        ("a\x00@example.com", True, None),
        (f"{'a' * 320}@example.com", True, None),
    ],
)
def test_an_address_counts_only_if_it_is_confirmed(
    stage: Stage, email: str, confirmed: bool, shown: str | None
) -> None:
    stage.sandbox.supabase.save_user(id=stage.user.id, email=email, email_confirmed=confirmed)
    assert stage.tokens.profile(stage.mint()).email == shown


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"full_name": " Anna  Bell ", "name": "x"}, "Anna Bell"),
        ({"full_name": 7, "name": "Anna"}, "Anna"),
        ({"full_name": "", "name": "Anna"}, "Anna"),
        ({"full_name": "\x00\u202e\n"}, None),
        ({"name": "x" * 300}, "x" * 200),
        ({"name": ["Anna"]}, None),
        ({}, None),
    ],
)
def test_a_name_is_short_and_printable(stage: Stage, metadata: dict[str, Any], name: str | None) -> None:
    stage.sandbox.supabase.save_user(id=stage.user.id, user_metadata=metadata)
    assert stage.tokens.profile(stage.mint()).name == name


@pytest.mark.parametrize("settings", [{"banned": True}, {"is_anonymous": True}])
def test_whoever_is_banned_or_anonymous_has_no_profile(stage: Stage, settings: dict[str, Any]) -> None:
    token = stage.mint()
    stage.sandbox.supabase.save_user(id=stage.user.id, **settings)
    with pytest.raises(InvalidCredentials):
        stage.tokens.profile(token)


def test_a_profile_cannot_be_told_while_supabase_is_away(stage: Stage) -> None:
    token = stage.mint()
    stage.tokens.verify(token)
    stage.sandbox.fault("supabase", "status", code=503)
    with pytest.raises(IdentityUnavailable):
        stage.tokens.profile(token)


def test_with_the_secret_alone_a_profile_is_what_the_token_says(legacy: Stage) -> None:
    alone = legacy.anew(supabase_url=None, supabase_jwt_secret=SECRET)
    legacy.sandbox.supabase.save_user(id=legacy.user.id, invited=True, app_metadata={"invited": True})
    profile = alone.profile(legacy.mint())
    assert (profile.email, profile.name, profile.invited) == (None, "Anna", True)
    assert alone.profile(legacy.mint(app_metadata={}, user_metadata={"invited": True})).invited is False
    assert legacy.sandbox.requests("supabase") == []
