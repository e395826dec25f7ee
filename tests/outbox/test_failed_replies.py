"""A person's reply that failed for good has answered nobody: the conversation asks for a person (I17)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from inbox.auth.access import Access, Permission, Principal
from inbox.clock import utc_now
from inbox.conversations import reading, service
from inbox.models import Message, Pause
from inbox.outbox import settle, store
from inbox.outbox.outcomes import Accepted, Outcome, PauseNumber, Refused, RetryLater, SendClaim, Unknown
from inbox.runtime import Runtime
from tests.builders import ingest, status, text_message, the_conversation, webhook

SEND = Access(Principal("admin", "Admin", frozenset(Permission), kind="key"), Permission.MESSAGES_SEND)
HOUR = timedelta(hours=1)
REFUSED = Refused("131026", "undeliverable")


@pytest.fixture(autouse=True)
def _a_customer_has_written(runtime: Runtime) -> None:
    ask(runtime, "Have you got bread?")


def ask(runtime: Runtime, text: str) -> None:
    wa_id = f"wamid.{text.replace(' ', '')}"
    ingest(runtime, webhook(messages=[text_message(text, wa_id=wa_id, at=int(utc_now().timestamp()))]))


def reply(runtime: Runtime, text: str) -> UUID:
    draft = service.Draft(the_conversation(runtime.db).id, text)
    return service.send_message(runtime.db, SEND, draft, bot_stays_out=HOUR).id


def send(runtime: Runtime, outcome: Outcome) -> SendClaim:
    """One attempt to send what is due."""
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        (claim,) = store.claim_sends(session, now, 1)
        store.record(session, claim, outcome, now, runtime.answering.rng)
    return claim


def told(runtime: Runtime, kind: str, wa_id: str, claim: SendClaim | None = None) -> None:
    callback = claim.callback_data if claim else None
    ingest(runtime, webhook(statuses=[status(kind, wa_id=wa_id, at=int(utc_now().timestamp()), callback=callback)]))


def asks_for_a_person(runtime: Runtime) -> str | None:
    conversation = the_conversation(runtime.db)
    return conversation.needs_human_reason if conversation.needs_human else None


@pytest.mark.parametrize("code", ["131026", "131047"])
def test_a_reply_that_whatsapp_refuses_for_good_asks_for_a_person(runtime: Runtime, code: str) -> None:
    reply(runtime, "Yes")
    send(runtime, Refused(code, "refused"))
    assert asks_for_a_person(runtime) == "answer_failed"
    reading.mark_read(runtime.db, SEND, the_conversation(runtime.db).id)
    assert asks_for_a_person(runtime) == "answer_failed"


def test_a_reply_that_fails_after_it_was_accepted_asks_for_a_person(runtime: Runtime) -> None:
    reply(runtime, "Yes")
    send(runtime, Accepted("wamid.out"))
    assert asks_for_a_person(runtime) is None
    told(runtime, "failed", "wamid.out")
    assert asks_for_a_person(runtime) == "answer_failed"


def test_a_reply_that_may_be_sent_again_asks_for_nobody_yet(runtime: Runtime) -> None:
    reply(runtime, "Yes")
    send(runtime, RetryLater("away"))
    assert asks_for_a_person(runtime) is None


def test_a_failed_reply_after_which_another_was_accepted_asks_for_nobody(runtime: Runtime) -> None:
    reply(runtime, "Yes")
    send(runtime, Accepted("wamid.out"))
    reply(runtime, "Yes, rye")
    send(runtime, Accepted("wamid.other"))
    told(runtime, "failed", "wamid.out")
    assert asks_for_a_person(runtime) is None


def test_of_two_replies_that_fail_the_last_one_asks_for_a_person(runtime: Runtime) -> None:
    reply(runtime, "Yes")
    reply(runtime, "Yes, rye")
    send(runtime, REFUSED)
    assert asks_for_a_person(runtime) is None  # the second may still arrive
    send(runtime, REFUSED)
    assert asks_for_a_person(runtime) == "answer_failed"


def test_a_reply_that_arrived_does_not_answer_for_a_later_one_that_failed(runtime: Runtime) -> None:
    reply(runtime, "Yes")
    send(runtime, Accepted("wamid.out"))
    ask(runtime, "And cake?")
    reply(runtime, "Cake too")
    send(runtime, REFUSED)
    assert asks_for_a_person(runtime) == "answer_failed"


def test_a_reply_after_the_failure_ends_the_asking(runtime: Runtime) -> None:
    reply(runtime, "Yes")
    send(runtime, REFUSED)
    reply(runtime, "Yes, rye")
    assert asks_for_a_person(runtime) is None


def test_a_resend_that_fails_asks_again_although_a_reply_was_written_before_it(runtime: Runtime) -> None:
    first = reply(runtime, "Yes")
    send(runtime, REFUSED)
    reply(runtime, "Yes, rye")
    send(runtime, Accepted("wamid.out"))
    ask(runtime, "And cake?")
    service.resend(runtime.db, SEND, first, bot_stays_out=HOUR)
    send(runtime, REFUSED)
    assert asks_for_a_person(runtime) == "answer_failed"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (REFUSED, "answer_failed"),
        (RetryLater("away"), None),
        (PauseNumber(Pause.TOKEN_REFUSED), None),
        (Unknown("reset"), "unconfirmed"),
    ],
    ids=["refused", "later", "paused", "unknown"],
)
def test_a_doubt_ends_when_what_became_of_the_send_is_told_after_all(
    runtime: Runtime, outcome: Outcome, reason: str | None
) -> None:
    reply(runtime, "Yes")
    claim = send(runtime, Unknown("reset"))
    with runtime.db.writing() as session:
        later = runtime.db.now(session) + HOUR
        settle.settle_unknown(session, later, 120.0)
    assert asks_for_a_person(runtime) == "unconfirmed"
    with runtime.db.writing() as session:
        store.record(session, claim, outcome, later, runtime.answering.rng)
    assert asks_for_a_person(runtime) == reason


# --- one send under two ids --------------------------------------------------------------------------------------


def test_one_send_that_whatsapp_names_in_two_ways_is_one_copy(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    message_id = reply(runtime, "Yes")
    claim = send(runtime, Accepted("wamid.out"))
    told(runtime, "delivered", "WAMID.OUT", claim)
    with runtime.db.reading() as session:
        message = session.get_one(Message, message_id)
    assert (message.status, message.wa_message_id, message.duplicate_wa_message_id) == ("delivered", "wamid.out", None)
    assert "accepted twice" not in caplog.text


def test_one_send_that_fails_under_another_name_has_failed(runtime: Runtime) -> None:
    reply(runtime, "Yes")
    claim = send(runtime, Accepted("wamid.out"))
    told(runtime, "failed", "WAMID.OUT", claim)
    assert asks_for_a_person(runtime) == "answer_failed"
