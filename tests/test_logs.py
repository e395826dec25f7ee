"""Warnings that strangers cause do not fill the log."""

from __future__ import annotations

import logging

import pytest

from inbox.logs import Thinned
from tests.clocks import Clock


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int | None]]:
    return [(record.address, getattr(record, "more", None)) for record in caplog.records]  # type: ignore[attr-defined]


def test_each_address_has_one_line_a_minute_and_the_next_minute_says_how_many_were_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    thinned = Thinned(logging.getLogger("inbox.test"), clock)
    for address in ["a", "b", "a", "a"]:
        thinned.warning("refused", address)
    assert lines(caplog) == [("a", None), ("b", None)]
    clock.now += 60
    thinned.warning("refused", "b")
    assert lines(caplog)[2:] == [("a", 2), ("b", None)]


def test_addresses_without_end_have_a_line_together(caplog: pytest.LogCaptureFixture) -> None:
    thinned = Thinned(logging.getLogger("inbox.test"), Clock())
    for number in range(1000):
        thinned.warning("refused", f"2001:db8:{number:x}::/64")
    assert len(caplog.records) == Thinned.ADDRESSES + 1
    assert lines(caplog)[-1] == ("others", None)
