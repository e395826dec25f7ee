import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sandbox import Sandbox
from tests.sandbox.helpers import Application


@pytest.fixture(autouse=True)
def _leaves_no_thread_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    # Requests come to the servers of other tests as well, which live as long as all of them.
    left = set(threading.enumerate()) - before
    assert not [thread for thread in left if "process_request_thread" not in thread.name]


@pytest.fixture
def make_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Starts sandboxes with other options than the default, and closes them."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Sandbox(**options))


@pytest.fixture
def sandbox(make_sandbox: Callable[..., Sandbox]) -> Sandbox:
    return make_sandbox()


@pytest.fixture
def application() -> Iterator[Application]:
    with Application() as application:
        yield application


@pytest.fixture
def connected_sandbox(make_sandbox: Callable[..., Sandbox], application: Application) -> Sandbox:
    """Sends its webhooks to `application`, statuses at once and repetitions soon."""
    options: dict[str, Any] = {"status_delays": (0, 0.01, 0.02), "webhook_retry_delays": (0.01, 0.02, 0.04)}
    return make_sandbox(webhook_url=application.url, **options)
