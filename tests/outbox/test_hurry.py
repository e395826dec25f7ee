"""A circuit that a person has reset: what waited for it is tried at once."""

from __future__ import annotations

from inbox.outbox.hurry import hurry
from inbox.outbox.outcomes import RetryLater, Unknown
from inbox.runtime import Runtime
from tests.outbox.world import World


def test_replies_that_wait_because_of_whatsapp_are_due_at_once(runtime: Runtime) -> None:
    world = World(runtime)
    for text in ("failed", "unknown", "under way"):
        world.queue(text, to=text)
    claims = {claim.text: claim for claim in world.claim()}
    world.record(claims["failed"], RetryLater("away", after=60.0))
    world.record(claims["unknown"], Unknown("no answer"))
    world.queue("behind it", to="unknown")
    assert world.claim() == []
    hurry(runtime.db, "gemini")
    assert world.claim() == [], "that is not what they wait for"
    hurry(runtime.db, "whatsapp")
    assert [claim.text for claim in world.claim()] == ["failed"]
    world.advance(15)
    assert [claim.text for claim in world.claim()] == ["behind it"], "an unknown one holds its lane as long as before"
