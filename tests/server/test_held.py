"""Which requests can wait for a change."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.server.held import Question, question

ACCOUNT = uuid.UUID("0192f0c1-2f5e-7cc3-8000-00000000000a")


@pytest.mark.parametrize(
    ("line", "until"),
    [
        (f"GET /changes?account_id={ACCOUNT}&since=p.1&wait=4", 104),
        (f"GET /changes?wait=20&since=p%2E1&account_id={ACCOUNT.hex}&conversation_id=x", 120),
        (f"GET /changes?account_id={ACCOUNT}&since=p.1&wait=9999", 120),
    ],
)
def test_a_question_that_can_wait(line: str, until: float) -> None:
    head = f"{line} HTTP/1.1\r\nHost: inbox\r\n\r\n".encode()
    assert question(head, 100) == Question(ACCOUNT, "p.1", until)


@pytest.mark.parametrize(
    "line",
    [
        f"GET /changes?account_id={ACCOUNT}&since=p.1",
        f"GET /changes?account_id={ACCOUNT}&since=p.1&wait=0",
        f"GET /changes?account_id={ACCOUNT}&since=p.1&wait=-4",
        f"GET /changes?account_id={ACCOUNT}&since=p.1&wait=soon",
        f"GET /changes?account_id={ACCOUNT}&since=p.1&wait=4&wait=5",
        f"GET /changes?account_id={ACCOUNT}&wait=4",
        "GET /changes?account_id=mine&since=p.1&wait=4",
        f"HEAD /changes?account_id={ACCOUNT}&since=p.1&wait=4",
        f"GET /changes/more?account_id={ACCOUNT}&since=p.1&wait=4",
    ],
)
def test_a_request_that_is_answered_at_once(line: str) -> None:
    assert question(f"{line} HTTP/1.1\r\n\r\n".encode(), 100) is None


@given(st.binary(max_size=300))
def test_no_bytes_stop_the_main_thread(junk: bytes) -> None:
    found = question(b"GET /changes?" + junk + b" HTTP/1.1\r\n\r\n", 100)
    assert found is None or 100 < found.until <= 120
