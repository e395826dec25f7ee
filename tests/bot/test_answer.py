"""The bot: answers, gives way to people, stops itself, survives the AI's absence (I9, I10)."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from inbox.auth.access import Access, Permission, Principal
from inbox.bot import profiles
from inbox.bot.schemas import ProfileContent
from inbox.clock import utc_now
from inbox.conversations import service
from inbox.errors import UpstreamUnavailable
from inbox.models import Contact, Conversation, CoolDown, Job, JobKind, Message
from inbox.outbox import jobs, store
from inbox.outbox.outcomes import Accepted, Outcome, Refused, RetryLater, Scope
from inbox.resilience import GEMINI
from inbox.runtime import Runtime
from sandbox import Sandbox
from tests.builders import (
    all_conversations,
    all_messages,
    ingest,
    sample,
    status,
    text_message,
    the_account,
    the_conversation,
    webhook,
)

ADMIN = Principal("admin", "Admin", frozenset(Permission), kind="key")
SEND = Access(ADMIN, Permission.MESSAGES_SEND)
SETTINGS = Access(ADMIN, Permission.SETTINGS_MANAGE)
BACKUP = "33611111111"


def customer_writes(runtime: Runtime, *texts: str, ago: int = 0, **message: Any) -> None:
    """One webhook with these texts, or with one message of another shape."""
    at = int(utc_now().timestamp()) - ago
    count = len(all_messages(runtime.db))
    batch = [text_message(text, wa_id=f"wamid.c{count + n}", at=at) | message for n, text in enumerate(texts)]
    ingest(runtime, webhook(messages=batch))


def claims(runtime: Runtime, kind: JobKind = JobKind.ANSWER) -> list[jobs.JobClaim]:
    with runtime.db.writing() as session:
        return jobs.claim_jobs(session, kind, runtime.db.now(session) + timedelta(hours=1), 10)


def think(runtime: Runtime) -> None:
    """Let the bot work on everything that is due or will be within the hour."""
    for claim in claims(runtime):
        runtime.answering.run(claim)


def writes_on(runtime: Runtime) -> Callable[[], None]:
    """The customer writes when called first, and is silent afterwards."""
    once = iter([lambda: customer_writes(runtime, "and another thing")])
    return lambda: next(once, lambda: None)()


def bot_messages(runtime: Runtime) -> list[str]:
    return [message.content_text for message in all_messages(runtime.db) if message.author_kind == "bot"]


def said_for_us(runtime: Runtime) -> list[str]:
    """Everything the customer was sent, the fallback included."""
    return [message.content_text for message in all_messages(runtime.db) if message.direction == "outbound"]


def answer_jobs(runtime: Runtime) -> list[Job]:
    with runtime.db.reading() as session:
        return list(session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).scalars())


def while_thinking(sandbox: Sandbox, act: Callable[[], None], text: str = "An answer.") -> None:
    """Something happens between the question to the model and its answer."""

    def respond(_request: object) -> str:
        act()
        return text

    sandbox.gemini_responder = respond


def outage_ends(sandbox: Sandbox) -> None:
    """Gemini is well again, and the time for which the circuit is open has passed."""
    sandbox.clear_faults()
    GEMINI.breaker.reset()


def set_profile(runtime: Runtime, **content: Any) -> None:
    profile = ProfileContent.model_validate(content)
    profiles.put_profile(runtime.db, SETTINGS, the_account(runtime.db).id, profile)


# --- answering ---------------------------------------------------------------------------------------------------


def test_a_customer_is_answered_from_the_profile(live: Runtime, sandbox: Sandbox) -> None:
    set_profile(live, business_name="Chez Test", hours="9h-18h")
    customer_writes(live, "Quels sont vos horaires ?")
    sandbox.gemini_responder = lambda _request: "Nous ouvrons de 9h à 18h."
    think(live)
    assert bot_messages(live) == ["Nous ouvrons de 9h à 18h."]
    conversation = the_conversation(live.db)
    assert conversation.bot_last_reply_at is not None
    assert conversation.unread_count == 1
    assert answer_jobs(live) == []
    (request,) = sandbox.requests("gemini")
    body = json.loads(request.body)
    assert "Chez Test" in body["systemInstruction"]["parts"][0]["text"]
    assert "Quels sont vos horaires ?" in body["contents"][-1]["parts"][0]["text"]


@pytest.mark.parametrize("strange", ["Open\x00 at nine.", "Open\ud83d at nine."], ids=["zero", "half an emoji"])
def test_an_answer_that_no_database_can_store_is_stored_without_what_it_cannot(
    live: Runtime, sandbox: Sandbox, strange: str
) -> None:
    customer_writes(live, "When do you open?")
    sandbox.gemini_responder = lambda _request: strange
    think(live)
    assert bot_messages(live) == ["Open at nine."]
    assert answer_jobs(live) == []


@pytest.mark.parametrize(
    "strange", ["\x00", "\ud83d", "<!-- hidden -->", "evil.example.net/b", "[1]: https://evil.test/b"]
)
def test_an_answer_that_nobody_could_see_asks_for_a_person(live: Runtime, sandbox: Sandbox, strange: str) -> None:
    customer_writes(live, "When do you open?")
    sandbox.gemini_responder = lambda _request: strange
    think(live)
    assert bot_messages(live) == []
    assert the_conversation(live.db).needs_human_reason == "ai_empty_answer"


def test_while_the_model_thinks_no_connection_to_the_database_is_held(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "Bonjour")
    held: list[int] = []
    while_thinking(sandbox, lambda: held.append(live.db.connections_in_use))
    think(live)
    assert held == [0]
    assert bot_messages(live) == ["An answer."]


def test_the_customer_sees_that_somebody_is_typing(live: Runtime) -> None:
    customer_writes(live, "Bonjour")
    think(live)
    (sign,) = live.answering.signs.take(5)
    assert (sign.phone_number_id, sign.wa_message_id) == ("200000000000001", "wamid.c0")


def test_messages_that_arrive_while_the_bot_thinks_lead_to_one_answer_to_all(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "one")
    once = iter([lambda: customer_writes(live, "two")])
    while_thinking(sandbox, lambda: next(once, lambda: None)())
    think(live)
    assert bot_messages(live) == []
    assert [job.revision for job in answer_jobs(live)] == [2]
    think(live)
    assert bot_messages(live) == ["An answer."]
    last = json.loads(sandbox.requests("gemini")[-1].body)["contents"][-1]["parts"][0]["text"]
    assert "one" in last
    assert "two" in last
    assert answer_jobs(live) == []


def test_a_customer_who_never_pauses_is_answered_all_the_same(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "first")
    while_thinking(sandbox, lambda: customer_writes(live, "and another thing"))
    for _ in range(6):
        think(live)
    assert len(bot_messages(live)) >= 1


def test_after_so_long_the_answer_leaves_and_what_came_meanwhile_gets_the_next(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "first")
    pass_time(live, 16)
    while_thinking(sandbox, writes_on(live))
    think(live)
    assert len(bot_messages(live)) == 1
    (job,) = answer_jobs(live)
    assert utc_now() - job.created_at < timedelta(seconds=10)
    think(live)
    assert len(bot_messages(live)) == 2
    last = json.loads(sandbox.requests("gemini")[-1].body)["contents"]
    assert [turn["role"] for turn in last] == ["user", "model", "user"]
    assert (handed_over(live), answer_jobs(live)) == (None, [])


def test_a_question_that_no_answer_has_seen_is_asked_last_whatever_the_clocks_say(
    live: Runtime, sandbox: Sandbox
) -> None:
    customer_writes(live, "first")
    pass_time(live, 16)
    while_thinking(sandbox, writes_on(live))
    think(live)
    with live.db.writing() as session:
        for message in session.execute(select(Message).where(Message.direction == "inbound")).scalars():
            message.stored_at -= timedelta(hours=1)
            message.timestamp -= timedelta(seconds=20)
    think(live)
    last = json.loads(sandbox.requests("gemini")[-1].body)["contents"][-1]
    assert last["role"] == "user"
    assert "and another thing" in last["parts"][0]["text"]
    assert (handed_over(live), len(bot_messages(live))) == (None, 2)


# --- a person always wins ----------------------------------------------------------------------------------------


def test_a_reply_by_a_person_discards_the_answer_being_written(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "Bonjour")
    draft = service.Draft(the_conversation(live.db).id, "I take this one")
    while_thinking(sandbox, lambda: service.send_message(live.db, SEND, draft, bot_stays_out=timedelta(0)) and None)
    think(live)
    assert bot_messages(live) == []
    assert answer_jobs(live) == []


def test_switching_the_bot_off_discards_the_answer_being_written(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "Bonjour")
    conversation_id = the_conversation(live.db).id
    while_thinking(sandbox, lambda: service.set_bot(live.db, SEND, conversation_id, enabled=False) and None)
    think(live)
    assert bot_messages(live) == []
    assert answer_jobs(live) == []


def test_the_bot_stays_out_after_a_person_replied_and_returns_later(live: Runtime) -> None:
    customer_writes(live, "Bonjour")
    draft = service.Draft(the_conversation(live.db).id, "hello")
    service.send_message(live.db, SEND, draft, bot_stays_out=timedelta(minutes=30))
    customer_writes(live, "and what does it cost?")
    think(live)
    assert bot_messages(live) == []
    with live.db.writing() as session:
        session.execute(select(Conversation)).scalar_one().bot_paused_until = utc_now() - timedelta(seconds=1)
    customer_writes(live, "still there?")
    think(live)
    assert len(bot_messages(live)) == 1


def test_a_conversation_with_the_bot_off_is_not_answered(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "Bonjour")
    service.set_bot(live.db, SEND, the_conversation(live.db).id, enabled=False)
    think(live)
    assert sandbox.requests("gemini") == []


# --- the bot stops itself ----------------------------------------------------------------------------------------


def handed_over(runtime: Runtime) -> str | None:
    conversation = next(c for c in all_conversations(runtime.db) if c.last_inbound_at is not None)
    return conversation.needs_human_reason if conversation.needs_human else None


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "image", "image": {"id": "1", "mime_type": "image/tiff"}}, "unsupported_content"),
        ({"type": "audio", "audio": {"id": "1", "voice": True}}, "unsupported_content"),
        ({"type": "unsupported", "errors": [{"code": 131051}]}, "unsupported_content"),
        ({"type": "hologram", "hologram": {}}, "unsupported_content"),
        ({"type": "location", "location": {}}, "unsupported_content"),
        ({"type": "order", "order": {"catalog_id": "8"}}, "unsupported_content"),
        ({"type": "text", "text": {"body": "\u200b"}}, "unsupported_content"),
        ({"type": "sticker", "sticker": {"id": "1"}}, None),
    ],
)
def test_what_the_bot_cannot_read_goes_to_a_person(
    live: Runtime, sandbox: Sandbox, message: dict[str, Any], reason: str | None
) -> None:
    customer_writes(live, "", **message)
    think(live)
    assert handed_over(live) == reason
    assert sandbox.requests("gemini") == []
    assert answer_jobs(live) == []


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ("prompt_blocked", "ai_refused"),
        ("safety_partial", "ai_refused"),
        ("stop_empty", "ai_empty_answer"),
        ("no_candidates", "ai_empty_answer"),
    ],
)
def test_a_refusal_or_an_empty_answer_goes_to_a_person(
    live: Runtime, sandbox: Sandbox, shape: str, reason: str
) -> None:
    sandbox.fault("gemini", "shape", name=shape)
    customer_writes(live, "Bonjour")
    think(live)
    assert (handed_over(live), bot_messages(live)) == (reason, [])
    customer_writes(live, "Hello?")
    think(live)
    assert bot_messages(live) == []  # it asked for a person, and waits for one


@pytest.mark.parametrize(
    "answer", ["https://www.example-bakery.test/menu", "www.example-bakery.test", "\u200b", "** **"]
)
def test_an_answer_of_which_nothing_can_be_shown_goes_to_a_person(live: Runtime, sandbox: Sandbox, answer: str) -> None:
    customer_writes(live, "What is your website?")
    sandbox.gemini_responder = lambda _request: answer
    think(live)
    assert (handed_over(live), bot_messages(live)) == ("ai_empty_answer", [])
    assert answer_jobs(live) == []


def test_the_customer_gets_whatsapps_marks_in_place_of_markdown(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "bold")
    sandbox.gemini_responder = lambda _request: "**Opening hours**\n* Mon: 9-17\n### Prices\n__Bread__ ~~3~~ 2 EUR"
    think(live)
    assert bot_messages(live) == ["*Opening hours*\n- Mon: 9-17\n\n*Prices*\n*Bread* ~3~ 2 EUR"]


def test_the_bot_answers_so_often_an_hour_and_then_asks_for_a_person(live: Runtime) -> None:
    set_profile(live, max_answers_per_hour=2)
    for n in range(3):
        customer_writes(live, f"question {n}")
        think(live)
    assert len(bot_messages(live)) == 2
    assert handed_over(live) == "answer_limit"


def test_an_old_question_outside_the_window_is_not_answered(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "Bonjour", ago=25 * 3600)
    think(live)
    assert sandbox.requests("gemini") == []
    assert answer_jobs(live) == []


@pytest.fixture
def with_backup(live: Runtime) -> Runtime:
    handover = dataclasses.replace(live.answering.handover, backup_number=BACKUP)
    return dataclasses.replace(live, answering=dataclasses.replace(live.answering, handover=handover))


def test_the_backup_number_is_told_about_a_hand_over(with_backup: Runtime, sandbox: Sandbox) -> None:
    customer_writes(with_backup, "", type="audio", audio={"id": "1"})
    think(with_backup)
    with with_backup.db.writing() as session:
        (claim,) = store.claim_sends(session, with_backup.db.now(session), 10)
    assert claim.recipient.phone == BACKUP
    assert (
        claim.text
        == "Inbox: a customer (+33600000001) needs a person: the customer sent something the bot cannot read."
    )
    backup = next(c for c in all_conversations(with_backup.db) if c.last_inbound_at is None)
    assert not backup.bot_enabled


@pytest.mark.parametrize("at_once", [True, False])
def test_a_notice_that_fails_is_said_on_the_conversation_it_is_about_and_in_health(
    with_backup: Runtime, sandbox: Sandbox, at_once: bool
) -> None:
    customer_writes(with_backup, "", type="audio", audio={"id": "1"})
    think(with_backup)
    with with_backup.db.writing() as session:
        now = with_backup.db.now(session)
        (claim,) = store.claim_sends(session, now, 10)
        title = "More than 24 hours have passed since the recipient last replied"
        outcome = Refused("131047", title) if at_once else Accepted("wamid.notice")
        store.record(session, claim, outcome, now, random.Random(0))
    if not at_once:
        ingest(with_backup, webhook(statuses=[status("failed", wa_id="wamid.notice", callback=claim.callback_data)]))
        title = "Message undeliverable"
    conversation = next(c for c in all_conversations(with_backup.db) if c.last_inbound_at is not None)
    assert (conversation.needs_human, conversation.notice_error) == (True, title)
    outbox = with_backup.health.snapshot().outbox
    assert outbox is not None
    assert outbox.untold == 1


def test_the_backup_persons_own_questions_are_not_reported_to_them(with_backup: Runtime) -> None:
    at = int(utc_now().timestamp())
    audio = {"from": BACKUP, "id": "wamid.b", "timestamp": str(at), "type": "audio", "audio": {"id": "1"}}
    ingest(with_backup, webhook(messages=[audio]))
    think(with_backup)
    assert [m.direction for m in all_messages(with_backup.db)] == ["inbound"]


# --- the AI is away ----------------------------------------------------------------------------------------------


def pass_time(runtime: Runtime, seconds: float) -> None:
    """The pending answers were asked for that much earlier."""
    with runtime.db.writing() as session:
        for job in session.execute(select(Job).where(Job.kind == JobKind.ANSWER)).scalars():
            job.created_at -= timedelta(seconds=seconds)


def test_an_outage_keeps_the_question_and_answers_when_it_is_over(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="unavailable")
    customer_writes(live, "Bonjour")
    for _ in range(3):
        think(live)
    assert bot_messages(live) == []
    outage_ends(sandbox)
    sandbox.gemini_responder = lambda _request: "Here I am."
    think(live)
    assert bot_messages(live) == ["Here I am."]


def test_after_the_deadline_the_customer_gets_the_fallback_once_and_the_bot_returns_by_itself(
    live: Runtime, sandbox: Sandbox
) -> None:
    set_profile(live, fallback_message="Un instant svp.")
    sandbox.fault("gemini", "shape", name="unavailable")
    customer_writes(live, "Bonjour")
    think(live)
    pass_time(live, 301)
    for _ in range(3):
        think(live)
    assert said_for_us(live) == ["Un instant svp."]
    assert handed_over(live) == "ai_unavailable"
    customer_writes(live, "Allô ?")
    think(live)
    assert said_for_us(live) == ["Un instant svp."]
    outage_ends(sandbox)
    sandbox.gemini_responder = lambda _request: "Me revoilà."
    think(live)
    assert said_for_us(live) == ["Un instant svp.", "Me revoilà."]
    assert handed_over(live) is None


def test_a_person_who_takes_over_during_an_outage_ends_it_for_the_bot(live: Runtime, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="unavailable")
    customer_writes(live, "Bonjour")
    think(live)
    pass_time(live, 301)
    think(live)
    draft = service.Draft(the_conversation(live.db).id, "I am here")
    service.send_message(live.db, SEND, draft, bot_stays_out=timedelta(minutes=30))
    sandbox.clear_faults()
    think(live)
    assert len(said_for_us(live)) == 2
    assert answer_jobs(live) == []


@pytest.mark.parametrize(("language", "begins"), [("fr", "Merci"), ("Español", "Gracias"), (None, "Merci")])
def test_the_fallback_speaks_the_profiles_language_or_the_customers(
    live: Runtime, sandbox: Sandbox, language: str | None, begins: str
) -> None:
    set_profile(live, language=language)
    sandbox.fault("gemini", "shape", name="unavailable")
    customer_writes(live, "Bonjour")
    think(live)
    pass_time(live, 301)
    think(live)
    assert said_for_us(live)[0].startswith(begins)


@pytest.mark.parametrize("shape", ["retired", "rate_limit_day"])
def test_another_model_answers_when_the_first_is_gone(live: Runtime, sandbox: Sandbox, shape: str) -> None:
    sandbox.fault("gemini", "shape", name=shape, match={"path": "gemini-3.5-flash-lite"})
    models = dataclasses.replace(live.models, fallback="gemini-3.8-flash")
    runtime = dataclasses.replace(live, answering=dataclasses.replace(live.answering, models=models))
    customer_writes(runtime, "Bonjour")
    think(runtime)
    assert len(bot_messages(runtime)) == 1
    assert "gemini-3.8-flash" in sandbox.requests("gemini")[-1].path


def test_over_its_daily_quota_the_bot_asks_for_a_person_once_and_returns_when_the_quota_does(
    with_backup: Runtime, sandbox: Sandbox
) -> None:
    sandbox.fault("gemini", "shape", name="rate_limit_day")
    for text in ("Bonjour", "Allô ?"):
        customer_writes(with_backup, text)
        think(with_backup)
    assert handed_over(with_backup) == "ai_daily_quota"
    assert len(sandbox.requests("gemini")) == 1
    assert len([text for text in said_for_us(with_backup) if "quota" in text]) == 1
    sandbox.clear_faults()
    with with_backup.db.writing() as session:
        session.execute(delete(CoolDown))  # midnight in California
    customer_writes(with_backup, "Vous êtes là ?")
    think(with_backup)
    assert len(bot_messages(with_backup)) == 1


def test_while_the_circuit_is_open_questions_wait_without_a_call_until_it_may_close(
    live: Runtime, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        with pytest.raises(UpstreamUnavailable):
            GEMINI.breaker.call(_refused)
    customer_writes(live, "Bonjour")
    (claim,) = claims(live)
    before = utc_now()
    live.answering.run(claim)
    assert sandbox.requests("gemini") == []
    (job,) = answer_jobs(live)
    assert job.due_at is not None
    assert timedelta(seconds=50) < job.due_at - before < timedelta(seconds=70)
    live.reporter.reset("gemini")
    assert answer_jobs(live)[0].due_at == job.due_at, "no crew of this process would begin it"
    monkeypatch.setattr(type(live), "dispatching", True)
    live.reporter.reset("gemini")
    with live.db.reading() as session:
        assert session.scalar(jobs.first_due(JobKind.ANSWER)) <= live.db.now(session)


def _refused() -> None:
    raise UpstreamUnavailable("gemini", "refused")


# --- all the way out ---------------------------------------------------------------------------------------------


def test_an_answer_is_delivered_to_the_customer(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "Bonjour")
    sandbox.gemini_responder = lambda _request: "Bonjour à vous."
    think(live)
    with live.db.writing() as session:
        (claim,) = store.claim_sends(session, live.db.now(session), 1)
    from inbox.outbox.deliver import attempt

    outcome = attempt(live.whatsapp, live.cipher, claim)
    assert isinstance(outcome, Accepted)
    (delivery,) = sandbox.deliveries()
    assert (delivery.wamid, delivery.text) == (outcome.wa_message_id, "Bonjour à vous.")


def test_contacts_of_the_backup_are_made_once(with_backup: Runtime) -> None:
    for n in range(2):
        phone = f"3360000009{n}"
        at = int(utc_now().timestamp())
        audio = {"from": phone, "id": f"wamid.{n}", "timestamp": str(at), "type": "audio", "audio": {"id": "1"}}
        ingest(with_backup, webhook(messages=[audio]))
    think(with_backup)
    with with_backup.db.reading() as session:
        assert len(session.execute(select(Contact).where(Contact.phone == BACKUP)).scalars().all()) == 1
        notices = session.execute(select(Message).where(Message.author_kind == "system")).scalars().all()
    assert len(notices) == 2


def test_the_backup_person_is_recognised_under_another_spelling_of_the_number(live: Runtime) -> None:
    """Their thread is the one they write in: notices go to the number WhatsApp gave, and the bot leaves it alone."""
    at = int(utc_now().timestamp())
    ingest(live, webhook(messages=[text_message("hi", wa_id="wamid.b", phone="551187654321", at=at)]))
    think(live)
    handover = dataclasses.replace(live.answering.handover, backup_number="5511987654321")
    runtime = dataclasses.replace(live, answering=dataclasses.replace(live.answering, handover=handover))
    customer_writes(runtime, "", type="audio", audio={"id": "1"})
    think(runtime)
    with runtime.db.reading() as session:
        phones = session.execute(select(Contact.phone)).scalars().all()
    assert set(phones) == {"33600000001", "551187654321"}
    assert len(said_for_us(runtime)) == 2
    ingest(live, webhook(messages=[text_message("I take it", wa_id="wamid.c", phone="551187654321", at=at)]))
    think(runtime)
    assert len(said_for_us(runtime)) == 2


def test_the_model_reads_what_a_reply_quotes_as_it_is_now(live: Runtime, sandbox: Sandbox) -> None:
    customer_writes(live, "Do you have bread?")
    sandbox.gemini_responder = lambda _request: "Yes: rye or wheat?"
    think(live)
    quoted = all_messages(live.db)[-1]
    with live.db.writing() as session:
        session.get_one(Message, quoted.id).wa_message_id = "wamid.answer"
    reply = {
        **text_message("The first", wa_id="wamid.reply", at=int(utc_now().timestamp())),
        "context": {"id": "wamid.answer"},
    }
    ingest(live, webhook(messages=[reply]))
    think(live)
    last = json.loads(sandbox.requests("gemini")[-1].body)["contents"][-1]["parts"][0]["text"]
    assert last == "<customer_message><quoted>Yes: rye or wheat?</quoted>The first</customer_message>"


@pytest.mark.parametrize("name", ["location_pin_bare", "order_without_note", "contacts"])
def test_the_model_reads_the_line_that_people_read(live: Runtime, sandbox: Sandbox, name: str) -> None:
    body = json.loads(sample(name))
    body["entry"][0]["changes"][0]["value"]["messages"][0]["timestamp"] = str(int(utc_now().timestamp()))
    ingest(live, json.dumps(body).encode())
    think(live)
    last = json.loads(sandbox.requests("gemini")[-1].body)["contents"][-1]["parts"][0]["text"]
    assert f"<customer_message>{all_messages(live.db)[0].content_text}</customer_message>" in last


# --- an answer that does not arrive ------------------------------------------------------------------------------


def send_the_answer(runtime: Runtime, outcome: Outcome) -> Message:
    """The answer after one attempt to send it."""
    with runtime.db.writing() as session:
        now = runtime.db.now(session)
        (claim,) = store.claim_sends(session, now, 1)
        store.record(session, claim, outcome, now, runtime.answering.rng)
    with runtime.db.reading() as session:
        return session.get_one(Message, claim.message_id)


def test_an_answer_that_whatsapp_refuses_for_good_asks_for_a_person(live: Runtime) -> None:
    customer_writes(live, "Bonjour")
    think(live)
    send_the_answer(live, Refused("131026", "undeliverable", None))
    assert handed_over(live) == "answer_failed"
    customer_writes(live, "Hello?")
    think(live)
    assert len(bot_messages(live)) == 1  # it asked for a person, and waits for one


def test_an_answer_that_fails_after_it_was_accepted_asks_for_a_person(live: Runtime) -> None:
    customer_writes(live, "Bonjour")
    think(live)
    send_the_answer(live, Accepted("wamid.out"))
    assert handed_over(live) is None
    ingest(live, webhook(statuses=[status("failed", at=int(utc_now().timestamp()))]))
    assert handed_over(live) == "answer_failed"


def test_a_failed_answer_after_which_a_person_replied_asks_for_nobody(live: Runtime) -> None:
    customer_writes(live, "Bonjour")
    think(live)
    send_the_answer(live, Accepted("wamid.out"))
    draft = service.Draft(the_conversation(live.db).id, "I take this one")
    service.send_message(live.db, SEND, draft, bot_stays_out=timedelta(0))
    ingest(live, webhook(statuses=[status("failed", at=int(utc_now().timestamp()))]))
    assert handed_over(live) is None


def test_a_failed_answer_that_may_be_sent_again_asks_for_nobody_yet(live: Runtime) -> None:
    customer_writes(live, "Bonjour")
    think(live)
    send_the_answer(live, RetryLater("away", Scope.MESSAGE, 5.0))
    assert handed_over(live) is None
