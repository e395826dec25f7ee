"""The ingester on both databases: once each, in order, nothing lost, nobody held back (I2, I3, I4, I13)."""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from inbox.conversations.service import outbound_message, queue
from inbox.db import Database
from inbox.db.wake import Work
from inbox.errors import DatabaseUnavailable
from inbox.models import (
    Account,
    Author,
    Contact,
    ContactChange,
    Conversation,
    EventState,
    Job,
    JobKind,
    Message,
    ParkedStatus,
    Pause,
    WebhookEvent,
)
from inbox.outbox import store
from inbox.outbox.outcomes import Accepted, Unknown
from inbox.runtime import Runtime, crews_of
from inbox.webhooks.applying import apply
from inbox.webhooks.ingest import ingest_batch
from tests.builders import (
    CUSTOMER,
    T0,
    all_conversations,
    all_messages,
    dead_letters,
    ingest,
    sample,
    status,
    store_events,
    text_message,
    the_account,
    the_conversation,
    webhook,
)
from tests.queries import asked
from tests.webhooks.test_parse import damaged_webhooks

NOW = datetime.fromtimestamp(T0, UTC)


def queue_reply(runtime: Runtime, text: str = "our reply") -> Message:
    """An agent's message, waiting in the only conversation."""
    with runtime.db.writing() as session:
        conversation = session.execute(select(Conversation)).scalar_one()
        now = runtime.db.now(session)
        message = outbound_message(conversation, text, now, author=Author.AGENT, author_id="a", name="Agent")
        queue(session, conversation, message, now)
    return message


def claim(runtime: Runtime) -> Any:
    with runtime.db.writing() as session:
        (only,) = store.claim_sends(session, runtime.db.now(session), 5)
    return only


def record(runtime: Runtime, claimed: Any, outcome: Any) -> None:
    with runtime.db.writing() as session:
        store.record(session, claimed, outcome, runtime.db.now(session), random.Random(1))


def reload(db: Database, message: Message) -> Message:
    with db.reading() as session:
        return session.get_one(Message, message.id)


# --- I2: once ----------------------------------------------------------------------------------------------------


def test_the_same_webhook_delivered_in_parallel_has_one_effect(runtime: Runtime, db: Database) -> None:
    bodies = [webhook(messages=[text_message(f"m{n}", wa_id=f"wamid.{n}", at=T0 + n)]) for n in range(20)]
    start = threading.Barrier(4)

    def deliver(seed: int) -> None:
        shuffled = bodies * 2
        random.Random(seed).shuffle(shuffled)
        start.wait()
        for body in shuffled:
            try:
                ingest(runtime, body)
            except DatabaseUnavailable:  # two lead at once and collide: nothing has changed, try again
                continue

    threads = [threading.Thread(target=deliver, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while ingest_batch(db, settings=runtime.ingest_settings).events:
        pass
    assert [m.content_text for m in all_messages(db)] == [f"m{n}" for n in range(20)]
    assert the_conversation(db).unread_count == 20
    with db.reading() as session:
        assert session.execute(select(func.count()).where(Job.kind == JobKind.ANSWER)).scalar_one() == 1


def test_a_burst_asks_for_one_answer(runtime: Runtime, db: Database) -> None:
    ingest(runtime, webhook(messages=[text_message(f"m{n}", wa_id=f"wamid.{n}") for n in range(5)]))
    ingest(runtime, webhook(messages=[text_message("more", wa_id="wamid.more")]))
    with db.reading() as session:
        (job,) = session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).scalars()
    assert job.revision == 2


# --- I3: order ---------------------------------------------------------------------------------------------------


def test_a_late_arrival_takes_its_place_and_moves_nothing_back(runtime: Runtime, db: Database) -> None:
    ingest(runtime, webhook(messages=[text_message("second", wa_id="wamid.2", at=T0 + 60)]))
    before = the_conversation(db)
    ingest(runtime, webhook(messages=[text_message("first", wa_id="wamid.1", at=T0)]))
    after = the_conversation(db)
    assert [m.content_text for m in all_messages(db)] == ["first", "second"]
    assert (after.last_message, after.updated_at) == ("second", before.updated_at)
    assert after.changed_at > before.changed_at
    assert after.last_inbound_at == datetime.fromtimestamp(T0 + 60, UTC)


# --- I4: statuses ------------------------------------------------------------------------------------------------


def test_a_status_that_comes_before_its_message_is_merged_when_the_id_appears(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    message = queue_reply(runtime)
    claimed = claim(runtime)
    ingest(runtime, webhook(statuses=[status("delivered", wa_id="wamid.ours", at=T0 + 5)]))
    assert reload(db, message).status == "sending"
    record(runtime, claimed, Accepted("wamid.ours"))
    assert reload(db, message).status == "delivered"
    assert reload(db, message).delivered_at == datetime.fromtimestamp(T0 + 5, UTC)


def test_an_echo_settles_an_unknown_send_and_blocks_a_resend(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    message = queue_reply(runtime)
    claimed = claim(runtime)
    queue_reply(runtime, "another")
    record(runtime, claimed, Unknown("reset"))
    assert reload(db, message).status == "unconfirmed"
    rung: list[str] = []
    db.signals.connect(Work.DELIVER, lambda *_: rung.append("deliver"))
    ingest(runtime, webhook(statuses=[status("sent", wa_id="wamid.lost", callback=claimed.callback_data)]))
    assert rung == ["deliver"]
    assert (reload(db, message).status, reload(db, message).wa_message_id) == ("sent", "wamid.lost")
    with db.reading() as session:
        assert session.execute(select(func.count()).where(Job.kind == JobKind.SEND)).scalar_one() == 1  # the other


def test_an_echo_before_the_http_answer_settles_once(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    message = queue_reply(runtime)
    claimed = claim(runtime)
    ingest(runtime, webhook(statuses=[status("delivered", wa_id="wamid.x", callback=claimed.callback_data)]))
    record(runtime, claimed, Accepted("wamid.x"))
    row = reload(db, message)
    assert (row.status, row.wa_message_id, row.duplicate_wa_message_id) == ("delivered", "wamid.x", None)


def test_callback_data_of_others_or_of_another_account_is_ignored(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    message = queue_reply(runtime)
    claim(runtime)
    foreign = ["outbox:01J0TEST0000000000000001", "inbox:zz:1", f"inbox:{message.id.hex}:-1", "", "a:b:c"]
    ingest(runtime, webhook(statuses=[status("sent", wa_id=f"wamid.{n}", callback=c) for n, c in enumerate(foreign)]))
    assert reload(db, message).status == "sending"
    with db.writing() as session:
        now = db.now(session)
        session.add(Account(name="other", phone_number_id="999", created_at=now, updated_at=now))
    body = webhook(number_id="999", statuses=[status("sent", callback=f"inbox:{message.id.hex}:1")])
    ingest(runtime, body)
    assert reload(db, message).status == "sending"


# --- people ------------------------------------------------------------------------------------------------------


def person(wa_id: str, at: int, **identity: str) -> dict[str, Any]:
    return {"id": wa_id, "timestamp": str(at), "type": "text", "text": {"body": wa_id}, **identity}


def test_two_contacts_that_prove_to_be_one_are_merged_with_their_threads(runtime: Runtime, db: Database) -> None:
    ingest(runtime, webhook(messages=[person("by-phone", T0, **{"from": CUSTOMER})]))
    ingest(runtime, webhook(messages=[person("by-user", T0 + 1, from_user_id="FR.7")]))
    assert len(all_conversations(db)) == 2
    ingest(runtime, webhook(messages=[person("by-both", T0 + 2, from_user_id="FR.7", **{"from": CUSTOMER})]))
    conversation = the_conversation(db)
    assert conversation.unread_count == 3
    assert [m.content_text for m in all_messages(db)] == ["by-phone", "by-user", "by-both"]
    with db.reading() as session:
        (contact,) = session.execute(select(Contact)).scalars()
        (change,) = session.execute(select(ContactChange)).scalars()
    assert (contact.phone, contact.user_id, change.kind) == (CUSTOMER, "FR.7", "merged")
    assert {m.author_id for m in all_messages(db)} == {str(contact.id)}


def test_a_merge_inside_one_batch_leaves_one_thread(runtime: Runtime, db: Database) -> None:
    ingest(
        runtime,
        webhook(
            messages=[
                person("a", T0, **{"from": CUSTOMER}),
                person("b", T0 + 1, from_user_id="FR.7"),
                person("c", T0 + 2, from_user_id="FR.7", **{"from": CUSTOMER}),
            ]
        ),
    )
    assert the_conversation(db).unread_count == 3


def test_pending_sends_move_with_a_merged_thread_in_their_order(runtime: Runtime, db: Database) -> None:
    ingest(runtime, webhook(messages=[person("by-phone", T0, **{"from": CUSTOMER})]))
    with db.writing() as session:
        conversation = session.execute(select(Conversation)).scalar_one()
        for text in ("one", "two"):
            now = db.now(session)
            message = outbound_message(conversation, text, now, author=Author.AGENT, author_id=None, name=None)
            queue(session, conversation, message, now)
    ingest(runtime, webhook(messages=[person("by-user", T0 - 1, from_user_id="FR.7")]))
    with db.writing() as session:  # make the thread with the sends the one that goes
        contact = session.execute(select(Contact).where(Contact.user_id == "FR.7")).scalar_one()
        contact.created_at -= timedelta(days=1)
    ingest(runtime, webhook(messages=[person("by-both", T0 + 2, from_user_id="FR.7", **{"from": CUSTOMER})]))
    texts = []
    for _ in range(2):
        claimed = claim(runtime)
        texts.append(claimed.text)
        record(runtime, claimed, Accepted(f"wamid.{claimed.text}"))
    assert texts == ["one", "two"]


def test_a_message_from_before_a_number_change_joins_the_same_thread(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    ingest(runtime, sample("system_user_changed_number"))
    ingest(runtime, webhook(messages=[text_message("late", wa_id="wamid.late", phone="33600000001", at=T0 + 2)]))
    assert len(all_messages(db)) == 3
    the_conversation(db)


def test_a_redelivered_number_change_changes_nothing(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    for _ in range(3):
        ingest(runtime, sample("system_user_changed_number"))
    the_conversation(db)
    with db.reading() as session:
        assert session.execute(select(func.count(ContactChange.id))).scalar_one() == 1


def test_somebody_else_with_a_given_up_number_is_a_new_contact(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    ingest(runtime, sample("system_user_changed_number"))
    ingest(runtime, webhook(messages=[text_message("new owner", wa_id="wamid.n", phone="33600000001", at=T0 + 99_999)]))
    assert len(all_conversations(db)) == 2


# --- nothing is lost ---------------------------------------------------------------------------------------------


def test_text_that_databases_refuse_is_stored_readable(runtime: Runtime, db: Database) -> None:
    body = webhook(messages=[text_message("nul\x00 and lone \ud83d surrogate")])
    ingest(runtime, body)
    (message,) = all_messages(db)
    assert message.content_text == "nul\ufffd and lone \ufffd surrogate"
    with db.reading() as session:
        assert session.execute(select(WebhookEvent.body)).scalar_one() == body


def test_a_number_that_is_not_ours_goes_to_dead_letters_and_can_be_replayed(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("unknown_phone_number_id"))
    (letter,) = dead_letters(db)
    number = json.loads(letter.raw)["entry"][0]["changes"][0]["value"]["metadata"]["phone_number_id"]
    with db.writing() as session:
        now = db.now(session)
        session.add(Account(name="new", phone_number_id=number, bot_auto_on=False, created_at=now, updated_at=now))
    ingest(runtime, letter.raw)
    assert [m.content_text for m in all_messages(db)] == ["Qui êtes-vous ?"]


def test_an_item_that_fails_in_the_database_is_set_aside_alone(
    runtime: Runtime, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = apply._message

    def failing(place: Any, *args: Any) -> Any:
        row = real(place, *args)
        if row["content_text"] == "poison":
            row["author_kind"] = None
        return row

    monkeypatch.setattr(apply, "_message", failing)
    good = [text_message(f"good {n}", wa_id=f"wamid.{n}", at=T0 + n) for n in range(3)]
    bad = text_message("poison", wa_id="wamid.bad", at=T0 + 9)
    ingest(runtime, webhook(messages=[good[0], bad, good[1]]), webhook(messages=[good[2]]))
    assert [m.content_text for m in all_messages(db)] == ["good 0", "good 1", "good 2"]
    (letter,) = dead_letters(db)
    assert (letter.reason, "poison" in letter.detail) == ("failed", False)
    assert the_conversation(db).unread_count == 3


def test_an_event_that_breaks_the_ingester_itself_is_kept_as_failed(
    runtime: Runtime, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr("inbox.webhooks.ingest.Batch.add", broken)
    ingest(runtime, sample("text"))
    with db.reading() as session:
        (event,) = session.execute(select(WebhookEvent)).scalars()
    assert (event.state, event.attempts, event.body) == (EventState.FAILED, 1, sample("text"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(damaged_webhooks(), min_size=1, max_size=4))
def test_damaged_webhooks_never_stop_the_ingester_and_are_all_accounted_for(
    runtime: Runtime, db: Database, bodies: list[bytes]
) -> None:
    ingest(runtime, *bodies)
    with db.reading() as session:
        assert session.execute(select(func.count()).where(WebhookEvent.state != EventState.DONE)).scalar_one() == 0
        sums = session.execute(
            select(
                func.sum(WebhookEvent.items),
                func.sum(WebhookEvent.stored + WebhookEvent.duplicates + WebhookEvent.dead),
            )
        ).one()
    assert sums[0] == sums[1]


def test_an_event_that_is_big_is_ingested_apart(runtime: Runtime, db: Database) -> None:
    big = text_message("x" * 3_000_000, wa_id="wamid.big")
    store_events(db, *(webhook(messages=[{**big, "id": f"wamid.{n}"}]) for n in range(4)))
    first = ingest_batch(db, settings=runtime.ingest_settings)
    assert first.events == 2
    assert ingest_batch(db, settings=runtime.ingest_settings).events == 2


def test_a_ban_pauses_the_number_and_a_reinstatement_resumes_it(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))  # teaches the WhatsApp Business Account id
    ingest(runtime, sample("account_update_disabled"))
    assert the_account(db).paused_reason == Pause.DISABLED
    back = json.loads(sample("account_update_disabled"))
    back["entry"][0]["changes"][0]["value"]["ban_info"]["waba_ban_state"] = "REINSTATE"
    ingest(runtime, json.dumps(back).encode())
    assert the_account(db).paused_reason is None


# --- I12: shares -------------------------------------------------------------------------------------------------


def strangers(webhooks: int, each: int) -> list[bytes]:
    """Webhooks of statuses of messages that are not ours."""
    return [
        webhook(statuses=[status("delivered", wa_id=f"wamid.stranger.{number}.{n}") for n in range(each)])
        for number in range(webhooks)
    ]


def test_a_customer_s_message_goes_before_strangers_statuses(
    runtime: Runtime, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.webhooks.ingest.MAX_ITEMS", 40)
    store_events(db, *strangers(20, 10), webhook(messages=[text_message()]))
    done = ingest_batch(db, settings=runtime.ingest_settings)
    assert [message.content_text for message in all_messages(db)] == ["hello"]
    assert done.events == 2  # and a share of the statuses
    assert ingest_batch(db, settings=runtime.ingest_settings).events == 4


def test_a_transaction_is_bounded_by_items_and_an_event_that_is_larger_is_taken_alone(
    runtime: Runtime, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbox.webhooks.ingest.MAX_ITEMS", 10)
    many = [text_message(f"m{n}", wa_id=f"wamid.{n}") for n in range(25)]
    store_events(db, webhook(messages=many), webhook(messages=[text_message("last", wa_id="wamid.last")]))
    assert ingest_batch(db, settings=runtime.ingest_settings).counts["stored"] == 25
    assert ingest_batch(db, settings=runtime.ingest_settings).counts["stored"] == 1


def test_strangers_statuses_are_written_together(runtime: Runtime, db: Database) -> None:
    store_events(db, *strangers(2, 50), *strangers(1, 1))  # the last one is the first one's first again
    with asked(db) as statements:
        ingest_batch(db, settings=runtime.ingest_settings)
    assert len([text for text in statements if "INTO parked_statuses" in text]) == 1
    with db.reading() as session:
        assert session.execute(select(func.count()).select_from(ParkedStatus)).scalar_one() == 100


def test_a_failure_parked_earlier_in_a_batch_is_seen_by_what_follows(runtime: Runtime, db: Database) -> None:
    ingest(runtime, sample("text"))
    message = queue_reply(runtime)
    record(runtime, claim(runtime), Accepted("wamid.ours"))
    ingest(
        runtime,
        webhook(statuses=[status("sent", wa_id="wamid.stranger"), status("delivered", wa_id="wamid.ours", at=T0 + 5)]),
    )
    assert reload(db, message).status == "delivered"


def test_statuses_gather_while_messages_come(runtime: Runtime) -> None:
    crews = crews_of(runtime)
    ingest(runtime, webhook(messages=[text_message("one", wa_id="wamid.one")]))
    store_events(runtime.db, webhook(messages=[text_message("two")]), webhook(statuses=[status("read")]))
    crews.statuses.at = time.monotonic() + 60  # they have just had their turn
    crews.ingest("")
    assert [event.statuses_only for event in _pending(runtime.db)] == [True]
    crews.statuses.at = -math.inf
    crews.ingest("")
    assert _pending(runtime.db) == []


def test_statuses_that_were_left_behind_are_next(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbox.webhooks.ingest.MAX_ITEMS", 1)
    store_events(runtime.db, *(webhook(statuses=[status("read", wa_id=f"wamid.{n}")]) for n in range(3)))
    crews_of(runtime).ingest("")
    assert _pending(runtime.db) == []


def _pending(db: Database) -> Sequence[WebhookEvent]:
    with db.reading() as session:
        return session.scalars(select(WebhookEvent).where(WebhookEvent.state == EventState.PENDING)).all()
