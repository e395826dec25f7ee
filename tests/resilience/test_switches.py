"""RESILIENCE_RETRY, RESILIENCE_BREAKER and RESILIENCE_CACHE: each works alone and with the others, on and off."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Iterator

import pytest

from inbox import create_app
from inbox.clock import utc_now
from inbox.config import Config
from inbox.db.wake import Work
from inbox.errors import UpstreamError, UpstreamOpen
from inbox.gateways.gemini import Turn
from inbox.resilience import GEMINI
from inbox.runtime import Runtime, runtime_of
from sandbox import Sandbox
from tests.builders import store_events, text_message, webhook
from tests.waiting import wait_until

HELLO = [Turn("user", "hello")]
COMBINATIONS = list(itertools.product((True, False), repeat=3))


@pytest.fixture(params=COMBINATIONS, ids=lambda on: "-".join("on" if each else "off" for each in on))
def switched(request: pytest.FixtureRequest, live_config: Config) -> Iterator[Runtime]:
    """A whole installation at work with this combination of (retry, breaker, cache)."""
    retry, breaker, cache = request.param
    config = dataclasses.replace(
        live_config, dispatcher=True, resilience_retry=retry, resilience_breaker=breaker, resilience_cache=cache
    )
    app = create_app(config)
    runtime = runtime_of(app)
    runtime.prepare_database()
    runtime.start_dispatcher()
    shown = app.test_client().get("/health").json["switches"]
    assert [shown[name] == "on" for name in ("retry", "breaker", "cache")] == [retry, breaker, cache]
    yield runtime
    assert runtime.close(20)


def customers_write(runtime: Runtime, count: int) -> None:
    at = int(utc_now().timestamp())
    batch = [text_message("hello", wa_id=f"wamid.{n}", phone=f"3360000{n:04d}", at=at) for n in range(count)]
    store_events(runtime.db, webhook(messages=batch))
    runtime.wakeups.ring(Work.INGEST)


def test_customers_are_answered_once_each_although_the_first_call_fails(switched: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "status", code=503, times=1)
    customers_write(switched, 4)
    wait_until(lambda: len(sandbox.deliveries()) >= 4, "four answers")
    assert sorted(delivery.phone or "" for delivery in sandbox.deliveries()) == [f"3360000{n:04d}" for n in range(4)]
    assert (switched.profiles.stats().loads < 4) == switched.config.resilience_cache


def quick(live_config: Config, **switches: bool) -> Runtime:
    """Services with a quick Gemini policy, whose work the test does itself."""
    gemini = dataclasses.replace(live_config.gemini, total=5.0, minimum=0.1)
    return runtime_of(create_app(dataclasses.replace(live_config, gemini=gemini, **switches)))


def fails(runtime: Runtime) -> None:
    with pytest.raises(UpstreamError):
        runtime.models.gemini.generate(model="gemini-3.5-flash-lite", system="", turns=HELLO)


def test_with_retry_off_one_call_is_one_request(live_config: Config, sandbox: Sandbox) -> None:
    runtime = quick(live_config, resilience_retry=False)
    sandbox.fault("gemini", "status", code=503)
    fails(runtime)
    assert len(sandbox.requests("gemini")) == 1
    runtime.close(5)


def test_with_the_breaker_off_every_call_reaches_the_upstream(live_config: Config, sandbox: Sandbox) -> None:
    runtime = quick(live_config, resilience_breaker=False, resilience_retry=False)
    sandbox.fault("gemini", "status", code=503)
    for _ in range(12):
        fails(runtime)
    assert len(sandbox.requests("gemini")) == 12
    assert GEMINI.breaker.state == "closed"
    runtime.close(5)


def test_with_everything_on_a_dead_upstream_is_left_alone(
    live_config: Config, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = quick(live_config)
    sandbox.fault("gemini", "status", code=503)
    with caplog.at_level(logging.INFO):
        for _ in range(12):
            fails(runtime)
    assert len(sandbox.requests("gemini")) == 5
    with pytest.raises(UpstreamOpen):
        runtime.models.gemini.generate(model="gemini-3.5-flash-lite", system="", turns=HELLO)
    lines = [record.getMessage() for record in caplog.records]
    assert "Retrying gemini … attempt 2/3" in lines
    assert "Circuit gemini: closed → open" in lines
    runtime.close(5)
