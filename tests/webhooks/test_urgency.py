"""Which webhooks may wait behind customers' messages."""

from __future__ import annotations

import pytest

from inbox.webhooks.urgency import only_statuses
from tests.builders import SAMPLES, status, text_message, webhook


def test_a_webhook_of_statuses_may_wait() -> None:
    assert only_statuses(webhook(statuses=[status("delivered")]))
    assert only_statuses(webhook(statuses=[status("delivered")]).replace(b" ", b""))


@pytest.mark.parametrize(
    "body",
    [
        webhook(messages=[text_message()]),
        webhook(messages=[text_message()], statuses=[status("read")]),
        webhook(field="smb_message_echoes", message_echoes=[], statuses=[status("read")]),
        webhook(),
        b"{}",
        b"",
    ],
)
def test_any_other_webhook_may_not(body: bytes) -> None:
    assert not only_statuses(body)


def test_the_samples_that_may_wait_are_those_of_statuses() -> None:
    waiting = {path.stem for path in SAMPLES.glob("*.json") if only_statuses(path.read_bytes())}
    assert waiting
    assert all("status" in name for name in waiting), waiting
