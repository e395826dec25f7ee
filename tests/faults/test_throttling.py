"""Scenarios 18 to 24: an upstream asks us to wait, in every way it can say so."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from inbox.bot.model import next_reset
from inbox.config import Config
from inbox.errors import UpstreamError, UpstreamThrottled
from inbox.gateways.gemini import Gemini
from inbox.logs import set_request_id
from inbox.models import Account, Contact, Conversation, CoolDown, Lane
from inbox.outbox.deliver import Delivery
from inbox.outbox.outcomes import Accepted, Outcome, RetryLater, Scope, SendClaim
from inbox.resilience import GEMINI, WHATSAPP
from inbox.runtime import Runtime
from sandbox import Sandbox
from tests.builders import text_message, webhook
from tests.faults.stage import MODEL, QUICK, Stage, ask, hits, let_pass, numbers
from tests.faults.workers import environment, working
from tests.outbox.world import World
from tests.waiting import wait_until

pytest_plugins = ["tests.faults.fixtures"]


@pytest.fixture(autouse=True)
def asking_to_wait_is_no_failure() -> Iterator[None]:
    """No circuit counts any of this against its upstream."""
    breakers = (GEMINI.breaker, WHATSAPP.breaker)
    before = [breaker.failures_total for breaker in breakers]
    yield
    assert [breaker.failures_total for breaker in breakers] == before


@pytest.fixture
def gemini(sandbox: Sandbox) -> Iterator[Gemini]:
    with numbers(GEMINI, QUICK):
        yield Gemini(f"{sandbox.url}/v1beta", "key")


# --- 18 to 20: Retry-After ---------------------------------------------------------------------------------------


def test_one_second_that_is_asked_for_is_waited_once_and_the_circuit_stays_closed(
    gemini: Gemini, sandbox: Sandbox
) -> None:
    sandbox.fault("gemini", "retry_after", value="1", times=1)
    ask(gemini)
    first, second = sandbox.requests("gemini")
    assert 1.0 <= second.at - first.at <= 2.5
    assert GEMINI.breaker.state == "closed"


def http_date(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def test_a_date_two_seconds_away_is_waited_for(gemini: Gemini, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "retry_after", value=http_date(2.5), times=1)
    ask(gemini)
    first, second = sandbox.requests("gemini")
    assert 1.0 <= second.at - first.at <= 3.5  # a date has whole seconds


def test_a_date_that_has_passed_by_our_clock_costs_no_more_than_an_ordinary_pause(
    gemini: Gemini, sandbox: Sandbox
) -> None:
    """The upstream's clock is an hour behind ours."""
    sandbox.fault("gemini", "retry_after", value=http_date(2 - 3600), times=1)
    ask(gemini)
    first, second = sandbox.requests("gemini")
    assert 0 <= second.at - first.at <= 1.0


def test_a_date_an_hour_away_is_not_waited_for(gemini: Gemini, sandbox: Sandbox) -> None:
    """The upstream's clock is an hour ahead of ours: the caller gets its error at once."""
    sandbox.fault("gemini", "retry_after", value=http_date(2 + 3600), times=1)
    began = time.monotonic()
    with pytest.raises(UpstreamThrottled) as throttled:
        ask(gemini)
    assert time.monotonic() - began < 1.0
    assert 3500 <= (throttled.value.retry_after or 0) <= 3602
    assert hits(sandbox, "gemini") == 1


UNREADABLE = ["abc", "-5", "", "nan", "inf", "1;2", "Thu, 99 Foo 2026", "0x10", "1e400"]


@pytest.mark.parametrize("value", UNREADABLE)
def test_what_cannot_be_read_is_ignored(gemini: Gemini, sandbox: Sandbox, value: str) -> None:
    sandbox.fault("gemini", "retry_after", value=value, times=1)
    began = time.monotonic()
    ask(gemini)
    assert time.monotonic() - began < 1.5
    assert hits(sandbox, "gemini") == 2


@pytest.mark.parametrize(("value", "least"), [("1.5", 1.5), ("0", 0.0), ("0.25", 0.25), (" 1 ", 1.0)])
def test_seconds_are_waited_fractions_too(gemini: Gemini, sandbox: Sandbox, value: str, least: float) -> None:
    sandbox.fault("gemini", "retry_after", value=value, times=1)
    ask(gemini)
    first, second = sandbox.requests("gemini")
    assert least <= second.at - first.at <= least + 1.5


@pytest.mark.parametrize("value", ["1000000000", "60", "1e9"])
def test_nobody_sleeps_past_the_deadline(gemini: Gemini, sandbox: Sandbox, value: str) -> None:
    sandbox.fault("gemini", "retry_after", value=value)
    began = time.monotonic()
    with pytest.raises(UpstreamThrottled) as throttled:
        ask(gemini)
    assert time.monotonic() - began < 1.0
    assert throttled.value.retry_after == float(value)
    assert hits(sandbox, "gemini") == 1


@pytest.mark.parametrize("value", [*UNREADABLE, "1", "1.5", "1000000000", None])
def test_whatever_it_says_a_429_that_stays_ends_as_our_own_error_within_the_deadline(
    gemini: Gemini, sandbox: Sandbox, value: str | None
) -> None:
    sandbox.fault("gemini", "retry_after", value=value if value is not None else http_date(2))
    began = time.monotonic()
    with pytest.raises(UpstreamError) as error:
        ask(gemini)
    assert type(error.value) is UpstreamThrottled
    assert time.monotonic() - began < QUICK.total + 0.5
    assert hits(sandbox, "gemini") <= 3
    assert GEMINI.breaker.state == "closed"


# --- 23, 24: WhatsApp's limits -----------------------------------------------------------------------------------


class Post:
    """The outbox over the simulated WhatsApp; the database's clock is the test's."""

    def __init__(self, runtime: Runtime) -> None:
        self.world = World(runtime)
        self._delivery = Delivery(
            runtime.db, runtime.whatsapp, runtime.cipher, random.Random(0), threading.Event(), runtime.watch.note
        )

    def deliver_due(self) -> dict[str, Outcome]:
        """Send whatever may leave now; what became of each text."""
        return {claim.text: self._send(claim) for claim in self.world.claim(limit=50)}

    def _send(self, claim: SendClaim) -> Outcome:
        set_request_id(claim.callback_data)
        return self._delivery.send(claim)

    def account(self) -> Account:
        with self.world.db.reading() as session:
            return session.execute(select(Account)).scalar_one()

    def waits(self, text: str) -> float:
        """Seconds until the lane of this message is looked at again."""
        message = self.world.message(text)
        with self.world.db.reading() as session:
            due = session.get_one(Lane, message.conversation_id).due_at
        assert due is not None
        return (due - self.world.now).total_seconds()


@pytest.fixture
def post(idle_stage: Stage) -> Post:
    return Post(idle_stage.runtime)


def texts(outcomes: dict[str, Outcome], kind: type[Outcome]) -> list[str]:
    return sorted(text for text, outcome in outcomes.items() if isinstance(outcome, kind))


def phone_of(world: World, name: str) -> str | None:
    with world.db.reading() as session:
        return session.get_one(Contact, world.conversation(session, name).contact_id).phone


def test_a_limit_of_one_pair_holds_back_that_lane_for_six_seconds_and_no_other(post: Post, sandbox: Sandbox) -> None:
    world = post.world
    for name in ("ann", "bob", "cy"):
        world.queue(f"{name} 1", to=name)
        world.queue(f"{name} 2", to=name)
    phone = phone_of(world, "bob")
    sandbox.fault("whatsapp", "graph_error", code=131056, times=1, match={"to": f"+{phone}"})

    first = post.deliver_due()
    assert texts(first, Accepted) == ["ann 1", "cy 1"]
    assert first["bob 1"] == RetryLater(first["bob 1"].reason, Scope.PAIR, 6.0)  # type: ignore[union-attr]
    assert post.waits("bob 1") >= 6.0
    assert post.account().send_not_before is None

    assert texts(post.deliver_due(), Accepted) == ["ann 2", "cy 2"]
    world.advance(5.9)
    assert post.deliver_due() == {}
    world.advance(0.2)
    assert texts(post.deliver_due(), Accepted) == ["bob 1"]
    assert texts(post.deliver_due(), Accepted) == ["bob 2"]
    assert [d.text for d in sandbox.deliveries() if d.phone == phone] == ["bob 1", "bob 2"]
    assert WHATSAPP.breaker.state == "closed"


def test_a_limit_of_the_number_paces_the_number_and_leaves_the_circuit_closed(post: Post, sandbox: Sandbox) -> None:
    world = post.world
    for number in range(12):
        world.queue(f"message {number}", to=f"customer {number}")
    sandbox.fault("whatsapp", "graph_error", code=130429, times=12)

    assert len(texts(post.deliver_due(), RetryLater)) == 12  # all were claimed before the first answer
    until = post.account().send_not_before
    assert until is not None
    assert (until - world.now).total_seconds() >= 1
    assert post.deliver_due() == {}
    assert WHATSAPP.breaker.state == "closed"

    world.now = until
    world.advance(1)
    assert len(texts(post.deliver_due(), Accepted)) == 12
    assert len(sandbox.deliveries()) == 12


@pytest.mark.parametrize(("value", "least", "most"), [("7", 7, 7), ("100000", 900, 900), ("abc", 1, 60)])
def test_a_429_of_a_proxy_paces_the_number_for_as_long_as_it_asks_but_no_longer_than_a_quarter_of_an_hour(
    post: Post, sandbox: Sandbox, value: str, least: float, most: float
) -> None:
    world = post.world
    world.queue("first", to="ann")
    world.queue("second", to="bob")
    sandbox.fault("whatsapp", "status", code=429, body="html", retry_after=value, times=2)
    began = time.monotonic()
    assert len(texts(post.deliver_due(), RetryLater)) == 2
    assert time.monotonic() - began < 3  # the wait is stored, no thread sleeps
    until = post.account().send_not_before
    assert until is not None
    assert least <= (until - world.now).total_seconds() <= most
    world.now = until
    world.advance(1)
    assert texts(post.deliver_due(), Accepted) == ["first", "second"]


def test_a_number_that_cools_down_still_takes_in_messages(post: Post, sandbox: Sandbox) -> None:
    post.world.queue("hello", to="ann")
    sandbox.fault("whatsapp", "graph_error", code=130429, times=1)
    assert texts(post.deliver_due(), RetryLater) == ["hello"]
    body = webhook(messages=[text_message("are you there?", at=int(post.world.now.timestamp()))])
    assert post.world.ingest(body).events == 1
    assert post.world.message("are you there?").status == "received"


# --- 21, 22: Gemini's quotas, by real workers --------------------------------------------------------------------

ANN, BOB, CY = "33600000001", "33600000002", "33600000003"
ANSWER, FALLBACK = "We open at nine.", "Thank you for your message."
FALLBACK_MODEL = "gemini-2.5-flash"


@pytest.fixture
def quotas(idle_stage: Stage, sandbox: Sandbox) -> Stage:
    """The web server over a Gemini that answers; who works, the test decides."""
    sandbox.gemini_responder = lambda _request: ANSWER
    return idle_stage


def told(sandbox: Sandbox, phone: str) -> list[str]:
    """What this customer received, by how it begins."""
    return [
        (delivery.text or "").partition(" We cannot")[0] for delivery in sandbox.deliveries() if delivery.phone == phone
    ]


def asked(sandbox: Sandbox) -> list[str]:
    """The models that were asked, in order."""
    return [request.path.rpartition("/")[2].partition(":")[0] for request in sandbox.requests("gemini")]


def cool_down(stage: Stage) -> CoolDown:
    with stage.db.reading() as session:
        return session.execute(select(CoolDown)).scalar_one()


def reasons(stage: Stage) -> list[str | None]:
    """Why each conversation needs a person; None: it does not."""
    with stage.db.reading() as session:
        query = select(Conversation.needs_human_reason).order_by(Conversation.created_at)
        return list(session.execute(query).scalars())


def test_a_hint_too_long_to_wait_for_is_stored_and_kept_by_every_process_while_customers_get_the_fallback(
    quotas: Stage, whole: Config, sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = environment(whole, BOT_ANSWER_DEADLINE_SECONDS="4")
    fault = sandbox.fault("gemini", "shape", name="rate_limit_minute", seconds=45.8)
    with working(tmp_path / "1.log", settings) as one:
        sandbox.customer_writes(ANN, "When do you open?")
        wait_until(lambda: "answer postponed" in one.output(), "the worker to give up")
        assert asked(sandbox) == [MODEL]  # at once: nobody waits 45 s, and nobody asks three times
        with quotas.db.reading() as session:
            left = (cool_down(quotas).until - quotas.db.now(session)).total_seconds()
        assert 30 <= left <= 45.8
        assert cool_down(quotas).key == f"gemini:{MODEL}"
        wait_until(lambda: told(sandbox, ANN) == [FALLBACK], "the fallback after four seconds")
        assert one.stop() == 0
    with working(tmp_path / "2.log", settings):
        sandbox.customer_writes(BOB, "And on Mondays?")
        wait_until(lambda: told(sandbox, BOB) == [FALLBACK], "the fallback for the other one")
        assert asked(sandbox) == [MODEL]  # the second process knew
        wait_until(lambda: reasons(quotas) == ["ai_unavailable"] * 2, "people to be asked for")

        sandbox.faults.remove(fault)
        let_pass(quotas.db, 46)
        wait_until(lambda: told(sandbox, ANN) == told(sandbox, BOB) == [FALLBACK, ANSWER], "the answers")
        wait_until(lambda: reasons(quotas) == [None, None], "the bot to be back")
    assert asked(sandbox) == [MODEL] * 3


def test_a_short_hint_is_waited_for_within_the_call(gemini: Gemini, sandbox: Sandbox) -> None:
    sandbox.fault("gemini", "shape", name="rate_limit_minute", seconds=1.25, times=1)
    ask(gemini)
    first, second = sandbox.requests("gemini")
    assert 1.25 <= second.at - first.at <= 2.75


def test_a_daily_quota_is_not_asked_again_before_it_starts_anew(
    quotas: Stage, whole: Config, sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = environment(whole)
    sandbox.fault("gemini", "shape", name="rate_limit_day")
    with working(tmp_path / "1.log", settings) as one:
        sandbox.customer_writes(ANN, "When do you open?")
        wait_until(lambda: reasons(quotas) == ["ai_daily_quota"], "a person to be asked for")
        assert one.stop() == 0
    with quotas.db.reading() as session:
        assert cool_down(quotas).until == next_reset(quotas.db.now(session))
    with working(tmp_path / "2.log", settings):
        sandbox.customer_writes(BOB, "And on Mondays?")
        wait_until(lambda: reasons(quotas) == ["ai_daily_quota"] * 2, "a person for the other one")
        assert asked(sandbox) == [MODEL]

        sandbox.clear_faults()
        let_pass(quotas.db, 25 * 3600)  # a day with a clock change in it
        sandbox.customer_writes(ANN, "Hello?")
        wait_until(lambda: told(sandbox, ANN) == [ANSWER], "the answer on the next day")
    assert asked(sandbox) == [MODEL] * 2
    assert told(sandbox, BOB) == []  # people answer that


def test_a_fallback_model_answers_until_the_quota_starts_anew(
    quotas: Stage, whole: Config, sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = environment(whole, GEMINI_FALLBACK_MODEL=FALLBACK_MODEL)
    fault = sandbox.fault("gemini", "shape", name="rate_limit_day", match={"path": MODEL})
    with working(tmp_path / "1.log", settings):
        for phone in (ANN, BOB):
            sandbox.customer_writes(phone, "When do you open?")
            wait_until(lambda: told(sandbox, phone) == [ANSWER], "the fallback model's answer")  # noqa: B023
        assert asked(sandbox) == [MODEL, FALLBACK_MODEL, FALLBACK_MODEL]
        assert reasons(quotas) == [None, None]

        sandbox.faults.remove(fault)
        let_pass(quotas.db, 25 * 3600)
        sandbox.customer_writes(CY, "When do you open?")
        wait_until(lambda: told(sandbox, CY) == [ANSWER], "the first model's answer")
    assert asked(sandbox)[3:] == [MODEL]
