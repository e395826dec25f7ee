"""What upstreams answer passes one door: text that no database can store ends no job and is asked for once."""

from __future__ import annotations

import random
import threading

import pytest

from inbox.db.clean import MAX_ID, short_id
from inbox.outbox.deliver import Delivery
from inbox.outbox.outcomes import Outcome
from inbox.runtime import Runtime
from sandbox import Sandbox
from tests.builders import ingest, status, webhook
from tests.outbox.world import World

STRANGE = {"zero": "wamid.a\x00b", "half an emoji": "wamid.a\ud83d", "600 letters": "wamid." + "x" * 594}


@pytest.fixture
def world(live: Runtime) -> World:
    return World(live)


def deliver(world: World) -> Outcome:
    (claim,) = world.claim()
    live = world.runtime
    return Delivery(
        live.db, live.whatsapp, live.cipher, random.Random(0), threading.Event(), lambda _name, _id: None
    ).send(claim)


@pytest.fixture(params=STRANGE.values(), ids=STRANGE)
def given(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id that WhatsApp gives the next message."""
    wa_id: str = request.param
    monkeypatch.setattr("sandbox.graph.new_wamid", lambda _whose: wa_id)
    return wa_id


def test_a_strange_message_id_is_an_acceptance(world: World, given: str) -> None:
    world.queue("one")
    deliver(world)
    assert (world.message("one").status, world.jobs()) == ("sent", [])


def test_statuses_under_a_strange_message_id_find_their_message(world: World, given: str, live: Runtime) -> None:
    world.queue("one")
    deliver(world)
    at = int(world.now.timestamp())
    done = ingest(live, webhook(statuses=[status("delivered", wa_id=given, at=at)]))
    assert (world.message("one").status, done.counts["dead"]) == ("delivered", 0)


def test_an_error_of_strange_words_fails_the_message_with_what_can_be_shown(
    world: World, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.graph_errors.title_of", lambda _code: "a\x00b\ud83d" + "c" * 3000)
    world.queue("one")
    sandbox.fault("whatsapp", "graph_error", code=131999)
    deliver(world)
    failed = world.message("one")
    assert (failed.status, failed.error_code) == ("failed", "131999")
    assert (failed.error_title or "").startswith("(#131999) a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}cc")
    assert len(failed.error_title or "") == 500


def test_a_long_id_is_shortened_in_one_way_and_no_two_alike() -> None:
    one, other = "wamid." + "x" * 600, "wamid." + "x" * 600 + "y"
    assert len(short_id(one)) == MAX_ID
    assert short_id(one) == short_id(one) != short_id(other)
    assert short_id("wamid.short") == "wamid.short"
