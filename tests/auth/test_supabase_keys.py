"""The published keys: how old they may be, who waits for them, and what unknown ones cost."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from inbox.auth.supabase.signing_keys import FORCED, FRESH, KEPT, PAUSE
from inbox.errors import IdentityUnavailable, InvalidCredentials
from tests.auth.supabase_stage import Stage, staged


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as made:
        yield made


def test_nothing_is_fetched_before_a_token_comes(stage: Stage) -> None:
    with pytest.raises(InvalidCredentials):
        stage.tokens.verify("nonsense")
    assert stage.asked("jwks") == 0
    stage.tokens.verify(stage.mint())
    assert stage.asked("jwks") == 1


def test_an_old_set_is_fetched_by_one_request_while_others_go_on_with_it(stage: Stage) -> None:
    token = stage.mint()
    stage.tokens.verify(token)
    stage.times.pass_(FRESH + 1)
    keys = stage.tokens._keys
    assert keys is not None
    fetch = keys._fetch

    def fetch_while_another_request_comes() -> list[dict[str, Any]]:
        assert stage.tokens.verify(token).subject == stage.user.id
        return fetch()

    keys._fetch = fetch_while_another_request_comes
    assert stage.tokens.verify(token).subject == stage.user.id
    assert stage.asked("jwks") == 2


def test_a_key_that_is_taken_out_stops_working_within_twenty_minutes(stage: Stage) -> None:
    """Of which ten are Supabase's: for so long its edge may show the old set."""
    token = stage.mint()
    stage.tokens.verify(token)
    stage.sandbox.supabase.rotate(remove_old=True)
    assert stage.tokens.verify(token).subject == stage.user.id
    stage.times.pass_(FRESH + 1)
    with pytest.raises(InvalidCredentials):
        stage.tokens.verify(token)
    assert stage.tokens.verify(stage.mint()).subject == stage.user.id


def test_a_new_key_works_at_once_and_costs_one_fetch(stage: Stage) -> None:
    old = stage.mint()
    stage.tokens.verify(old)
    stage.sandbox.supabase.rotate()
    new = stage.mint()
    for token in (new, old, new):
        assert stage.tokens.verify(token).subject == stage.user.id
    assert stage.asked("jwks") == 2


def test_a_key_that_changes_under_its_kid_proves_nothing_any_more(stage: Stage) -> None:
    token = stage.mint()
    stage.tokens.verify(token)
    (old,) = stage.sandbox.supabase._current_keys()
    stage.sandbox.supabase.rotate(remove_old=True)
    (new,) = stage.sandbox.supabase._current_keys()
    stage.sandbox.supabase._keys = [type(new)(old.kid, new.private)]
    stage.times.pass_(FRESH + 1)
    with pytest.raises(InvalidCredentials):
        stage.tokens.verify(token)
    assert stage.tokens.verify(stage.mint()).subject == stage.user.id


def test_invented_kids_cost_one_fetch_in_thirty_seconds(stage: Stage) -> None:
    stage.tokens.verify(stage.mint())
    for round_ in range(3):
        for number in range(50):
            with pytest.raises(InvalidCredentials):
                stage.tokens.verify(stage.mint(kid=f"invented-{round_}-{number}"))
        assert stage.asked("jwks") == 2 + round_
        stage.times.pass_(FORCED)
    assert stage.asked("user") == 0


def test_without_any_keys_we_cannot_tell_and_do_not_ask_for_every_request(stage: Stage) -> None:
    fault = stage.sandbox.fault("supabase", "status", code=503)
    token = stage.mint()
    for _ in range(20):
        with pytest.raises(IdentityUnavailable) as raised:
            stage.tokens.verify(token)
        assert int(raised.value.headers["Retry-After"]) >= 1
    assert stage.asked("jwks") == 1
    stage.times.pass_(PAUSE)
    with pytest.raises(IdentityUnavailable):
        stage.tokens.verify(token)
    stage.sandbox.faults.remove(fault)
    stage.times.pass_(PAUSE)
    assert stage.tokens.verify(token).subject == stage.user.id


@pytest.mark.parametrize("fault", ["hang", "status", "close_after", "cut_body", "html_200", "wrong_shape"])
def test_while_supabase_is_away_the_old_keys_stay_good_for_a_day(stage: Stage, fault: str) -> None:
    stage.tokens.verify(stage.mint())
    stage.sandbox.fault("supabase", fault)
    for hours in range(1, 24):
        stage.times.pass_(3600)
        assert stage.tokens.verify(stage.mint()).subject == stage.user.id, hours
        if fault == "hang" and hours == 2:
            break
    else:
        stage.times.pass_(KEPT - 23 * 3600 + 1)
        with pytest.raises(IdentityUnavailable):
            stage.tokens.verify(stage.mint())
    stage.sandbox.clear_faults()
    stage.times.pass_(3600)
    assert stage.tokens.verify(stage.mint()).subject == stage.user.id


def test_an_unknown_key_while_supabase_is_away_is_no_verdict(stage: Stage) -> None:
    stage.tokens.verify(stage.mint())
    stage.sandbox.supabase.rotate()
    new = stage.mint()
    stage.sandbox.fault("supabase", "status", code=503)
    for _ in range(5):
        with pytest.raises(IdentityUnavailable):
            stage.tokens.verify(new)
    assert stage.asked("jwks") == 2
    stage.sandbox.clear_faults()
    stage.times.pass_(FORCED)
    assert stage.tokens.verify(new).subject == stage.user.id


def test_a_project_that_goes_back_to_a_secret_is_asked(stage: Stage) -> None:
    token = stage.mint()
    stage.tokens.verify(token)
    stage.sandbox.supabase.switch_signing("hs256")
    stage.times.pass_(FRESH + 1)
    with pytest.raises(InvalidCredentials):
        stage.tokens.verify(token)
    assert stage.asked("user") == 1


def at_once(count: int, work: object) -> list[object]:
    """What `work` returned or raised in each of so many threads that began together."""
    results: list[object] = []
    barrier = threading.Barrier(count)

    def run() -> None:
        barrier.wait()
        try:
            results.append(work())
        except Exception as error:
            results.append(type(error))

    running = [threading.Thread(target=run) for _ in range(count)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return results


def test_many_first_requests_fetch_the_keys_once(stage: Stage) -> None:
    token = stage.mint()
    stage.sandbox.fault("supabase", "slow", seconds=0.1)
    assert at_once(16, lambda: stage.tokens.verify(token).subject) == [stage.user.id] * 16
    assert stage.asked("jwks") == 1


def test_many_requests_with_a_new_key_share_one_fetch(stage: Stage) -> None:
    stage.tokens.verify(stage.mint())
    stage.sandbox.supabase.rotate()
    token = stage.mint()
    stage.sandbox.fault("supabase", "slow", seconds=0.1)
    assert at_once(16, lambda: stage.tokens.verify(token).subject) == [stage.user.id] * 16
    assert stage.asked("jwks") == 2


def test_a_forked_process_fetches_for_itself(stage: Stage) -> None:
    stage.tokens.verify(stage.mint())
    token, reading, writing = stage.mint(), *os.pipe()
    stage.times.pass_(FRESH + 1)
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, stage.tokens.verify(token).subject.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert answer.read() == stage.user.id
    os.waitpid(child, 0)
    assert stage.asked("jwks") == 2
