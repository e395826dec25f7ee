"""Statuses in any order and repetition end the same (I4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from inbox.models import Message, MessageStatus
from inbox.outbox.status import StatusError, apply_status

T0 = datetime(2026, 11, 20, 9, tzinfo=UTC)
RANKS = ["queued", "sending", "unconfirmed", "sent", "failed", "delivered", "read"]

statuses = st.tuples(
    st.sampled_from(["sent", "delivered", "read", "failed", "future"]),
    st.integers(0, 100).map(lambda seconds: T0 + timedelta(seconds=seconds)),
)


def facts(message: Message) -> tuple[object, ...]:
    return (message.status, message.sent_at, message.delivered_at, message.read_at, message.failed_at)


def applied(events: list[tuple[str, datetime]]) -> Message:
    message = Message(status=MessageStatus.QUEUED)
    for kind, at in events:
        apply_status(message, kind, at, StatusError(131026, "Message undeliverable", None))
    return message


@given(st.lists(statuses, max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_repetition_ends_the_same(events: list, random) -> None:  # type: ignore[no-untyped-def,type-arg]
    shuffled = events + [random.choice(events) for _ in range(3)] if events else []
    random.shuffle(shuffled)
    assert facts(applied(events)) == facts(applied(shuffled))


@given(st.lists(statuses, max_size=8))
def test_what_is_shown_only_moves_forward(events: list) -> None:  # type: ignore[type-arg]
    message = Message(status=MessageStatus.QUEUED)
    shown = RANKS.index(message.status)
    for kind, at in events:
        apply_status(message, kind, at)
        assert RANKS.index(message.status) >= shown
        shown = RANKS.index(message.status)


@given(st.lists(statuses, max_size=8))
def test_a_further_status_brings_the_earlier_times_along(events: list) -> None:  # type: ignore[type-arg]
    message = applied(events)
    if message.read_at:
        assert message.delivered_at is not None
        assert message.delivered_at <= message.read_at
    if message.delivered_at:
        assert message.sent_at is not None
        assert message.sent_at <= message.delivered_at


def test_a_failure_beats_sent_and_a_later_delivery_beats_the_failure() -> None:
    assert applied([("sent", T0), ("failed", T0)]).status == MessageStatus.FAILED
    assert applied([("failed", T0), ("sent", T0)]).status == MessageStatus.FAILED
    assert applied([("failed", T0), ("delivered", T0)]).status == MessageStatus.DELIVERED
