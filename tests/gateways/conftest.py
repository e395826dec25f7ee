"""The gateways alone: one attempt, short waits and no breaker, so that a test sees one exchange and what it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from inbox.resilience import UPSTREAMS


@pytest.fixture(autouse=True)
def plain_calls() -> Iterator[None]:
    before = {name: upstream.policy for name, upstream in UPSTREAMS.items()}
    for upstream in UPSTREAMS.values():
        quick = replace(upstream.policy, connect=1.0, read=0.5, minimum=0.05, attempts=1)
        upstream.configure(quick, retries=False, breaker=False)
    yield
    for name, upstream in UPSTREAMS.items():
        upstream.configure(before[name], retries=True, breaker=True)
