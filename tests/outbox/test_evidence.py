"""What WhatsApp tells of several sends of one message, late, twice and in the wrong order (I4, I7; scenario 32)."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from inbox.db import Database
from inbox.models import Account, Message
from inbox.outbox.outcomes import Accepted, SendClaim, Unknown
from inbox.runtime import Runtime
from inbox.webhooks.ingest import ingest_batch
from tests.builders import status, webhook
from tests.outbox.world import World

WINDOW = 120.0


@pytest.fixture
def world(runtime: Runtime) -> World:
    return World(runtime)


def statuses_through(db: Database) -> object:
    with db.reading() as session:
        return session.execute(select(Account.statuses_through)).scalar_one()


def shown(world: World) -> tuple[str, str | None, str | None]:
    row: Message = world.message("one")
    return row.status, row.wa_message_id, row.duplicate_wa_message_id


def test_a_late_status_of_an_older_attempt_is_no_evidence_about_newer_sends(world: World, db: Database) -> None:
    first = world.unknown_and_requeued("one", WINDOW)
    before = statuses_through(db)
    (second,) = world.claim()
    world.record(second, Unknown("reset again"))
    world.echo(first, "wamid.first")
    assert statuses_through(db) == before


def test_a_message_is_not_repeated_while_its_status_waits_to_be_ingested(world: World, runtime: Runtime) -> None:
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Unknown("reset"))
    world.advance(30)
    world.deliver_other("evidence")
    at = int(world.now.timestamp())
    world.receive(webhook(statuses=[status("sent", wa_id="wamid.one", at=at, callback=claim.callback_data)]))
    world.advance(WINDOW)
    assert world.settle(WINDOW) == 0
    ingest_batch(world.db, settings=runtime.ingest_settings)
    assert shown(world) == ("sent", "wamid.one", None)


def failed_and_sent_again(world: World) -> SendClaim:
    """ "one" was accepted and failed later; a person has it sent again, and it waits. The first claim."""
    world.queue("one")
    (claim,) = world.claim()
    world.record(claim, Accepted("wamid.first"))
    world.echo(claim, "wamid.first", kind="failed")
    world.resend(claim.message_id)
    return claim


@pytest.mark.parametrize("kind", ["sent", "failed"])
def test_what_is_told_again_of_a_send_that_failed_does_not_undo_a_persons_resend(world: World, kind: str) -> None:
    first = failed_and_sent_again(world)
    world.echo(first, "wamid.first", kind=kind)
    assert world.message("one").status == "queued"
    (second,) = world.claim()
    world.record(second, Accepted("wamid.second"))
    world.echo(first, "wamid.first", kind=kind)
    assert shown(world) == ("sent", "wamid.second", None)


def test_a_late_answer_of_a_send_that_failed_does_not_undo_a_persons_resend(world: World) -> None:
    world.queue("one")
    (first,) = world.claim()
    world.echo(first, "wamid.first")
    world.echo(first, "wamid.first", kind="failed")
    world.resend(first.message_id)
    world.record(first, Accepted("wamid.first"))
    assert world.message("one").status == "queued"


def test_a_delivery_proves_a_failure_wrong_and_makes_a_resend_needless(world: World) -> None:
    first = failed_and_sent_again(world)
    world.echo(first, "wamid.first", kind="delivered")
    assert (world.message("one").status, world.jobs()) == ("delivered", [])


def test_an_older_send_that_failed_settles_nothing_when_its_acceptance_is_told_later(world: World) -> None:
    first = world.unknown_and_requeued("one", WINDOW)
    (second,) = world.claim()
    world.record(second, Unknown("reset again"))
    world.echo(first, "wamid.first", kind="failed")
    world.echo(first, "wamid.first", kind="sent")
    assert shown(world) == ("unconfirmed", None, None)


def accepted_twice(world: World) -> tuple[SendClaim, SendClaim]:
    first = world.unknown_and_requeued("one", WINDOW)
    (second,) = world.claim()
    world.record(second, Accepted("wamid.second"))
    world.echo(first, "wamid.first")
    return first, second


def test_a_message_accepted_twice_has_failed_when_both_sends_have(world: World) -> None:
    first, second = accepted_twice(world)
    world.echo(second, "wamid.second", kind="failed")
    assert world.message("one").status == "sent"  # the first may still arrive
    world.echo(first, "wamid.first", kind="failed")
    assert (world.message("one").status, world.message("one").error_code) == ("failed", "131026")


def test_a_failure_told_before_its_send_was_known_does_not_fail_the_other(world: World) -> None:
    first = world.unknown_and_requeued("one", WINDOW)
    at = int(world.now.timestamp())
    world.ingest(webhook(statuses=[status("failed", wa_id="wamid.first", at=at)]))  # without our callback data
    (second,) = world.claim()
    world.record(second, Accepted("wamid.second"))
    world.echo(first, "wamid.first", kind="delivered")
    assert shown(world) == ("delivered", "wamid.second", "wamid.first")
    assert world.message("one").failed_at is None


def test_the_alarm_about_a_message_accepted_twice_is_raised_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first = world.unknown_and_requeued("one", WINDOW)
    (second,) = world.claim()
    world.echo(first, "wamid.first")
    for kind in ("sent", "delivered"):
        world.echo(second, "wamid.second", kind=kind)
    world.record(second, Accepted("wamid.second"))
    assert shown(world) == ("delivered", "wamid.first", "wamid.second")
    assert caplog.text.count("accepted twice") == 1
